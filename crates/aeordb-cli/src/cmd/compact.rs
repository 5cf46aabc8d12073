//! `compact [--dry-run]`

use std::time::Instant;

use aeordb::Error;
use aeordb::compact;
use aeordb::db::{Database, Options};
use aeordb_api::command::Compaction;

use crate::app::{App, Outcome};
use crate::args::Compact;
use crate::exit::{self, About, Subject};
use crate::render;

pub fn run(app: &mut App, args: &Compact) -> Outcome {
    if app.global.server.is_some() {
        let why = "compact puts another file in the place of the database: stop the server, \
                   then compact the file";
        return Err(Error::invalid(why).into());
    }
    let started = Instant::now();
    let (path, options) = (app.path().to_owned(), Options::default());
    let report = app.watched(|_, watch| {
        let done = match args.dry_run {
            true => Database::open(&path, &options)
                .and_then(|database| compact::foresee(&database, watch)),
            false => compact::compact(&path, &options, watch),
        };
        done.about(Subject::Database)
    })?;
    app.report(&render::compact(&Compaction::new(&report, args.dry_run), started.elapsed()))?;
    Ok(exit::DONE)
}
