//! How old the newest backup of each place is.

use std::time::Duration;

use aeordb::Error;
use aeordb_api::profiles::{Check, Freshness, PlaceCheck};
use jiff::{SignedDuration, Timestamp};

use super::chain;
use super::profile::{Place, Profile};
use super::run::{home, stamp};
use super::target::Files;
use crate::app::App;
use crate::exit::{About, Attempt, Failure, Subject};

/// How far clocks may differ: what is from later than that says nothing.
const AHEAD: SignedDuration = SignedDuration::from_mins(5);

/// Looks at the database and at each target of a profile.
pub fn check(app: &mut App, profile: &Profile, max_age: Duration) -> Attempt<Check> {
    let now = Timestamp::now();
    let mut places = vec![of_database(app, profile, now, max_age)?];
    for target in &profile.targets {
        let place = target.directory.display().to_string();
        let pattern = profile.pattern.of_files();
        let files = Files::list(&target.directory, &pattern).about(Subject::Local)?;
        for error in &files.broken {
            app.warn(&error.to_string());
        }
        // What cannot be restored is no backup; neither is what is from tomorrow.
        let mut known = files.links.iter().take_while(|link| link.time <= now + AHEAD).count();
        while known > 0 && chain::stands_on(&files.links, known - 1).is_none() {
            known -= 1;
        }
        let newest = known
            .checked_sub(1)
            .and_then(|file| Some((files.names.get(file)?.clone(), files.links.get(file)?.time)));
        places.push(judge(place, newest, now, max_age));
    }
    let has = |state| places.iter().any(|place| place.state == state);
    let state = match (has(Freshness::None), has(Freshness::Old)) {
        (true, _) => Freshness::None,
        (false, true) => Freshness::Old,
        (false, false) => Freshness::Ok,
    };
    Ok(Check { profile: profile.name.clone(), state, max_age: max_age.as_secs(), places })
}

fn of_database(
    app: &mut App,
    profile: &Profile,
    now: Timestamp,
    max_age: Duration,
) -> Attempt<PlaceCheck> {
    let home = home(app, profile)?;
    let place = match &profile.place {
        Place::File(file) => file.display().to_string(),
        Place::Server { url, .. } => url.clone(),
    };
    let mut newest: Option<(String, Timestamp)> = None;
    let listed = home.snapshots(app, &mut |_, snapshot| {
        let time = profile.pattern.time(&snapshot.name).filter(|time| *time <= now + AHEAD);
        if let Some(time) = time.filter(|time| newest.as_ref().is_none_or(|(_, last)| last < time))
        {
            newest = Some((snapshot.name, time));
        }
        Ok(true)
    });
    match listed {
        // There is no database yet.
        Err(Failure { error: Error::NotFound(_), subject: Subject::Database }) => {}
        listed => listed?,
    }
    Ok(judge(place, newest, now, max_age))
}

fn judge(
    place: String,
    newest: Option<(String, Timestamp)>,
    now: Timestamp,
    max_age: Duration,
) -> PlaceCheck {
    let Some((name, time)) = newest else {
        return PlaceCheck {
            place,
            state: Freshness::None,
            newest: None,
            made_at: None,
            age: None,
        };
    };
    let age = Duration::try_from(now.duration_since(time)).unwrap_or_default();
    let state = if age > max_age { Freshness::Old } else { Freshness::Ok };
    let made_at = Some(stamp(time));
    PlaceCheck { place, state, newest: Some(name), made_at, age: Some(age.as_secs()) }
}
