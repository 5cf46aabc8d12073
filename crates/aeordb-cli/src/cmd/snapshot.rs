//! `snapshot create | list | delete`

use aeordb::Error;
use aeordb_api::versions::{NewSnapshot, Snapshot as Kept};
use clap::Subcommand;

use crate::app::{App, Outcome};
use crate::args::{At, key_value};
use crate::exit::{self, About, Attempt, Subject};
use crate::home::Home;
use crate::render;
use crate::text;

pub const HELP: &str = "\
Examples:
  aeordb snapshot create v1
  aeordb snapshot list
  aeordb snapshot delete v1";

const CREATE_HELP: &str = "\
Examples:
  aeordb snapshot create v1
  aeordb snapshot create before-upgrade --at HEAD~1 --meta reason='schema 12'";

const LIST_HELP: &str = "\
Examples:
  aeordb snapshot list
  aeordb snapshot list --json | jq -r .name";

const DELETE_HELP: &str = "\
Only the name goes. The version stays as long as HEAD, another snapshot or kept history holds it.

Examples:
  aeordb snapshot delete v1";

#[derive(Subcommand, Debug)]
pub enum Snapshot {
    /// Give a version a name
    #[command(after_help = CREATE_HELP)]
    Create {
        /// The name
        name: String,
        #[command(flatten)]
        at: At,
        /// Metadata to keep with the name; may be repeated
        #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
        meta: Vec<(String, String)>,
    },
    /// List all snapshots
    #[command(visible_alias = "ls", after_help = LIST_HELP)]
    List,
    /// Remove a name
    #[command(visible_alias = "rm", after_help = DELETE_HELP)]
    Delete {
        /// The name
        name: String,
        /// Only show what would be removed
        #[arg(long)]
        dry_run: bool,
    },
}

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
