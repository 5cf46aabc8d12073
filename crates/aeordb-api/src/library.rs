//! The library's values as what travels.

mod describe;
mod errors;
mod reports;
mod retention;
mod scrub;
mod space;

use aeordb::backup;
use aeordb::db::{self, EditReport, Promotion};
use aeordb::hash::{DirectoryId, Hash, VersionId};

use crate::files::{Edit, StoredTree};
use crate::jobs;
use crate::versions::{self, HistoryEntry, Snapshot};
use crate::{BadName, Digest, Time};

pub use describe::Describe;

impl From<VersionId> for Digest {
    fn from(version: VersionId) -> Self {
        version.0.into()
    }
}

impl From<DirectoryId> for Digest {
    fn from(directory: DirectoryId) -> Self {
        directory.0.into()
    }
}

impl From<Hash> for Digest {
    fn from(hash: Hash) -> Self {
        Digest(*hash.as_bytes())
    }
}

impl From<Digest> for VersionId {
    fn from(digest: Digest) -> Self {
        VersionId(Hash::new(digest.0))
    }
}

impl From<BadName> for aeordb::Error {
    fn from(bad: BadName) -> Self {
        aeordb::Error::invalid(bad.to_string())
    }
}

impl From<&EditReport> for Edit {
    fn from(report: &EditReport) -> Self {
        Edit {
            version: report.version.into(),
            previous: report.previous.into(),
            files: report.files,
            directories: report.directories,
            bytes: report.bytes,
        }
    }
}

impl From<&backup::ImportAtReport> for StoredTree {
    fn from(report: &backup::ImportAtReport) -> Self {
        StoredTree {
            version: report.version.into(),
            previous: report.previous.into(),
            new_bytes: report.new_bytes,
        }
    }
}

impl From<&Promotion> for versions::Promotion {
    fn from(promotion: &Promotion) -> Self {
        versions::Promotion { head: promotion.head.into(), previous: promotion.previous.into() }
    }
}

impl From<&db::Snapshot> for Snapshot {
    fn from(snapshot: &db::Snapshot) -> Self {
        Snapshot {
            name: snapshot.name.clone(),
            version: snapshot.version.into(),
            created_at: Time(snapshot.created_at),
            metadata: snapshot.metadata.clone(),
            held: snapshot.held,
        }
    }
}

impl jobs::Forgotten {
    /// What was dropped, or only would be.
    pub fn new(forgotten: &db::Forgotten, dry_run: bool) -> Self {
        jobs::Forgotten {
            dry_run,
            snapshots: forgotten.snapshots.clone(),
            history_entries: u64::try_from(forgotten.history.len()).unwrap_or(u64::MAX),
            versions: forgotten.versions.iter().map(|version| (*version).into()).collect(),
        }
    }
}

impl From<jobs::Forget> for db::Forget {
    fn from(forget: jobs::Forget) -> Self {
        let jobs::Forget { versions, history, older, dry_run: _ } = forget;
        db::Forget { versions, history, older }
    }
}

impl From<&db::HistoryEntry> for HistoryEntry {
    fn from(entry: &db::HistoryEntry) -> Self {
        HistoryEntry {
            sequence: entry.sequence,
            time: Time(entry.time),
            version: entry.version.into(),
            what: entry.what.clone(),
            promoted: entry.promoted,
        }
    }
}
