//! What went wrong, as a client reads it: RFC 9457 problem documents. This file alone maps the
//! library's errors to statuses. What a client reads names no path of the server.

use aeordb::Error;
use axum::body::Body;
use axum::http::header::{
    ACCEPT_ENCODING, CONNECTION, CONTENT_RANGE, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE,
};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use crate::log;

/// What the types of problems start with.
pub const TYPE_PREFIX: &str = "urn:aeordb:problem:";

/// What a problem is called whose cause only a newer program reads.
const NEWER: &str = "Made by a newer program";

/// A request that did not succeed.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    kind: &'static str,
    title: &'static str,
    detail: String,
    members: Box<Map<String, Value>>,
    retry_after: Option<u32>,
}

/// What a handler returns.
pub type Answer = Result<Response, Problem>;

impl Problem {
    fn new(
        status: StatusCode,
        kind: &'static str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        let (detail, members) = (detail.into(), Box::default());
        Problem { status, kind, title, detail, members, retry_after: None }
    }

    fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.insert(name.into(), value.into());
        self
    }

    /// A request that cannot be meant.
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid", "Invalid request", detail)
    }

    /// Nothing is there.
    pub fn not_found(what: impl std::fmt::Display) -> Self {
        let detail = format!("{what} not found");
        Self::new(StatusCode::NOT_FOUND, "not-found", "Not found", detail)
    }

    /// Something is there already.
    pub fn exists(what: impl std::fmt::Display) -> Self {
        let detail = format!("{what} already exists");
        Self::new(StatusCode::CONFLICT, "exists", "Already exists", detail)
    }

    /// No key, or one that opens nothing: the same words for every reason.
    pub fn unauthorized() -> Self {
        let detail = "a valid key is needed: Authorization: Bearer KEY";
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "Not authorised", detail)
    }

    /// Too many failures from one address.
    pub fn slow_down() -> Self {
        let (status, detail) =
            (StatusCode::TOO_MANY_REQUESTS, "too many failures, try again later");
        Self::new(status, "too-many-failures", "Too many failures", detail).retry_after(1)
    }

    /// A key that may do other things.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "Not allowed with this key", detail)
    }

    /// A method that the resource does not have.
    pub fn method_not_allowed() -> Self {
        let detail = "this resource does not have this method";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "No such method", detail)
    }

    /// A condition of the request does not hold.
    pub fn precondition_failed(detail: impl Into<String>) -> Self {
        let status = StatusCode::PRECONDITION_FAILED;
        Self::new(status, "changed", "Not what was expected", detail)
    }

    /// A body that is larger than the request may have.
    pub fn too_large(what: impl Into<String>, limit: u64) -> Self {
        let detail = format!("{} may have {limit} bytes", what.into());
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "Too large", detail)
            .with("limit", limit)
    }

    /// A body that came too slowly, or not to its end.
    pub fn too_slow() -> Self {
        let detail = "the body came too slowly";
        Self::new(StatusCode::REQUEST_TIMEOUT, "too-slow", "Too slow", detail)
    }

    /// A body that is not what it was said to be.
    pub fn damaged_upload(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "damaged", "Damaged upload", detail)
    }

    /// A body in a form that is not taken.
    pub fn unsupported(detail: impl Into<String>) -> Self {
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        Self::new(status, "unsupported", "Not taken in this form", detail)
    }

    /// A range beyond the end.
    pub fn range(size: u64) -> Self {
        let detail = format!("the range starts beyond the end: there are {size} bytes");
        let status = StatusCode::RANGE_NOT_SATISFIABLE;
        Self::new(status, "range", "Range not satisfiable", detail).with("size", size)
    }

    /// As much of this as the server does at once is under way.
    pub fn busy(what: &str) -> Self {
        let detail = format!("{what}; try again later");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "Busy", detail).retry_after(5)
    }

    /// The server is not able to do what it should.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Not available", detail)
    }

    /// Nothing can be written any more.
    pub fn read_only() -> Self {
        let detail = "the database cannot be written to; the server's log says why";
        let status = StatusCode::SERVICE_UNAVAILABLE;
        Self::new(status, "read-only", "Cannot be written to", detail)
    }

    /// The server did something wrong. What it was goes to the log, not to the client.
    pub fn internal(what: &str) -> Self {
        log::event("error", &[("detail", what.into())]);
        let detail = "the server failed; its log says why";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Server error", detail)
    }

    fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// An error about a backup that came with the request: damage is the sender's.
    pub fn of_backup(error: Error) -> Self {
        match unwrapped(error) {
            Error::Damaged { what, offset, detail } if came_with_request(&what) => {
                let text = format!("{what} is damaged at offset {offset}: {detail}");
                Self::damaged_upload(text).with("file", what).with("offset", offset)
            }
            Error::Newer { what, needs } if came_with_request(&what) => {
                let text = Error::newer(what.as_str(), needs.as_str()).to_string();
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "newer", NEWER, text)
                    .with("file", what)
                    .with("needs", needs)
            }
            Error::Foreign { what, detail } => {
                let json = "a body of JSON needs Content-Type: application/json";
                Self::damaged_upload(format!("{what} {detail}; {json}")).with("file", what)
            }
            limit @ Error::Limit { .. } => {
                Problem { status: StatusCode::UNPROCESSABLE_ENTITY, ..limit.into() }
            }
            other => other.into(),
        }
    }

    /// The document.
    pub fn document(&self) -> Map<String, Value> {
        let mut document = Map::new();
        document.insert("type".into(), format!("{TYPE_PREFIX}{}", self.kind).into());
        document.insert("title".into(), self.title.into());
        document.insert("status".into(), self.status.as_u16().into());
        document.insert("detail".into(), self.detail.clone().into());
        document.extend((*self.members).clone());
        document
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(Value::Object(self.document()).to_string()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        match self.status {
            StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
            }
            StatusCode::UNAUTHORIZED => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            StatusCode::RANGE_NOT_SATISFIABLE => {
                let size = self.members.get("size").and_then(Value::as_u64).unwrap_or_default();
                if let Ok(shown) = HeaderValue::from_str(&format!("bytes */{size}")) {
                    headers.insert(CONTENT_RANGE, shown);
                }
            }
            // What is left of the body is not waited for.
            StatusCode::REQUEST_TIMEOUT | StatusCode::PAYLOAD_TOO_LARGE => {
                headers.insert(CONNECTION, HeaderValue::from_static("close"));
            }
            _ => {}
        }
        response
    }
}

/// True of what an import calls the files that it was given; everything else is the server's.
fn came_with_request(what: &str) -> bool {
    what.is_empty() || what.starts_with("the input") || what.starts_with("backup '")
}

/// An error of ours that travelled through a [`std::io::Error`] comes out again.
fn unwrapped(error: Error) -> Error {
    match error {
        Error::Io { what, source } => match source.downcast::<Error>() {
            Ok(inner) => inner,
            Err(source) => Error::Io { what, source },
        },
        other => other,
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let error = unwrapped(error);
        let text = error.to_string();
        if error.is_no_space() {
            log::event("error", &[("detail", text.into())]);
            let status = StatusCode::INSUFFICIENT_STORAGE;
            let detail = "the server's disk is full; DELETE and POST /admin/gc have a reserve";
            return Self::new(status, "no-space", "No space left", detail);
        }
        match error {
            Error::NotFound(_) => Self::new(StatusCode::NOT_FOUND, "not-found", "Not found", text),
            Error::Invalid(detail) => Self::invalid(detail),
            Error::Exists(what) => Self::exists(what),
            Error::Changed { .. } => Self::precondition_failed(text),
            Error::BaseMismatch { head, base, target } => {
                let title = "HEAD is not the patch's base";
                let detail = if head == target {
                    format!("the patch's target version {target} is already HEAD")
                } else {
                    format!("{text}; \"force\": true applies it anyway")
                };
                Self::new(StatusCode::CONFLICT, "base-mismatch", title, detail)
                    .with("head", head.to_string())
                    .with("base", base.to_string())
                    .with("target", target.to_string())
            }
            Error::BrokenChain(broken) => {
                let title = "The files do not follow each other";
                Self::new(StatusCode::CONFLICT, "broken-chain", title, text)
                    .with("file", broken.file)
                    .with("base", broken.base.to_string())
                    .with("after", broken.after)
                    .with("found", broken.found.to_string())
                    .with("misplaced", broken.misplaced)
            }
            Error::HeadMoved { head, expected } => {
                let title = "HEAD is not what was expected";
                Self::new(StatusCode::PRECONDITION_FAILED, "head-moved", title, text)
                    .with("head", head.to_string())
                    .with("expected", expected.to_string())
            }
            Error::Incomplete { version, missing, supplier } => {
                let title = "The version would be incomplete";
                Self::new(StatusCode::CONFLICT, "incomplete", title, text)
                    .with("version", version.to_string())
                    .with("missing", missing)
                    .with("base", supplier.map_or(Value::Null, |base| json!(base.to_string())))
            }
            Error::Limit { what, limit, found } => {
                let detail = format!("{what} is {found}, the limit is {limit}");
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "limit", "Larger than allowed", detail)
                    .with("limit", limit)
                    .with("found", found)
            }
            Error::Locked { .. } => {
                let detail = "another process writes to the database";
                Self::new(StatusCode::LOCKED, "locked", "Locked by another writer", detail)
            }
            Error::Damaged { offset, .. } => {
                log::event("error", &[("detail", text.into())]);
                let detail = format!("stored bytes are damaged at offset {offset}");
                let status = StatusCode::INTERNAL_SERVER_ERROR;
                Self::new(status, "stored-damaged", "Stored bytes are damaged", detail)
                    .with("offset", offset)
            }
            Error::Newer { needs, .. } => {
                log::event("error", &[("detail", text.into())]);
                let detail = format!("what is stored was made by a newer aeordb: it needs {needs}");
                Self::new(StatusCode::NOT_IMPLEMENTED, "newer", NEWER, detail).with("needs", needs)
            }
            Error::ReadOnly { why, .. } => {
                log::event("error", &[("detail", why.into())]);
                Self::read_only()
            }
            Error::Collected(version) => {
                Self::new(StatusCode::GONE, "collected", "Collected while it was read", text)
                    .with("version", version.to_string())
            }
            Error::Busy(why) => Self::busy(&why),
            Error::Interrupted => {
                let detail = "the request was interrupted, nothing was changed; try again later";
                let status = StatusCode::SERVICE_UNAVAILABLE;
                Self::new(status, "interrupted", "Interrupted", detail).retry_after(5)
            }
            Error::EmptySource { name, path, files } => {
                let title = "What is put is empty";
                Self::new(StatusCode::CONFLICT, "empty-source", title, text)
                    .with("name", name)
                    .with("path", path)
                    .with("files", files)
            }
            Error::TooManyDeletions { path, deleted, files, allowed } => {
                let title = "More would be deleted than may";
                Self::new(StatusCode::CONFLICT, "too-many-deletions", title, text)
                    .with("path", path)
                    .with("deleted", deleted)
                    .with("files", files)
                    .with("allowed", allowed)
            }
            _ => Self::internal(&text),
        }
    }
}
