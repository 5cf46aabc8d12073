//! Versions and backups through a server.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use aeordb::Error;
use aeordb::hash::VersionId;
use aeordb_api::backups::{Export as Exported, Patch};
use aeordb_api::parameter::{LIMIT_MAX, Limit, PathBytes, Token, Word};
use aeordb_api::table::{
    ChangesQuery, CreateSnapshot, DeleteSnapshot, DiffQuery, ExportQuery, GetReady, ListChanges,
    ListHistory, ListSnapshots, NoQuery, PageQuery, PromoteVersion, StreamExport, StreamPatch,
};
use aeordb_api::versions::{Changes, NewSnapshot, Promote as Wanted, Promotion, Snapshot as Shown};
use aeordb_api::{Digest, Page};
use ureq::http::StatusCode;

use super::client::{Client, Payload, json};
use super::fetch::fetch;
use super::place::{about_path, version};
use crate::app::{App, Outcome};
use crate::args::{Diff, Export, Log, Promote, Snapshot};
use crate::cmd;
use crate::exit::{self, About, Attempt, Subject};
use crate::output;
use crate::render;

pub fn snapshot(app: &mut App, client: &Client, args: Snapshot) -> Outcome {
    match args {
        Snapshot::Create { name, at, meta } => {
            let new = NewSnapshot { name, version: at.at, metadata: meta.into_iter().collect() };
            let reply = client.open::<CreateSnapshot>(b"", &NoQuery {}, &[], json(&new)?);
            let reply = reply.about(Subject::Snapshot)?;
            let title = cmd::snapshot::made_title(reply.status() == StatusCode::OK);
            app.report(&render::snapshot(title, &client.read(reply)?))?;
        }
        Snapshot::List => {
            client.pages::<ListSnapshots, Page<_>>(b"", PageQuery::default(), |found| {
                cmd::snapshot::show(app, &found)?;
                Ok(true)
            })?;
        }
        Snapshot::Delete { name, dry_run } => {
            let mut kept: Option<Shown> = None;
            client.pages::<ListSnapshots, Page<Shown>>(b"", PageQuery::default(), |found| {
                kept = (found.name == name).then_some(found);
                Ok(kept.is_none())
            })?;
            let missing = || Error::not_found(format!("snapshot '{name}'"));
            let kept = kept.ok_or_else(missing).about(Subject::Snapshot)?;
            if dry_run {
                app.report(&render::snapshot("Nothing was changed (dry run).", &kept))?;
                return Ok(exit::DONE);
            }
            let (place, query) = (name.as_bytes(), NoQuery {});
            let deleted = client.open::<DeleteSnapshot>(place, &query, &[], Payload::Empty);
            deleted.about(Subject::Snapshot)?;
            app.report(&render::snapshot("Snapshot deleted.", &kept))?;
        }
    }
    Ok(exit::DONE)
}

pub fn log(app: &mut App, client: &Client, args: &Log) -> Outcome {
    let mut left = args.max_count.unwrap_or(usize::MAX);
    if left == 0 {
        return Ok(exit::DONE);
    }
    let query = PageQuery { limit: Some(Limit::up_to(left.min(1000))), ..PageQuery::default() };
    client.pages::<ListHistory, Page<_>>(b"", query, |entry| {
        cmd::log::show(app, &entry)?;
        left -= 1;
        Ok(left > 0)
    })?;
    Ok(exit::DONE)
}

pub fn export(app: &mut App, client: &Client, args: &Export, with: Option<&Token>) -> Outcome {
    let snapshot = args.snapshot.clone().map(Word);
    let hash = args.given().filter(|_| snapshot.is_none()).map(|hash| Word(hash.into()));
    let (path, with) = (part(args.path.as_deref()), with.cloned());
    let query = ExportQuery { snapshot, hash, path, with };
    let subject = args.snapshot.as_ref().map_or(Subject::Version, |_| Subject::Snapshot);
    let (closing, bytes) = output::write_from(app, &args.output, subject, |out, watch| {
        fetch::<StreamExport>(client, &query, out, watch)
    })
    .map_err(about_path)?;
    let report = Exported {
        version: Digest(closing.target),
        files: closing.files.get(),
        chunks: closing.chunks.get(),
        directories: closing.directories.get(),
        output: args.output.to_string_lossy().into_owned(),
        bytes,
    };
    output::report(app, &args.output, &render::export(&report))?;
    Ok(exit::DONE)
}

pub fn diff(app: &mut App, client: &Client, args: &Diff, with: Option<&Token>) -> Outcome {
    let (from, to) = args.between()?;
    let (from, to) = (Word(from.into()), Some(Word(to.into())));
    let (path, with) = (part(args.path.as_deref()), with.cloned());
    let Some(output) = &args.output else {
        let limit = Some(Limit(LIMIT_MAX));
        let query = ChangesQuery { from, to, path, with, cursor: None, limit };
        let listed = client.pages::<ListChanges, Changes>(b"", query, |found| {
            cmd::diff::show(app, &found)?;
            Ok(true)
        });
        listed.about(Subject::Version).map_err(about_path)?;
        return Ok(exit::DONE);
    };
    let query = DiffQuery { from, to, path, with };
    let (closing, bytes) = output::write_from(app, output, Subject::Version, |out, watch| {
        fetch::<StreamPatch>(client, &query, out, watch)
    })
    .map_err(about_path)?;
    let report = Patch {
        from: Digest(closing.base),
        to: Digest(closing.target),
        files_added: closing.files_added.get(),
        files_modified: closing.files_modified.get(),
        files_deleted: closing.files_deleted.get(),
        chunks: closing.chunks.get(),
        directories: closing.directories.get(),
        output: output.to_string_lossy().into_owned(),
        bytes,
    };
    output::report(app, output, &render::patch(&report))?;
    Ok(exit::DONE)
}

/// The parameter that names a path.
fn part(path: Option<&OsStr>) -> Option<PathBytes> {
    path.map(|path| PathBytes(path.as_bytes().to_vec()))
}

pub fn promote(app: &mut App, client: &Client, args: &Promote) -> Outcome {
    let expect = match &args.expect {
        None => None,
        Some(expect) => {
            // The header takes a whole hash; the server knows which one is meant.
            Some(version(client, expect).about(Subject::Version)?)
        }
    };
    let promotion = set_head(client, args.given(), expect)?;
    app.report(&render::promotion(&promotion))?;
    Ok(exit::DONE)
}

/// HEAD as it is now.
pub fn head(client: &Client) -> Attempt<VersionId> {
    let ready = client.ask::<GetReady>(b"", &NoQuery {}).about(Subject::Database)?;
    Ok(ready.head.into())
}

/// Makes a version HEAD, if HEAD is what is expected.
pub fn set_head(client: &Client, hash: &str, expect: Option<VersionId>) -> Attempt<Promotion> {
    let headers: Vec<_> = expect.iter().map(if_match).collect();
    let body = Wanted { hash: hash.into() };
    client.call::<PromoteVersion>(&body, &headers).about(Subject::Version)
}

/// The header that says what HEAD must still be.
pub fn if_match(head: &VersionId) -> (&'static str, String) {
    ("if-match", format!("\"{head}\""))
}
