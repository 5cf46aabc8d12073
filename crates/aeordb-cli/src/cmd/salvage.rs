//! `salvage --output F [--from F...]`

use std::path::PathBuf;

use aeordb::salvage::{self, LOST_MAX, SalvageReport};
use aeordb::{Error, Result};
use aeordb_api::command::Salvage as Shown;
use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser};

use crate::app::{App, Outcome};
use crate::args::local_file;
use crate::exit::{self, Failure, Subject};
use crate::output::is_standard;
use crate::render;

const HELP: &str = "\
Reads the damaged file from front to back and never writes to it. Every entry that has its hash goes \
to the new database, and every version that HEAD, snapshots and history name is kept: whole, or \
without what it has lost, under the same name. An export is salvaged the same way.

What is lost is listed, a line each: LOST, the version, and the path. A directory that is listed has \
lost what was in it, or names that nobody knows. The exit code is 0 if nothing is lost, 3 if something \
is, and 14 if there is nothing to save; then no new database is made. --from names files that may \
have what is missing: an entry is the same wherever it lies.

A directory that is sound, while what named it is lost, is kept with all below it in the snapshot \
lost+found, called by its hash.

Keys of a server are kept only if the last commit is sound: an earlier one would bring revoked keys \
back.

Examples:
  aeordb salvage --database damaged.aeordb --output rescued.aeordb
  aeordb salvage --database damaged.aeordb --output rescued.aeordb --from full.aeordb
  aeordb verify --deep rescued.aeordb";

/// Make a new database of what is sound in a damaged one
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub struct Salvage {
    /// The database to create
    #[arg(long, short, value_name = "OUTPUT")]
    #[arg(value_parser = OsStringValueParser::new().try_map(local_file))]
    pub output: PathBuf,
    /// A full export or another database that may have what is missing; may be repeated
    #[arg(long = "from", num_args = 1.., value_name = "FILE")]
    pub others: Vec<PathBuf>,
}

pub fn run(app: &mut App, args: &Salvage) -> Outcome {
    if app.global.server.is_some() {
        let why = "salvage reads a file of this machine: name it with --database FILE";
        return Err(Error::invalid(why).into());
    }
    if is_standard(&args.output) {
        return Err(Error::invalid("salvage makes a database, which is a file: name one").into());
    }
    let (path, options) = (app.path().to_owned(), app.global.options(None));
    let report = app.watched(|_, monitor| {
        salvage::salvage(&path, &args.output, &args.others, &options, monitor).map_err(|error| {
            let subject = match &error {
                Error::Exists(_) => Subject::Output,
                Error::NotFound(_) if path.exists() => Subject::Nothing,
                _ => Subject::Database,
            };
            Failure { error, subject }
        })
    })?;
    app.report(&render::salvage(&Shown::new(&report, &args.output.to_string_lossy())))?;
    if !app.global.json {
        list(app, &report)?;
    }
    warn(app, &report);
    Ok(if report.is_complete() { exit::DONE } else { exit::UNREADABLE })
}

/// Lists what is lost.
fn list(app: &mut App, report: &SalvageReport) -> Result<()> {
    for lost in &report.lost {
        app.out.bytes(format!("LOST {} ", lost.version).as_bytes())?;
        app.out.name(lost.path.as_bytes())?;
        app.out.end()?;
    }
    Ok(())
}

/// Says what no path can say.
fn warn(app: &mut App, report: &SalvageReport) {
    if report.more_lost {
        app.warn(&format!("more is lost than the {LOST_MAX} paths that are listed"));
    }
    if !report.head_is_last {
        app.warn("nothing is left of what was HEAD: HEAD is an earlier version now");
    }
    if report.names_lacking {
        app.warn(
            "the last commit is lost, and other bytes with it: there may have been later versions \
             and names, which nobody knows",
        );
    }
    if report.system_lost {
        app.warn(
            "keys of a server are lost, if there were any: `aeordb key create` makes new ones",
        );
    }
}
