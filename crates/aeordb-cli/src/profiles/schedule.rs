//! When a profile runs: a cron expression in a time zone.

#[cfg(feature = "schedule")]
mod cron;

use aeordb::{Error, Result};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ZonedDateTime};

use self::cron::Cron;

#[cfg(not(feature = "schedule"))]
mod cron {
    use std::convert::Infallible;

    use aeordb::{Error, Result};
    use jiff::{Timestamp, ZonedDateTime};

    /// There is none.
    #[derive(Clone, Debug)]
    pub struct Cron(Infallible);

    impl Cron {
        pub fn parse(_: &str) -> Result<Self> {
            let why = "this aeordb knows no schedules: it was built without the feature `schedule`";
            Err(Error::invalid(why))
        }

        pub fn after(&self, _: ZonedDateTime) -> Option<Timestamp> {
            match self.0 {}
        }
    }
}

/// When a profile runs. What is due at a time of day runs once on every day, also where clocks are
/// changed: what would be in the hour that is left out runs when it is over, what would be in the one
/// that comes twice runs in the first. What is due every hour or every minute goes on as if nothing
/// were.
#[derive(Clone, Debug)]
pub struct Schedule {
    cron: Cron,
    zone: TimeZone,
}

impl Schedule {
    /// Reads five fields: minute, hour, day of the month, month, day of the week; or six, with the second
    /// before them; or a word such as `@daily`.
    pub fn parse(expression: &str, zone: TimeZone) -> Result<Self> {
        let fields = expression.split_whitespace().count();
        if !matches!(fields, 5 | 6) && !expression.trim_start().starts_with('@') {
            let why = format!(
                "'{expression}' has {fields} fields; a schedule has five: minute, hour, day of the \
                 month, month, day of the week, as in '30 2 * * *'"
            );
            return Err(Error::invalid(why));
        }
        let schedule = Schedule { cron: Cron::parse(expression)?, zone };
        let never = || Error::invalid(format!("'{expression}' is never due"));
        schedule.after(Timestamp::now()).map(|_| schedule).ok_or_else(never)
    }

    /// When it is due next.
    pub fn after(&self, time: Timestamp) -> Option<Timestamp> {
        self.cron.after(ZonedDateTime::new(time, self.zone.clone()))
    }
}

/// A time zone by its name in the database of the system.
pub fn zone(name: &str) -> Result<TimeZone> {
    TimeZone::get(name).map_err(|error| {
        Error::invalid(format!(
            "'{name}' is no time zone of this system, as Europe/Berlin or UTC ({error})"
        ))
    })
}

#[cfg(test)]
#[cfg(feature = "schedule")]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    /// All times at which an expression is due in Berlin on a day.
    fn due(expression: &str, day: &str) -> Vec<String> {
        let berlin = zone("Europe/Berlin").unwrap();
        let schedule = Schedule::parse(expression, berlin.clone()).unwrap();
        let day: jiff::civil::Date = day.parse().unwrap();
        let start = berlin.to_timestamp(day.at(0, 0, 0, 0)).unwrap();
        let end = berlin.to_timestamp(day.tomorrow().unwrap().at(0, 0, 0, 0)).unwrap();
        let mut at = start - SignedDuration::from_secs(1);
        let mut all = Vec::new();
        while let Some(next) = schedule.after(at).filter(|next| *next < end) {
            assert!(next > at);
            let wall = ZonedDateTime::new(next, berlin.clone());
            all.push(wall.strftime("%H:%M%:z").to_string());
            at = next;
        }
        all
    }

    #[test]
    fn what_is_due_in_the_night_runs_once_on_both_days_of_the_change_of_clocks() {
        // 02:00 to 03:00 is left out.
        assert_eq!(due("30 2 * * *", "2026-03-29"), ["03:00+02:00"]);
        assert_eq!(due("0 3 * * *", "2026-03-29"), ["03:00+02:00"]);
        assert_eq!(due("30 1 * * *", "2026-03-29"), ["01:30+01:00"]);
        // It comes twice.
        assert_eq!(due("30 2 * * *", "2026-10-25"), ["02:30+02:00"]);
        assert_eq!(due("0 2 * * *", "2026-10-25"), ["02:00+02:00"]);
        assert_eq!(due("0 3 * * *", "2026-10-25"), ["03:00+01:00"]);
        // Any other day.
        assert_eq!(due("30 2 * * *", "2026-10-26"), ["02:30+01:00"]);
    }

    #[test]
    fn what_is_due_every_hour_or_minute_runs_through_the_change_of_clocks() {
        for (expression, spring, autumn) in
            [("30 * * * *", 23, 25), ("*/30 * * * *", 46, 50), ("* * * * *", 1380, 1500)]
        {
            assert_eq!(due(expression, "2026-03-29").len(), spring, "{expression}");
            assert_eq!(due(expression, "2026-10-25").len(), autumn, "{expression}");
        }
        let twice = due("30 * * * *", "2026-10-25");
        assert_eq!(twice[2..4], ["02:30+02:00", "02:30+01:00"]);
    }

    #[test]
    fn a_start_at_any_minute_of_these_days_finds_what_is_due_exactly_once() {
        let berlin = zone("Europe/Berlin").unwrap();
        let schedule = Schedule::parse("30 2 * * *", berlin.clone()).unwrap();
        for (day, at) in
            [("2026-03-29", "2026-03-29T01:00:00Z"), ("2026-10-25", "2026-10-25T00:30:00Z")]
        {
            let at: Timestamp = at.parse().unwrap();
            let day: jiff::civil::Date = day.parse().unwrap();
            let start = berlin.to_timestamp(day.at(0, 0, 0, 0)).unwrap();
            for minute in 0..24 * 60 {
                let from = start + SignedDuration::from_mins(minute);
                let next = schedule.after(from).unwrap();
                assert_eq!(next == at, from < at, "from {from}: {next}");
            }
        }
    }

    #[test]
    fn what_is_no_schedule_or_never_due_is_refused() {
        for bad in
            ["", "30 2 * *", "61 * * * *", "0 0 30 2 *", "* * * * * * *", "@never", "a b c d e"]
        {
            assert!(Schedule::parse(bad, TimeZone::UTC).is_err(), "{bad}");
        }
        assert!(Schedule::parse("@daily", TimeZone::UTC).is_ok());
        assert!(zone("Europe/Berlim").is_err());
    }
}
