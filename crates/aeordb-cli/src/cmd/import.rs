//! `import FILE...`

use std::path::PathBuf;
use std::sync::Arc;

use aeordb::backup::Input;
use aeordb::monitor::Monitor;
use aeordb::{Error, Result};
use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser};

use crate::app::{App, Outcome};
use crate::args::local_file;
use crate::exit;
use crate::home::Home;
use crate::interrupt::Pipe;
use crate::output::is_standard;
use crate::render;
use crate::unattended::Level;

const HELP: &str = "\
Every entry is hashed and the version is proved complete before anything becomes visible. Several \
files (a full export, then its patches in order) are one import: all of them or nothing. The \
database is created if it does not exist. HEAD stays where it is without --promote.

A patch is for the version it starts from. --force applies it whatever HEAD is, and gives exactly \
the version that the patch leads to. --merge gives another: HEAD with the changes of the patch. \
Paths that HEAD has as the patch's base has them become what the patch says; paths that both \
changed are conflicts, which are listed and left out (exit code 3), or resolved with --theirs or \
--ours. For that the version that the patch starts from must be in the database, or in a full \
export given before the patch.

--undo writes the patch that leads back before anything is changed; `aeordb import --file UNDO \
--promote` brings back exactly the old version.

Examples:
  aeordb import --database restored.aeordb --file full.aeordb --promote
  aeordb import --database restored.aeordb full.aeordb patch-v1-v2.aeordb --promote
  ssh host aeordb export --output - | aeordb import --file - --promote
  aeordb import --file patch.aeordb --promote --undo undo.aeordb
  aeordb import --file patch.aeordb --merge --promote          onto a HEAD that went on";

/// Apply an export or patches to a database
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub struct Import {
    /// Exports or patches, in order; - is standard input, a FIFO is read as it comes
    #[arg(value_name = "FILE", conflicts_with = "file", required_unless_present = "file")]
    pub files: Vec<PathBuf>,
    /// The same, as a flag; may be repeated
    #[arg(long, short, num_args = 1.., value_name = "FILE")]
    pub file: Vec<PathBuf>,
    /// Make the imported version HEAD
    #[arg(long)]
    pub promote: bool,
    /// Apply a patch whatever HEAD is (hashes and completeness are checked all the same)
    #[arg(long)]
    pub force: bool,
    /// Also give the imported version this name
    #[arg(long, value_name = "NAME")]
    pub snapshot: Option<String>,
    /// Apply the changes of a patch to HEAD, whatever HEAD is; what both changed is left out
    #[arg(long, conflicts_with = "force")]
    pub merge: bool,
    /// What both changed becomes what the patch says
    #[arg(long, requires = "merge", conflicts_with = "ours")]
    pub theirs: bool,
    /// What both changed stays what HEAD has
    #[arg(long, requires = "merge")]
    pub ours: bool,
    /// Also make a patch that leads from the new HEAD back to the old one
    #[arg(long, value_name = "OUTPUT", requires = "promote")]
    #[arg(value_parser = OsStringValueParser::new().try_map(local_file))]
    pub undo: Option<PathBuf>,
    #[command(flatten)]
    pub level: Level,
}

impl Import {
    /// The files, however they were given.
    pub fn given(&self) -> &[PathBuf] {
        if self.files.is_empty() { &self.file } else { &self.files }
    }
}

pub fn run(app: &mut App, home: &dyn Home, args: &Import) -> Outcome {
    check(args)?;
    let report = home.import(app, args)?;
    app.report(&render::import(&report))?;
    Ok(if report.has_open_conflicts() { exit::UNREADABLE } else { exit::DONE })
}

/// What can be said of the arguments before anything is opened.
fn check(args: &Import) -> Result<()> {
    if args.given().iter().filter(|file| is_standard(file)).count() > 1 {
        return Err(Error::invalid("standard input can be imported only once"));
    }
    if let Some(undo) = args.undo.as_deref().filter(|undo| is_standard(undo)) {
        return Err(Error::invalid(format!("--undo {} is no file", undo.display())));
    }
    Ok(())
}

/// What is imported, in order.
pub fn inputs(files: Vec<PathBuf>, monitor: &Arc<Monitor>) -> Result<Vec<Input>> {
    let input = |file: PathBuf| {
        if is_standard(&file) {
            return Ok(Input::Stream(Box::new(Pipe::stdin(monitor)?)));
        }
        Ok(match Pipe::fifo(&file, monitor)? {
            Some(fifo) => Input::Stream(Box::new(fifo)),
            None => Input::File(file),
        })
    };
    files.into_iter().map(input).collect()
}
