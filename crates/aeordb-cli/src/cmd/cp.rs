//! `cp FROM TO`

use std::ffi::OsString;

use clap::Args;

use crate::app::{App, Outcome};
use crate::args::At;
use crate::exit;
use crate::home::Home;
use crate::location::{location, target};
use crate::render;

const HELP: &str = "\
Nothing is stored twice: a copy costs a few bytes whatever its size. FROM may be in an earlier \
version, which brings it back.

Examples:
  aeordb cp /documents /documents-2024
  aeordb cp v1:/documents/report.pdf /documents/report-v1.pdf
  aeordb cp --force --at HEAD~1 /app.conf /app.conf";

/// Copy a file or directory, also out of an earlier version
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub struct Cp {
    /// What to copy: PATH or VERSION:PATH
    #[arg(value_name = "FROM")]
    pub from: OsString,
    /// The path of the copy, or a directory to copy into
    #[arg(value_name = "TO")]
    pub to: OsString,
    #[command(flatten)]
    pub at: At,
    /// Replace a file that is there
    #[arg(long, short)]
    pub force: bool,
}

pub fn run(app: &mut App, home: &dyn Home, args: &Cp) -> Outcome {
    let (from, to) = (location(&args.from)?, target(&args.to)?);
    let report = home.copy(app, &from, args.at.at.as_deref(), to, args.force)?;
    app.report(&render::edit("Copied.", &report))?;
    Ok(exit::DONE)
}
