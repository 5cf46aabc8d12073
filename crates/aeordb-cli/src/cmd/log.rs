//! `log`

use aeordb_api::versions::HistoryEntry;

use crate::app::{App, Outcome};
use crate::args::Log;
use crate::exit;
use crate::home::Home;
use crate::text;

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
