//! `promote VERSION [--expect V]`

use clap::Args;

use crate::app::{App, Outcome};
use crate::exit;
use crate::home::Home;
use crate::render;

const HELP: &str = "\
The version must be complete in the database. The old HEAD stays in the history.

Examples:
  aeordb promote --hash abc123def456
  aeordb promote --hash HEAD~1                            back to where HEAD was
  aeordb promote v2 --expect v1                           only if HEAD is still v1";

/// Make a version HEAD
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub struct Promote {
    /// The version
    #[arg(value_name = "VERSION", conflicts_with = "hash", required_unless_present = "hash")]
    pub version: Option<String>,
    /// The same, as a flag
    #[arg(long, value_name = "VERSION")]
    pub hash: Option<String>,
    /// Only if HEAD is still this version
    #[arg(long, value_name = "VERSION")]
    pub expect: Option<String>,
}

impl Promote {
    /// The version, however it was given.
    pub fn given(&self) -> &str {
        self.version.as_deref().or(self.hash.as_deref()).unwrap_or_default()
    }
}

pub fn run(app: &mut App, home: &dyn Home, args: &Promote) -> Outcome {
    let promotion = home.promote(app, args.given(), args.expect.as_deref())?;
    app.report(&render::promotion(&promotion))?;
    Ok(exit::DONE)
}
