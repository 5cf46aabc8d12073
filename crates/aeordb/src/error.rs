//! One error type. Its variants are what a caller would do differently; the text names the thing,
//! what was expected and what was found. Flags and commands that help are added by the interface
//! that shows the error, never here.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::hash::{Hash, VersionId};

/// The result of everything that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// The reason of a failure.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused something.
    #[error("{what}: {source}")]
    Io {
        /// The action, and the file or thing that it was done to.
        what: String,
        /// The error of the system.
        source: io::Error,
    },
    /// A name, path, version or entry that does not exist.
    #[error("{0} not found")]
    NotFound(String),
    /// The request cannot be meant: a bad name, path, hash or option.
    #[error("{0}")]
    Invalid(String),
    /// Something is already there and will not be replaced.
    #[error("{0} already exists")]
    Exists(String),
    /// A file whose key was not found.
    #[error("{what} is encrypted, and {why}")]
    Encrypted {
        /// The file.
        what: String,
        /// Why its key was not found.
        why: String,
    },
    /// A snapshot that stays until it is released.
    #[error("snapshot {0} is held")]
    Held(String),
    /// An empty source would take the place of files: a file system that is not mounted, a dump that
    /// failed.
    #[error("{name} is empty, and would take the place of {files} at {path}", files = files_of(*.files))]
    EmptySource {
        /// The source.
        name: String,
        /// The path of its target.
        path: String,
        /// Number of files that would go.
        files: u64,
    },
    /// More files would be deleted than were allowed to be.
    #[error("{deleted} of {} at {path} would be deleted, allowed are {allowed}", files_of(*.files))]
    TooManyDeletions {
        /// The path of their directory.
        path: String,
        /// Number of files that would go.
        deleted: u64,
        /// Number of files that are there.
        files: u64,
        /// Number of files that may go.
        allowed: u64,
    },
    /// Another process writes to the database.
    #[error("{path} is being written by {holder}", path = path.display())]
    Locked {
        /// The database.
        path: PathBuf,
        /// The process that holds it, as far as the system tells.
        holder: String,
    },
    /// A patch was made from another version than the database's HEAD.
    #[error("head {head} does not match patch base {base}")]
    BaseMismatch {
        /// The database's HEAD.
        head: VersionId,
        /// The version that the patch starts from.
        base: VersionId,
        /// The version that the patch leads to.
        target: VersionId,
    },
    /// The files of an import do not follow each other.
    #[error("{0}")]
    BrokenChain(Box<BrokenChain>),
    /// HEAD is another version than the caller expected.
    #[error("head is {head}, expected {expected}")]
    HeadMoved {
        /// The database's HEAD.
        head: VersionId,
        /// The version that the caller expected.
        expected: VersionId,
    },
    /// A path holds something else than the caller expected.
    #[error("{what} is not what was expected: {detail}")]
    Changed {
        /// The path.
        what: String,
        /// The expected state, and the one that was found.
        detail: String,
    },
    /// Stored bytes differ from those that were written.
    #[error("{what} is damaged at offset {offset}: {detail}")]
    Damaged {
        /// The file or the thing in it.
        what: String,
        /// Where in the file, in bytes.
        offset: u64,
        /// The expected bytes, and those that were found.
        detail: String,
    },
    /// Stored bytes are sound, and written by a program that knows more than this one.
    #[error("{what} was made by a newer aeordb: it needs {needs}")]
    Newer {
        /// The file or the thing in it.
        what: String,
        /// The feature that this program does not know.
        needs: String,
    },
    /// A version cannot be complete: entries that it reaches are missing.
    #[error("version {version} is incomplete: {missing} entries are missing{}", supplied(.supplier))]
    Incomplete {
        /// The version.
        version: VersionId,
        /// Number of missing entries, at least one.
        missing: u64,
        /// The version that holds them, if that is known: a patch's base.
        supplier: Option<VersionId>,
    },
    /// The file is not one of ours.
    #[error("{what} {detail}")]
    Foreign {
        /// The file.
        what: String,
        /// The kind of file that it is instead.
        detail: String,
    },
    /// The file cannot be written to: it is sealed, damaged, or an earlier write to it failed.
    #[error("{what} cannot be written to: {why}")]
    ReadOnly {
        /// The file.
        what: String,
        /// Why not.
        why: String,
    },
    /// Something is larger than the format allows.
    #[error("{what} is {found}, the limit is {limit}")]
    Limit {
        /// The thing that is too large.
        what: String,
        /// The largest that is allowed.
        limit: u64,
        /// How large it is.
        found: u64,
    },
    /// The entries of a pinned version were collected while it was read.
    #[error("version {0} was collected while it was being read")]
    Collected(Hash),
    /// Others have their turn, and had it for as long as the caller was ready to wait.
    #[error("{0}")]
    Busy(String),
    /// The caller asked to stop.
    #[error("interrupted")]
    Interrupted,
}

fn files_of(count: u64) -> String {
    if count == 1 { "1 file".into() } else { format!("{count} files") }
}

fn supplied(supplier: &Option<VersionId>) -> String {
    supplier.map(|version| format!(", version {version} holds them")).unwrap_or_default()
}

/// Where a chain of files is broken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BrokenChain {
    /// The file that does not follow.
    pub file: String,
    /// The version that it starts from.
    pub base: VersionId,
    /// The file before it.
    pub after: String,
    /// The version that the file before it leads to.
    pub found: VersionId,
    /// Another of the files, which leads to the version that it starts from.
    pub misplaced: Option<String>,
}

impl fmt::Display for BrokenChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BrokenChain { file, base, after, found, misplaced } = self;
        write!(f, "{file} starts from version {base}, but {after} leads to version {found}; ")?;
        match misplaced {
            Some(misplaced) => write!(f, "{misplaced} belongs before it"),
            None => f.write_str("the patch between them is missing"),
        }
    }
}

impl From<BrokenChain> for Error {
    fn from(broken: BrokenChain) -> Self {
        Error::BrokenChain(Box::new(broken))
    }
}

impl Error {
    /// A request that cannot be meant.
    pub fn invalid(detail: impl Into<String>) -> Self {
        Error::Invalid(detail.into())
    }

    /// Something that does not exist.
    pub fn not_found(what: impl Into<String>) -> Self {
        Error::NotFound(what.into())
    }

    /// Bytes at `offset` of `what` that are not what they must be.
    pub fn damaged(what: impl Into<String>, offset: u64, detail: impl Into<String>) -> Self {
        Error::Damaged { what: what.into(), offset, detail: detail.into() }
    }

    /// A file whose key was not found.
    pub fn encrypted(what: impl Into<String>, why: impl Into<String>) -> Self {
        Error::Encrypted { what: what.into(), why: why.into() }
    }

    /// Sound bytes of `what` that only a newer program reads: one that knows what it `needs`.
    pub fn newer(what: impl Into<String>, needs: impl Into<String>) -> Self {
        Error::Newer { what: what.into(), needs: needs.into() }
    }

    /// Puts the file's name into what a decoder says, which knows none.
    #[must_use]
    pub fn in_file(self, name: &str) -> Self {
        match self {
            Error::Damaged { offset, detail, .. } => Error::damaged(name, offset, detail),
            Error::Newer { needs, .. } => Error::newer(name, needs),
            other => other,
        }
    }

    /// True if the disk, a quota or a file size limit is full.
    pub fn is_no_space(&self) -> bool {
        matches!(self, Error::Io { source, .. } if matches!(
            source.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
        ))
    }
}

/// Names what was being done when the system refused.
pub trait Context<T> {
    /// Turns the system's error into ours, with what was being done.
    fn context(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T> Context<T> for io::Result<T> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|source| Error::Io { what: what(), source })
    }
}

impl<T> Context<T> for nix::Result<T> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|errno| Error::Io { what: what(), source: errno.into() })
    }
}
