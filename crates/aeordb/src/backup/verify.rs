//! Verify: whether a file of ours is what was written, and what is hit if it is not.

mod checks;
mod passes;
mod proof;
mod report;
mod scrub;
mod sealed;
mod share;

use std::path::{Path as LocalPath, PathBuf};

use checks::{Checks, name_paths};
use proof::prove_versions;
use sealed::verify_sealed;

pub use passes::Pass;
pub use report::{Damage, Newer, VerifyReport};
pub use share::{Portion, Share};

use crate::backup::layered::open_with;
use crate::db::{Database, FileKind, Options};
use crate::error::{Error, Result};
use crate::monitor::Monitor;

/// Verifies a database, an export or a patch. Damage is in the report; an error means that the
/// file could not be looked at.
pub fn verify(path: impl AsRef<LocalPath>, deep: bool, monitor: &Monitor) -> Result<VerifyReport> {
    let path = path.as_ref();
    let options = Options { doubtful: true, ..Options::default() };
    match Database::open(path, &options) {
        Ok(database) if database.kind() == FileKind::Database => {
            verify_database(&database, deep, monitor)
        }
        Ok(database) => verify_sealed(path, Some(&database), database.kind(), deep, monitor),
        // Whoever keeps a file need not be able to read it.
        Err(Error::Encrypted { .. }) if !deep => {
            verify_sealed(path, None, FileKind::Export, deep, monitor)
        }
        Err(Error::Damaged { what, offset, detail }) => {
            // A sealed file that is cut off is read as far as it goes, which names the place.
            match verify_sealed(path, None, FileKind::Export, deep, monitor) {
                Ok(report) if !report.damages.is_empty() => Ok(report),
                Err(error @ Error::Newer { .. }) => Err(error),
                _ => Err(Error::Damaged { what, offset, detail }),
            }
        }
        Err(error) => Err(error),
    }
}

/// Verifies a patch with what it is for, or a full export with its patches: each file, and that
/// they lead to a version that is complete, every entry of which has its hash. What the patches
/// bring goes to a file without a name in `scratch`. The report is about the first file and counts
/// the others in.
pub fn verify_with(
    path: &LocalPath,
    with: &[PathBuf],
    deep: bool,
    scratch: &LocalPath,
    monitor: &Monitor,
) -> Result<VerifyReport> {
    let mut report = verify(path, deep, monitor)?;
    for file in with {
        report.count_in(file, verify(file, deep, monitor)?);
    }
    // A patch lies on what it is for, a full export below what is for it.
    let mut files = with.to_vec();
    match report.kind {
        FileKind::Patch => files.push(path.to_owned()),
        FileKind::Export | FileKind::Database => files.insert(0, path.to_owned()),
    }
    let Some((first, patches)) = files.split_first() else { return Ok(report) };
    if report.damages.is_empty() && report.newer.is_empty() && !report.unopened {
        let opened = open_with(first, patches, scratch, &Options::default(), monitor);
        report.lead_to(opened.map(drop))?;
    }
    Ok(report)
}

/// Verifies a part of a database, every entry of what it looks at. A pass goes on where the one before
/// ended: that is kept beside the database. An export or a patch is verified whole, or not at all.
pub fn verify_part(
    path: impl AsRef<LocalPath>,
    portion: &Portion,
    monitor: &Monitor,
) -> Result<VerifyReport> {
    let path = path.as_ref();
    let database = Database::open(path, &Options { doubtful: true, ..Options::default() })?;
    if database.kind() != FileKind::Database {
        let name = path.display();
        let why = format!("{name} is no database: exports and patches are verified whole");
        return Err(Error::invalid(why));
    }
    match portion {
        Portion::Sample(share) => scrub::sample(&database, *share, monitor),
        Portion::Budget(budget) => scrub::scrub(&database, *budget, monitor),
    }
}

/// Verifies an open database.
pub(crate) fn verify_database(
    database: &Database,
    deep: bool,
    monitor: &Monitor,
) -> Result<VerifyReport> {
    let mut report = VerifyReport::new(FileKind::Database, deep);
    report.opened(database)?;
    let log = database.log();
    monitor.expect_more(log.frames_len());
    let reader = database.reader()?;
    let mut checks = Checks::new(database, &reader, deep, &mut report);
    for seen in log.frames() {
        monitor.check()?;
        let len = checks.look(&seen?)?;
        monitor.advance(0, len);
    }
    checks.settle()?;
    checks.index(|_| true, monitor)?;
    let (bad_blocks, _) = checks.into_bad();
    if deep {
        prove_versions(&reader, &mut report, monitor)?;
    }
    name_paths(&reader, &bad_blocks, &mut report);
    report.settle();
    Ok(report)
}
