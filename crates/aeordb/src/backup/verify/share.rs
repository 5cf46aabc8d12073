//! How much of a database a verification looks at.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::str::FromStr;
use std::time::Duration;

use crate::error::{Error, Result};

/// What of a database is looked at, if not all.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Portion {
    /// Blocks that are taken at random.
    Sample(Share),
    /// As much as there is time for, from where the time before ended.
    Budget(Duration),
}

/// A share of a whole, more than nothing.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Share(f64);

impl Share {
    /// The share as a part of one.
    pub fn ratio(self) -> f64 {
        self.0
    }
}

impl FromStr for Share {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let percent: Option<f64> =
            text.strip_suffix('%').and_then(|number| number.trim_end().parse().ok());
        match percent {
            Some(percent) if percent > 0.0 && percent <= 100.0 => Ok(Share(percent / 100.0)),
            _ => Err(Error::invalid(format!(
                "'{text}' is no share: it is more than 0% and at most 100%, as 5% or 0.1%"
            ))),
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A tenth as it is read is not a tenth any more once it was divided.
        let percent = (self.0 * 1e8).round() / 1e6;
        write!(f, "{percent}%")
    }
}

/// Takes a share of what it is asked about, another one each time.
pub struct Sampler {
    state: RandomState,
    bound: f64,
}

impl Sampler {
    /// Takes `share`.
    pub fn new(share: Share) -> Self {
        Sampler { state: RandomState::new(), bound: share.0 }
    }

    /// Whether this one is taken.
    pub fn takes(&self, what: u64) -> bool {
        let drawn = u32::try_from(self.state.hash_one(what) >> 32).unwrap_or(u32::MAX);
        f64::from(drawn) < self.bound * 4_294_967_296.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_read_as_they_are_shown_and_what_is_none_is_refused() {
        for text in ["5%", "0.1%", "100%", "33.3%", "0.000001%"] {
            assert_eq!(text.parse::<Share>().unwrap().to_string(), text);
        }
        for text in ["", "5", "%", "0%", "-1%", "101%", "NaN%", "inf%", "five%"] {
            assert!(text.parse::<Share>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_sample_is_about_its_share_and_all_of_it_at_100_percent() {
        let sampler = Sampler::new("5%".parse().unwrap());
        let taken = (0..100_000).filter(|at| sampler.takes(*at)).count();
        assert!((4_000..6_000).contains(&taken), "{taken}");
        let all = Sampler::new("100%".parse().unwrap());
        assert!((0..100_000).all(|at| all.takes(at)));
    }
}
