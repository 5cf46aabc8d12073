//! The proof of versions, one after another.

use super::report::VerifyReport;
use crate::db::Reader;
use crate::db::roots::Roots;
use crate::error::{Error, Result};
use crate::graph;
use crate::hash::VersionId;
use crate::log::View;
use crate::monitor::Monitor;

/// Proves versions of a database. What one that was proved has as well is not looked at again.
pub struct Proofs<'a> {
    prover: graph::Prover<'a, View>,
    proved: Option<VersionId>,
}

impl<'a> Proofs<'a> {
    /// Begins after `proved`, which was proved a while ago.
    pub fn new(reader: &'a Reader, proved: Option<VersionId>, monitor: &'a Monitor) -> Self {
        Proofs { prover: graph::Prover::new(reader.view(), reader.pool(), monitor), proved }
    }

    /// Proves one more. False if it is not complete, which is in the report then.
    pub fn prove(&mut self, version: VersionId, report: &mut VerifyReport) -> Result<bool> {
        let result = self.attempt(version);
        if result.is_ok() {
            report.versions += 1;
            return Ok(true);
        }
        keep(version, result, report).map(|()| false)
    }

    /// Proves what an unfinished put stored, which may be less than all: nobody was told that it is
    /// there.
    pub fn prove_unfinished(
        &mut self,
        version: VersionId,
        report: &mut VerifyReport,
    ) -> Result<()> {
        match self.attempt(version) {
            Ok(()) | Err(Error::NotFound(_) | Error::Incomplete { .. }) => Ok(()),
            result => keep(version, result, report),
        }
    }

    fn attempt(&mut self, version: VersionId) -> Result<()> {
        self.prover.prove(&version, self.proved.as_ref())?;
        self.proved = Some(version);
        Ok(())
    }
}

/// Reports why a version is not complete.
fn keep(version: VersionId, result: Result<()>, report: &mut VerifyReport) -> Result<()> {
    // What a version rests on may have been found broken already.
    let known = |at: u64| report.damages.iter().any(|damage| at > 0 && damage.offset == at);
    if matches!(&result, Err(Error::Damaged { offset, .. }) if known(*offset)) {
        return Ok(());
    }
    let result = result.map_err(|error| match error {
        Error::Damaged { what, offset, detail } => {
            let detail = format!("version {version}: {what}: {detail}");
            Error::Damaged { what, offset, detail }
        }
        Error::Newer { what, needs } => Error::newer(format!("version {version}: {what}"), needs),
        other => other,
    });
    report.keep(0, result)
}

/// Proves every version that there is.
pub fn prove_versions(reader: &Reader, report: &mut VerifyReport, monitor: &Monitor) -> Result<()> {
    let roots = match Roots::of_reader(reader) {
        Ok(roots) => roots,
        Err(error) => return report.keep(0, Err(error)),
    };
    let mut proofs = Proofs::new(reader, None, monitor);
    for version in roots.versions() {
        proofs.prove(version, report)?;
    }
    for unfinished in roots.unfinished() {
        proofs.prove_unfinished(unfinished.version, report)?;
    }
    Ok(())
}
