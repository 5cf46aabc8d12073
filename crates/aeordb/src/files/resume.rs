//! What a put keeps on its way, so that the next one at the same place goes on: every so many bytes the
//! files that were read so far become a version beside HEAD, which nothing but an unfinished put names.
//! docs/design/0016 says why.

use std::collections::BTreeMap;

use crate::db::{Unfinished, Writer};
use crate::error::{Error, Result};
use crate::graph;
use crate::hash::DirectoryId;
use crate::monitor::Monitor;
use crate::object::{self, Attributes, FileRecord, Item, Path, Version};

/// Bytes of files that a put reads before it keeps what it has.
pub const CHECKPOINT_INTERVAL: u64 = 32 * 1024 * 1024;
/// What a file counts for beside its bytes: it is held in memory until then.
const FILE_LEN: u64 = 1024;
/// The part of an interval from which on a put that fails keeps what it has: with less it leaves
/// nothing behind.
const WORTH_PART: u64 = 8;

/// What is kept of one put.
pub struct Resume {
    path: Path,
    /// Never, without one.
    interval: Option<u64>,
    /// What earlier runs and this one kept.
    kept: Version,
    /// What was read since.
    read: BTreeMap<Path, Item>,
    len: u64,
    /// There is something to be forgotten at the end.
    is_kept: bool,
}

impl Resume {
    /// Goes on with what an earlier put at `path` kept, if that is whole.
    pub fn new(
        writer: &Writer<'_>,
        path: &Path,
        interval: Option<u64>,
        monitor: &Monitor,
    ) -> Result<Self> {
        let (path, nothing) = (path.clone(), Version::empty());
        let mut resume =
            Resume { path, interval, kept: nothing, read: BTreeMap::new(), len: 0, is_kept: false };
        let Some(unfinished) = writer.unfinished(&resume.path)? else { return Ok(resume) };
        resume.is_kept = true;
        let head = Some(writer.head());
        let missing = graph::missing(writer, &unfinished.version, head.as_ref(), monitor);
        match missing.and_then(|missing| match missing {
            0 => Version::read(writer, &unfinished.version).map(Some),
            _ => Ok(None),
        }) {
            Ok(Some(version)) => resume.kept = version,
            // What is not whole is read again.
            Ok(None) | Err(Error::NotFound(_) | Error::Damaged { .. }) => {}
            Err(error) => return Err(error),
        }
        Ok(resume)
    }

    /// The directory of what was kept that is at `path`.
    pub fn directory(&self, writer: &Writer<'_>, path: &Path) -> Result<Option<DirectoryId>> {
        Ok(match object::resolve(writer, &self.kept, path)? {
            Some(Item::Directory(directory)) => Some(directory.root),
            _ => None,
        })
    }

    /// Notes a file that was read, or as much of it as was. Of what is kept of it beside its bytes only
    /// the set is taken over; the rest is looked at again.
    pub fn note(&mut self, path: Path, record: &FileRecord) {
        if !self.is_possible() {
            return;
        }
        self.len = self.len.saturating_add(FILE_LEN);
        let attributes = Attributes { set: record.attributes.set, ..Attributes::default() };
        let (content_type, metadata) = (None, BTreeMap::new());
        let record = FileRecord { attributes, content_type, metadata, ..record.clone() };
        self.read.insert(path, Item::File(record));
    }

    /// Whether anything is kept before the end.
    pub fn is_possible(&self) -> bool {
        self.interval.is_some()
    }

    /// Counts bytes that were read.
    pub fn advance(&mut self, bytes: u64) {
        self.len = self.len.saturating_add(bytes);
    }

    /// Whether so much was read that it is to be kept.
    pub fn is_due(&self) -> bool {
        self.interval.is_some_and(|interval| self.len >= interval)
    }

    /// Whether what was read is worth to be kept by a put that fails.
    pub fn is_worth_it(&self) -> bool {
        self.interval.is_some_and(|interval| self.len >= interval / WORTH_PART)
    }

    /// Keeps what was read so far, durably, which whoever stops the put waits for.
    pub fn keep(&mut self, writer: &mut Writer<'_>, monitor: &Monitor) -> Result<()> {
        monitor.hold()?;
        self.commit(writer)?;
        monitor.let_go();
        Ok(())
    }

    /// The same of a put that has failed, if it is worth it. Why it failed says more than whether this
    /// worked.
    pub fn keep_at_last(&mut self, writer: &mut Writer<'_>, monitor: &Monitor) {
        if self.is_worth_it() && monitor.hold_still() {
            let _ = self.commit(writer);
        }
    }

    fn commit(&mut self, writer: &mut Writer<'_>) -> Result<()> {
        self.len = 0;
        let read = std::mem::take(&mut self.read);
        let changes = || read.iter().map(|(path, item)| (path.clone(), Some(item.clone())));
        let kept = match object::apply(writer.entries(), &self.kept, changes()) {
            // A file of an earlier run is a directory now, or the other way round.
            Err(Error::Invalid(_)) => {
                object::apply(writer.entries(), &Version::empty(), changes())?
            }
            kept => kept?,
        };
        let version = writer.add_version(&kept)?;
        let time = writer.database().clock().now();
        writer.keep_unfinished(&Unfinished { path: self.path.clone(), version, time })?;
        writer.commit_and_go_on()?;
        (self.kept, self.is_kept) = (kept, true);
        Ok(())
    }

    /// The put has come to its end: nothing of this is needed any more once that is committed.
    pub fn end(&self, writer: &mut Writer<'_>) -> Result<()> {
        if self.is_kept { writer.forget_unfinished(&self.path) } else { Ok(()) }
    }

    /// Whether something is kept that is forgotten at the end.
    pub fn is_kept(&self) -> bool {
        self.is_kept
    }
}
