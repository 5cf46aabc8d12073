//! `mv FROM TO`

use std::ffi::OsString;

use clap::Args;

use crate::app::{App, Outcome};
use crate::exit;
use crate::home::Home;
use crate::location::target;
use crate::render;

const HELP: &str = "\
Examples:
  aeordb mv /draft.txt /final.txt
  aeordb mv /final.txt /documents/
  aeordb mv --force /new.conf /app.conf";

/// Move or rename a file or directory
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub struct Mv {
    /// What to move
    #[arg(value_name = "FROM")]
    pub from: OsString,
    /// Its new path, or a directory to move it into
    #[arg(value_name = "TO")]
    pub to: OsString,
    /// Replace a file that is there
    #[arg(long, short)]
    pub force: bool,
}

pub fn run(app: &mut App, home: &dyn Home, args: &Mv) -> Outcome {
    let (from, to) = (target(&args.from)?.path, target(&args.to)?);
    let report = home.rename(app, &from, to, args.force)?;
    app.report(&render::edit("Moved.", &report))?;
    Ok(exit::DONE)
}
