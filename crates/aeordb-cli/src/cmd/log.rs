//! `log`

use aeordb_api::versions::HistoryEntry;

use crate::app::{App, Outcome};
use crate::args::Log;
use crate::exit::{self, About, Subject};
use crate::text;

pub fn run(app: &mut App, args: &Log) -> Outcome {
    let opened = app.open()?;
    let history = opened.reader.history().about(Subject::Database)?;
    for entry in history.take(args.max_count.unwrap_or(usize::MAX)) {
        show(app, &(&entry.about(Subject::Database)?).into())?;
    }
    Ok(exit::DONE)
}

/// One entry of history.
pub fn show(app: &mut App, entry: &HistoryEntry) -> aeordb::Result<()> {
    if app.global.json {
        return app.out.json(entry);
    }
    let note = if entry.promoted { "" } else { "  (HEAD was not changed)" };
    let what = text::printable(&entry.what);
    app.out.line(&format!("{}  {}  {what}{note}", entry.version, text::time(entry.time.0)))
}
