//! `verify [FILE] [--deep] [--budget DURATION | --sample PERCENT] [--with F...]`

use std::path::PathBuf;
use std::time::Duration;

use aeordb::backup::{Portion, Share};
use clap::Args;

use crate::app::{App, Outcome};
use crate::exit;
use crate::home::Home;
use crate::{render, text};

const HELP: &str = "\
Looks at the structure and the checksum of every block. --deep also decompresses every entry, \
checks it against its name, and proves every version complete. Damage is exit code 14.

A patch alone cannot prove what it compressed against its base; with its base (--with, in order, \
if that is a full export and patches) it is proved as an import would.

--budget 10m is for a schedule: each run goes on where the one before ended, and a pass over all of it \
takes as many runs as it takes. Where it is stands beside the database, in DATABASE.scrub. What was \
found damaged is looked at again by every run, which ends with exit code 14 until it is healed. \
--sample 5% takes blocks at random.

Examples:
  aeordb verify --database data.aeordb
  aeordb verify --deep backup.aeordb
  aeordb verify --deep --budget 10m --database data.aeordb
  aeordb verify --database p2.aeordb --with full.aeordb --with p1.aeordb";

/// Check a database, an export or a patch for damage
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub struct Verify {
    /// The file; the database if none is given
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Hash every entry and prove every version complete
    #[arg(long)]
    pub deep: bool,
    /// Look at a database for so long, deep, from where the time before ended
    #[arg(long, value_name = "DURATION", value_parser = text::parse_duration,
        conflicts_with = "with")]
    pub budget: Option<Duration>,
    /// Look at this share of a database's blocks, deep and at random
    #[arg(long, value_name = "PERCENT", conflicts_with_all = ["with", "budget"])]
    pub sample: Option<Share>,
    /// What a patch is for, or the patches of a full export; may be repeated, in order
    #[arg(long = "with", value_name = "FILE")]
    pub with: Vec<PathBuf>,
}

impl Verify {
    /// What of a database is looked at, if not all.
    pub fn portion(&self) -> Option<Portion> {
        let budget = self.budget.map(Portion::Budget);
        budget.or(self.sample.map(Portion::Sample))
    }
}

pub fn run(app: &mut App, home: &dyn Home, args: &Verify) -> Outcome {
    if let Some(file) = &args.file {
        app.global.database.clone_from(file);
    }
    let report = home.verify(app, args)?;
    app.report(&render::verify(&(&report).into()))?;
    Ok(match (report.damages.is_empty(), report.newer.is_empty()) {
        (true, true) => exit::DONE,
        (true, false) => exit::NEWER,
        (false, _) => exit::DAMAGED,
    })
}
