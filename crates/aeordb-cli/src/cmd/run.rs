//! `run PROFILE [--dry-run] [--metrics-file FILE]`

use std::path::PathBuf;

use aeordb_api::profiles::Run as Ran;
use clap::Args;

use crate::app::{App, Outcome};
use crate::exit;
use crate::profiles::profile::Profile;
use crate::profiles::{lock, metrics, run};

const HELP: &str = "\
A profile is a file in TOML: NAME stands for $XDG_CONFIG_HOME/aeordb/NAME.toml (or \
~/.config/aeordb/NAME.toml), else for /etc/aeordb/NAME.toml; what has a slash in it or ends with \
.toml is a path. dist/profile.toml is an example.

A run does, in this order: the hook `before`; a put of each source under its own path, as \
`aeordb put --mirror` does it; a name for the version; into each target a full export or a \
patch, which is verified with what it stands on; what `keep_fulls` makes superfluous is removed \
there; the names of versions go that [keep] does not keep; the hook `after`. A source that fails \
makes no version and no file, and a run in which anything failed removes nothing. What is not \
called as the files of the profile are is never touched.

One line of JSON says what was done. The exit code is that of the worst step; 11 if another run \
of the profile is under way. A run that was killed is simply run again.

Examples:
  aeordb run home
  aeordb run ./home.toml --dry-run
  aeordb run home --metrics-file /var/lib/prometheus/node-exporter/aeordb-home.prom";

/// Make the backup that a profile describes
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub struct Run {
    /// The name of a profile, or its file
    #[arg(value_name = "PROFILE")]
    pub profile: PathBuf,
    /// Only say what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// Put the numbers of the run into this file, for the textfile collector of node_exporter
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    pub metrics_file: Option<PathBuf>,
}

/// A run of this profile is under way.
const UNDER_WAY: u8 = 11;

pub fn run(app: &mut App, args: &Run) -> Outcome {
    let profile = Profile::read(&args.profile)?;
    let lock = if args.dry_run { None } else { lock::take(&profile.path)? };
    if lock.is_none() && !args.dry_run {
        let path = profile.path.display();
        app.warn(&format!("nothing was done: another run of {path} is under way"));
        return Ok(UNDER_WAY);
    }
    let done = run::run(app, &profile, args.dry_run)?;
    if !app.global.quiet {
        app.out.json(&done)?;
        app.out.flush()?;
    }
    let code = done.exit_code;
    match &args.metrics_file {
        Some(file) => numbers(app, file, &done, code),
        None => Ok(code),
    }
}

/// That its numbers could not be written is the least that can go wrong.
fn numbers(app: &mut App, file: &std::path::Path, done: &Ran, code: u8) -> Outcome {
    match metrics::write(file, done) {
        Ok(()) => Ok(code),
        Err(error) => {
            let failed = app.fail(error.into());
            Ok(if code == exit::DONE { failed } else { code })
        }
    }
}
