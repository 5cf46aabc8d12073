//! Files through a server: listed, shown, moved and removed.

use std::ffi::OsString;

use aeordb::Error;
use aeordb::object::{Item, Name, Path};
use aeordb_server::percent_encoded;
use serde_json::{Value, json};
use ureq::http::Method;

use super::client::{self, Client, Payload, encoded};
use super::parse;
use crate::app::{App, Outcome};
use crate::args::{Cp, Ls, Mv, Rm, Stat};
use crate::cmd;
use crate::exit::{self, About, Attempt, Failure, Subject};
use crate::location::{Location, Target, location, target};
use crate::render;

/// The URL of a path.
pub fn url(path: &Path) -> String {
    format!("/files{}", percent_encoded(path.as_bytes()))
}

/// The URL of a path as a directory.
fn directory_url(path: &Path) -> String {
    if path.is_root() { "/files/".into() } else { format!("{}/", url(path)) }
}

/// The parameter that names a version.
pub fn at(location: &Location, at: Option<&str>) -> String {
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
fn destination(client: &Client, from: Option<&[u8]>, to: &Target) -> Attempt<Path> {
    match from {
        Some(name) if is_directory(client, to)? => Ok(to.path.join(&Name::new(name)?)?),
        _ => Ok(to.path.clone()),
    }
}

/// Whether a directory is at a target, or must be. Who may not read cannot know better.
pub fn is_directory(client: &Client, to: &Target) -> Attempt<bool> {
    if to.is_directory {
        return Ok(true);
    }
    let place = Location { version: None, path: to.path.clone() };
    match look(client, &place, "") {
        Ok((item, _)) => Ok(matches!(item, Item::Directory(_))),
        Err(Failure { error: Error::NotFound(_), .. }) => Ok(false),
        Err(Failure { error, .. }) if exit::is_denied(&error) => Ok(false),
        Err(failure) => Err(failure),
    }
}

fn with(location: &Location, version: &str) -> String {
    match version.strip_prefix('&') {
        Some(version) => format!("{}?{version}", url(&location.path)),
        None => url(&location.path),
    }
}

pub fn cat(app: &mut App, client: &Client, paths: &[OsString], version: Option<&str>) -> Outcome {
    let mut urls = Vec::with_capacity(paths.len());
    for path in paths {
        let location = location(path)?;
        let version = at(&location, version);
        match look(client, &location, &version)? {
            (Item::File(_), _) => urls.push(with(&location, &version)),
            (other, _) => return Err(cmd::cat::not_a_file(&location.path, &other).into()),
        }
    }
    for url in urls {
        let reply = client.send(Method::GET, &url, &[], Payload::Empty);
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
    let to = destination(client, from.name(), &target(&args.to)?)?;
    let url = format!("{}?rename-to={}", url(&from), percent_encoded(to.as_bytes()));
    change(app, client, &url, args.force, "Moved.")
}

pub fn cp(app: &mut App, client: &Client, args: &Cp) -> Outcome {
    let from = location(&args.from)?;
    let to = destination(client, from.path.name(), &target(&args.to)?)?;
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
