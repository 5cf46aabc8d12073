//! One disturbance of a program, at one of its system calls.

use std::fmt;
use std::str::FromStr;

use nix::errno::Errno;

use crate::calls::{Class, Form, Kind};
use crate::error::{Error, Outcome};
use crate::trace::{Call, Target, Verdict, Watcher};

/// How a call is disturbed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// The program is killed before it, after it, or when half of its bytes are written.
    Before,
    After,
    Half,
    /// It returns this error, without having been made.
    Fails(Errno),
    /// It transfers half of its bytes, and says so.
    Short,
    /// From it on nothing that needs room succeeds.
    Full,
}

/// A disturbance: which way, and which of the calls of a class, counted from one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Injection {
    pub way: Way,
    pub class: Class,
    pub nth: usize,
}

/// The ways by their names.
const WAYS: [(&str, Way); 8] = [
    ("before", Way::Before),
    ("after", Way::After),
    ("half", Way::Half),
    ("EIO", Way::Fails(Errno::EIO)),
    ("ENOSPC", Way::Fails(Errno::ENOSPC)),
    ("EINTR", Way::Fails(Errno::EINTR)),
    ("short", Way::Short),
    ("full", Way::Full),
];
const READING: &str = "read-";

impl Way {
    pub fn is_kill(self) -> bool {
        matches!(self, Way::Before | Way::After | Way::Half)
    }
}

impl Injection {
    /// True if a program must do its work all the same when `call` is disturbed so.
    pub fn is_harmless(self, call: &Kind) -> bool {
        match self.way {
            Way::Short => true,
            Way::Fails(Errno::EINTR) => call.waits(),
            _ => false,
        }
    }
}

impl fmt::Display for Injection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = WAYS.iter().find(|(_, way)| *way == self.way).map_or("?", |(name, _)| name);
        let reading = if self.class == Class::Read { READING } else { "" };
        write!(f, "{reading}{name}:{}", self.nth)
    }
}

impl FromStr for Injection {
    type Err = Error;

    fn from_str(text: &str) -> Outcome<Self> {
        let parse = || {
            let (name, nth) = text.split_once(':')?;
            let (name, class) = match name.strip_prefix(READING) {
                Some(name) => (name, Class::Read),
                None => (name, Class::Change),
            };
            let (_, way) = WAYS.iter().find(|(known, _)| *known == name)?;
            Some(Injection { way: *way, class, nth: nth.parse().ok()? })
        };
        parse().ok_or_else(|| Error::new(format!("'{text}' is not like before:7 or read-EIO:3")))
    }
}

/// Counts the calls of a program and disturbs one of them.
#[derive(Default)]
pub struct Injector {
    injection: Option<Injection>,
    /// The calls that were seen, of each class, and whether half of one can be done.
    pub changes: Vec<(&'static Kind, bool)>,
    pub reads: Vec<(&'static Kind, bool)>,
    /// The call that was disturbed, and its file.
    pub hit: Option<(&'static Kind, String)>,
}

impl Injector {
    /// Only counts.
    pub fn counting() -> Self {
        Injector::default()
    }

    pub fn new(injection: Injection) -> Self {
        Injector { injection: Some(injection), ..Injector::default() }
    }
}

impl Watcher for Injector {
    fn about_to(&mut self, call: &Call) -> Outcome<Verdict> {
        let seen = match call.kind.class {
            Class::Change => &mut self.changes,
            Class::Read => &mut self.reads,
        };
        let can_be_halved = call.kind.form == Form::Buffer && call.arguments[2] > 1;
        seen.push((call.kind, can_be_halved));
        let Some(injection) = self.injection else { return Ok(Verdict::Go) };
        let class_fits = call.kind.class == injection.class;
        let number_fits = match injection.way {
            Way::Full => seen.len() >= injection.nth && call.kind.needs_room(),
            Way::Half | Way::Short => seen.len() == injection.nth && can_be_halved,
            _ => seen.len() == injection.nth,
        };
        if !class_fits || !number_fits {
            return Ok(Verdict::Go);
        }
        let path = |file: &Target| file.path.display().to_string();
        let path = || call.file.as_ref().map(path).unwrap_or_default();
        self.hit.get_or_insert_with(|| (call.kind, path()));
        Ok(match injection.way {
            Way::Before => Verdict::KillBefore,
            Way::After => Verdict::KillAfter,
            Way::Half => Verdict::KillHalfWay,
            Way::Fails(error) => Verdict::Fail(error),
            Way::Short => Verdict::Short,
            Way::Full => Verdict::Fail(Errno::ENOSPC),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_injection_is_written_as_it_is_read() {
        for text in ["before:1", "half:12", "read-EIO:3", "full:2", "EINTR:9"] {
            assert_eq!(text.parse::<Injection>().unwrap().to_string(), text);
        }
        for text in ["before", "before:x", "never:1", "read-:1", ":1"] {
            assert!(text.parse::<Injection>().is_err(), "{text}");
        }
    }
}
