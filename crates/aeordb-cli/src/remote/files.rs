//! Changing files through a server: moved, copied and removed.

use aeordb::object::{Item, Name, Path};
use aeordb::{Error, Result};
use aeordb_server::{json as shown, percent_encoded};
use serde_json::json;
use ureq::http::Method;

use super::client::{Client, Payload};
use super::parse;
use super::place::{Place, url, version_parameter};
use crate::app::{App, Outcome};
use crate::args::{Cp, Mv, Rm};
use crate::cmd;
use crate::exit::{self, About, Attempt, Failure, Subject};
use crate::location::{Target, location, target};
use crate::render;

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
    let place = Place::in_head(to.path.clone());
    match place.look(client) {
        Ok((item, _)) => Ok(matches!(item, Item::Directory(_))),
        Err(Failure { error: Error::NotFound(_), .. }) => Ok(false),
        Err(Failure { error, .. }) if exit::is_denied(&error) => Ok(false),
        Err(failure) => Err(failure),
    }
}

pub fn rm(app: &mut App, client: &Client, args: &Rm) -> Outcome {
    app.out.null_terminated(args.null.null);
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
    let place = Place::in_head(path.clone());
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
    let to = destination(client, from.name(), &target(&args.to)?)?;
    let url = format!("{}?rename-to={}", url(&from), percent_encoded(to.as_bytes()));
    change(app, client, &url, args.force, "Moved.")
}

pub fn cp(app: &mut App, client: &Client, args: &Cp) -> Outcome {
    let from = location(&args.from)?;
    let to = destination(client, from.path.name(), &target(&args.to)?)?;
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
