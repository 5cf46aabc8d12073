//! The one writer: changes that become visible together, or not at all.

use bytes::Bytes;

use crate::db::journal::{self, HistoryEntry, Snapshot};
use crate::db::turn::Turn;
use crate::db::{Database, Reader};
use crate::error::{Error, Result};
use crate::format::checkpoint::VoidRef;
use crate::hash::{Hash, Kind, VersionId};
use crate::limits::SNAPSHOT_NAME_LEN_MAX;
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
        Ok(Reader::new(view, self.database.kind(), self.database.crew().clone()))
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
        match journal::snapshot(&*self.appender, &self.root.snapshots, name)? {
            Some(there) if there.says_the_same(snapshot) => return Ok(Some(there)),
            Some(_) => return Err(Error::Exists(format!("snapshot {name}"))),
            None => {}
        }
        let value = Some(snapshot.encode());
        self.root.snapshots = self.edit_map(self.root.snapshots, name.as_bytes(), value)?;
        Ok(None)
    }

    /// Takes a version's name away.
    pub fn remove_snapshot(&mut self, name: &str) -> Result<Snapshot> {
        let snapshot = journal::snapshot(&*self.appender, &self.root.snapshots, name)?
            .ok_or_else(|| Error::not_found(format!("snapshot {name}")))?;
        self.root.snapshots = self.edit_map(self.root.snapshots, name.as_bytes(), None)?;
        Ok(snapshot)
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
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// All snapshots, by name.
    pub fn snapshots(&self) -> Result<Vec<Snapshot>> {
        journal::snapshots(&*self.appender, &self.root.snapshots)
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
    pub fn collected(
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
    pub fn compacted(mut self, root: Root) -> Result<Root> {
        self.appender.commit_compacted(root)
    }

    /// Makes everything this writer did durable and visible: all or nothing.
    pub fn commit(mut self) -> Result<Root> {
        let root = self.commit_here()?;
        self.database.publish()?;
        Ok(root)
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

/// Names that can be typed, listed and put into a URL, and that nothing else can be mistaken for.
pub(crate) fn check_snapshot_name(name: &str) -> Result<()> {
    let refuse = |why: &str| Err(Error::invalid(format!("snapshot name '{name}' {why}")));
    if name.is_empty() || name.len() > SNAPSHOT_NAME_LEN_MAX {
        return refuse("must have 1 to 255 bytes");
    }
    if name.chars().any(|c| c.is_control() || c.is_whitespace() || matches!(c, '/' | ':' | '~')) {
        return refuse("must not hold white space, control characters, '/', ':' or '~'");
    }
    if name == "HEAD" || name.starts_with('-') {
        return refuse("is reserved");
    }
    // Dates are digits alone, and what a hash begins with hardly ever is.
    let hex = name.len() >= 8 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    let date = name.len() < 64 && name.bytes().all(|byte| byte.is_ascii_digit());
    if hex && !date {
        return refuse("could be taken for a version's hash or the start of one");
    }
    Ok(())
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
