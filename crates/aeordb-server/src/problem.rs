//! What went wrong, as a client reads it: RFC 9457 problem documents. This file alone maps the
//! library's errors to statuses. What a client reads names no path of the server.

use aeordb::Error;
use aeordb_api::problem::{Cause, Problem as Told};
use axum::body::Body;
use axum::http::header::{
    ACCEPT_ENCODING, CONNECTION, CONTENT_RANGE, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE,
};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::log;

/// A request that did not succeed.
#[derive(Debug)]
pub struct Problem {
    told: Box<Told>,
    retry_after: Option<u32>,
}

/// What a handler returns.
pub type Answer = Result<Response, Problem>;

impl Problem {
    fn new(cause: Cause, detail: impl Into<String>) -> Self {
        let (status, detail) = (status_of(&cause).as_u16(), detail.into());
        Problem { told: Box::new(Told { cause, status, detail }), retry_after: None }
    }

    /// A request that cannot be meant.
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::new(Cause::Invalid {}, detail)
    }

    /// Nothing is there.
    pub fn not_found(what: impl std::fmt::Display) -> Self {
        let detail = format!("{what} not found");
        Self::new(Cause::NotFound { what: what.to_string(), system: None }, detail)
    }

    /// Something is there already.
    pub fn exists(what: impl std::fmt::Display) -> Self {
        let detail = format!("{what} already exists");
        Self::new(Cause::Exists { what: what.to_string() }, detail)
    }

    /// No key, or one that opens nothing: the same words for every reason.
    pub fn unauthorized() -> Self {
        Self::new(Cause::Unauthorized {}, "a valid key is needed: Authorization: Bearer KEY")
    }

    /// Too many failures from one address.
    pub fn slow_down() -> Self {
        let detail = "too many failures, try again later";
        Self::new(Cause::TooManyFailures {}, detail).retry_after(1)
    }

    /// A key that may do other things.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(Cause::Forbidden {}, detail)
    }

    /// A method that the resource does not have.
    pub fn method_not_allowed() -> Self {
        Self::new(Cause::MethodNotAllowed {}, "this resource does not have this method")
    }

    /// A condition of the request does not hold.
    pub fn precondition_failed(detail: impl Into<String>) -> Self {
        Self::new(Cause::Changed { what: None, why: None }, detail)
    }

    /// A body that is larger than the request may have.
    pub fn too_large(what: impl Into<String>, limit: u64) -> Self {
        let detail = format!("{} may have {limit} bytes", what.into());
        Self::new(Cause::TooLarge { limit }, detail)
    }

    /// A body that came too slowly, or not to its end.
    pub fn too_slow() -> Self {
        Self::new(Cause::TooSlow {}, "the body came too slowly")
    }

    /// A body that is not what it was said to be.
    pub fn damaged_upload(detail: impl Into<String>) -> Self {
        let why = detail.into();
        let (file, offset, detail) = (String::new(), None, why.clone());
        Self::new(Cause::Damaged { file, offset, why }, detail)
    }

    /// A body in a form that is not taken.
    pub fn unsupported(detail: impl Into<String>) -> Self {
        Self::new(Cause::Unsupported {}, detail)
    }

    /// A range beyond the end.
    pub fn range(size: u64) -> Self {
        let detail = format!("the range starts beyond the end: there are {size} bytes");
        Self::new(Cause::Range { size }, detail)
    }

    /// As much of this as the server does at once is under way.
    pub fn busy(what: &str) -> Self {
        let detail = format!("{what}; try again later");
        Self::new(Cause::Busy { why: what.into() }, detail).retry_after(5)
    }

    /// The server is not able to do what it should.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(Cause::Unavailable {}, detail)
    }

    /// Nothing can be written any more.
    pub fn read_only() -> Self {
        let why = Some("the server's log says why".into());
        let detail = "the database cannot be written to; the server's log says why";
        Self::new(Cause::ReadOnly { file: None, why }, detail)
    }

    /// The server did something wrong. What it was goes to the log, not to the client.
    pub fn internal(what: &str) -> Self {
        log::event("error", &[("detail", what.into())]);
        Self::new(Cause::Internal {}, "the server failed; its log says why")
    }

    fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    fn with_status(mut self, status: StatusCode) -> Self {
        self.told.status = status.as_u16();
        self
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.told.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// An error about a backup that came with the request: damage is the sender's.
    pub fn of_backup(error: Error) -> Self {
        let unprocessable = StatusCode::UNPROCESSABLE_ENTITY;
        match unwrapped(error) {
            error @ (Error::Damaged { .. } | Error::Newer { .. }) if came_with_request(&error) => {
                let text = error.to_string();
                Self::new(Cause::from(&error), text).with_status(unprocessable)
            }
            Error::Foreign { what, detail } => {
                let json = "a body of JSON needs Content-Type: application/json";
                let why = format!("{detail}; {json}");
                let text = format!("{what} {why}");
                Self::new(Cause::Damaged { file: what, offset: None, why }, text)
            }
            limit @ Error::Limit { .. } => Self::from(limit).with_status(unprocessable),
            other => other.into(),
        }
    }

    /// The document.
    pub fn document(&self) -> Told {
        (*self.told).clone()
    }
}

/// The status that goes with what went wrong.
fn status_of(cause: &Cause) -> StatusCode {
    match cause {
        Cause::Invalid {} => StatusCode::BAD_REQUEST,
        Cause::Unauthorized {} => StatusCode::UNAUTHORIZED,
        Cause::Forbidden {} | Cause::Denied {} => StatusCode::FORBIDDEN,
        Cause::NotFound { .. } => StatusCode::NOT_FOUND,
        Cause::MethodNotAllowed {} => StatusCode::METHOD_NOT_ALLOWED,
        Cause::TooSlow {} => StatusCode::REQUEST_TIMEOUT,
        Cause::Exists { .. }
        | Cause::BaseMismatch { .. }
        | Cause::BrokenChain { .. }
        | Cause::Incomplete { .. }
        | Cause::EmptySource { .. }
        | Cause::TooManyDeletions { .. } => StatusCode::CONFLICT,
        Cause::Collected { .. } => StatusCode::GONE,
        Cause::Changed { .. } | Cause::HeadMoved { .. } => StatusCode::PRECONDITION_FAILED,
        Cause::TooLarge { .. } | Cause::Limit { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        Cause::Unsupported {} => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Cause::Range { .. } => StatusCode::RANGE_NOT_SATISFIABLE,
        Cause::Damaged { .. } | Cause::Foreign { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        Cause::Locked { .. } => StatusCode::LOCKED,
        Cause::TooManyFailures {} => StatusCode::TOO_MANY_REQUESTS,
        Cause::Newer { .. } => StatusCode::NOT_IMPLEMENTED,
        Cause::Busy { .. }
        | Cause::Unavailable {}
        | Cause::ReadOnly { .. }
        | Cause::Interrupted {} => StatusCode::SERVICE_UNAVAILABLE,
        Cause::NoSpace { .. } => StatusCode::INSUFFICIENT_STORAGE,
        Cause::StoredDamaged { .. } | Cause::Io { .. } | Cause::Internal {} | Cause::Unknown(_) => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let text = serde_json::to_string(&self.told).unwrap_or_default();
        let mut response = Response::new(Body::from(text));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        match self.told.cause {
            Cause::Unsupported {} => {
                headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
            }
            Cause::Unauthorized {} => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Cause::Range { size } => {
                if let Ok(shown) = HeaderValue::from_str(&format!("bytes */{size}")) {
                    headers.insert(CONTENT_RANGE, shown);
                }
            }
            _ => {}
        }
        if matches!(self.told.status, 408 | 413) {
            // What is left of the body is not waited for.
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// True of what an import calls the files that it was given; everything else is the server's.
fn came_with_request(error: &Error) -> bool {
    match error {
        Error::Damaged { what, .. } | Error::Newer { what, .. } => {
            what.is_empty() || what.starts_with("the input") || what.starts_with("backup '")
        }
        _ => false,
    }
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
    /// What a client may know of an error: it learns nothing of the server's files.
    fn from(error: Error) -> Self {
        let error = unwrapped(error);
        let text = error.to_string();
        let log_it = || log::event("error", &[("detail", text.as_str().into())]);
        match Cause::from(&error) {
            Cause::NoSpace { .. } => {
                log_it();
                let detail = "the server's disk is full; DELETE and POST /admin/gc have a reserve";
                Self::new(Cause::NoSpace { what: None, system: None }, detail)
            }
            Cause::Locked { .. } => {
                let detail = "another process writes to the database";
                Self::new(Cause::Locked { file: None, holder: None }, detail)
            }
            Cause::Damaged { offset: Some(offset), .. } => {
                log_it();
                let detail = format!("stored bytes are damaged at offset {offset}");
                Self::new(Cause::StoredDamaged { offset }, detail)
            }
            Cause::Newer { needs, .. } => {
                log_it();
                let detail = format!("what is stored was made by a newer aeordb: it needs {needs}");
                Self::new(Cause::Newer { file: None, needs }, detail)
            }
            Cause::ReadOnly { why, .. } => {
                log::event("error", &[("detail", why.unwrap_or_default().into())]);
                Self::read_only()
            }
            Cause::BaseMismatch { head, base, target } => {
                let detail = match head == target {
                    true => format!("the patch's target version {target} is already HEAD"),
                    false => format!("{text}; \"force\": true applies it anyway"),
                };
                Self::new(Cause::BaseMismatch { head, base, target }, detail)
            }
            Cause::Busy { why } => Self::busy(&why),
            Cause::Interrupted {} => {
                let detail = "the request was interrupted, nothing was changed; try again later";
                Self::new(Cause::Interrupted {}, detail).retry_after(5)
            }
            Cause::Io { .. }
            | Cause::NotFound { system: Some(_), .. }
            | Cause::Foreign { .. }
            | Cause::Internal {} => Self::internal(&text),
            cause => Self::new(cause, text),
        }
    }
}
