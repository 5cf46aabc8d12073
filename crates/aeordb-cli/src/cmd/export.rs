//! `export [VERSION] --output F [--snapshot NAME | --hash VERSION] [--parity PERCENT]`

use std::ffi::OsString;
use std::path::PathBuf;

use aeordb::Error;
use aeordb::backup::Share;
use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser};

use crate::app::{App, Outcome};
use crate::args::{With, backup_file};
use crate::cmd::parity;
use crate::encryption::For;
use crate::exit;
use crate::home::Home;
use crate::output;
use crate::remote::is_url;
use crate::render;
use crate::unattended::Level;

const HELP: &str = "\
The file holds this one version and nothing else: no history, no deleted files, no voids. It is a \
database of its own that can be listed, read and verified, and `aeordb import` makes one \
that grows of it. An existing OUTPUT is never overwritten, and a failed export leaves none behind.

With --path the file holds that directory or file alone, at its own path: what is imported and \
promoted elsewhere is found where it was.

Examples:
  aeordb export --database data.aeordb --output backup.aeordb
  aeordb export --database data.aeordb --output backup.aeordb --snapshot v1
  aeordb export --output - | ssh host 'cat > backup.aeordb'
  aeordb export --path /documents --output documents.aeordb
  aeordb export --output backup.aeordb --parity 5%";

/// Write one version to a self-contained backup file
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub struct Export {
    /// Export this version instead of HEAD
    #[arg(value_name = "VERSION", conflicts_with_all = ["snapshot", "hash"])]
    pub version: Option<String>,
    /// The file to create; - is standard output
    #[arg(long, short, value_name = "OUTPUT")]
    #[arg(value_parser = OsStringValueParser::new().try_map(backup_file))]
    pub output: PathBuf,
    /// Export this snapshot instead of HEAD
    #[arg(long, value_name = "NAME", conflicts_with = "hash")]
    pub snapshot: Option<String>,
    /// Export this version instead of HEAD
    #[arg(long, value_name = "VERSION")]
    pub hash: Option<String>,
    /// Only what is at PATH and below it; it keeps its path
    #[arg(long, value_name = "PATH")]
    pub path: Option<OsString>,
    /// Also make OUTPUT.parity, which heals so much of it
    #[arg(long, value_name = "PERCENT")]
    pub parity: Option<Share>,
    #[command(flatten)]
    pub readers: For,
    #[command(flatten)]
    pub with: With,
    #[command(flatten)]
    pub level: Level,
}

impl Export {
    /// The version, if one was given other than as the name of a snapshot.
    pub fn given(&self) -> Option<&str> {
        self.version.as_deref().or(self.hash.as_deref())
    }
}

pub fn run(app: &mut App, home: &dyn Home, args: &Export) -> Outcome {
    if args.parity.is_some()
        && (output::is_standard(&args.output) || is_url(args.output.as_os_str()))
    {
        let why = "parity is a file beside a file of this machine: name one with --output";
        return Err(Error::invalid(why).into());
    }
    let done = home.export(app, args)?;
    let report = match args.parity {
        None => render::export(&done),
        Some(share) => render::export_with(done, parity::make(app, &args.output, share)?),
    };
    output::report(app, &args.output, &report)?;
    Ok(exit::DONE)
}
