//! Import through a server: all files are one body, one after another, and one change.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use aeordb::backup::Input;
use aeordb::error::BrokenChain;
use aeordb::hash::VersionId;
use aeordb::{Error, Result};
use aeordb_api::backups::Import;
use aeordb_api::endpoint::BACKUP;
use aeordb_api::table::PromoteVersion;
use aeordb_api::table::{ImportFiles, ImportQuery};
use aeordb_api::versions::{Promote, Promotion};

use crate::{Client, Payload};

/// Imports files that have these names here, if HEAD is what is expected.
pub fn import(
    client: &Client,
    inputs: Vec<Input>,
    names: &[PathBuf],
    query: &ImportQuery,
    expect: Option<VersionId>,
) -> Result<Import> {
    let headers: Vec<_> = expect.iter().map(if_match).collect();
    let send = |inputs| {
        let mut body = one_after_another(inputs)?;
        let payload = Payload::Bytes(&mut body, BACKUP);
        client.read(client.open::<ImportFiles>(b"", query, &headers, payload)?)
    };
    let files: Option<Vec<PathBuf>> = inputs.iter().map(file).collect();
    let sent = match files {
        Some(files) => client.patiently(|| send(files.iter().cloned().map(Input::File).collect())),
        // What comes as it is written is sent once.
        None => send(inputs),
    };
    sent.map_err(|error| named(error, names))
}

/// Makes a version HEAD, if HEAD is what is expected.
pub fn promote(client: &Client, hash: &str, expect: Option<VersionId>) -> Result<Promotion> {
    let headers: Vec<_> = expect.iter().map(if_match).collect();
    client.call::<PromoteVersion>(&Promote { hash: hash.into() }, &headers)
}

/// The header that says what HEAD must still be.
fn if_match(head: &VersionId) -> (&'static str, String) {
    ("if-match", format!("\"{head}\""))
}

/// The file that can be read again.
fn file(input: &Input) -> Option<PathBuf> {
    match input {
        Input::File(path) => Some(path.clone()),
        _ => None,
    }
}

/// The bytes of all files.
fn one_after_another(inputs: Vec<Input>) -> Result<Box<dyn Read + Send>> {
    let mut all: Box<dyn Read + Send> = Box::new(io::empty());
    for input in inputs {
        all = Box::new(all.chain(input.open(None)?));
    }
    Ok(all)
}

/// An error about one of the files, by the name that it has here.
fn named(mut error: Error, names: &[PathBuf]) -> Error {
    for (number, file) in names.iter().enumerate() {
        let there = match number {
            0 => "the input".to_owned(),
            _ => format!("the input, file {}", number + 1),
        };
        error = called(error, |what| what == there, file);
    }
    error
}

/// An error about what the server calls otherwise, by the name that it has here.
pub fn called(error: Error, is_it: impl Fn(&str) -> bool, file: &Path) -> Error {
    let name = |what: String| if is_it(&what) { file.display().to_string() } else { what };
    match error {
        Error::Damaged { what, offset, detail } => {
            Error::Damaged { what: name(what), offset, detail }
        }
        Error::Newer { what, needs } => Error::Newer { what: name(what), needs },
        Error::Foreign { what, detail } => Error::Foreign { what: name(what), detail },
        Error::BrokenChain(broken) => {
            let BrokenChain { file, after, .. } = *broken;
            BrokenChain { file: name(file), after: name(after), ..*broken }.into()
        }
        other => other,
    }
}
