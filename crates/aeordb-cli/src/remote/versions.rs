//! Versions and backups through a server.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use aeordb::Error;
use aeordb::backup::{ExportReport, PatchReport};
use aeordb::db::Promotion;
use aeordb::hash::{Hash, VersionId};
use aeordb_server::percent_encoded;
use serde_json::json;
use ureq::http::{Method, StatusCode};

use super::client::{Client, Payload, encoded};
use super::fetch::fetch;
use super::parse;
use super::place::about_path;
use crate::app::{App, Outcome};
use crate::args::{Diff, Export, Log, Promote, Snapshot};
use crate::cmd;
use crate::exit::{self, About, Attempt, Subject};
use crate::output;
use crate::render;

pub fn snapshot(app: &mut App, client: &Client, args: Snapshot) -> Outcome {
    match args {
        Snapshot::Create { name, at, meta } => {
            let mut body = json!({ "name": name, "metadata": BTreeMap::from_iter(meta) });
            if let (Some(at), Some(members)) = (at.at, body.as_object_mut()) {
                members.insert("version".into(), at.into());
            }
            let payload = Payload::Json(body);
            let reply = client.send(Method::POST, "/admin/snapshots", &[], payload);
            let reply = reply.about(Subject::Snapshot)?;
            let title = cmd::snapshot::made_title(reply.status() == StatusCode::OK);
            app.report(&render::snapshot(title, &parse::snapshot(&client.value(reply)?)?))?;
        }
        Snapshot::List => {
            client.pages("/admin/snapshots", |found| {
                cmd::snapshot::show(app, &parse::snapshot(found)?)?;
                Ok(true)
            })?;
        }
        Snapshot::Delete { name, dry_run } => {
            let mut kept = None;
            client.pages("/admin/snapshots", |found| {
                let found = parse::snapshot(found)?;
                kept = (found.name == name).then_some(found);
                Ok(kept.is_none())
            })?;
            let missing = || Error::not_found(format!("snapshot '{name}'"));
            let kept = kept.ok_or_else(missing).about(Subject::Snapshot)?;
            if dry_run {
                app.report(&render::snapshot("Nothing was changed (dry run).", &kept))?;
                return Ok(exit::DONE);
            }
            let url = format!("/admin/snapshots/{}", encoded(&name));
            client.send(Method::DELETE, &url, &[], Payload::Empty).about(Subject::Snapshot)?;
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
    client.pages(&format!("/admin/history?limit={}", left.min(1000)), |entry| {
        cmd::log::show(app, &parse::history(entry)?)?;
        left -= 1;
        Ok(left > 0)
    })?;
    Ok(exit::DONE)
}

pub fn export(app: &mut App, client: &Client, args: &Export, with: &str) -> Outcome {
    let which = match (&args.snapshot, args.given()) {
        (Some(name), _) => format!("&snapshot={}", encoded(name)),
        (None, Some(hash)) => format!("&hash={}", encoded(hash)),
        (None, None) => String::new(),
    };
    let url = format!("/admin/export?{which}{}{with}", part(args.path.as_deref()));
    let subject = args.snapshot.as_ref().map_or(Subject::Version, |_| Subject::Snapshot);
    let (closing, bytes) = output::write_from(app, &args.output, subject, |out, watch| {
        fetch(client, &url, out, watch)
    })
    .map_err(about_path)?;
    let report = ExportReport {
        version: VersionId(Hash::new(closing.target)),
        files: closing.files.get(),
        chunks: closing.chunks.get(),
        directories: closing.directories.get(),
        bytes,
    };
    let report = render::export(&report, &args.output.to_string_lossy());
    output::report(app, &args.output, &report)?;
    Ok(exit::DONE)
}

pub fn diff(app: &mut App, client: &Client, args: &Diff, with: &str) -> Outcome {
    let (from, to) = args.between()?;
    let (from, to) = (encoded(from), encoded(to));
    let between = format!("from={from}&to={to}{}{with}", part(args.path.as_deref()));
    let Some(output) = &args.output else {
        let url = format!("/admin/changes?limit=10000&{between}");
        let listed = client.pages(&url, |found| {
            cmd::diff::show(app, &parse::change(found)?)?;
            Ok(true)
        });
        listed.about(Subject::Version).map_err(about_path)?;
        return Ok(exit::DONE);
    };
    let url = format!("/admin/diff?{between}");
    let (closing, bytes) = output::write_from(app, output, Subject::Version, |out, watch| {
        fetch(client, &url, out, watch)
    })
    .map_err(about_path)?;
    let report = PatchReport {
        from: VersionId(Hash::new(closing.base)),
        to: VersionId(Hash::new(closing.target)),
        files_added: closing.files_added.get(),
        files_modified: closing.files_modified.get(),
        files_deleted: closing.files_deleted.get(),
        chunks: closing.chunks.get(),
        directories: closing.directories.get(),
        bytes,
    };
    let report = render::patch(&report, &output.to_string_lossy());
    output::report(app, output, &report)?;
    Ok(exit::DONE)
}

/// The parameter that names a path.
fn part(path: Option<&OsStr>) -> String {
    path.map_or_else(String::new, |path| format!("&path={}", percent_encoded(path.as_bytes())))
}

pub fn promote(app: &mut App, client: &Client, args: &Promote) -> Outcome {
    let expect = match &args.expect {
        None => None,
        Some(expect) => {
            // The header takes a whole hash; the server knows which one is meant.
            let found = client.get(&format!("/files/?stat&version={}", encoded(expect)));
            Some(parse::version(&found.about(Subject::Version)?, "version")?)
        }
    };
    let promotion = set_head(client, args.given(), expect)?;
    app.report(&render::promotion(&promotion))?;
    Ok(exit::DONE)
}

/// HEAD as it is now.
pub fn head(client: &Client) -> Attempt<VersionId> {
    Ok(parse::version(&client.get("/readyz").about(Subject::Database)?, "head")?)
}

/// Makes a version HEAD, if HEAD is what is expected.
pub fn set_head(client: &Client, hash: &str, expect: Option<VersionId>) -> Attempt<Promotion> {
    let headers: Vec<_> = expect.iter().map(if_match).collect();
    let body = Payload::Json(json!({ "hash": hash }));
    let reply = client.send(Method::POST, "/admin/promote", &headers, body);
    let reply = client.value(reply.about(Subject::Version)?)?;
    Ok(parse::promotion(&reply)?)
}

/// The header that says what HEAD must still be.
pub fn if_match(head: &VersionId) -> (&'static str, String) {
    ("if-match", format!("\"{head}\""))
}
