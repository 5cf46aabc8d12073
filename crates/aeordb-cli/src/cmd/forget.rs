//! `forget VERSION… | --history [--older DURATION]`

use aeordb_api::jobs::Forget as Asked;
use clap::Args;

use crate::app::{App, Outcome};
use crate::exit;
use crate::home::Home;
use crate::render;

const HELP: &str = "\
History keeps what HEAD was for 1,000 entries and 30 days at least, so that what was put by mistake \
can be got back. This drops it now: a version is out of history, and where it is named by a \
snapshot, that name goes too. HEAD stays, and so does what is held; a version that another snapshot \
names is refused. The next `aeordb gc` gives the bytes back at once, and with them the use of a plain \
copy of the file that is being made meanwhile.

A DURATION is 12h, 30d, 8w, 6mo or 1y; m are minutes.

Examples:
  aeordb rm /video.iso && aeordb forget --history && aeordb gc
  aeordb forget --history --older 7d --dry-run
  aeordb forget before-upgrade HEAD~3";

/// Drop versions before history would
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub struct Forget {
    /// The versions
    #[arg(value_name = "VERSION", conflicts_with = "history", required_unless_present = "history")]
    pub versions: Vec<String>,
    /// All of history but HEAD
    #[arg(long)]
    pub history: bool,
    /// Of history only what is older than this
    #[arg(long, value_name = "DURATION", requires = "history", conflicts_with = "versions")]
    pub older: Option<String>,
    /// Only say what would be dropped
    #[arg(long)]
    pub dry_run: bool,
}

pub fn run(app: &mut App, home: &dyn Home, args: Forget) -> Outcome {
    let Forget { versions, history, older, dry_run } = args;
    let forgotten = home.forget(app, Asked { versions, history, older, dry_run })?;
    app.report(&render::forgotten(&forgotten))?;
    Ok(exit::DONE)
}
