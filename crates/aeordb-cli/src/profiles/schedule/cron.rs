//! Cron expressions. `croner` knows them; what of the wall clock there is twice or never, it is told here.

use std::cmp::Ordering;
use std::str::FromStr;

use aeordb::{Error, Result};
use croner::errors::CronError;
use croner::time::{CivilDate, CivilDateTime, CivilTime, CronDateTime, Resolution, Weekday};
use jiff::civil::DateTime;
use jiff::tz::AmbiguousOffset;
use jiff::{SignedDuration, Timestamp, ZonedDateTime};

/// An expression.
#[derive(Clone, Debug)]
pub struct Cron(croner::Cron);

impl Cron {
    /// Reads one.
    pub fn parse(expression: &str) -> Result<Self> {
        croner::Cron::from_str(expression)
            .map(Cron)
            .map_err(|error| Error::invalid(format!("'{expression}' is no schedule: {error}")))
    }

    /// When it is due next.
    pub fn after(&self, time: ZonedDateTime) -> Option<Timestamp> {
        self.0.find_next_occurrence(&Wall(time), false).ok().map(|due| due.0.timestamp())
    }
}

/// A time on a wall clock, as croner asks for it.
#[derive(Clone, Debug)]
struct Wall(ZonedDateTime);

/// croner checks what it makes, and so does jiff.
fn jiff_of(civil: CivilDateTime) -> std::result::Result<DateTime, CronError> {
    let small = |part: u32| i8::try_from(part).map_err(|_| CronError::InvalidDate);
    let year = i16::try_from(civil.year()).map_err(|_| CronError::InvalidDate)?;
    let (month, day) = (small(civil.month())?, small(civil.day())?);
    let (hour, minute, second) =
        (small(civil.hour())?, small(civil.minute())?, small(civil.second())?);
    DateTime::new(year, month, day, hour, minute, second, 0).map_err(|_| CronError::InvalidDate)
}

fn part(number: i8) -> u32 {
    u32::from(number.unsigned_abs())
}

impl CronDateTime for Wall {
    fn to_civil(&self) -> CivilDateTime {
        let at = self.0.datetime();
        let date =
            CivilDate::from_parts_unchecked(at.year().into(), part(at.month()), part(at.day()));
        let (hour, minute, second) = (part(at.hour()), part(at.minute()), part(at.second()));
        CivilDateTime::new(date, CivilTime::from_parts_unchecked(hour, minute, second))
    }

    fn civil_weekday(&self) -> Weekday {
        Weekday::from_days_from_sunday(part(self.0.weekday().to_sunday_zero_offset()))
    }

    fn resolve_civil(
        &self,
        civil: CivilDateTime,
    ) -> std::result::Result<Resolution<Self>, CronError> {
        let time = self.0.time_zone().to_ambiguous_zoned_datetime(jiff_of(civil)?);
        let invalid = |_| CronError::InvalidTime;
        Ok(match time.offset() {
            AmbiguousOffset::Unambiguous { .. } => {
                Resolution::Single(Wall(time.unambiguous().map_err(invalid)?))
            }
            AmbiguousOffset::Fold { .. } => Resolution::Ambiguous(
                Wall(time.clone().earlier().map_err(invalid)?),
                Wall(time.later().map_err(invalid)?),
            ),
            AmbiguousOffset::Gap { .. } => Resolution::Gap,
        })
    }

    fn checked_add_seconds(&self, seconds: i64) -> Option<Self> {
        self.0.checked_add(SignedDuration::from_secs(seconds)).ok().map(Wall)
    }

    fn cmp_instant(&self, other: &Self) -> Ordering {
        self.0.timestamp().cmp(&other.0.timestamp())
    }
}
