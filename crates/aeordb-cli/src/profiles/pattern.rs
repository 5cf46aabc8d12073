//! What versions and backup files of a profile are called: a pattern with the time in it, by which
//! they are known again.

use aeordb::{Error, Result};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use nix::unistd::gethostname;

/// The time in a name: one that sorts, and that every file system takes.
const TIME: &str = "%Y%m%dT%H%M%SZ";
/// Bytes of a time in a name.
const TIME_LEN: usize = 16;

/// A pattern with `{time}` in it once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pattern {
    before: String,
    after: String,
}

impl Pattern {
    /// Reads `night-{time}`; `{profile}` and `{host}` stand for the names of the two.
    pub fn parse(text: &str, profile: &str) -> Result<Self> {
        let host = gethostname().ok().map(|host| host.to_string_lossy().into_owned());
        let text = text.replace("{profile}", profile);
        let text = text.replace("{host}", &host.unwrap_or_default());
        let once = "a name has {time} in it once: every run makes another";
        let (before, after) = text.split_once("{time}").ok_or_else(|| Error::invalid(once))?;
        if after.contains("{time}") {
            return Err(Error::invalid(once));
        }
        if let Some(open) = [before, after].iter().find(|part| part.contains(['{', '}'])) {
            let why =
                format!("{{time}}, {{host}} and {{profile}} are known, not what is in '{open}'");
            return Err(Error::invalid(why));
        }
        Ok(Pattern { before: before.into(), after: after.into() })
    }

    /// The name at a time.
    pub fn name(&self, time: Timestamp) -> String {
        format!("{}{}{}", self.before, time.strftime(TIME), self.after)
    }

    /// When something that is called so was made; `None` if the name is none of these.
    pub fn time(&self, name: &str) -> Option<Timestamp> {
        let time = name.strip_prefix(&self.before)?.strip_suffix(&self.after)?;
        if time.len() != TIME_LEN {
            return None;
        }
        let time = DateTime::strptime(TIME, time).ok()?;
        TimeZone::UTC.to_timestamp(time).ok()
    }

    /// The same for files: a name of a version may have slashes, that of a file may not.
    pub fn of_files(&self) -> Pattern {
        let flat = |part: &str| part.replace('/', "-");
        Pattern { before: flat(&self.before), after: flat(&self.after) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_gives_its_time_back_and_no_other_name_has_one() {
        let pattern = Pattern::parse("{profile}/night-{time}.x", "home").unwrap();
        let time: Timestamp = "2026-03-29T01:30:05Z".parse().unwrap();
        assert_eq!(pattern.name(time), "home/night-20260329T013005Z.x");
        assert_eq!(pattern.time("home/night-20260329T013005Z.x"), Some(time));
        assert_eq!(pattern.of_files().name(time), "home-night-20260329T013005Z.x");
        for other in [
            "home/night-20260329T013005Z",
            "night-20260329T013005Z.x",
            "home/night-20261329T013005Z.x",
            "home/night-2026032T0130050Z.x",
            "home/night-20260329T013005Z-2.x",
            "home/night-.x",
            "home/night-x",
            "",
        ] {
            assert_eq!(pattern.time(other), None, "{other}");
        }
    }

    #[test]
    fn a_pattern_without_the_time_or_with_what_is_not_known_is_refused() {
        for bad in ["night", "{time}{time}", "night-{tiem}-{time}", "{time}}"] {
            assert!(Pattern::parse(bad, "p").is_err(), "{bad}");
        }
    }
}
