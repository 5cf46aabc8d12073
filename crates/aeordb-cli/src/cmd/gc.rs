//! `gc [--dry-run]`

use std::time::Instant;

use aeordb::db::{Database, Options};
use aeordb::gc;
use aeordb_api::jobs::Collection;

use crate::app::{App, Outcome};
use crate::args::Gc;
use crate::exit::{self, About, Subject};
use crate::render;

pub fn run(app: &mut App, args: &Gc) -> Outcome {
    let started = Instant::now();
    // To say what would be collected takes no writer.
    let database = match args.dry_run {
        true => Database::open(app.path(), &Options::default()).about(Subject::Database)?,
        false => app.open_writer()?,
    };
    let report = app
        .watched(|_, watch| gc::collect(&database, args.dry_run, watch).about(Subject::Database))?;
    database.close().about(Subject::Database)?;
    app.report(&render::gc(&Collection::new(&report, args.dry_run), started.elapsed()))?;
    Ok(exit::DONE)
}
