//! `snapshot create | list | show | rename | edit | hold | release | delete`

use aeordb::db::SnapshotFilter;
use aeordb_api::space::SnapshotAmount;
use aeordb_api::versions::{EditSnapshot, NewSnapshot, Snapshot as Kept};
use clap::Subcommand;

use crate::app::{App, Outcome};
use crate::args::{At, key_value};
use crate::exit::{self, Attempt};
use crate::home::Home;
use crate::render;
use crate::text;

pub const HELP: &str = "\
Examples:
  aeordb snapshot create v1
  aeordb snapshot list
  aeordb snapshot hold v1
  aeordb snapshot delete v1";

const CREATE_HELP: &str = "\
A name may be nearly anything, `host/daily` and `2026-11-01T12:00` too: 1 to 255 bytes without white \
space, control characters, `~`, `..`, `:/` and `@{`. It begins and ends with neither `/` nor `:`, and \
is not HEAD, latest, or what could be the beginning of a hash. Behind a name that has `/` or `:` a \
path begins with `/`: host/daily:/etc.

Examples:
  aeordb snapshot create v1
  aeordb snapshot create host/2026-11-01T12:00
  aeordb snapshot create before-upgrade --at HEAD~1 --meta reason='schema 12'";

const LIST_HELP: &str = "\
Examples:
  aeordb snapshot list
  aeordb snapshot list --name 'host/*' --meta kind=nightly
  aeordb snapshot list --sizes
  aeordb snapshot list --json | jq -r .name";

const DELETE_HELP: &str = "\
Only the name goes. The version stays as long as HEAD, another snapshot or kept history holds it. \
A snapshot that is held is not removed: `aeordb snapshot release` lets it go.

Examples:
  aeordb snapshot delete v1";

const SHOW_HELP: &str = "\
Examples:
  aeordb snapshot show v1
  aeordb snapshot show v1 --json | jq .metadata";

const RENAME_HELP: &str = "\
Time, metadata and hold stay. A name that is there is not replaced.

Examples:
  aeordb snapshot rename v1 release/1.0";

const EDIT_HELP: &str = "\
Examples:
  aeordb snapshot edit v1 --meta reason='schema 12' --meta ticket=4711
  aeordb snapshot edit v1 --remove-meta ticket";

const HOLD_HELP: &str = "\
What is held stays whoever asks: `snapshot delete` refuses it, and no rule of retention removes it.

Examples:
  aeordb snapshot hold year-2026";

const RELEASE_HELP: &str = "\
Examples:
  aeordb snapshot release year-2026";

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
    List {
        /// Only those whose name fits; `*` stands for anything, `/` too
        #[arg(long, value_name = "GLOB")]
        name: Option<String>,
        /// Only those that have this metadata; may be repeated
        #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
        meta: Vec<(String, String)>,
        /// Also what each alone holds: what would be free without it
        #[arg(long)]
        sizes: bool,
    },
    /// Show one snapshot
    #[command(after_help = SHOW_HELP)]
    Show {
        /// The name
        name: String,
    },
    /// Give a snapshot another name
    #[command(visible_alias = "mv", after_help = RENAME_HELP)]
    Rename {
        /// The name now
        old: String,
        /// The name then
        new: String,
    },
    /// Change the metadata of a snapshot
    #[command(after_help = EDIT_HELP)]
    Edit {
        /// The name
        name: String,
        /// Metadata to set; may be repeated
        #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
        #[arg(required_unless_present = "remove_meta")]
        meta: Vec<(String, String)>,
        /// Metadata to remove; may be repeated
        #[arg(long, value_name = "KEY")]
        remove_meta: Vec<String>,
    },
    /// Keep a snapshot from being removed
    #[command(after_help = HOLD_HELP)]
    Hold {
        /// The name
        name: String,
    },
    /// Let a snapshot be removed again
    #[command(after_help = RELEASE_HELP)]
    Release {
        /// The name
        name: String,
    },
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
        Snapshot::List { name, meta, sizes } => {
            let filter = SnapshotFilter::new(name.as_deref(), meta.into_iter().collect())?;
            match sizes {
                true => list_sizes(app, home, &filter)?,
                false => list(app, home, &filter)?,
            }
        }
        Snapshot::Show { name } => {
            let kept = home.snapshot(app, &name)?;
            app.report(&render::snapshot("Snapshot.", &kept))?;
        }
        Snapshot::Rename { old, new } => {
            let edit = EditSnapshot { name: Some(new), ..EditSnapshot::default() };
            change(app, home, "Snapshot renamed.", &old, edit)?;
        }
        Snapshot::Edit { name, meta, remove_meta } => {
            let set = meta.into_iter().map(|(key, value)| (key, Some(value)));
            let metadata = remove_meta.into_iter().map(|key| (key, None)).chain(set).collect();
            let edit = EditSnapshot { metadata, ..EditSnapshot::default() };
            change(app, home, "Snapshot changed.", &name, edit)?;
        }
        Snapshot::Hold { name } => {
            let edit = EditSnapshot { held: Some(true), ..EditSnapshot::default() };
            change(app, home, "Snapshot is held.", &name, edit)?;
        }
        Snapshot::Release { name } => {
            let edit = EditSnapshot { held: Some(false), ..EditSnapshot::default() };
            change(app, home, "Snapshot released.", &name, edit)?;
        }
        Snapshot::Delete { name, dry_run: true } => {
            let kept = home.snapshot(app, &name)?;
            if kept.held {
                return Err(aeordb::Error::Held(name).into());
            }
            app.report(&render::snapshot("Nothing was changed (dry run).", &kept))?;
        }
        Snapshot::Delete { name, dry_run: false } => {
            let deleted = home.delete_snapshot(app, &name)?;
            app.report(&render::snapshot("Snapshot deleted.", &deleted))?;
        }
    }
    Ok(exit::DONE)
}

/// Changes a snapshot and shows it.
fn change(
    app: &mut App,
    home: &dyn Home,
    title: &str,
    name: &str,
    edit: EditSnapshot,
) -> Attempt<()> {
    let changed = home.edit_snapshot(app, name, edit)?;
    Ok(app.report(&render::snapshot(title, &changed))?)
}

/// Lists snapshots.
fn list(app: &mut App, home: &dyn Home, filter: &SnapshotFilter) -> Attempt<()> {
    home.snapshots(app, &mut |app, snapshot| {
        if filter.takes(&snapshot.name, &snapshot.metadata) {
            match app.global.json {
                true => app.out.json(&snapshot)?,
                false => show(app, &snapshot, "")?,
            }
        }
        Ok(true)
    })
}

/// Lists snapshots with what each alone holds.
fn list_sizes(app: &mut App, home: &dyn Home, filter: &SnapshotFilter) -> Attempt<()> {
    for SnapshotAmount { snapshot, alone } in home.space(app)?.snapshots {
        if !filter.takes(&snapshot.name, &snapshot.metadata) {
            continue;
        }
        match app.global.json {
            true => app.out.json(&SnapshotAmount { snapshot, alone })?,
            false => show(app, &snapshot, &text::size(alone.stored_bytes))?,
        }
    }
    Ok(())
}

/// One line of the list.
fn show(app: &mut App, snapshot: &Kept, size: &str) -> aeordb::Result<()> {
    let (version, name) = (snapshot.version, text::printable(&snapshot.name));
    let held = if snapshot.held { "  (held)" } else { "" };
    let size = if size.is_empty() { String::new() } else { format!("{size}  ") };
    let time = text::time(snapshot.created_at.0);
    app.out.line(&format!("{version}  {time}  {size}{name}{held}"))
}
