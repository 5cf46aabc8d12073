//! `check PROFILE [--max-age DURATION]`

use std::path::PathBuf;
use std::time::Duration;

use aeordb::Error;
use aeordb_api::profiles::{Freshness, PlaceCheck};
use clap::Args;

use crate::app::{App, Outcome};
use crate::exit;
use crate::profiles::age;
use crate::profiles::profile::Profile;
use crate::text;

const HELP: &str = "\
Looks for the newest version and the newest backup file of a profile, in the database and in each of \
its targets, and says how old they are. A file counts only if all that it stands on is there.

Exit codes: 0 all are young enough, 18 one is older, 10 there is none somewhere.

Examples:
  aeordb check home --max-age 26h
  aeordb check home --json | jq -r '.places[] | select(.state != \"ok\").place'";

/// Tell whether the backups of a profile are young enough
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub struct Check {
    /// The name of a profile, or its file
    #[arg(value_name = "PROFILE")]
    pub profile: PathBuf,
    /// How old the newest may be, as in 26h; what the profile says, if not given
    #[arg(long, value_name = "DURATION", value_parser = text::parse_duration)]
    pub max_age: Option<Duration>,
}

pub fn run(app: &mut App, args: &Check) -> Outcome {
    let profile = Profile::read(&args.profile)?;
    let max_age = args.max_age.or(profile.max_age).ok_or_else(|| {
        let path = profile.path.display();
        Error::invalid(format!(
            "neither --max-age nor max_age in {path} says how old a backup may be"
        ))
    })?;
    let found = age::check(app, &profile, max_age)?;
    if app.global.json {
        app.out.json(&found)?;
    } else if !app.global.quiet {
        for place in &found.places {
            line(app, place)?;
        }
    }
    Ok(match found.state {
        Freshness::Ok => exit::DONE,
        Freshness::Old => exit::TOO_OLD,
        Freshness::None => exit::NONE,
    })
}

fn line(app: &mut App, place: &PlaceCheck) -> aeordb::Result<()> {
    let state = place.state.name();
    let age = place.age.map(|age| text::age(Duration::from_secs(age)));
    let (age, newest) = (age.unwrap_or_default(), place.newest.as_deref().unwrap_or_default());
    let line = format!("{state:<4}  {age:>7}  {}  {newest}", place.place);
    app.out.line(text::printable(line.trim_end()).as_str())
}
