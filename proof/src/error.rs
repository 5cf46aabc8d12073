//! One error: a sentence that names the thing and the cause.

use std::fmt;
use std::path::Path;

/// What went wrong, ready to be printed after `aeordb-proof: `.
#[derive(Debug)]
pub struct Error(String);

/// The result of everything here that can fail.
pub type Outcome<T> = Result<T, Error>;

impl Error {
    /// An error with this text.
    pub fn new(text: impl Into<String>) -> Self {
        Error(text.into())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<lexopt::Error> for Error {
    fn from(cause: lexopt::Error) -> Self {
        Error(cause.to_string())
    }
}

impl From<aeordb::Error> for Error {
    fn from(cause: aeordb::Error) -> Self {
        Error(cause.to_string())
    }
}

/// Says what was being done when an operation failed.
pub trait Doing<T> {
    /// `doing` is a verb phrase: "cannot trace".
    fn doing(self, doing: &str) -> Outcome<T>;

    /// The same of a file: "cannot read".
    fn doing_to(self, doing: &str, path: &Path) -> Outcome<T>;
}

impl<T, E: fmt::Display> Doing<T> for Result<T, E> {
    fn doing(self, doing: &str) -> Outcome<T> {
        self.map_err(|cause| Error(format!("{doing}: {cause}")))
    }

    fn doing_to(self, doing: &str, path: &Path) -> Outcome<T> {
        self.map_err(|cause| Error(format!("{doing} {}: {cause}", path.display())))
    }
}
