//! Files through a server: single ones as they are, trees as tar archives.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path as LocalPath;

use aeordb::error::Context;
use aeordb::media::NewFile;
use aeordb::object::{Item, Name, Path};
use aeordb::{Error, Result};
use aeordb_server::percent_encoded;
use serde_json::{Value, json};
use ureq::http::Method;

use super::client::{self, Client, Payload, encoded};
use super::parse;
use crate::app::{App, Outcome};
use crate::args::{Cp, Get, Ls, Mv, Put, Rm, Stat};
use crate::cmd;
use crate::exit::{self, About, Attempt, Failure, Subject};
use crate::location::{Location, Target, location, target};
use crate::output::is_standard;
use crate::render::{self, Report};
use crate::text;

/// The URL of a path.
fn url(path: &Path) -> String {
    format!("/files{}", percent_encoded(path.as_bytes()))
}

/// The URL of a path as a directory.
fn directory_url(path: &Path) -> String {
    if path.is_root() { "/files/".into() } else { format!("{}/", url(path)) }
}

/// The parameter that names a version.
fn at(location: &Location, at: Option<&str>) -> String {
    let version = location.version.as_deref().or(at);
    version.map_or_else(String::new, |version| format!("&version={}", encoded(version)))
}

/// What is recorded of a location.
fn look(client: &Client, location: &Location, version: &str) -> Attempt<(Item, Value)> {
    let found = client.get(&format!("{}?stat{version}", url(&location.path)));
    let found = found.about(Subject::Path)?;
    Ok((parse::item(&found)?, found))
}

/// Where something called `from` lands: at `to`, or inside it if that is a directory.
fn destination(client: &Client, from: Option<&[u8]>, to: Target) -> Attempt<Path> {
    let place = Location { version: None, path: to.path.clone() };
    let inside = to.is_directory
        || match look(client, &place, "") {
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

pub fn get(app: &mut App, client: &Client, args: &Get) -> Outcome {
    let version = args.at.at.as_deref();
    if is_standard(&args.local) {
        return cat(app, client, std::slice::from_ref(&args.path), version);
    }
    let location = location(&args.path)?;
    let version = at(&location, version);
    let (item, found) = look(client, &location, &version)?;
    let totals = item.totals();
    match item {
        Item::Directory(_) => {
            let url = format!("{}?archive=tar{version}", directory_url(&location.path));
            let reply = client.send(Method::GET, &url, &[], Payload::Empty)?;
            unpack(reply.into_body().into_reader(), &args.local, args.force)
                .about(Subject::Local)?;
        }
        _ => {
            let reply =
                client.send(Method::GET, &with(&location, &version), &[], Payload::Empty)?;
            if args.force && args.local.is_file() {
                let what = || format!("removing {}", args.local.display());
                fs::remove_file(&args.local).context(what).about(Subject::Local)?;
            }
            let mut file = NewFile::create(&args.local).about(Subject::Local)?;
            client::copy(reply, &mut file)?;
            file.publish().about(Subject::Local)?;
        }
    }
    let report = aeordb::files::GetReport {
        version: parse::version(&found, "version")?,
        files: totals.files,
        directories: totals.directories,
        bytes: totals.bytes,
        damaged: 0,
        failed: 0,
    };
    app.report(&render::get(&report))?;
    Ok(exit::DONE)
}

fn with(location: &Location, version: &str) -> String {
    match version.strip_prefix('&') {
        Some(version) => format!("{}?{version}", url(&location.path)),
        None => url(&location.path),
    }
}

fn unpack(input: impl Read, local: &LocalPath, force: bool) -> Result<()> {
    let what = || format!("writing {}", local.display());
    fs::create_dir_all(local).context(what)?;
    let mut archive = tar::Archive::new(input);
    archive.set_overwrite(force);
    archive.set_preserve_permissions(true);
    // Directories come before what is in them; their times would not stay.
    archive.unpack(local).context(what)
}

pub fn cat(app: &mut App, client: &Client, paths: &[OsString], version: Option<&str>) -> Outcome {
    for path in paths {
        let location = location(path)?;
        let version = at(&location, version);
        if let (Item::Directory(_), _) = look(client, &location, &version)? {
            let path = text::printable_name(location.path.as_bytes());
            return Err(Error::invalid(format!("{path} is a directory, not a file")).into());
        }
        let reply = client.send(Method::GET, &with(&location, &version), &[], Payload::Empty);
        client::copy(reply.about(Subject::Path)?, app.out.data())?;
    }
    Ok(exit::DONE)
}

pub fn ls(app: &mut App, client: &Client, args: &Ls) -> Outcome {
    let location = location(&args.path)?;
    let version = at(&location, args.at.at.as_deref());
    let (item, _) = look(client, &location, &version)?;
    let lister = cmd::ls::Lister { long: args.long, json: app.global.json };
    let top = &location.path;
    if !matches!(item, Item::Directory(_)) {
        lister.show(&mut app.out, top.as_bytes(), top, &item)?;
        return Ok(exit::DONE);
    }
    let (kind, name) = if args.recursive { ("recursive&", "path") } else { ("", "name") };
    let url = format!("{}?{kind}limit=10000{version}", directory_url(top));
    client.pages(&url, |found| {
        let item = parse::item(found)?;
        let shown = parse::bytes(found, name)?;
        let path = match args.recursive {
            true => Path::parse(&shown)?,
            false => top.join(&Name::new(&shown)?)?,
        };
        lister.show(&mut app.out, &shown, &path, &item)?;
        Ok(true)
    })?;
    Ok(exit::DONE)
}

pub fn stat(app: &mut App, client: &Client, args: &Stat) -> Outcome {
    for path in &args.paths {
        let location = location(path)?;
        let (item, found) = look(client, &location, &at(&location, args.at.at.as_deref()))?;
        let version = parse::version(&found, "version")?;
        let report = cmd::stat::describe(&location.path, &version, &item);
        if app.global.json {
            app.out.json(&report.json)?;
        } else {
            app.out.bytes(report.text().as_bytes())?;
        }
    }
    Ok(exit::DONE)
}

pub fn rm(app: &mut App, client: &Client, args: &Rm) -> Outcome {
    if args.dry_run {
        return Err(Error::invalid("--dry-run works on a file, not through --server").into());
    }
    let mut changes = Vec::with_capacity(args.paths.len());
    for path in &args.paths {
        let path = target(path)?.path;
        let path = std::str::from_utf8(path.as_bytes())
            .map_err(|_| Error::invalid("through a server only names in UTF-8 are removed"))?;
        changes.push(json!({ "op": "delete", "path": path, "recursive": args.recursive }));
    }
    let reply = client.post("/batch", json!({ "changes": changes })).about(Subject::Path)?;
    app.report(&render::edit("Removed.", &parse::edit(&reply)?))?;
    Ok(exit::DONE)
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
    let version = at(&from, args.at.at.as_deref());
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
