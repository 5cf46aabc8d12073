//! `verify [FILE] [--deep] [--with F...]`

use std::path::PathBuf;

use clap::Args;

use crate::app::{App, Outcome};
use crate::exit;
use crate::home::Home;
use crate::render;

const HELP: &str = "\
Looks at the structure and the checksum of every block. --deep also decompresses every entry, \
checks it against its name, and proves every version complete. Damage is exit code 14.

A patch alone cannot prove what it compressed against its base; with its base (--with, in order, \
if that is a full export and patches) it is proved as an import would.

Examples:
  aeordb verify --database data.aeordb
  aeordb verify --deep backup.aeordb
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
    /// What a patch is for, or the patches of a full export; may be repeated, in order
    #[arg(long = "with", value_name = "FILE")]
    pub with: Vec<PathBuf>,
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
