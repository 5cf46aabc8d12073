//! The one writer: changes that become visible together, or not at all.

use bytes::Bytes;

use crate::db::journal::{self, HistoryEntry, Naming, Snapshot};
use crate::db::names::{SnapshotEdit, check_metadata, check_snapshot_name};
use crate::db::turn::Turn;
use crate::db::{Database, Reader};
use crate::error::{Error, Result};
use crate::format::checkpoint::VoidRef;
use crate::hash::{Hash, Kind, VersionId};
use crate::log::appender::Appender;
use crate::log::home::Appending;
use crate::object::Version;
use crate::object::tree::{self, SystemMap};
use crate::store::{AppendEntries, Bitmap, ReadEntries, Root, Transaction};

/// Holds the database's one place to write. Dropped without a commit, it takes everything back.
pub struct Writer<'a> {
    database: &'a Database,
    appender: Appending<'a>,
    /// Given up after the appender.
    _turn: Turn<'a>,
    root: Root,
}

impl<'a> Writer<'a> {
    pub(super) fn new(
        database: &'a Database,
        appender: Appending<'a>,
        turn: Turn<'a>,
    ) -> Result<Self> {
        let root = appender.root().clone();
        let mut writer = Writer { database, appender, _turn: turn, root };
        if writer.root.sequence == 0 {
            writer.begin_database();
        }
        Ok(writer)
    }

    /// What a database starts from: the empty version and the empty maps.
    fn begin_database(&mut self) {
        // One that lies on another file has the HEAD that it was given.
        self.root.head.get_or_insert(Version::empty().id());
        for map in [&mut self.root.snapshots, &mut self.root.history, &mut self.root.system] {
            if map.is_zero() {
                *map = tree::empty_root(Kind::System);
            }
        }
    }

    /// Where entries are read from and appended.
    #[doc(hidden)]
    pub fn entries(&mut self) -> &mut impl Transaction {
        &mut *self.appender
    }

    /// The appender of the file, for those who make room in it or a new one.
    pub(crate) fn appender(&mut self) -> &mut Appender {
        &mut self.appender
    }

    /// A reader of everything this writer did, before it is committed.
    pub fn reader(&mut self) -> Result<Reader> {
        self.appender.flush()?;
        let view = self.database.log().view_uncommitted(&self.appender, self.root.clone())?;
        Ok(Reader::new(view, self.database))
    }

    /// The database being written.
    pub fn database(&self) -> &'a Database {
        self.database
    }

    /// HEAD, with what this writer did to it.
    pub fn head(&self) -> VersionId {
        self.root.head.unwrap_or_else(|| Version::empty().id())
    }

    /// The version that HEAD names.
    pub fn head_version(&self) -> Result<Version> {
        Version::read(&*self.appender, &self.head())
    }

    /// Moves HEAD to a version that is complete here, and journals it.
    pub fn set_head(&mut self, version: VersionId, what: &str) -> Result<()> {
        self.journal(version, what, true)?;
        self.root.head = Some(version);
        Ok(())
    }

    /// Journals a complete version without moving HEAD: it stays until history lets go of it.
    pub fn record(&mut self, version: VersionId, what: &str) -> Result<()> {
        self.journal(version, what, false)
    }

    fn journal(&mut self, version: VersionId, what: &str, promoted: bool) -> Result<()> {
        let entry = HistoryEntry {
            // That of the commit to come: history is in the order of commits.
            sequence: self.appender.root().sequence + 1,
            time: self.database.clock().now(),
            version,
            what: what.into(),
            promoted,
        };
        let key = journal::history_key(entry.sequence);
        let value = Some(entry.encode());
        self.root.history = self.edit_map(self.root.history, &key, value)?;
        Ok(())
    }

    fn edit_map(&mut self, root: Hash, key: &[u8], value: Option<Vec<u8>>) -> Result<Hash> {
        let built = tree::edit::<SystemMap, _, _, _>(&mut *self.appender, &root, [(key, value)])?;
        Ok(built.root)
    }

    /// Names a version that is complete here. To say the same again is no conflict: gives what was
    /// there then, and changes nothing.
    pub fn add_snapshot(&mut self, snapshot: &Snapshot) -> Result<Option<Snapshot>> {
        let name = &snapshot.name;
        check_snapshot_name(name)?;
        check_metadata(&snapshot.metadata)?;
        match self.snapshot(name)? {
            Some(there) if there.says_the_same(snapshot) => return Ok(Some(there)),
            Some(_) => return Err(Error::Exists(format!("snapshot {name}"))),
            None => {}
        }
        let value = Some(snapshot.encode());
        self.root.snapshots = self.edit_map(self.root.snapshots, name.as_bytes(), value)?;
        let sequence = self.appender.root().sequence + 1;
        let made = journal::made_value(sequence, name);
        self.set_system(&journal::made_key(name), Some(made))?;
        Ok(None)
    }

    /// [`Error::Exists`] if a version has this name: it cannot be that of what is yet to be made.
    pub fn check_free(&self, naming: &Naming) -> Result<()> {
        let name = &naming.name;
        check_snapshot_name(name)?;
        check_metadata(&naming.metadata)?;
        match self.snapshot(name)? {
            Some(_) => Err(Error::Exists(format!("snapshot {name}"))),
            None => Ok(()),
        }
    }

    /// Takes a version's name away, unless it is held.
    pub fn remove_snapshot(&mut self, name: &str) -> Result<Snapshot> {
        let snapshot = self.known_snapshot(name)?;
        if snapshot.held {
            return Err(Error::Held(name.into()));
        }
        self.root.snapshots = self.edit_map(self.root.snapshots, name.as_bytes(), None)?;
        self.take_system(&journal::made_key(name))?;
        Ok(snapshot)
    }

    /// Changes what is said of a name, the name itself, or whether it is held. Gives what is there
    /// then, and whether that is something else.
    pub fn edit_snapshot(&mut self, name: &str, edit: &SnapshotEdit) -> Result<(Snapshot, bool)> {
        let before = self.known_snapshot(name)?;
        let mut after = before.clone();
        for (key, value) in &edit.metadata {
            match value {
                Some(value) => after.metadata.insert(key.clone(), value.clone()),
                None => after.metadata.remove(key),
            };
        }
        check_metadata(&after.metadata)?;
        after.held = edit.held.unwrap_or(before.held);
        if let Some(name) = edit.name.as_ref().filter(|name| **name != before.name) {
            check_snapshot_name(name)?;
            if self.snapshot(name)?.is_some() {
                return Err(Error::Exists(format!("snapshot {name}")));
            }
            after.name.clone_from(name);
        }
        if after == before {
            return Ok((after, false));
        }
        if after.name != before.name {
            self.root.snapshots = self.edit_map(self.root.snapshots, name.as_bytes(), None)?;
            self.set_hold(&before.name, false)?;
            if let Some(made) = self.take_system(&journal::made_key(name))? {
                let sequence =
                    made.first_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes));
                let made = journal::made_value(sequence, &after.name);
                self.set_system(&journal::made_key(&after.name), Some(made))?;
            }
        }
        let value = Some(after.encode());
        self.root.snapshots = self.edit_map(self.root.snapshots, after.name.as_bytes(), value)?;
        self.set_hold(&after.name, after.held)?;
        Ok((after, true))
    }

    /// Removes what is under `key`, if anything is.
    pub(super) fn take_system(&mut self, key: &[u8]) -> Result<Option<Bytes>> {
        let value = self.system(key)?;
        if value.is_some() {
            self.set_system(key, None)?;
        }
        Ok(value)
    }

    fn set_hold(&mut self, name: &str, held: bool) -> Result<()> {
        let key = journal::hold_key(name);
        if self.system(&key)?.is_some() == held {
            return Ok(());
        }
        self.set_system(&key, held.then(|| name.as_bytes().to_vec()))
    }

    /// The snapshot of this name.
    pub fn snapshot(&self, name: &str) -> Result<Option<Snapshot>> {
        journal::snapshot(&*self.appender, &self.root, name)
    }

    fn known_snapshot(&self, name: &str) -> Result<Snapshot> {
        self.snapshot(name)?.ok_or_else(|| Error::not_found(format!("snapshot {name}")))
    }

    /// The system data under `key`.
    pub fn system(&self, key: &[u8]) -> Result<Option<Bytes>> {
        tree::get::<SystemMap, _>(&*self.appender, &self.root.system, key)
    }

    /// Keeps system data under `key`, or removes it: it is in no version and in no export.
    pub fn set_system(&mut self, key: &[u8], value: Option<Vec<u8>>) -> Result<()> {
        self.root.system = self.edit_map(self.root.system, key, value)?;
        Ok(())
    }

    /// Stores a version and returns its name.
    pub fn add_version(&mut self, version: &Version) -> Result<VersionId> {
        Ok(VersionId(self.appender.append(Kind::Version, &version.encode())?))
    }

    /// The roots as this writer has them.
    #[doc(hidden)]
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// All snapshots, by name.
    pub fn snapshots(&self) -> Result<Vec<Snapshot>> {
        journal::snapshots(&*self.appender, &self.root)
    }

    /// All of history, oldest first.
    pub fn history(&self) -> Result<Vec<HistoryEntry>> {
        journal::history(&*self.appender, &self.root.history, 0..u64::MAX)
    }

    /// Lets go of history entries, whose numbers ascend.
    pub fn forget_history(&mut self, sequences: &[u64]) -> Result<()> {
        let edits = sequences.iter().map(|number| (journal::history_key(*number), None::<Vec<u8>>));
        let history = self.root.history;
        let built = tree::edit::<SystemMap, _, _, _>(&mut *self.appender, &history, edits)?;
        self.root.history = built.root;
        Ok(())
    }

    /// Commits with an index of the entries whose numbers are in `live`, of those that were appended
    /// from `moved_from` on, and nothing else.
    /// Gives back where it was written.
    pub(crate) fn collected(
        mut self,
        root: Root,
        live: &Bitmap,
        moved_from: u64,
        voids: Vec<VoidRef>,
    ) -> Result<Self> {
        self.appender.commit_collected(root, live, moved_from, voids)?;
        Ok(self)
    }

    /// Makes what was appended the content of a file that takes the place of another, whose last
    /// commit was that of `root`.
    pub(crate) fn compacted(mut self, root: Root) -> Result<Root> {
        self.appender.commit_compacted(root)
    }

    /// Makes everything this writer did durable and visible: all or nothing.
    pub fn commit(mut self) -> Result<Root> {
        let root = self.commit_here()?;
        self.database.publish()?;
        Ok(root)
    }

    /// Makes what was done so far durable, and goes on. A new database gets no name by it, only one by
    /// which the next one at the same path finds it.
    pub fn commit_and_go_on(&mut self) -> Result<()> {
        self.root = self.commit_here()?;
        self.database.keep_unpublished()
    }

    /// Commits, and says how long the file is then.
    pub fn commit_and_end(mut self) -> Result<u64> {
        self.commit_here()?;
        self.database.publish()?;
        Ok(self.appender.end())
    }

    fn commit_here(&mut self) -> Result<Root> {
        self.appender.commit(self.root.sequence, self.root.clone())
    }

    /// True if a snapshot or history names the version: it is complete then.
    pub fn is_recorded(&self, version: &VersionId) -> Result<bool> {
        if self.snapshots()?.iter().any(|snapshot| snapshot.version == *version) {
            return Ok(true);
        }
        Ok(self.history()?.iter().any(|entry| entry.version == *version))
    }
}

impl ReadEntries for Writer<'_> {
    fn locate(&self, hash: &Hash) -> Result<Option<crate::store::Place>> {
        self.appender.locate(hash)
    }

    fn read(&self, kind: Kind, hash: &Hash) -> Result<Bytes> {
        self.appender.read(kind, hash)
    }

    fn number_limit(&self) -> u64 {
        self.appender.number_limit()
    }
}
