//! `gc [--dry-run]`

use std::time::Instant;

use clap::Args;

use crate::app::{App, Outcome};
use crate::exit;
use crate::home::Home;
use crate::render;

const HELP: &str = "\
Keeps what HEAD, snapshots and the kept history reach, versions that were imported but not \
promoted among them. Readers and copies are not disturbed: what this collection frees is released by \
the next one, or at once where it is much, the disk is full, or a `forget` came before.

Examples:
  aeordb gc --dry-run
  aeordb gc";

/// Give the space back that no kept version needs
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub struct Gc {
    /// Only say what would be collected
    #[arg(long)]
    pub dry_run: bool,
}

pub fn run(app: &mut App, home: &dyn Home, args: &Gc) -> Outcome {
    let started = Instant::now();
    let report = home.collect(app, args.dry_run)?;
    app.report(&render::gc(&report, started.elapsed()))?;
    Ok(exit::DONE)
}
