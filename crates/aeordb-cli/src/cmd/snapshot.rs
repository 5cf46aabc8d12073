//! `snapshot create | list | delete`

use aeordb::Error;
use aeordb_api::versions::{NewSnapshot, Snapshot as Kept};

use crate::app::{App, Outcome};
use crate::args::Snapshot;
use crate::exit::{self, About, Attempt, Subject};
use crate::home::Home;
use crate::render;
use crate::text;

pub fn run(app: &mut App, home: &dyn Home, args: Snapshot) -> Outcome {
    match args {
        Snapshot::Create { name, at, meta } => {
            let new = NewSnapshot { name, version: at.at, metadata: meta.into_iter().collect() };
            let (made, was_there) = home.create_snapshot(app, new)?;
            let title = match was_there {
                true => "Snapshot is there already.",
                false => "Snapshot created.",
            };
            app.report(&render::snapshot(title, &made))?;
        }
        Snapshot::List => {
            home.snapshots(app, &mut |app, snapshot| show(app, &snapshot).map(|()| true))?;
        }
        Snapshot::Delete { name, dry_run: true } => {
            let kept = find(app, home, &name)?;
            app.report(&render::snapshot("Nothing was changed (dry run).", &kept))?;
        }
        Snapshot::Delete { name, dry_run: false } => {
            let deleted = home.delete_snapshot(app, &name)?;
            app.report(&render::snapshot("Snapshot deleted.", &deleted))?;
        }
    }
    Ok(exit::DONE)
}

/// One line of the list.
fn show(app: &mut App, snapshot: &Kept) -> aeordb::Result<()> {
    if app.global.json {
        return app.out.json(snapshot);
    }
    let (version, name) = (snapshot.version, text::printable(&snapshot.name));
    app.out.line(&format!("{version}  {}  {name}", text::time(snapshot.created_at.0)))
}

/// The snapshot of exactly this name.
pub fn find(app: &mut App, home: &dyn Home, name: &str) -> Attempt<Kept> {
    let mut kept = None;
    home.snapshots(app, &mut |_, found| {
        kept = (found.name == name).then_some(found);
        Ok(kept.is_none())
    })?;
    let missing = || Error::not_found(format!("snapshot '{}'", text::printable(name)));
    kept.ok_or_else(missing).about(Subject::Snapshot)
}
