//! `log`

use aeordb_api::versions::HistoryEntry;
use clap::Args;

use crate::app::{App, Outcome};
use crate::exit;
use crate::home::Home;
use crate::text;

const HELP: &str = "\
Examples:
  aeordb log
  aeordb log -n 10
  aeordb diff --from HEAD~1          what the newest change did";

/// Show what HEAD was, newest first, and what was imported
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub struct Log {
    /// Show no more than this many
    #[arg(long, short = 'n', value_name = "COUNT")]
    pub max_count: Option<usize>,
}

pub fn run(app: &mut App, home: &dyn Home, args: &Log) -> Outcome {
    let limit = args.max_count.unwrap_or(usize::MAX);
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
