//! How a command ends: the exit code, the name and the hint of every error. Nothing else in the
//! crate knows an exit code or names a command that helps.

use std::io::ErrorKind;

use aeordb::Error;
use aeordb_api::{Cause, Problem};

use crate::remote;
use crate::text;

/// All was done.
pub const DONE: u8 = 0;
/// The command line cannot be meant.
pub const USAGE: u8 = 2;
/// Done, but some inputs could not be read or applied.
pub const UNREADABLE: u8 = 3;
/// The key is missing or does not allow this.
pub const DENIED: u8 = 12;
/// Stored bytes are damaged.
pub const DAMAGED: u8 = 14;
/// A newer program made the file.
pub const NEWER: u8 = 20;
/// What is put would take away more than was agreed to.
pub const REFUSED: u8 = 17;
/// What is looked for is not there.
pub const NONE: u8 = 10;
/// The newest backup is older than it may be.
pub const TOO_OLD: u8 = 18;
/// What a shell reports of a program that was stopped by Ctrl-C.
pub const INTERRUPTED: u8 = 130;
/// What a shell reports of a program that was stopped by a closed pipe.
pub const PIPE: u8 = 141;

/// What only a server says, or that there is no key for one: it travels inside an error of the
/// system, which is what talking to a server is.
fn told(error: &Error) -> Option<&Problem> {
    match error {
        Error::Io { source, .. } => source.get_ref()?.downcast_ref(),
        _ => None,
    }
}

/// True if a key is missing or does not allow what was asked.
pub fn is_denied(error: &Error) -> bool {
    told(error).is_some_and(|told| told.cause == Cause::Denied {})
}

/// Nobody reads our standard output any more.
#[derive(Debug)]
pub struct ClosedOutput;

impl std::fmt::Display for ClosedOutput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("nobody reads it any more")
    }
}

impl std::error::Error for ClosedOutput {}

/// What an error is about: the library names the thing, the verb knows what part it plays.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Subject {
    /// Nothing in particular.
    #[default]
    Nothing,
    /// The database file.
    Database,
    /// A version that was asked for.
    Version,
    /// The name of a snapshot.
    Snapshot,
    /// A path in the database.
    Path,
    /// A path in the database that was typed as the name of a version.
    VersionAsPath,
    /// A file or directory of the local disk that is read or written.
    Local,
    /// An export or patch that is read.
    Backup,
    /// An export or patch that is made.
    Output,
    /// An API key.
    Key,
    /// A server that is to start.
    Serving,
}

/// Why a command did not end well.
#[derive(Debug)]
pub struct Failure {
    pub error: Error,
    pub subject: Subject,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure { error, subject: Subject::Nothing }
    }
}

/// What a step of a command comes to.
pub type Attempt<T> = std::result::Result<T, Failure>;

/// Says what a failure is about.
pub trait About<T> {
    fn about(self, subject: Subject) -> Attempt<T>;
}

impl<T> About<T> for Result<T, Error> {
    fn about(self, subject: Subject) -> Attempt<T> {
        self.map_err(|error| Failure { error, subject })
    }
}

/// What a hint may mention.
pub struct Scene<'a> {
    /// The verb, as it is typed.
    pub verb: &'a str,
    /// The database, as it is typed.
    pub database: &'a str,
    /// The database is an export or a patch.
    pub sealed: bool,
    /// The server that has the database instead, as it is typed.
    pub server: Option<&'a str>,
}

/// An error of ours that travelled through a [`std::io::Error`] comes out again.
pub fn unwrapped(error: Error) -> Error {
    match error {
        Error::Io { what, source } => match source.downcast::<Error>() {
            Ok(inner) => inner,
            Err(source) => Error::Io { what, source },
        },
        other => other,
    }
}

/// True if nobody reads our standard output any more. A server that hangs up is something else.
pub fn is_closed_pipe(error: &Error) -> bool {
    match error {
        Error::Io { source, .. } => {
            source.get_ref().is_some_and(|inner| inner.is::<ClosedOutput>())
        }
        _ => false,
    }
}

/// The exit code of an error.
pub fn code(error: &Error) -> u8 {
    match error {
        _ if is_closed_pipe(error) => PIPE,
        _ if is_denied(error) || remote::is_refused(error) => DENIED,
        Error::Io { source, .. } if source.kind() == ErrorKind::NotFound => 10,
        Error::Encrypted { .. } => DENIED,
        Error::Invalid(_) => USAGE,
        Error::NotFound(_) => 10,
        Error::Locked { .. } => 11,
        Error::BaseMismatch { .. }
        | Error::BrokenChain(_)
        | Error::HeadMoved { .. }
        | Error::Changed { .. } => 13,
        Error::Damaged { .. } => DAMAGED,
        Error::Exists(_) => 15,
        Error::Incomplete { .. } => 16,
        Error::EmptySource { .. } | Error::TooManyDeletions { .. } => REFUSED,
        Error::Newer { .. } => NEWER,
        Error::Interrupted => INTERRUPTED,
        _ => 1,
    }
}

/// What a program needs to know of an error.
pub fn cause(error: &Error) -> Cause {
    told(error).map_or_else(|| Cause::from(error), |told| told.cause.clone())
}

/// The command or flag that helps.
pub fn hint(error: &Error, subject: Subject, scene: &Scene<'_>) -> Option<String> {
    let Scene { verb, database, sealed, server } = scene;
    if let Some(hint) = server.and_then(|server| server_hint(error, subject, server)) {
        return Some(hint);
    }
    let database = text::shell(database);
    let looks = matches!(*verb, "verify" | "info");
    let salvage = format!("`aeordb salvage --database {database} --output NEW.aeordb`");
    Some(match (error, subject) {
        (error, Subject::Serving) if serving_hint(error).is_some() => return serving_hint(error),
        (Error::Io { what, source }, _) if what.starts_with("asking ") => {
            return asking_hint(&source.to_string()).map(Into::into);
        }
        _ if remote::is_refused(error) => "do the credentials of the environment (AWS_*, \
             AWS_PROFILE, GOOGLE_APPLICATION_CREDENTIALS, AZURE_STORAGE_*) allow it there, and is \
             the name of the bucket right?"
            .into(),
        (Error::Io { source, .. }, _) if source.kind() == ErrorKind::PermissionDenied => {
            "the permissions of this file or directory do not allow it".into()
        }
        _ if is_denied(error) => {
            "set AEORDB_API_KEY to a key of the server that has the scope, or \
             AEORDB_API_KEY_FILE to a file with it; `aeordb key create` makes one"
                .into()
        }
        _ if error.is_no_space() && *verb == "compact" => "the new file needs room beside the old \
             one, which is as it was; `aeordb gc` releases space in place"
            .into(),
        _ if error.is_no_space() && *verb == "gc" => {
            "free some space on that disk, then try again".into()
        }
        _ if error.is_no_space() => {
            "free some space on that disk; `aeordb rm` and `aeordb gc` have \
             a reserve there, and `gc` releases what neither history nor a snapshot reaches"
                .into()
        }
        (Error::NotFound(_), Subject::Database) => format!(
            "name the database with --database FILE or AEORDB_DATABASE; \
             `aeordb put LOCAL / --database {database}` creates it"
        ),
        (Error::NotFound(_), Subject::Version) => "`aeordb log` and `aeordb snapshot list` show \
             the versions; to name a path with a colon in it, start it with /"
            .into(),
        (Error::NotFound(_), Subject::Snapshot) => "`aeordb snapshot list` shows all names".into(),
        (Error::NotFound(_), Subject::Path) => {
            "`aeordb ls -r [--at VERSION]` lists what is there".into()
        }
        (Error::NotFound(_), Subject::VersionAsPath) => {
            "that is a version; what is in it stands behind a colon, as in `aeordb ls VERSION:/`"
                .into()
        }
        (Error::NotFound(_), Subject::Key) => "`aeordb key list` shows all keys".into(),
        (Error::NotFound(_) | Error::Io { .. }, _) if code(error) == 10 => {
            "check the name; `-` is standard input".into()
        }
        (Error::Io { source, .. }, _) if source.kind() == ErrorKind::BrokenPipe => {
            "what it was sent to stopped reading: see why, then run it again".into()
        }
        (Error::Exists(_), Subject::Snapshot) => {
            "choose another name, or remove this one with `aeordb snapshot delete NAME`".into()
        }
        (Error::Held(name), _) => {
            format!("`aeordb snapshot release {}` lets it go", text::shell(name))
        }
        (Error::Exists(_), Subject::Output) => {
            "choose another --output, existing files are never overwritten".into()
        }
        (Error::Exists(what), Subject::Local) if *verb == "get" => in_the_way_hint(what).into(),
        (Error::Exists(_), _) if matches!(*verb, "get" | "mv" | "cp") => {
            "--force replaces it".into()
        }
        (Error::Exists(_), _) => "`aeordb ls -l PATH` shows what is there".into(),
        (Error::Locked { .. }, _) if *verb == "compact" => {
            "try again when that process has ended; \
             a server releases space with `aeordb gc --server URL`"
                .into()
        }
        (Error::Locked { .. }, _) => "try again when that process has ended, or, if it is a \
             server, go through it with --server URL; `aeordb ls`, `get`, `export` and all other \
             readers work meanwhile"
            .into(),
        (Error::BaseMismatch { .. }, _) => "Use --force to apply anyway.".into(),
        (Error::BrokenChain(broken), _) if broken.misplaced.is_some() => {
            "give the files in the order in which they were made; `aeordb info FILE...` shows it"
                .into()
        }
        (Error::BrokenChain(broken), _) => format!(
            "`aeordb diff --from {} --to {} --output FILE` makes it where both versions are",
            broken.found, broken.base
        ),
        (Error::HeadMoved { head, .. }, _) => {
            format!("`aeordb log` shows what moved it; if that is right, use --expect {head}")
        }
        (Error::Changed { .. }, _) => "it was changed meanwhile: `aeordb stat PATH` shows what is \
             there now; then run it again"
            .into(),
        (Error::Damaged { .. }, Subject::Backup) => "fetch the file again, or examine it with \
             `aeordb verify --deep --database FILE`"
            .into(),
        (Error::Damaged { .. }, _) if *verb == "salvage" => "restore from a backup with \
             `aeordb import --database NEW.aeordb --file BACKUP --promote`"
            .into(),
        (Error::Damaged { .. }, _) if looks => format!(
            "restore from a backup with `aeordb import --database NEW.aeordb --file BACKUP \
             --promote`, or save what is sound with {salvage}"
        ),
        (Error::Damaged { .. }, _) => format!(
            "`aeordb verify --deep --database {database}` says which files that hits, {salvage} \
             saves what is sound"
        ),
        (Error::Encrypted { .. }, _) => "--identity FILE names a secret key that it is for, \
             --passphrase-file FILE the passphrase; `aeordb info` says what is seen without"
            .into(),
        (Error::Newer { .. }, _) => NEWER_HINT.into(),
        (Error::Incomplete { supplier: Some(version), .. }, _) => format!(
            "import version {version} first, or both at once: \
             `aeordb import --file FULL --file PATCH`"
        ),
        (Error::Incomplete { .. }, _) => "import what is missing first, or all at once and in \
             order: `aeordb import --file FULL --file PATCH`"
            .into(),
        (Error::EmptySource { .. }, _) => "is its file system mounted, did what fills it succeed? \
             If it is meant to be empty: --allow-empty, or for a directory --max-delete N or N%"
            .into(),
        (Error::TooManyDeletions { deleted, .. }, _) => format!(
            "--dry-run lists them; --max-delete {deleted}, or a share as in --max-delete 80%, \
             allows it"
        ),
        (Error::Foreign { .. }, _) => {
            "`aeordb info FILE` says what a file is; --database names the database".into()
        }
        (Error::ReadOnly { .. }, _) if *sealed => format!(
            "`aeordb import --database NEW.aeordb --file {database} --promote` makes a database \
             of it"
        ),
        (Error::ReadOnly { .. }, _) => {
            format!("`aeordb verify --database {database}` says what state it is in")
        }
        (Error::Collected(_), _) => "`aeordb snapshot create NAME --at VERSION` keeps a version, \
             `aeordb log` shows which are left"
            .into(),
        (Error::Busy(_), _) => "others have their turn: run it again in a while".into(),
        (Error::Interrupted, _) => "nothing was left half done, run it again".into(),
        (Error::Invalid(_) | Error::Limit { .. }, _) => {
            format!("`aeordb {verb} --help` shows what is possible")
        }
        _ => return None,
    })
}

const NEWER_HINT: &str = "install a newer aeordb; `aeordb --version` says which this is";

/// What helps where the database is a server's: no file of this machine does.
fn server_hint(error: &Error, subject: Subject, server: &str) -> Option<String> {
    let server = text::shell(server);
    Some(match (error, subject) {
        (Error::NotFound(_), Subject::Database) => {
            format!("`aeordb ls -r --server {server}` lists what is there")
        }
        (Error::Locked { .. }, _) => "try again when that process has ended".into(),
        (Error::ReadOnly { .. }, _) => {
            format!("`aeordb verify --server {server}` says what state the database is in")
        }
        (Error::Damaged { .. }, Subject::Backup | Subject::Local | Subject::Output) => return None,
        (Error::Damaged { .. }, _) => format!(
            "`aeordb verify --deep --server {server}` says which files that hits; where the \
             server is, `aeordb salvage` saves what is sound"
        ),
        (Error::Encrypted { .. }, _) => format!(
            "a server opens nothing: `aeordb combine --output - FILE --identity KEY | aeordb \
             import --server {server} --file -` sends it what is in it"
        ),
        (Error::Foreign { .. }, _) => "`aeordb info FILE` says what a file is".into(),
        _ => return None,
    })
}

/// What helps where something is that `get` would have to put a file or directory.
fn in_the_way_hint(what: &str) -> &'static str {
    let is = |which: &str| what.ends_with(which);
    if is("not empty,") {
        "name a directory that is new or empty; --force fills this one, and replaces the files of \
         it that are not the same; --overwrite if-changed goes on where a restore was cut off"
    } else if is("a symbolic link,") {
        "links are not followed, with --force neither: name what it leads to, or remove it"
    } else if is("not a directory,") {
        "what is restored is a directory: name another place, or remove what is there"
    } else if is("a directory,") {
        "what is restored is no directory, and replaces none: to put it in there, end LOCAL with /"
    } else if is("the database,") {
        "it is read and cannot be written over: restore to another place, or move the database"
    } else if is("one by one)") {
        "what several paths become has their last names"
    } else if is("this file system,") {
        "rename it, or name another place"
    } else {
        "--force replaces it"
    }
}

/// What helps a server to start.
fn serving_hint(error: &Error) -> Option<String> {
    let hint = match error {
        Error::Io { what, source } if what.starts_with("listening") => match source.kind() {
            ErrorKind::AddrInUse => {
                "another program listens there: end it, or choose another --listen ADDRESS:PORT"
            }
            ErrorKind::PermissionDenied => {
                "ports below 1024 belong to the system: choose another --listen ADDRESS:PORT, or \
                 start it with CAP_NET_BIND_SERVICE"
            }
            _ => "--listen takes an address of this machine and a port, as in 127.0.0.1:3000",
        },
        Error::Io { source, .. } if source.kind() == ErrorKind::NotFound => {
            "make the directory above it first, or name another with --database or --backup-dir"
        }
        Error::NotFound(_) => "make the directory above it first, or name another with --database",
        Error::Exists(_) => "choose another --first-key-file, existing files are never overwritten",
        Error::Invalid(detail) if detail.contains("used for TLS") => {
            "--tls-cert is the chain of certificates in PEM, the server's own first; --tls-key is \
             its private key in PEM, without a password"
        }
        Error::Invalid(detail) if detail.contains("plain text") => {
            "give it --tls-cert and --tls-key, or, where a proxy before it does the encryption, \
             --allow-plaintext"
        }
        _ => return None,
    };
    Some(hint.into())
}

/// What helps to reach a server, by what went wrong.
fn asking_hint(text: &str) -> Option<&'static str> {
    let text = text.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if has(&["invalidcontenttype", "corrupt message"]) {
        Some("what answers there does not speak TLS: is it http:// instead of https://?")
    } else if has(&["certificate", "unknownissuer", "unknown issuer"]) {
        Some(
            "SSL_CERT_FILE names a file with the certificate of your own authority, in PEM; the \
             name in the URL must be one that the server's certificate is for",
        )
    } else if has(&["http parse", "http version", "protocol", "invalid header"]) {
        Some("what answers there does not speak HTTP: is it https:// instead of http://?")
    } else if has(&["refused", "unreachable", "timed out", "timeout", "host not found"]) {
        Some("is the server running, and is this its address? `curl URL/healthz` asks it")
    } else {
        None
    }
}

#[cfg(test)]
pub mod tests;
