//! Problems as HTTP has them: RFC 9457 documents. This file alone maps causes to statuses.

use aeordb_api::problem::{Cause, Problem as Told};
use axum::body::Body;
use axum::http::header::{
    ACCEPT_ENCODING, CONNECTION, CONTENT_RANGE, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE,
};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

pub use crate::service::problem::Problem;

/// What a handler returns.
pub type Answer = Result<Response, Problem>;

/// What only HTTP has.
impl Problem {
    /// No key, or one that opens nothing: the same words for every reason.
    pub fn unauthorized() -> Self {
        Self::new(Cause::Unauthorized {}, "a valid key is needed: Authorization: Bearer KEY")
    }

    /// Too many failures from one address.
    pub fn slow_down() -> Self {
        let detail = "too many failures, try again later";
        Self::new(Cause::TooManyFailures {}, detail).retry_after(1)
    }

    /// A method that the resource does not have.
    pub fn method_not_allowed() -> Self {
        Self::new(Cause::MethodNotAllowed {}, "this resource does not have this method")
    }

    /// A condition of the request does not hold.
    pub fn precondition_failed(detail: impl Into<String>) -> Self {
        Self::new(Cause::Changed { what: None, why: None }, detail)
    }

    /// A body that came too slowly, or not to its end.
    pub fn too_slow() -> Self {
        Self::new(Cause::TooSlow {}, "the body came too slowly")
    }

    /// A range beyond the end.
    pub fn range(size: u64) -> Self {
        let detail = format!("the range starts beyond the end: there are {size} bytes");
        Self::new(Cause::Range { size }, detail)
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        match self.is_of_input {
            true => StatusCode::UNPROCESSABLE_ENTITY,
            false => status_of(&self.cause),
        }
    }

    /// The document. What a client of HTTP can do about the cause is said behind the detail.
    pub fn document(&self) -> Told {
        let advice = match &*self.cause {
            Cause::NoSpace { .. } => "; DELETE and POST /admin/gc have a reserve",
            Cause::BaseMismatch { head, target, .. } if head != target => {
                "; \"force\": true applies it anyway"
            }
            _ => "",
        };
        let (cause, status) = (Cause::clone(&self.cause), self.status().as_u16());
        Told { cause, status, detail: format!("{}{advice}", self.detail) }
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
        | Cause::Held { .. }
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
        Cause::Damaged { .. } | Cause::Foreign { .. } | Cause::Encrypted { .. } => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
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
        let text = serde_json::to_string(&self.document()).unwrap_or_default();
        let mut response = Response::new(Body::from(text));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        match *self.cause {
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
        if matches!(self.status(), StatusCode::REQUEST_TIMEOUT | StatusCode::PAYLOAD_TOO_LARGE) {
            // What is left of the body is not waited for.
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}
