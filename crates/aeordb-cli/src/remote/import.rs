//! Import through a server: all files are one body, one after another, and one change.
//!
//! A patch that leads back must be here before HEAD moves. So the files are imported without
//! moving it, the patch is fetched, and HEAD is moved if it is still what the patch leads to.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use aeordb::backup::{self, Input};
use aeordb::error::BrokenChain;
use aeordb::hash::VersionId;
use aeordb::media::NewFile;
use aeordb::watch::Watch;
use aeordb::{Error, Result};
use aeordb_api::backups::{Import as Imported, OnConflict, Side};
use aeordb_api::endpoint::BACKUP;
use aeordb_api::parameter::Word;
use aeordb_api::table::{DiffQuery, ImportFiles, ImportQuery, StreamPatch};

use super::client::{Client, Payload};
use super::fetch::fetch;
use super::versions::{self, if_match, set_head};
use crate::app::{App, Outcome};
use crate::args::Import;
use crate::cmd::import::{check, inputs, shown};
use crate::exit::{About, Attempt, Subject};

pub fn import(app: &mut App, client: &Client, args: Import) -> Outcome {
    check(&args)?;
    let report = match &args.undo {
        None => app.watched(|_, watch| send(client, &args, args.promote, None, watch))?,
        Some(undo) => {
            let file = NewFile::create(undo).about(Subject::Backup)?;
            let head = versions::head(client)?;
            app.watched(|_, watch| {
                let report = send(client, &args, false, Some(head), watch)?;
                promoted_with_undo(client, report, head, file, undo, watch)
            })?
        }
    };
    shown(app, &report)
}

/// Fetches the patch that leads from what was imported back to `head`, then moves HEAD.
fn promoted_with_undo(
    client: &Client,
    mut report: Imported,
    head: VersionId,
    mut file: NewFile,
    undo: &Path,
    watch: &Watch,
) -> Attempt<Imported> {
    let (from, to) = (Word(report.version.to_string()), Some(Word(head.to_string())));
    let query = DiffQuery { from, to, ..DiffQuery::default() };
    let fetched = fetch::<StreamPatch>(client, &query, &mut file, watch);
    let (_, bytes) = fetched.about(Subject::Version)?;
    file.publish().about(Subject::Backup)?;
    if let Err(failure) = set_head(client, &report.version.to_string(), Some(head)) {
        // There is nothing to undo.
        let _ = std::fs::remove_file(undo);
        return Err(failure);
    }
    (report.promoted, report.undo_bytes) = (true, Some(bytes));
    Ok(report)
}

fn send(
    client: &Client,
    args: &Import,
    promote: bool,
    expect: Option<VersionId>,
    watch: &Arc<Watch>,
) -> Attempt<Imported> {
    let query = ImportQuery {
        promote,
        force: args.force,
        merge: args.merge.then_some(match (args.theirs, args.ours) {
            (true, _) => OnConflict::Side(Side::Theirs),
            (_, true) => OnConflict::Side(Side::Ours),
            _ => OnConflict::Merge(true),
        }),
        snapshot: args.snapshot.clone().map(Word),
        undo: None,
    };
    let headers: Vec<_> = expect.iter().map(if_match).collect();
    let inputs = inputs(args.given().to_vec(), watch)?;
    backup::look_ahead(&inputs).about(Subject::Backup)?;
    let mut body = one_after_another(inputs).about(Subject::Backup)?;
    let payload = Payload::Bytes(&mut body, BACKUP);
    client
        .open::<ImportFiles>(b"", &query, &headers, payload)
        .and_then(|reply| client.read(reply))
        .map_err(|error| named(error, args))
        .about(Subject::Backup)
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
fn named(mut error: Error, args: &Import) -> Error {
    for (number, file) in args.given().iter().enumerate() {
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
