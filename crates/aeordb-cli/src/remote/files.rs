//! Changing files through a server: moved, copied and removed.

use aeordb::object::{Name as PathName, Path};
use aeordb::{Error, Result};
use aeordb_api::Name;
use aeordb_api::files::{Batch, BatchChange};
use aeordb_api::parameter::{PathBytes, Word};
use aeordb_api::table::{MoveFiles, MoveQuery, PostBatch};

use super::client::Client;
use super::place::{Place, place_of};
use crate::app::{App, Outcome};
use crate::args::{Cp, Mv, Rm};
use crate::cmd;
use crate::exit::{self, About, Attempt, Failure, Subject};
use crate::location::{Target, location, target};
use crate::render;

/// Where something called `from` lands: at `to`, or inside it if that is a directory.
fn destination(client: &Client, from: Option<&[u8]>, to: &Target) -> Attempt<Path> {
    match from {
        Some(name) if is_directory(client, to)? => Ok(to.path.join(&PathName::new(name)?)?),
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
        Ok(found) => Ok(found.entry.item.is_directory()),
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
        let Name { text, b64 } = Name::new(path.as_bytes());
        let path = b64.is_none().then_some(text);
        BatchChange::Delete { path, path_b64: b64, recursive: args.recursive }
    });
    let batch = Batch { changes: changes.collect() };
    let report = client.call::<PostBatch>(&batch, &[]).about(Subject::Path)?;
    app.report(&render::edit("Removed.", &report))?;
    Ok(exit::DONE)
}

/// Lists what would be removed at and below `path`.
fn would_remove(app: &mut App, client: &Client, path: &Path, recursive: bool) -> Attempt<()> {
    let place = Place::in_head(path.clone());
    let item = place.look(client)?.entry.item;
    let as_json = app.global.json;
    if item.is_directory() {
        if !recursive {
            return Err(cmd::rm::is_directory(path).into());
        }
        place.walk(client, usize::MAX, |below, item| {
            cmd::rm::show(&mut app.out, below, item, as_json).map(|()| true)
        })?;
    }
    Ok(cmd::rm::show(&mut app.out, path, item, as_json)?)
}

pub fn mv(app: &mut App, client: &Client, args: &Mv) -> Outcome {
    let from = target(&args.from)?.path;
    let to = destination(client, from.name(), &target(&args.to)?)?;
    let rename_to = Some(PathBytes(to.as_bytes().to_vec()));
    let query = MoveQuery { rename_to, force: args.force, ..MoveQuery::default() };
    change(app, client, &from, &query, "Moved.")
}

pub fn cp(app: &mut App, client: &Client, args: &Cp) -> Outcome {
    let from = location(&args.from)?;
    let to = destination(client, from.path.name(), &target(&args.to)?)?;
    let version = from.version.as_deref().or(args.at.at.as_deref()).map(|name| Word(name.into()));
    let copy_to = Some(PathBytes(to.as_bytes().to_vec()));
    let query = MoveQuery { copy_to, version, force: args.force, ..MoveQuery::default() };
    change(app, client, &from.path, &query, "Copied.")
}

fn change(app: &mut App, client: &Client, from: &Path, query: &MoveQuery, title: &str) -> Outcome {
    let report = client.ask::<MoveFiles>(&place_of(from), query).about(Subject::Path)?;
    app.report(&render::edit(title, &report))?;
    Ok(exit::DONE)
}
