//! `log [PATH]`

use std::ffi::OsString;

use aeordb_api::versions::{HistoryEntry, PathVersion};
use clap::Args;

use crate::app::{App, Outcome};
use crate::exit;
use crate::home::Home;
use crate::location::target;
use crate::text;

const HELP: &str = "\
With PATH only the versions that changed what is there, with A (added), M (modified) or D (deleted) and \
their snapshots. Versions that only a snapshot names, or that were imported, count too.

Examples:
  aeordb log
  aeordb log /documents/report.odt
  aeordb log -n 10
  aeordb diff --from HEAD~1          what the newest change did";

/// Show what HEAD was, newest first, and what was imported
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub struct Log {
    /// Only what changed this file or directory
    #[arg(value_name = "PATH")]
    pub path: Option<OsString>,
    /// Show no more than this many
    #[arg(long, short = 'n', value_name = "COUNT")]
    pub max_count: Option<usize>,
}

pub fn run(app: &mut App, home: &dyn Home, args: &Log) -> Outcome {
    let limit = args.max_count.unwrap_or(usize::MAX);
    if let Some(path) = &args.path {
        let target = target(path)?;
        home.trace(app, &target.path, limit, &mut |app, version| {
            show_change(app, &version).map(|()| true)
        })?;
        return Ok(exit::DONE);
    }
    home.history(app, limit, &mut |app, entry| show(app, &entry).map(|()| true))?;
    Ok(exit::DONE)
}

/// One entry of history.
fn show(app: &mut App, entry: &HistoryEntry) -> aeordb::Result<()> {
    if app.global.json {
        return app.out.json(entry);
    }
    let note = if entry.promoted { "" } else { "  (HEAD was not changed)" };
    let what = text::printable(&entry.what);
    app.out.line(&format!("{}  {}  {what}{note}", entry.version, text::time(entry.time.0)))
}

/// One version that changed a path.
fn show_change(app: &mut App, found: &PathVersion) -> aeordb::Result<()> {
    if app.global.json {
        return app.out.json(found);
    }
    let PathVersion { version, time, what, snapshots, change } = found;
    let time = time.map_or_else(|| format!("{:<20}", "-"), |time| text::time(time.0));
    app.out.bytes(format!("{version}  {time}  ").as_bytes())?;
    app.out.bytes(super::diff::letter(change.change))?;
    let named = match snapshots.is_empty() {
        true => String::new(),
        false => format!("  ({})", snapshots.join(", ")),
    };
    app.out.line(&format!("{}{}", text::printable(what), text::printable(&named)))
}
