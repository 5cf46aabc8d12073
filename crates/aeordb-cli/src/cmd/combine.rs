//! `combine --output F [--base F] FILE...`

use std::path::PathBuf;

use aeordb::backup::{self, Combined};
use aeordb_api::backups::{Export, Patch};
use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser};

use crate::app::{App, Outcome};
use crate::args::backup_file;
use crate::encryption::{self, For};
use crate::exit;
use crate::output;
use crate::render;

const HELP: &str = "\
A full export and the patches that follow it become one full export of the last version, as if it \
had been exported then. Patches alone become one patch, from the version that the first starts \
from to the one that the last leads to; whatever they have in common is in it once. No database is \
needed, every link is checked, and what the patches bring goes through a temporary file (TMPDIR).

A patch that was combined of patches alone still has what the versions between needed. With --base, \
the full export or database that the patches are for, it has only what its version needs.

Examples:
  aeordb combine --output new.aeordb full.aeordb p1.aeordb p2.aeordb
  aeordb combine --output week.aeordb mon.aeordb tue.aeordb wed.aeordb
  aeordb combine --output week.aeordb --base full.aeordb mon.aeordb tue.aeordb wed.aeordb
  aeordb combine --output - full.aeordb p1.aeordb | ssh host 'cat > new.aeordb'";

/// Make one backup file of several: of a full export and its patches, or of patches
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub struct Combine {
    /// The file to create; - is standard output
    #[arg(long, short, value_name = "OUTPUT")]
    #[arg(value_parser = OsStringValueParser::new().try_map(backup_file))]
    pub output: PathBuf,
    /// A full export and patches, or patches alone, in order
    #[arg(required = true, num_args = 1.., value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// What the patches are for: makes the smallest patch of them
    #[arg(long, value_name = "FILE")]
    pub base: Option<PathBuf>,
    #[command(flatten)]
    pub readers: For,
}

pub fn run(app: &mut App, args: &Combine) -> Outcome {
    let readers = args.readers.of(&app.global)?;
    let (scratch, options) = (std::env::temp_dir(), app.global.options(None));
    let made = output::write_from(app, &args.output, exit::Subject::Backup, |out, monitor| {
        let base = args.base.as_deref();
        let readers = encryption::of(readers.as_ref());
        backup::combine_for(&args.files, base, readers, (out, &scratch), &options, monitor)
    })?;
    let name = args.output.to_string_lossy();
    let report = match &made {
        Combined::Export(made) => render::export(&Export::new(made, &name)),
        Combined::Patch(made) => render::patch(&Patch::new(made, &name)),
    };
    output::report(app, &args.output, &report)?;
    Ok(exit::DONE)
}
