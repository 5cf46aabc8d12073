//! `gc [--dry-run]`

use std::time::Instant;

use crate::app::{App, Outcome};
use crate::args::Gc;
use crate::exit;
use crate::home::Home;
use crate::render;

pub fn run(app: &mut App, home: &dyn Home, args: &Gc) -> Outcome {
    let started = Instant::now();
    let report = home.collect(app, args.dry_run)?;
    app.report(&render::gc(&report, started.elapsed()))?;
    Ok(exit::DONE)
}
