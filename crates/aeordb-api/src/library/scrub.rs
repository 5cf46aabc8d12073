//! How far a verification is, and what of it is asked for.

use aeordb::{Error, backup};

use crate::{Time, jobs};

impl From<&backup::Pass> for jobs::Pass {
    fn from(pass: &backup::Pass) -> Self {
        let backup::Pass { bytes, bytes_expected, is_whole, ended, damages, .. } = *pass;
        let (began_at, ended_at) = (Time(pass.began_at), pass.ended_at.map(Time));
        jobs::Pass { began_at, bytes, bytes_expected, is_whole, ended, ended_at, damages }
    }
}

impl From<jobs::Pass> for backup::Pass {
    fn from(pass: jobs::Pass) -> Self {
        let jobs::Pass { bytes, bytes_expected, is_whole, ended, damages, .. } = pass;
        let (began_at, ended_at) = (pass.began_at.0, pass.ended_at.map(|time| time.0));
        backup::Pass { began_at, bytes, bytes_expected, is_whole, ended, ended_at, damages }
    }
}

impl jobs::Verify {
    /// Asks for a part of the database, or for all of it.
    pub fn new(deep: bool, portion: Option<backup::Portion>) -> Self {
        let (budget, sample) = match portion {
            Some(backup::Portion::Budget(time)) => (Some(format!("{}ms", time.as_millis())), None),
            Some(backup::Portion::Sample(share)) => (None, Some(share.to_string())),
            None => (None, None),
        };
        jobs::Verify { deep, budget, sample }
    }

    /// What of the database is looked at, if not all.
    pub fn portion(&self) -> Result<Option<backup::Portion>, Error> {
        match (&self.budget, &self.sample) {
            (None, None) => Ok(None),
            (Some(budget), None) => {
                Ok(Some(backup::Portion::Budget(aeordb::moment::duration(budget)?)))
            }
            (None, Some(share)) => Ok(Some(backup::Portion::Sample(share.parse()?))),
            (Some(_), Some(_)) => {
                Err(Error::invalid("a budget goes on where it was, a sample is taken at random"))
            }
        }
    }
}
