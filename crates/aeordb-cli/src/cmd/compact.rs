//! `compact [--dry-run]`

use std::time::Instant;

use aeordb::Error;
use aeordb::compact;
use aeordb::db::Database;
use aeordb_api::command::Compaction;
use clap::Args;

use crate::app::{App, Outcome};
use crate::exit::{self, About, Subject};
use crate::render;
use crate::unattended::Level;

const HELP: &str = "\
The new file holds what HEAD, snapshots and the kept history reach, and the keys of a server; it has \
the owner and the mode of the old one, and takes its place in one step, once it is whole, checked \
and on the disk. Until then nothing is changed, so the disk needs room for both. Readers keep the \
file that they have open. No server can have the database open; `aeordb gc` works through one, and \
needs no room.

A symbolic link goes on leading to the database. A file with several names (hard links) is refused.

Examples:
  aeordb compact --dry-run
  aeordb compact --database data.aeordb";

/// Make the database file as small as it can be, in a new file that takes its place
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub struct Compact {
    /// Only say how large the new file would be, about
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub level: Level,
}

pub fn run(app: &mut App, args: &Compact) -> Outcome {
    if app.global.server.is_some() {
        let why = "compact puts another file in the place of the database: stop the server, \
                   then compact the file";
        return Err(Error::invalid(why).into());
    }
    let started = Instant::now();
    let (path, global) = (app.path().to_owned(), app.global.clone());
    let report = app.watched(|_, monitor| {
        let options = global.options(Some(monitor));
        let done = match args.dry_run {
            true => Database::open(&path, &options)
                .and_then(|database| compact::foresee(&database, monitor)),
            false => compact::compact(&path, &options, monitor),
        };
        done.about(Subject::Database)
    })?;
    app.report(&render::compact(&Compaction::new(&report, args.dry_run), started.elapsed()))?;
    Ok(exit::DONE)
}
