//! `snapshot create | list | delete`

use std::collections::BTreeMap;

use aeordb::Error;
use aeordb::db::Snapshot as Kept;
use aeordb_api::versions::Snapshot as Shown;

use crate::app::{App, Opened, Outcome, version};
use crate::args::{At, Snapshot};
use crate::exit::{self, About, Attempt, Failure, Subject};
use crate::render;
use crate::text;

pub fn run(app: &mut App, args: Snapshot) -> Outcome {
    match args {
        Snapshot::Create { name, at, meta } => create(app, &name, &at, meta),
        Snapshot::List => list(app),
        Snapshot::Delete { name, dry_run } => delete(app, &name, dry_run),
    }
}

fn create(app: &mut App, name: &str, at: &At, meta: Vec<(String, String)>) -> Outcome {
    let database = app.open_writer()?;
    let reader = database.reader().about(Subject::Database)?;
    let version = version(&reader, at.at.as_deref().unwrap_or("HEAD"))?;
    let metadata = BTreeMap::from_iter(meta);
    let was_there = reader.snapshot(name).about(Subject::Database)?.is_some();
    let made = database.create_snapshot(name, &version, metadata).about(Subject::Snapshot)?;
    database.close().about(Subject::Database)?;
    app.report(&render::snapshot(made_title(was_there), &(&made).into()))?;
    Ok(exit::DONE)
}

/// What is said of a snapshot that was made, or made before.
pub fn made_title(was_there: bool) -> &'static str {
    if was_there { "Snapshot is there already." } else { "Snapshot created." }
}

fn list(app: &mut App) -> Outcome {
    let opened = app.open()?;
    for snapshot in opened.reader.snapshots().about(Subject::Database)? {
        show(app, &(&snapshot).into())?;
    }
    Ok(exit::DONE)
}

/// One line of the list.
pub fn show(app: &mut App, snapshot: &Shown) -> aeordb::Result<()> {
    if app.global.json {
        return app.out.json(snapshot);
    }
    let (version, name) = (snapshot.version, text::printable(&snapshot.name));
    app.out.line(&format!("{version}  {}  {name}", text::time(snapshot.created_at.0)))
}

fn delete(app: &mut App, name: &str, dry_run: bool) -> Outcome {
    let report = if dry_run {
        let kept = find(&app.open()?, name)?;
        render::snapshot("Nothing was changed (dry run).", &(&kept).into())
    } else {
        let database = app.open_writer()?;
        let deleted = database.delete_snapshot(name).about(Subject::Snapshot)?;
        database.close().about(Subject::Database)?;
        render::snapshot("Snapshot deleted.", &(&deleted).into())
    };
    app.report(&report)?;
    Ok(exit::DONE)
}

/// The snapshot of exactly this name.
pub fn find(opened: &Opened, name: &str) -> Attempt<Kept> {
    let kept = opened.reader.snapshots().about(Subject::Database)?;
    kept.into_iter().find(|snapshot| snapshot.name == name).ok_or_else(|| Failure {
        error: Error::not_found(format!("snapshot '{}'", text::printable(name))),
        subject: Subject::Snapshot,
    })
}
