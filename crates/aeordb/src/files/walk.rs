//! The walk through a local tree, beside what the database has there: looks at directories in
//! order, has the pool list directories and read small files ahead, and says in the same order
//! what is to be done. What it says does not depend on how many worker threads there are.

mod listing;

use std::collections::VecDeque;
use std::os::fd::AsFd;
use std::path::{Path as LocalPath, PathBuf};
use std::sync::Arc;

use self::listing::Listing;
use crate::error::{Error, Result};
use crate::files::beneath::Tree;
use crate::files::cache::{Ignored, Known, token};
use crate::files::choose::{Choice, Within};
use crate::files::clocks::Clocks;
use crate::files::extended::{Keep, Kept};
use crate::files::old::OldEntries;
use crate::files::read::{ReadFile, SMALL_LEN_MAX, Wanted, read_small};
use crate::files::scan::{self, Entries, Entry, Found, Scanned, Stat};
use crate::files::temporary;
use crate::hash::{DirectoryId, Hash, Kind};
use crate::limits::{DEPTH_MAX, PATH_LEN_MAX};
use crate::monitor::Monitor;
use crate::object::tree;
use crate::object::{Attributes, FileRecord, Item, Name, SpecialKind};
use crate::pool::{Pool, Queue};
use crate::store::ReadEntries;

/// Bytes and files of one reading job.
const BATCH_LEN_TARGET: u64 = 512 * 1024;
const BATCH_FILES_MAX: usize = 64;
/// Bytes that reading jobs may have under way.
const UNDER_WAY_LEN_MAX: u64 = 24 * 1024 * 1024;
/// What a file takes beside its bytes.
const FILE_LEN: u64 = 4096;
/// Events that may wait.
const EVENTS_MAX: usize = 4096;

/// Device and inode of a file that has several paths.
pub type Linked = Option<(u64, u64)>;

/// What is to be done next.
pub enum Event {
    /// A directory begins.
    Enter { name: Vec<u8>, kept: Box<Kept>, old: Option<Box<Item>> },
    /// A file that is surely what the database has, in all.
    Same { name: Vec<u8>, stat: Stat, token: Hash, linked: Linked },
    /// A file of which only mode or time differ from what the database has.
    Changed { name: Vec<u8>, new: Box<FileRecord>, stat: Stat, old: Box<Item>, linked: Linked },
    /// A file whose bytes an unfinished put stored: the same as if it were read.
    Kept { name: Vec<u8>, new: Box<FileRecord>, stat: Stat, old: Option<Box<Item>>, linked: Linked },
    /// A link to `target`.
    Link { entry: Box<Entry>, target: Vec<u8>, old: Option<Box<Item>> },
    /// A pipe, device or socket.
    Special { entry: Box<Entry>, what: SpecialKind, old: Option<Box<Item>> },
    /// The small file that [`Walk::next_read`] gives.
    Small,
    /// A file that is to be read in pieces.
    Large(Wanted),
    /// Something that the local tree does not have.
    Gone { name: Name, item: Box<Item> },
    /// The directory ends.
    Leave,
}

/// How a walk goes.
pub struct WalkOptions {
    /// Say what the local tree does not have.
    pub mirror: bool,
    /// Device and inode of the database, which is passed over.
    pub database: Option<(u64, u64)>,
    /// Bytes of the path that the start has in the database.
    pub path_len: usize,
    /// What an unfinished put stored of it.
    pub kept: Option<DirectoryId>,
    /// What may be another of a file that is the same.
    pub ignored: Ignored,
    /// What of the tree is put, and where below the target it lands: patterns see that.
    pub choice: Arc<Choice>,
    pub lands: PathBuf,
}

/// What of a tree was passed over.
#[derive(Clone, Copy, Default, Debug)]
pub struct PassedOver {
    /// Entries that cannot be kept: one warning each.
    pub skipped: u64,
    /// Entries that could not be read: one warning each.
    pub unreadable: u64,
    /// Entries that were left out because somebody wanted it so.
    pub left_out: u64,
    /// Directories that other file systems are mounted at, which were not entered.
    pub mounts: u64,
    /// Files that go from the database because they are left out.
    pub files_left_out: u64,
}

/// A walk through one local tree.
pub struct Walk<'w> {
    options: WalkOptions,
    pool: Arc<Pool>,
    keep: Arc<Keep>,
    monitor: &'w Monitor,
    known: Known,
    /// What the file systems show that were met.
    pub clocks: Clocks,
    listings: Vec<Listing>,
    events: VecDeque<Event>,
    batch: Vec<Wanted>,
    batch_len: u64,
    batches: Queue<Vec<ReadFile>>,
    read: std::vec::IntoIter<ReadFile>,
    pub passed_over: PassedOver,
}

impl<'w> Walk<'w> {
    /// Starts in the directory `path`, whose place in the database has the root `old`. Gives what is
    /// kept of that directory as well.
    pub fn new(
        path: PathBuf,
        old: Option<DirectoryId>,
        options: WalkOptions,
        known: Known,
        (pool, keep): (&Arc<Pool>, &Arc<Keep>),
        monitor: &'w Monitor,
    ) -> Result<(Self, Kept)> {
        let mut walk = Walk {
            options,
            pool: pool.clone(),
            keep: keep.clone(),
            monitor,
            known,
            clocks: Clocks::default(),
            listings: Vec::new(),
            events: VecDeque::new(),
            batch: Vec::new(),
            batch_len: 0,
            batches: Queue::new(pool),
            read: Vec::new().into_iter(),
            passed_over: PassedOver::default(),
        };
        let (tree, below) = (Arc::new(Tree::open(&path)?), PathBuf::new());
        let WalkOptions { choice, lands, .. } = &walk.options;
        let within = Within::start(choice, lands.clone(), &tree.facts()?);
        let scanned = scan::scan(&tree, &below, keep, within)?;
        let roots = (old, walk.options.kept);
        let kept = walk.list(tree, below, Vec::new(), roots, scanned);
        Ok((walk, kept))
    }

    /// Goes into a directory that was looked at; gives what is kept of it.
    fn list(
        &mut self,
        tree: Arc<Tree>,
        below: PathBuf,
        key: Vec<u8>,
        (old, stored): (Option<DirectoryId>, Option<DirectoryId>),
        scanned: Scanned,
    ) -> Kept {
        let Scanned { kept, entries, within, left_out, lacking, told } = scanned;
        self.passed_over.left_out += left_out;
        told.into_iter().for_each(|told| self.monitor.warn(told));
        for name in lacking {
            self.unreadable(&tree.path_of(&scan::join(&below, &name)), "it is not there");
        }
        let mut listing = Listing {
            tree,
            below,
            key,
            old: OldEntries::new(old),
            kept: OldEntries::new(stored),
            within,
            page: Vec::new().into_iter(),
            names: None,
            pages: Queue::new(&self.pool),
            to_list: VecDeque::new(),
            listed: Queue::new(&self.pool),
        };
        match entries {
            Entries::Few(entries) => listing.turn(entries),
            Entries::Many(names) => listing.names = Some((Arc::new(names), 0)),
        }
        self.listings.push(listing);
        kept
    }

    /// What is to be done next; `None` at the end.
    pub fn next<S: ReadEntries + ?Sized>(&mut self, store: &S) -> Result<Option<Event>> {
        while !self.listings.is_empty()
            && self.batches.size() < UNDER_WAY_LEN_MAX
            && self.events.len() < EVENTS_MAX
        {
            self.step(store)?;
        }
        Ok(self.events.pop_front())
    }

    /// The file that an [`Event::Small`] is about.
    pub fn next_read(&mut self) -> Option<ReadFile> {
        if let Some(read) = self.read.next() {
            return Some(read);
        }
        if self.batches.is_empty() {
            self.flush_batch();
        }
        self.read = self.batches.take()?.into_iter();
        self.read.next()
    }

    fn step<S: ReadEntries + ?Sized>(&mut self, store: &S) -> Result<()> {
        let Some(listing) = self.listings.last_mut() else { return Ok(()) };
        let entry = listing.next(&self.keep);
        let mut gone = Vec::new();
        if self.options.mirror {
            let name = entry.as_ref().map(|entry| entry.name.as_slice());
            while let Some((name, item)) = listing.old.next_below(store, name)? {
                let is_directory = matches!(item, Item::Directory(_));
                let left_out = listing.within.leaves_out(name.as_bytes(), is_directory);
                gone.push((name, item, left_out));
            }
        }
        for (name, item, left_out) in gone {
            self.gone(name, Some(item), left_out);
        }
        let Some(entry) = entry else {
            self.listings.pop();
            self.events.push_back(Event::Leave);
            return Ok(());
        };
        let Some(listing) = self.listings.last_mut() else { return Ok(()) };
        let (tree, below) = (listing.tree.clone(), scan::join(&listing.below, &entry.name));
        let path = || tree.path_of(&below);
        let name = match Name::new(&entry.name) {
            Ok(name) => name,
            Err(error) => {
                self.skip(&path(), &error.to_string());
                return Ok(());
            }
        };
        let path_len = self.options.path_len + listing.key_of(&entry.name).len();
        if path_len > PATH_LEN_MAX {
            let why = format!("its path has {path_len} bytes, the limit is {PATH_LEN_MAX}");
            self.unreadable(&path(), &why);
            return Ok(());
        }
        let old = listing.old.find(store, &entry.name)?;
        let stored = listing.kept.find(store, &entry.name)?;
        let (on_the_way, elsewhere, too_large) = (
            listing.within.is_on_the_way(&entry.name),
            listing.within.is_elsewhere(&entry.facts),
            |stat: &Stat| listing.within.is_too_large(stat.size),
        );
        match entry.found.clone() {
            Found::Unreadable(why) => self.unreadable(&path(), &why),
            Found::Directory if elsewhere => self.mount(&tree, &below, entry, old),
            Found::Directory => self.enter(tree, below, entry, (old, stored))?,
            _ if on_the_way => self.unreadable(&path(), "what is listed in it is not there"),
            Found::File(stat) if too_large(&stat) => {
                self.passed_over.left_out += 1;
                self.gone(name, old, true);
            }
            Found::File(_) | Found::Symlink(_) if temporary::is(&entry.name) => {
                self.skip(&path(), "it is a temporary file of aeordb");
                self.gone(name, old, false);
            }
            Found::File(stat) if self.options.database == Some((stat.device, stat.inode)) => {
                self.skip(&path(), "it is the database itself");
                self.gone(name, old, false);
            }
            Found::File(stat) => self.file(tree, below, entry, stat, (old, stored)),
            Found::Symlink(target) => {
                self.lacking(&path(), &entry.kept);
                let (entry, old) = (Box::new(entry), old.map(Box::new));
                self.events.push_back(Event::Link { entry, target, old });
            }
            Found::Special(what) => {
                self.lacking(&path(), &entry.kept);
                let (entry, old) = (Box::new(entry), old.map(Box::new));
                self.events.push_back(Event::Special { entry, what, old });
            }
        }
        Ok(())
    }

    fn skip(&mut self, path: &LocalPath, why: &str) {
        self.monitor.warn(format!("{}: skipped: {why}", path.display()));
        self.passed_over.skipped += 1;
    }

    /// What could not be read stays as it is in the database, also when mirroring.
    fn unreadable(&mut self, path: &LocalPath, why: &str) {
        self.monitor.warn(format!("{}: not read: {why}", path.display()));
        self.passed_over.unreadable += 1;
    }

    /// What is kept of something may not be all.
    fn lacking(&mut self, path: &LocalPath, kept: &Kept) {
        if let Some(why) = &kept.lacks {
            self.monitor.warn(format!("{}: its attributes were not read: {why}", path.display()));
            self.passed_over.unreadable += 1;
        }
    }

    /// What the tree does not have, or what of it is left out, goes when mirroring; of what is left out
    /// the database may be wanted to keep what it has.
    fn gone(&mut self, name: Name, old: Option<Item>, left_out: bool) {
        let keeps = left_out && self.options.choice.keep_excluded;
        let Some(item) = old.filter(|_| self.options.mirror && !keeps) else { return };
        if left_out {
            self.passed_over.files_left_out += item.totals().files;
        }
        self.events.push_back(Event::Gone { name, item: Box::new(item) });
    }

    /// A directory that another file system is mounted at is put as what it is. What is below it is
    /// not looked at, so that it does not go either.
    fn mount(&mut self, mounted: &Tree, below: &LocalPath, entry: Entry, old: Option<Item>) {
        let path = mounted.path_of(below);
        self.passed_over.mounts += 1;
        match scan::itself(mounted, below, &self.keep) {
            Ok(kept) => {
                self.lacking(&path, &kept);
                let nothing = tree::empty_root(Kind::Directory);
                let stays = matches!(&old, Some(Item::Directory(old)) if old.root.0 != nothing);
                if stays {
                    let why = "another file system is mounted there, and what the last version has \
                               in it stays";
                    self.monitor.warn(format!("{}: not entered: {why}", path.display()));
                }
                let (kept, old) = (Box::new(kept), old.map(Box::new));
                self.events.push_back(Event::Enter { name: entry.name, kept, old });
                self.events.push_back(Event::Leave);
            }
            Err(error) => self.unreadable(&path, &error.to_string()),
        }
    }

    fn enter(
        &mut self,
        tree: Arc<Tree>,
        below: PathBuf,
        entry: Entry,
        (old, stored): (Option<Item>, Option<Item>),
    ) -> Result<()> {
        let path = tree.path_of(&below);
        if self.listings.len() >= DEPTH_MAX {
            let (what, limit) = (format!("the depth of {}", path.display()), DEPTH_MAX as u64);
            return Err(Error::Limit { what, limit, found: limit + 1 });
        }
        let Some(listing) = self.listings.last_mut() else { return Ok(()) };
        listing.list_ahead(&self.keep);
        let listed = listing.listed.take();
        let within = || listing.within.enter(&entry.name);
        let scanned = listed.unwrap_or_else(|| scan::scan(&tree, &below, &self.keep, within()));
        let key = listing.key_of(&entry.name);
        let root = |item: &Option<Item>| match item {
            Some(Item::Directory(directory)) => Some(directory.root),
            _ => None,
        };
        match scanned {
            Ok(scanned) => {
                self.lacking(&path, &scanned.kept);
                let kept = self.list(tree, below, key, (root(&old), root(&stored)), scanned);
                let (kept, old) = (Box::new(kept), old.map(Box::new));
                self.events.push_back(Event::Enter { name: entry.name, kept, old });
            }
            Err(error) => self.unreadable(&path, &error.to_string()),
        }
        Ok(())
    }

    fn file(
        &mut self,
        tree: Arc<Tree>,
        below: PathBuf,
        entry: Entry,
        stat: Stat,
        (old, stored): (Option<Item>, Option<Item>),
    ) {
        let Some(listing) = self.listings.last() else { return };
        self.clocks.look(&tree, &listing.below, &stat);
        let ignored = self.options.ignored;
        let known = self.known.find(&listing.key_of(&entry.name), &stat, ignored);
        let known = known.filter(|_| ignored.ctime || self.clocks.tell(&stat));
        let old = match old {
            Some(Item::File(old)) if old.size == stat.size && known == Some(token(&old)) => {
                let shown = shown_of(&entry, &old, &self.keep, &tree, &listing.below);
                self.events.push_back(unchanged(entry, shown, stat, old));
                return;
            }
            old => old.map(Box::new),
        };
        if let Some(Item::File(stored)) = stored
            && stored.size == stat.size
            && known == Some(token(&stored))
        {
            let attributes = shown_of(&entry, &stored, &self.keep, &tree, &listing.below);
            let (linked, name) = (entry.facts.linked(), entry.name);
            let new = Box::new(FileRecord { attributes, ..stored });
            self.events.push_back(Event::Kept { name, new, stat, old, linked });
            return;
        }
        let wanted = Wanted { tree, below, name: entry.name, old };
        if stat.size > SMALL_LEN_MAX {
            self.events.push_back(Event::Large(wanted));
            return;
        }
        self.events.push_back(Event::Small);
        self.batch.push(wanted);
        self.batch_len += stat.size;
        if self.batch_len >= BATCH_LEN_TARGET || self.batch.len() >= BATCH_FILES_MAX {
            self.flush_batch();
        }
    }

    fn flush_batch(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        let batch = std::mem::take(&mut self.batch);
        let len = std::mem::take(&mut self.batch_len) + FILE_LEN * batch.len() as u64;
        let keep = self.keep.clone();
        let read = move |wanted| read_small(wanted, &keep);
        self.batches.submit_sized(len, move || batch.into_iter().map(read).collect());
    }
}

/// Mode and time of a file whose bytes and set are what the database has. The bits that the system
/// shows are its permissions, or the mask of a list; asking which of them costs a call, which bits
/// that the database has, too, are spared.
fn shown_of(
    entry: &Entry,
    old: &FileRecord,
    keep: &Keep,
    tree: &Tree,
    directory: &LocalPath,
) -> Attributes {
    let shown = entry.facts.attributes();
    let shown = match tree.directory(directory) {
        _ if old.attributes.mode == shown.mode => shown,
        Ok(handle) => keep.of_entry(handle.as_fd(), &entry.name, &entry.facts).attributes,
        Err(_) => shown,
    };
    let Attributes { set, link, .. } = old.attributes;
    Attributes { set, link, ..shown }
}

/// A file whose bytes are what the database has.
fn unchanged(entry: Entry, attributes: Attributes, stat: Stat, old: FileRecord) -> Event {
    let (linked, name) = (entry.facts.linked(), entry.name);
    if old.attributes == attributes {
        return Event::Same { name, stat, token: token(&old), linked };
    }
    let new = Box::new(FileRecord { attributes, ..old.clone() });
    Event::Changed { name, new, stat, old: Box::new(Item::File(old)), linked }
}
