//! What kept a request from succeeding, for whatever door it came through. What a client reads names
//! no path of the server.

use aeordb::Error;
use aeordb_api::problem::Cause;

use crate::log;

/// A request that did not succeed.
#[derive(Debug)]
pub struct Problem {
    /// The cause, for programs.
    pub(crate) cause: Box<Cause>,
    /// The same for people.
    pub(crate) detail: String,
    /// Seconds until it is worth another try.
    pub(crate) retry_after: Option<u32>,
    /// True if bytes that came with the request are at fault, not those that are stored.
    pub(crate) is_of_input: bool,
}

impl Problem {
    pub(crate) fn new(cause: Cause, detail: impl Into<String>) -> Self {
        let (cause, detail) = (Box::new(cause), detail.into());
        Problem { cause, detail, retry_after: None, is_of_input: false }
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

    /// A key that may do other things.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(Cause::Forbidden {}, detail)
    }

    /// A body that is larger than the request may have.
    pub fn too_large(what: impl Into<String>, limit: u64) -> Self {
        let detail = format!("{} may have {limit} bytes", what.into());
        Self::new(Cause::TooLarge { limit }, detail)
    }

    /// A body that is not what it was said to be.
    pub fn damaged_upload(detail: impl Into<String>) -> Self {
        let why = detail.into();
        let (file, offset, detail) = (String::new(), None, why.clone());
        Self::new(Cause::Damaged { file, offset, why }, detail)
    }

    /// The same, said of an entry of an archive.
    pub fn of_entry(mut self, path: &[u8]) -> Self {
        let path = String::from_utf8_lossy(path);
        self.detail = format!("{}: {}", path.escape_debug(), self.detail);
        self
    }

    /// A body in a form that is not taken.
    pub fn unsupported(detail: impl Into<String>) -> Self {
        Self::new(Cause::Unsupported {}, detail)
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

    pub(crate) fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// An error about a backup that came with the request: damage is the sender's.
    pub fn of_backup(error: Error) -> Self {
        let of_input = |problem| Problem { is_of_input: true, ..problem };
        match unwrapped(error) {
            error @ (Error::Damaged { .. } | Error::Newer { .. }) if came_with_request(&error) => {
                let text = error.to_string();
                of_input(Self::new(Cause::from(&error), text))
            }
            Error::Foreign { what, detail } => {
                let json = "a body of JSON needs Content-Type: application/json";
                let why = format!("{detail}; {json}");
                let text = format!("{what} {why}");
                Self::new(Cause::Damaged { file: what, offset: None, why }, text)
            }
            limit @ Error::Limit { .. } => of_input(Self::from(limit)),
            other => other.into(),
        }
    }

    /// That something is there already is a matter of rights for a key that may only append.
    pub fn of_appending(self, append_only: bool) -> Self {
        match append_only && matches!(*self.cause, Cause::Exists { .. }) {
            true => Problem::forbidden("this key may only append, and something is there"),
            false => self,
        }
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
                let cause = Cause::NoSpace { what: None, system: None };
                Self::new(cause, "the server's disk is full")
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
                    false => text,
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
