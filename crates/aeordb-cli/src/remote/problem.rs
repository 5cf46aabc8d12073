//! The problems of a server as errors of ours: of the same kind, name and exit code as on a file.

use std::io::{self, ErrorKind};

use aeordb::Error;
use aeordb::error::BrokenChain;
use aeordb::hash::VersionId;
use serde_json::Value;

use super::client::denied;
use crate::exit::Refused;

/// What only a server says, with its title.
const OF_SERVERS: [(&str, &str); 7] = [
    ("unavailable", "Not available"),
    ("too-slow", "Too slow"),
    ("too-large", "Too large"),
    ("too-many-failures", "Too many failures"),
    ("unsupported", "Not taken in this form"),
    ("range", "Range not satisfiable"),
    ("method-not-allowed", "No such method"),
];

/// A problem document, taken apart.
struct Problem<'p> {
    members: &'p Value,
    url: &'p str,
    detail: String,
}

/// The error that a problem document of the server at `url` tells of.
pub fn error_of(members: &Value, status: u16, url: &str) -> Error {
    let kind = members["type"].as_str().unwrap_or_default();
    let kind = kind.rsplit(':').next().unwrap_or_default();
    let detail = members["detail"].as_str().unwrap_or_default().to_owned();
    let problem = Problem { members, url, detail };
    match (problem.library(kind), kind, status) {
        (Some(error), ..) => error,
        (None, _, 401 | 403) => denied(&problem.detail),
        (None, "no-space", _) => problem.io(ErrorKind::StorageFull),
        (None, kind, _) => problem.refused(kind, status),
    }
}

impl Problem<'_> {
    /// An error that the library has a kind for.
    fn library(&self, kind: &str) -> Option<Error> {
        let detail = self.detail.clone();
        let version = |name| self.version(name);
        Some(match kind {
            "invalid" => Error::Invalid(detail),
            "not-found" => Error::not_found(detail.trim_end_matches(" not found")),
            "exists" => Error::Exists(detail.trim_end_matches(" already exists").to_owned()),
            "locked" => {
                Error::Locked { path: self.url.into(), holder: "another process there".into() }
            }
            "read-only" => Error::ReadOnly {
                what: self.url.into(),
                why: detail.trim_start_matches("the database cannot be written to; ").to_owned(),
            },
            "interrupted" => Error::Interrupted,
            "busy" => Error::Busy(detail),
            "limit" => Error::Limit {
                what: before(&detail, " is ").to_owned(),
                limit: self.count("limit"),
                found: self.count("found"),
            },
            "collected" => Error::Collected(version("version")?.0),
            "changed" => {
                let named = detail.split_once(" is not what was expected: ");
                let (what, detail) = named.unwrap_or((self.url, &detail));
                Error::Changed { what: what.into(), detail: detail.into() }
            }
            "base-mismatch" => Error::BaseMismatch {
                head: version("head")?,
                base: version("base")?,
                target: version("target")?,
            },
            "head-moved" => {
                Error::HeadMoved { head: version("head")?, expected: version("expected")? }
            }
            "broken-chain" => Error::from(BrokenChain {
                file: self.text("file"),
                base: version("base")?,
                after: self.text("after"),
                found: version("found")?,
                misplaced: self.members["misplaced"].as_str().map(str::to_owned),
            }),
            "incomplete" => Error::Incomplete {
                version: version("version")?,
                missing: self.count("missing").max(1),
                supplier: version("base"),
            },
            "empty-source" => Error::EmptySource {
                name: self.text("name"),
                path: self.text("path"),
                files: self.count("files"),
            },
            "too-many-deletions" => Error::TooManyDeletions {
                path: self.text("path"),
                deleted: self.count("deleted"),
                files: self.count("files"),
                allowed: self.count("allowed"),
            },
            "newer" => Error::newer(self.file(), self.text("needs")),
            "damaged" | "stored-damaged" => self.damaged(),
            _ => return None,
        })
    }

    /// Bytes that are not what they must be. Without a place in them, they are something else.
    fn damaged(&self) -> Error {
        let Some(offset) = self.members["offset"].as_u64() else {
            let file = self.text("file");
            let detail = self.detail.strip_prefix(&file).unwrap_or(&self.detail).trim_start();
            return Error::Foreign { what: file, detail: detail.to_owned() };
        };
        let named = format!(" is damaged at offset {offset}: ");
        let detail = self.detail.split_once(&named).map_or(&*self.detail, |(_, detail)| detail);
        Error::damaged(self.file(), offset, detail)
    }

    /// What only a server says, or what none of ours says.
    fn refused(&self, kind: &str, status: u16) -> Error {
        let said = match self.detail.as_str() {
            "" => format!("it replied with status {status}"),
            detail => detail.to_owned(),
        };
        let source = match OF_SERVERS.into_iter().find(|(name, _)| *name == kind) {
            Some((kind, title)) => io::Error::other(Refused { kind, title, detail: said }),
            None => io::Error::other(said),
        };
        let what = match self.detail.is_empty() {
            true => format!("asking {}", self.url),
            false => self.url.to_owned(),
        };
        Error::Io { what, source }
    }

    fn io(&self, kind: ErrorKind) -> Error {
        let source = io::Error::new(kind, self.detail.clone());
        Error::Io { what: self.url.into(), source }
    }

    /// What the error is about: a file of the request, else the server.
    fn file(&self) -> String {
        match self.text("file") {
            empty if empty.is_empty() => self.url.to_owned(),
            file => file,
        }
    }

    fn text(&self, name: &str) -> String {
        self.members[name].as_str().unwrap_or_default().to_owned()
    }

    fn count(&self, name: &str) -> u64 {
        self.members[name].as_u64().unwrap_or_default()
    }

    fn version(&self, name: &str) -> Option<VersionId> {
        self.members[name].as_str()?.parse().ok()
    }
}

fn before<'t>(text: &'t str, end: &str) -> &'t str {
    text.split_once(end).map_or(text, |(before, _)| before)
}

#[cfg(test)]
mod tests {
    use aeordb_server::problem::Problem as Told;

    use super::*;
    use crate::exit;

    const URL: &str = "http://127.0.0.1:3000";

    /// The error that comes back from a server that failed with `error`.
    fn returned(error: Error) -> Error {
        let told = match error {
            // The only files that are not ours and get that far come with a request.
            foreign @ Error::Foreign { .. } => Told::of_backup(foreign),
            other => Told::from(other),
        };
        error_of(&told.document().into(), told.status().as_u16(), URL)
    }

    #[test]
    fn every_kind_of_error_has_the_same_type_and_exit_code_through_a_server() {
        let mut kinds = std::collections::BTreeSet::new();
        for (local, remote) in exit::tests::all().into_iter().zip(exit::tests::all()) {
            let (local, remote) = (local.0, returned(remote.0));
            if matches!(&local, Error::Io { source, .. } if source.kind() != ErrorKind::StorageFull)
            {
                // What the system refused a server is its administrator's to know.
                assert_eq!((exit::kind(&remote).0, exit::code(&remote)), ("io", 1), "{local:?}");
                continue;
            }
            assert_eq!(exit::kind(&remote), exit::kind(&local), "{local:?}");
            assert_eq!(exit::code(&remote), exit::code(&local), "{local:?}");
            kinds.insert(exit::kind(&local).0);
        }
        let expected = 20;
        assert_eq!(kinds.len(), expected, "{kinds:?}");
    }

    #[test]
    fn what_only_a_server_says_keeps_its_type() {
        let told = [
            (Told::busy("many are here"), "busy", 1),
            (Told::unavailable("the server stops"), "unavailable", 1),
            (Told::too_slow(), "too-slow", 1),
            (Told::too_large("a body", 7), "too-large", 1),
            (Told::slow_down(), "too-many-failures", 1),
            (Told::unsupported("it is packed"), "unsupported", 1),
            (Told::range(7), "range", 1),
            (Told::method_not_allowed(), "method-not-allowed", 1),
            (Told::unauthorized(), "denied", exit::DENIED),
            (Told::forbidden("this key may only append"), "denied", exit::DENIED),
            (Told::read_only(), "read-only", 1),
            (Told::precondition_failed("the tag is none of If-Match"), "changed", 13),
        ];
        for (told, kind, code) in told {
            let error = error_of(&told.document().into(), told.status().as_u16(), URL);
            assert_eq!((exit::kind(&error).0, exit::code(&error)), (kind, code), "{error:?}");
            assert!(!error.to_string().is_empty());
        }
    }
}
