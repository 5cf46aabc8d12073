//! Changing files through a server: single ones are put as they are, trees as tar archives.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path as LocalPath;

use aeordb::error::Context;
use aeordb::object::{Item, Name, Path};
use aeordb::{Error, Result};
use aeordb_server::{json as shown, percent_encoded};
use serde_json::json;
use ureq::http::Method;

use super::client::{Client, Payload};
use super::parse;
use super::place::{Place, directory_url, url, version_parameter};
use crate::app::{App, Outcome};
use crate::args::{Cp, Mv, Put, Rm};
use crate::cmd;
use crate::exit::{self, About, Attempt, Failure, Subject};
use crate::location::{Target, location, target};
use crate::output::is_standard;
use crate::render::{self, Report};
use crate::text;

/// Where something called `from` lands: at `to`, or inside it if that is a directory.
fn destination(client: &Client, from: Option<&[u8]>, to: Target) -> Attempt<Path> {
    let place = Place { path: to.path.clone(), parameters: String::new() };
    let inside = to.is_directory
        || match place.look(client) {
            Ok((item, _)) => matches!(item, Item::Directory(_)),
            Err(Failure { error: Error::NotFound(_), .. }) => false,
            Err(failure) => return Err(failure),
        };
    match from {
        Some(name) if inside => Ok(to.path.join(&Name::new(name)?)?),
        _ => Ok(to.path),
    }
}

pub fn put(app: &mut App, client: &Client, args: Put) -> Outcome {
    let to = target(&args.path)?;
    let [local] = args.locals.as_slice() else {
        let error = Error::invalid("through a server one LOCAL is put at a time");
        return Err(error.into());
    };
    let kind = args.content_type.as_deref();
    if is_standard(local) {
        return put_file(app, client, &mut io::stdin().lock(), &to.path, kind);
    }
    let found = fs::metadata(local).context(|| format!("looking at {}", local.display()));
    if found.about(Subject::Local)?.is_dir() {
        return put_tree(app, client, local, &to.path, args.mirror);
    }
    if args.mirror {
        return Err(Error::invalid("--mirror takes exactly one LOCAL, a directory").into());
    }
    let path = destination(client, local.file_name().map(OsStrExt::as_bytes), to)?;
    let file = File::open(local).context(|| format!("opening {}", local.display()));
    put_file(app, client, &mut file.about(Subject::Local)?, &path, kind)
}

fn put_file(
    app: &mut App,
    client: &Client,
    input: &mut dyn Read,
    path: &Path,
    kind: Option<&str>,
) -> Outcome {
    // Nothing told is what forms send: the server keeps or finds the type.
    let kind = kind.unwrap_or("application/x-www-form-urlencoded");
    let reply = client.send(Method::PUT, &url(path), &[], Payload::Bytes(input, kind));
    let reply = client.value(reply.about(Subject::Path)?)?;
    let report = Report::new("Put complete.", reply.clone())
        .line("Files", 1)
        .line("Bytes", text::exact_size(parse::number(&reply, "size")?))
        .line("Version", parse::version(&reply, "version")?);
    app.report(&report)?;
    Ok(exit::DONE)
}

fn put_tree(
    app: &mut App,
    client: &Client,
    local: &LocalPath,
    path: &Path,
    mirror: bool,
) -> Outcome {
    let (mut reader, writer) = io::pipe().context(|| "making a pipe".into())?;
    let from = local.to_owned();
    let packing = std::thread::spawn(move || pack(&from, writer));
    let mirror = if mirror { "&mirror" } else { "" };
    let url = format!("{}?archive=tar{mirror}", directory_url(path));
    let payload = Payload::Bytes(&mut reader, "application/x-tar");
    let reply = client.send(Method::PUT, &url, &[], payload);
    drop(reader);
    let packed = packing.join().unwrap_or(Err(Error::Interrupted));
    // A server that refuses closes the pipe: then its reason is the one that counts.
    let reply = client.value(reply.about(Subject::Path)?)?;
    packed.about(Subject::Local)?;
    app.report(&render::edit("Put complete.", &parse::edit(&reply)?))?;
    Ok(exit::DONE)
}

/// Writes a tree as an archive. One that could not be finished has no end, so that nobody takes
/// it for a whole one.
fn pack(local: &LocalPath, out: impl Write) -> Result<()> {
    let what = || format!("reading {}", local.display());
    let mut archive = tar::Builder::new(out);
    archive.follow_symlinks(false);
    for entry in fs::read_dir(local).context(what)? {
        let entry = entry.context(what)?;
        let (path, name) = (entry.path(), entry.file_name());
        if entry.file_type().context(what)?.is_dir() {
            archive.append_dir_all(name, path).context(what)?;
        } else {
            archive.append_path_with_name(path, name).context(what)?;
        }
    }
    archive.finish().context(what)
}

pub fn rm(app: &mut App, client: &Client, args: &Rm) -> Outcome {
    let paths = args.paths.iter().map(|path| Ok(target(path)?.path));
    let paths = paths.collect::<Result<Vec<Path>>>()?;
    if args.dry_run {
        for path in &paths {
            would_remove(app, client, path, args.recursive)?;
        }
        return Ok(exit::DONE);
    }
    let changes = paths.iter().map(|path| {
        let mut change = shown::named("path", path.as_bytes());
        if change.contains_key("path_b64") {
            change.remove("path");
        }
        change.insert("op".into(), "delete".into());
        change.insert("recursive".into(), args.recursive.into());
        change
    });
    let changes: Vec<_> = changes.collect();
    let reply = client.post("/batch", json!({ "changes": changes })).about(Subject::Path)?;
    app.report(&render::edit("Removed.", &parse::edit(&reply)?))?;
    Ok(exit::DONE)
}

/// Lists what would be removed at and below `path`.
fn would_remove(app: &mut App, client: &Client, path: &Path, recursive: bool) -> Attempt<()> {
    let place = Place { path: path.clone(), parameters: String::new() };
    let (item, _) = place.look(client)?;
    let as_json = app.global.json;
    if let Item::Directory(_) = item {
        if !recursive {
            return Err(cmd::rm::is_directory(path).into());
        }
        place.walk(client, usize::MAX, |below, item| {
            cmd::rm::show(&mut app.out, below, item, as_json).map(|()| true)
        })?;
    }
    Ok(cmd::rm::show(&mut app.out, path, &item, as_json)?)
}

pub fn mv(app: &mut App, client: &Client, args: &Mv) -> Outcome {
    let from = target(&args.from)?.path;
    let to = destination(client, from.name(), target(&args.to)?)?;
    let url = format!("{}?rename-to={}", url(&from), percent_encoded(to.as_bytes()));
    change(app, client, &url, args.force, "Moved.")
}

pub fn cp(app: &mut App, client: &Client, args: &Cp) -> Outcome {
    let from = location(&args.from)?;
    let to = destination(client, from.path.name(), target(&args.to)?)?;
    let version = version_parameter(&from, args.at.at.as_deref());
    let url = format!("{}?copy-to={}{version}", url(&from.path), percent_encoded(to.as_bytes()));
    change(app, client, &url, args.force, "Copied.")
}

fn change(app: &mut App, client: &Client, url: &str, force: bool, title: &str) -> Outcome {
    let force = if force { "&force" } else { "" };
    let reply = client.send(Method::POST, &format!("{url}{force}"), &[], Payload::Empty);
    let reply = client.value(reply.about(Subject::Path)?)?;
    app.report(&render::edit(title, &parse::edit(&reply)?))?;
    Ok(exit::DONE)
}
