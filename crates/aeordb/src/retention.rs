//! Which of many states stay: rules, times and a time zone in, decisions with their reasons out. Pure:
//! it asks no clock and reads no database.
//!
//! The order is that in which states were made, by number and then by time, newest first. A clock that
//! was wrong for a while may put a state into the wrong hour or day; it moves none out of what `last`
//! counts, and nothing goes for being older than a newer one says.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::error::{Error, Result};
use crate::moment;

#[cfg(test)]
mod tests;

/// A count that has no end.
pub const UNLIMITED: i64 = -1;

/// How many stay. A state stays that any of them keeps.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Rules {
    /// The newest ones.
    pub last: i64,
    /// Of each of the newest hours that have any, the newest.
    pub hourly: i64,
    /// The same of days.
    pub daily: i64,
    /// The same of weeks, which begin on Mondays.
    pub weekly: i64,
    /// The same of months.
    pub monthly: i64,
    /// The same of years.
    pub yearly: i64,
    /// Whatever is no older than this, seen from the newest or from now, whichever is older.
    pub within: Option<String>,
}

/// What is judged.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Candidate {
    /// The number of the commit that made it; 0 if nobody knows, which counts as oldest.
    pub sequence: u64,
    /// When it was made, in nanoseconds since 1970.
    pub time: i64,
    /// It stays whatever the rules say.
    pub held: bool,
    /// Each group is judged by itself.
    pub group: Vec<String>,
}

impl Rules {
    fn counts(&self) -> [(&'static str, i64); 6] {
        [
            ("last", self.last),
            ("hourly", self.hourly),
            ("daily", self.daily),
            ("weekly", self.weekly),
            ("monthly", self.monthly),
            ("yearly", self.yearly),
        ]
    }

    /// An error unless they can be meant, and keep something of whatever there is.
    pub fn check(&self) -> Result<()> {
        if let Some((name, count)) = self.counts().iter().find(|(_, count)| *count < UNLIMITED) {
            return Err(Error::invalid(format!("{name} {count} is no count; -1 is without end")));
        }
        if let Some(within) = &self.within {
            moment::before(within, 0)?;
        }
        if self.within.is_none() && self.counts().iter().all(|(_, count)| *count == 0) {
            return Err(Error::invalid("these rules would keep nothing: at least one must"));
        }
        Ok(())
    }

    /// Why each state stays; one without a reason goes.
    pub fn judge(
        &self,
        states: &[Candidate],
        now: i64,
        zone: &TimeZone,
    ) -> Result<Vec<Vec<String>>> {
        self.check()?;
        let mut reasons = vec![Vec::new(); states.len()];
        let mut groups: BTreeMap<&[String], Vec<(usize, &Candidate)>> = BTreeMap::new();
        for (at, state) in states.iter().enumerate() {
            groups.entry(&state.group).or_default().push((at, state));
        }
        for group in groups.values_mut() {
            group.sort_by_key(|(_, state)| std::cmp::Reverse((state.sequence, state.time)));
            self.judge_group(group, now, zone, &mut reasons)?;
        }
        for (state, reasons) in states.iter().zip(&mut reasons) {
            if state.held {
                reasons.push("held".into());
            }
        }
        Ok(reasons)
    }

    /// Judges states of one group, newest first.
    fn judge_group(
        &self,
        group: &[(usize, &Candidate)],
        now: i64,
        zone: &TimeZone,
        reasons: &mut [Vec<String>],
    ) -> Result<()> {
        let mut keep = |at: usize, why: String| {
            if let Some(reasons) = reasons.get_mut(at) {
                reasons.push(why);
            }
        };
        for (name, count) in self.counts() {
            let mut left = if count == UNLIMITED { i64::MAX } else { count };
            let mut seen = BTreeSet::new();
            for (number, (at, state)) in group.iter().enumerate() {
                if left == 0 {
                    break;
                }
                let is_new = match bucket(name, state.time, zone) {
                    Some(bucket) => seen.insert(bucket),
                    None => true,
                };
                // What a rule could still count has the oldest state too, as long as it has no more.
                if is_new || number + 1 == group.len() {
                    left -= 1;
                    keep(*at, if is_new { name.to_owned() } else { format!("oldest {name}") });
                }
            }
        }
        let newest = group.first().map(|(_, state)| state.time);
        if let (Some(within), Some(newest)) = (&self.within, newest) {
            let since = moment::before(within, newest.min(now))?;
            let young = group.iter().filter(|(_, state)| state.time >= since);
            young.for_each(|(at, _)| keep(*at, "within".to_owned()));
        }
        Ok(())
    }
}

/// The hour, day, week, month or year of a time; nothing where each state counts.
fn bucket(rule: &str, time: i64, zone: &TimeZone) -> Option<[i16; 4]> {
    if rule == "last" {
        return None;
    }
    // Every number of nanoseconds of 64 bits is in the calendar.
    let moment = Timestamp::from_nanosecond(time.into()).unwrap_or_default();
    let local = moment.to_zoned_datetime(zone.clone());
    let (year, month, day) = (local.year(), local.month().into(), local.day().into());
    Some(match rule {
        "hourly" => [year, month, day, local.hour().into()],
        "daily" => [year, month, day, 0],
        "weekly" => {
            let week = local.date().iso_week_date();
            [week.year(), week.week().into(), 0, 0]
        }
        "monthly" => [year, month, 0, 0],
        _ => [year, 0, 0, 0],
    })
}
