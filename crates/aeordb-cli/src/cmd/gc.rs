//! `gc [--dry-run]`

use std::time::Instant;

use aeordb::gc;

use crate::app::{App, Outcome};
use crate::args::Gc;
use crate::exit::{self, About, Subject};
use crate::render;

pub fn run(app: &mut App, args: &Gc) -> Outcome {
    let started = Instant::now();
    let database = app.open_writer()?;
    let report = app
        .watched(|_, watch| gc::collect(&database, args.dry_run, watch).about(Subject::Database))?;
    database.close().about(Subject::Database)?;
    app.report(&render::gc(&report, args.dry_run, started.elapsed()))?;
    Ok(exit::DONE)
}
