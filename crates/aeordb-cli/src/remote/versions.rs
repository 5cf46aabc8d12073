//! Versions and backups through a server.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path as LocalPath;

use aeordb::Error;
use aeordb::backup::{self, ExportReport, PatchReport};
use aeordb::error::Context;
use aeordb::media::NewFile;
use serde_json::json;
use ureq::http::Method;

use super::client::{self, Client, Payload, encoded};
use super::parse;
use crate::app::{App, Outcome};
use crate::args::{Diff, Export, Import, Log, Promote, Snapshot};
use crate::cmd;
use crate::exit::{self, About, Attempt, Subject};
use crate::output::is_standard;
use crate::render;

pub fn snapshot(app: &mut App, client: &Client, args: Snapshot) -> Outcome {
    match args {
        Snapshot::Create { name, at, meta } => {
            let mut body = json!({ "name": name, "metadata": BTreeMap::from_iter(meta) });
            if let (Some(at), Some(members)) = (at.at, body.as_object_mut()) {
                members.insert("version".into(), at.into());
            }
            let made = client.post("/admin/snapshots", body).about(Subject::Snapshot)?;
            app.report(&render::snapshot("Snapshot created.", &parse::snapshot(&made)?))?;
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

pub fn export(app: &mut App, client: &Client, args: &Export) -> Outcome {
    let which = match (&args.snapshot, &args.hash) {
        (Some(name), _) => format!("?snapshot={}", encoded(name)),
        (None, Some(hash)) => format!("?hash={}", encoded(hash)),
        (None, None) => String::new(),
    };
    let fetched = fetch(app, client, &format!("/admin/export{which}"), &args.output)?;
    if let Some(info) = fetched {
        let report = ExportReport {
            version: info.version,
            files: info.files,
            chunks: info.chunks,
            directories: info.directories,
            bytes: info.file_bytes,
        };
        app.report(&render::export(&report, &args.output.to_string_lossy()))?;
    }
    Ok(exit::DONE)
}

pub fn diff(app: &mut App, client: &Client, args: &Diff) -> Outcome {
    let between = format!("from={}&to={}", encoded(&args.from), encoded(&args.to));
    let Some(output) = &args.output else {
        client.pages(&format!("/admin/changes?limit=10000&{between}"), |found| {
            cmd::diff::show(app, &parse::change(found)?)?;
            Ok(true)
        })?;
        return Ok(exit::DONE);
    };
    let fetched = fetch(app, client, &format!("/admin/diff?{between}"), output)?;
    if let Some(info) = fetched {
        let report = PatchReport {
            from: info.base.unwrap_or(info.version),
            to: info.version,
            files_added: info.files_added,
            files_modified: info.files_modified,
            files_deleted: info.files_deleted,
            chunks: info.chunks,
            directories: info.directories,
            bytes: info.file_bytes,
        };
        app.report(&render::patch(&report, &output.to_string_lossy()))?;
    }
    Ok(exit::DONE)
}

/// Fetches a backup to a new file, which appears complete or not at all, and says what it is; to
/// standard output, it is only passed on.
fn fetch(
    app: &mut App,
    client: &Client,
    url: &str,
    output: &LocalPath,
) -> Attempt<Option<backup::Info>> {
    if is_standard(output) {
        if app.out.is_terminal() {
            return Err(Error::invalid("a terminal cannot show a backup: name a file").into());
        }
        let reply = client.send(Method::GET, url, &[], Payload::Empty).about(Subject::Version)?;
        client::copy(reply, app.out.data())?;
        return Ok(None);
    }
    let mut file = NewFile::create(output).about(Subject::Output)?;
    let reply = client.send(Method::GET, url, &[], Payload::Empty).about(Subject::Version)?;
    client::copy(reply, &mut file)?;
    file.publish().about(Subject::Output)?;
    Ok(Some(backup::info(output).about(Subject::Backup)?))
}

pub fn import(app: &mut App, client: &Client, args: Import) -> Outcome {
    let [file] = args.file.as_slice() else {
        let error = Error::invalid(
            "through a server one file is imported at a time: `aeordb combine` makes one of many",
        );
        return Err(error.into());
    };
    let mut url = format!("/admin/import?promote={}&force={}", args.promote, args.force);
    if let Some(name) = &args.snapshot {
        url.push_str(&format!("&snapshot={}", encoded(name)));
    }
    let send = |input: &mut dyn std::io::Read| {
        let payload = Payload::Bytes(input, "application/vnd.aeordb");
        client.send(Method::POST, &url, &[], payload).about(Subject::Backup)
    };
    let reply = if is_standard(file) {
        send(&mut std::io::stdin().lock())?
    } else {
        let input = File::open(file).context(|| format!("opening {}", file.display()));
        send(&mut input.about(Subject::Backup)?)?
    };
    app.report(&render::import(&parse::import(&client.value(reply)?)?))?;
    Ok(exit::DONE)
}

pub fn promote(app: &mut App, client: &Client, args: &Promote) -> Outcome {
    let mut headers = Vec::new();
    if let Some(expect) = &args.expect {
        // The header takes a whole hash; the server knows which one is meant.
        let found = client.get(&format!("/files/?stat&version={}", encoded(expect)));
        let found = parse::version(&found.about(Subject::Version)?, "version")?;
        headers.push(("if-match", format!("\"{found}\"")));
    }
    let body = Payload::Json(json!({ "hash": args.hash }));
    let reply = client.send(Method::POST, "/admin/promote", &headers, body);
    let reply = client.value(reply.about(Subject::Version)?)?;
    app.report(&render::promotion(&parse::promotion(&reply)?))?;
    Ok(exit::DONE)
}
