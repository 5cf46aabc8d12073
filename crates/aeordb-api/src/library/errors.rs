//! The library's errors as problems, and back: nothing is lost on the way.

use std::io::{self, ErrorKind};

use aeordb::Error;
use aeordb::error::BrokenChain;
use aeordb::hash::Hash;

use crate::problem::{Cause, Problem, System};

/// Sorts of errors of a system that mean something to somebody; all others are one.
const KINDS: [(&str, ErrorKind); 13] = [
    ("not-found", ErrorKind::NotFound),
    ("permission-denied", ErrorKind::PermissionDenied),
    ("already-exists", ErrorKind::AlreadyExists),
    ("connection-refused", ErrorKind::ConnectionRefused),
    ("address-in-use", ErrorKind::AddrInUse),
    ("broken-pipe", ErrorKind::BrokenPipe),
    ("storage-full", ErrorKind::StorageFull),
    ("quota-exceeded", ErrorKind::QuotaExceeded),
    ("file-too-large", ErrorKind::FileTooLarge),
    ("timed-out", ErrorKind::TimedOut),
    ("unexpected-eof", ErrorKind::UnexpectedEof),
    ("invalid-data", ErrorKind::InvalidData),
    ("interrupted", ErrorKind::Interrupted),
];

impl From<&io::Error> for System {
    fn from(error: &io::Error) -> Self {
        let kind = KINDS.iter().find(|(_, kind)| *kind == error.kind());
        System {
            said: error.to_string(),
            code: error.raw_os_error(),
            kind: kind.map(|(name, _)| (*name).to_owned()),
        }
    }
}

impl From<System> for io::Error {
    fn from(system: System) -> Self {
        let System { said, code, kind } = system;
        let kind = kind.and_then(|name| KINDS.iter().find(|(known, _)| *known == name));
        let kind = kind.map_or(ErrorKind::Other, |(_, kind)| *kind);
        match code.map(io::Error::from_raw_os_error) {
            Some(same) if same.to_string() == said => same,
            _ => io::Error::new(kind, said),
        }
    }
}

impl From<&Error> for Cause {
    fn from(error: &Error) -> Self {
        match error {
            Error::Io { what, source } => of_system(error, what, source),
            Error::NotFound(what) => Cause::NotFound { what: what.clone(), system: None },
            Error::Invalid(_) => Cause::Invalid {},
            Error::Exists(what) => Cause::Exists { what: what.clone() },
            Error::Held(name) => Cause::Held { name: name.clone() },
            Error::EmptySource { name, path, files } => {
                Cause::EmptySource { name: name.clone(), path: path.clone(), files: *files }
            }
            Error::TooManyDeletions { path, deleted, files, allowed } => Cause::TooManyDeletions {
                path: path.clone(),
                deleted: *deleted,
                files: *files,
                allowed: *allowed,
            },
            Error::Locked { path, holder } => Cause::Locked {
                file: Some(path.to_string_lossy().into_owned()),
                holder: Some(holder.clone()),
            },
            Error::Damaged { what, offset, detail } => {
                Cause::Damaged { file: what.clone(), offset: Some(*offset), why: detail.clone() }
            }
            Error::Newer { what, needs } => {
                Cause::Newer { file: Some(what.clone()), needs: needs.clone() }
            }
            Error::Encrypted { what, why } => {
                Cause::Encrypted { file: what.clone(), why: why.clone() }
            }
            Error::Foreign { what, detail } => {
                Cause::Foreign { file: what.clone(), why: detail.clone() }
            }
            Error::ReadOnly { what, why } => {
                Cause::ReadOnly { file: Some(what.clone()), why: Some(why.clone()) }
            }
            Error::Limit { what, limit, found } => {
                Cause::Limit { what: what.clone(), limit: *limit, found: *found }
            }
            Error::Busy(why) => Cause::Busy { why: why.clone() },
            Error::Interrupted => Cause::Interrupted {},
            _ => of_versions(error),
        }
    }
}

fn of_system(error: &Error, what: &str, source: &io::Error) -> Cause {
    let (what, system) = (what.to_owned(), System::from(source));
    if error.is_no_space() {
        return Cause::NoSpace { what: Some(what), system: Some(system) };
    }
    match source.kind() {
        ErrorKind::NotFound => Cause::NotFound { what, system: Some(system) },
        _ => Cause::Io { what, system },
    }
}

/// Errors about versions.
fn of_versions(error: &Error) -> Cause {
    match error {
        Error::BaseMismatch { head, base, target } => Cause::BaseMismatch {
            head: (*head).into(),
            base: (*base).into(),
            target: (*target).into(),
        },
        Error::BrokenChain(broken) => Cause::BrokenChain {
            file: broken.file.clone(),
            base: broken.base.into(),
            after: broken.after.clone(),
            found: broken.found.into(),
            misplaced: broken.misplaced.clone(),
        },
        Error::HeadMoved { head, expected } => {
            Cause::HeadMoved { head: (*head).into(), expected: (*expected).into() }
        }
        Error::Changed { what, detail } => {
            Cause::Changed { what: Some(what.clone()), why: Some(detail.clone()) }
        }
        Error::Incomplete { version, missing, supplier } => Cause::Incomplete {
            version: (*version).into(),
            missing: *missing,
            base: supplier.map(Into::into),
        },
        Error::Collected(version) => Cause::Collected { version: (*version).into() },
        // A kind of error that is newer than this list.
        _ => Cause::Internal {},
    }
}

impl Problem {
    /// The error that this tells of. What was kept back is said of `place`, where the problem came
    /// from. What only a server says stays a problem.
    pub fn into_error(self, place: &str) -> Result<Error, Box<Problem>> {
        let Problem { cause, status, detail } = self;
        let or_place = |what: Option<String>| what.unwrap_or_else(|| place.to_owned());
        Ok(match cause {
            Cause::Invalid {} => Error::Invalid(detail),
            Cause::NotFound { what, system: Some(system) } => {
                Error::Io { what, source: system.into() }
            }
            Cause::NotFound { what, system: None } => Error::NotFound(what),
            Cause::Exists { what } => Error::Exists(what),
            Cause::Held { name } => Error::Held(name),
            Cause::EmptySource { name, path, files } => Error::EmptySource { name, path, files },
            Cause::TooManyDeletions { path, deleted, files, allowed } => {
                Error::TooManyDeletions { path, deleted, files, allowed }
            }
            Cause::Locked { file, holder } => Error::Locked {
                path: or_place(file).into(),
                holder: holder.unwrap_or_else(|| "another process there".into()),
            },
            Cause::Damaged { file, offset: Some(offset), why } => {
                Error::Damaged { what: or_place(some(file)), offset, detail: why }
            }
            Cause::Damaged { file, offset: None, why } | Cause::Foreign { file, why } => {
                Error::Foreign { what: file, detail: why }
            }
            Cause::StoredDamaged { offset } => Error::damaged(place, offset, detail),
            Cause::Newer { file, needs } => Error::Newer { what: or_place(file), needs },
            Cause::Encrypted { file, why } => Error::Encrypted { what: or_place(some(file)), why },
            Cause::ReadOnly { file, why } => {
                Error::ReadOnly { what: or_place(file), why: why.unwrap_or(detail) }
            }
            Cause::Limit { what, limit, found } => Error::Limit { what, limit, found },
            Cause::Busy { why } => Error::Busy(why),
            Cause::Interrupted {} => Error::Interrupted,
            Cause::NoSpace { what, system } => {
                let full = || io::Error::new(ErrorKind::StorageFull, detail);
                Error::Io { what: or_place(what), source: system.map_or_else(full, Into::into) }
            }
            Cause::Io { what, system } => Error::Io { what, source: system.into() },
            Cause::Internal {} => {
                Error::Io { what: place.to_owned(), source: io::Error::other(detail) }
            }
            cause => return about_versions(Problem { cause, status, detail }, place),
        })
    }
}

fn some(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

fn about_versions(problem: Problem, place: &str) -> Result<Error, Box<Problem>> {
    let Problem { cause, status, detail } = problem;
    Ok(match cause {
        Cause::BaseMismatch { head, base, target } => {
            Error::BaseMismatch { head: head.into(), base: base.into(), target: target.into() }
        }
        Cause::BrokenChain { file, base, after, found, misplaced } => {
            BrokenChain { file, base: base.into(), after, found: found.into(), misplaced }.into()
        }
        Cause::HeadMoved { head, expected } => {
            Error::HeadMoved { head: head.into(), expected: expected.into() }
        }
        Cause::Changed { what, why } => Error::Changed {
            what: what.unwrap_or_else(|| place.to_owned()),
            detail: why.unwrap_or(detail),
        },
        Cause::Incomplete { version, missing, base } => Error::Incomplete {
            version: version.into(),
            missing: missing.max(1),
            supplier: base.map(Into::into),
        },
        Cause::Collected { version } => Error::Collected(Hash::new(version.0)),
        cause => return Err(Box::new(Problem { cause, status, detail })),
    })
}

#[cfg(test)]
mod tests;
