//! Import through a server: all files are one body, one after another, and one change.
//!
//! A patch that leads back must be here before HEAD moves. So the files are imported without
//! moving it, the patch is fetched, and HEAD is moved if it is still what the patch leads to.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use aeordb::backup::{self, ImportReport, Input};
use aeordb::error::BrokenChain;
use aeordb::hash::VersionId;
use aeordb::media::NewFile;
use aeordb::watch::Watch;
use aeordb::{Error, Result};
use serde_json::Value;
use ureq::http::Method;

use super::client::{Client, Payload, encoded};
use super::fetch::fetch;
use super::parse;
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
    mut report: ImportReport,
    head: VersionId,
    mut file: NewFile,
    undo: &Path,
    watch: &Watch,
) -> Attempt<ImportReport> {
    let url = format!("/admin/diff?from={}&to={head}", report.version);
    let (_, bytes) = fetch(client, &url, &mut file, watch).about(Subject::Version)?;
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
) -> Attempt<ImportReport> {
    let mut url = format!("/admin/import?promote={promote}&force={}", args.force);
    if args.merge {
        let side = match (args.theirs, args.ours) {
            (true, _) => "theirs",
            (_, true) => "ours",
            _ => "true",
        };
        url.push_str(&format!("&merge={side}"));
    }
    if let Some(name) = &args.snapshot {
        url.push_str(&format!("&snapshot={}", encoded(name)));
    }
    let headers: Vec<_> = expect.iter().map(if_match).collect();
    let inputs = inputs(args.given().to_vec(), watch)?;
    backup::look_ahead(&inputs).about(Subject::Backup)?;
    let mut body = one_after_another(inputs).about(Subject::Backup)?;
    let payload = Payload::Bytes(&mut body, "application/vnd.aeordb");
    let reply = client.send(Method::POST, &url, &headers, payload);
    let reply: Value = reply
        .and_then(|reply| client.value(reply))
        .map_err(|error| named(error, args))
        .about(Subject::Backup)?;
    Ok(parse::import(&reply)?)
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
