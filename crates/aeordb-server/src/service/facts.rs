//! What there is to know of the database and of where it lies.

use std::path::Path;
use std::sync::Arc;

use aeordb::backup::{self, Pass};
use aeordb::hash::VersionId;
use aeordb_api::backups::Info;

use super::Service;
use super::backups::Newest;
use super::problem::Problem;

/// What a file system has for those who are not root.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Bytes that are left.
    pub available: u64,
    /// Bytes of all of it.
    pub size: u64,
}

impl Room {
    /// That of the file system which `path` is on, if it tells.
    pub fn at(path: &Path) -> Option<Self> {
        let found = nix::sys::statvfs::statvfs(path).ok()?;
        let bytes = |blocks: u64| blocks.saturating_mul(found.fragment_size());
        Some(Room { available: bytes(found.blocks_available()), size: bytes(found.blocks()) })
    }
}

/// What the database says of itself.
pub struct DatabaseFacts {
    /// Commits so far.
    pub commits: u64,
    /// Edits that shared the commits of groups, those commits, and the time they took.
    pub group: aeordb::db::CommitStats,
    /// The syncs of the file.
    pub syncs: aeordb::db::SyncStats,
    /// The newest files of the backup directory, if that can be used.
    pub backups: Option<Newest>,
    /// Room beside the database, and in the backup directory.
    pub rooms: [Option<Room>; 2],
    /// True if it can be written to.
    pub is_writable: bool,
    /// Now, in nanoseconds since 1970.
    pub now: i64,
    /// Bytes of the file.
    pub bytes: u64,
    /// What it takes on the disk.
    pub allocated: u64,
    /// Bytes that collections have made voids of.
    pub voids: u64,
    /// Entries of history.
    pub history: u64,
    /// Snapshots.
    pub snapshots: u64,
    /// Files of HEAD.
    pub files: u64,
    /// How far the pass of verification is, whoever made it, if there is one.
    pub pass: Option<Pass>,
}

impl Service {
    /// What the database says of itself now.
    pub async fn facts(self: &Arc<Self>) -> Result<DatabaseFacts, Problem> {
        self.blocking(|service| {
            let (reader, database) = (service.reader()?, &service.database);
            Ok(DatabaseFacts {
                commits: database.sequence(),
                group: service.committer.stats(),
                syncs: database.sync_stats(),
                backups: service.backups.newest().ok(),
                rooms: [Room::at(database.path()), Room::at(&service.backups.handle_path())],
                is_writable: service.look_at_file().is_ok(),
                now: database.clock().now(),
                bytes: std::fs::metadata(database.path()).map_or(0, |found| found.len()),
                allocated: database.log().allocated()?,
                voids: database.void_bytes(),
                history: reader.history_len()?,
                snapshots: reader.snapshots()?.len() as u64,
                files: reader.version(&reader.head())?.totals.files,
                pass: Pass::of(database.path()),
            })
        })
        .await
    }

    /// What the file of the database holds.
    pub async fn info(self: &Arc<Self>) -> Result<Info, Problem> {
        self.blocking(|service| Ok(Info::from(&backup::info(service.database.path())?))).await
    }

    /// HEAD, if the database can be written to.
    pub async fn ready(self: &Arc<Self>) -> Result<VersionId, Problem> {
        self.blocking(|service| {
            service.look_at_file()?;
            Ok(service.reader()?.head())
        })
        .await
    }
}
