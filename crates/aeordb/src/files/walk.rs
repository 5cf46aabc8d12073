//! The walk through a local tree, beside what the database has there: looks at directories in
//! order, has the crew list directories and read small files ahead, and says in the same order
//! what is to be done. What it says does not depend on how many worker threads there are.

use std::collections::VecDeque;
use std::os::fd::AsFd;
use std::path::{Path as LocalPath, PathBuf};
use std::sync::Arc;

use crate::crew::{Crew, Queue};
use crate::error::{Error, Result};
use crate::files::beneath::Tree;
use crate::files::cache::{Known, token};
use crate::files::clocks::Clocks;
use crate::files::extended::{Keep, Kept};
use crate::files::old::OldEntries;
use crate::files::read::{ReadFile, SMALL_LEN_MAX, Wanted, read_small};
use crate::files::scan::{self, Entries, Entry, Found, Names, Scanned, Stat};
use crate::files::temporary;
use crate::hash::{DirectoryId, Hash};
use crate::limits::{DEPTH_MAX, PATH_LEN_MAX};
use crate::object::{Attributes, FileRecord, Item, Name, SpecialKind};
use crate::store::ReadEntries;
use crate::watch::Watch;

/// Bytes and files of one reading job.
const BATCH_LEN_TARGET: u64 = 512 * 1024;
const BATCH_FILES_MAX: usize = 64;
/// Bytes that reading jobs may have under way.
const UNDER_WAY_LEN_MAX: u64 = 24 * 1024 * 1024;
/// What a file takes beside its bytes.
const FILE_LEN: u64 = 4096;
/// Events that may wait.
const EVENTS_MAX: usize = 4096;
/// Directories, or pages of a large one, that are looked at ahead.
const DIRECTORIES_AHEAD: usize = 16;
const PAGES_AHEAD: usize = 2;

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

/// A local directory that the walk is in.
struct Listing {
    tree: Arc<Tree>,
    /// Where it is in the tree.
    below: PathBuf,
    /// The path below the start, for the cache.
    key: Vec<u8>,
    old: OldEntries,
    page: std::vec::IntoIter<Entry>,
    /// The names of a large directory, and its next page that nobody looks at yet.
    names: Option<(Arc<Names>, usize)>,
    pages: Queue<Vec<Entry>>,
    /// Subdirectories that nobody lists yet, and those that are being listed.
    to_list: VecDeque<PathBuf>,
    listed: Queue<Result<Scanned>>,
}

/// How a walk goes.
pub struct WalkOptions {
    /// Say what the local tree does not have.
    pub mirror: bool,
    /// Device and inode of the database, which is passed over.
    pub database: Option<(u64, u64)>,
    /// Bytes of the path that the start has in the database.
    pub path_len: usize,
}

/// A walk through one local tree.
pub struct Walk<'w> {
    options: WalkOptions,
    crew: Arc<Crew>,
    keep: Arc<Keep>,
    watch: &'w Watch,
    known: Known,
    /// What the file systems show that were met.
    pub clocks: Clocks,
    listings: Vec<Listing>,
    events: VecDeque<Event>,
    batch: Vec<Wanted>,
    batch_len: u64,
    batches: Queue<Vec<ReadFile>>,
    read: std::vec::IntoIter<ReadFile>,
    /// Entries that cannot be kept: one warning each.
    pub skipped: u64,
    /// Entries that could not be read: one warning each.
    pub unreadable: u64,
}

impl<'w> Walk<'w> {
    /// Starts in the directory `path`, whose place in the database has the root `old`. Gives what is
    /// kept of that directory as well.
    pub fn new(
        path: PathBuf,
        old: Option<DirectoryId>,
        options: WalkOptions,
        known: Known,
        (crew, keep): (&Arc<Crew>, &Arc<Keep>),
        watch: &'w Watch,
    ) -> Result<(Self, Kept)> {
        let mut walk = Walk {
            options,
            crew: crew.clone(),
            keep: keep.clone(),
            watch,
            known,
            clocks: Clocks::default(),
            listings: Vec::new(),
            events: VecDeque::new(),
            batch: Vec::new(),
            batch_len: 0,
            batches: Queue::new(crew),
            read: Vec::new().into_iter(),
            skipped: 0,
            unreadable: 0,
        };
        let (tree, below) = (Arc::new(Tree::open(&path)?), PathBuf::new());
        let Scanned { kept, entries } = scan::scan(&tree, &below, keep)?;
        let old = OldEntries::new(old);
        walk.listings.push(Listing::new(tree, below, Vec::new(), old, entries, crew));
        Ok((walk, kept))
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
        if self.options.mirror {
            let name = entry.as_ref().map(|entry| entry.name.as_slice());
            while let Some((name, item)) = listing.old.next_below(store, name)? {
                self.events.push_back(Event::Gone { name, item: Box::new(item) });
            }
        }
        let Some(entry) = entry else {
            self.listings.pop();
            self.events.push_back(Event::Leave);
            return Ok(());
        };
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
        match entry.found.clone() {
            Found::File(_) | Found::Symlink(_) if temporary::is(&entry.name) => {
                self.skip(&path(), "it is a temporary file of aeordb");
                self.gone(name, old);
            }
            Found::File(stat) if self.options.database == Some((stat.device, stat.inode)) => {
                self.skip(&path(), "it is the database itself");
                self.gone(name, old);
            }
            Found::File(stat) => self.file(tree, below, entry, stat, old),
            Found::Symlink(target) => {
                self.lacking(&path(), &entry.kept);
                let (entry, old) = (Box::new(entry), old.map(Box::new));
                self.events.push_back(Event::Link { entry, target, old });
            }
            Found::Directory => self.enter(tree, below, entry, old)?,
            Found::Special(what) => {
                self.lacking(&path(), &entry.kept);
                let (entry, old) = (Box::new(entry), old.map(Box::new));
                self.events.push_back(Event::Special { entry, what, old });
            }
            Found::Unreadable(why) => self.unreadable(&path(), &why),
        }
        Ok(())
    }

    fn skip(&mut self, path: &LocalPath, why: &str) {
        self.watch.warn(format!("{}: skipped: {why}", path.display()));
        self.skipped += 1;
    }

    /// What could not be read stays as it is in the database, also when mirroring.
    fn unreadable(&mut self, path: &LocalPath, why: &str) {
        self.watch.warn(format!("{}: not read: {why}", path.display()));
        self.unreadable += 1;
    }

    /// What is kept of something may not be all.
    fn lacking(&mut self, path: &LocalPath, kept: &Kept) {
        if let Some(why) = &kept.lacks {
            self.watch.warn(format!("{}: its attributes were not read: {why}", path.display()));
            self.unreadable += 1;
        }
    }

    fn gone(&mut self, name: Name, old: Option<Item>) {
        if let Some(item) = old.filter(|_| self.options.mirror) {
            self.events.push_back(Event::Gone { name, item: Box::new(item) });
        }
    }

    fn enter(
        &mut self,
        tree: Arc<Tree>,
        below: PathBuf,
        entry: Entry,
        old: Option<Item>,
    ) -> Result<()> {
        let path = tree.path_of(&below);
        if self.listings.len() >= DEPTH_MAX {
            let (what, limit) = (format!("the depth of {}", path.display()), DEPTH_MAX as u64);
            return Err(Error::Limit { what, limit, found: limit + 1 });
        }
        let Some(listing) = self.listings.last_mut() else { return Ok(()) };
        listing.list_ahead(&self.keep);
        let listed = listing.listed.take();
        let scanned = listed.unwrap_or_else(|| scan::scan(&tree, &below, &self.keep));
        let key = listing.key_of(&entry.name);
        let there = match &old {
            Some(Item::Directory(directory)) => Some(directory),
            _ => None,
        };
        match scanned {
            Ok(Scanned { kept, entries }) => {
                self.lacking(&path, &kept);
                let old_entries = OldEntries::new(there.map(|directory| directory.root));
                let listing = Listing::new(tree, below, key, old_entries, entries, &self.crew);
                self.listings.push(listing);
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
        old: Option<Item>,
    ) {
        let Some(listing) = self.listings.last() else { return };
        self.clocks.look(&tree, &listing.below, &stat);
        let known = self.known.find(&listing.key_of(&entry.name), &stat);
        let known = known.filter(|_| self.clocks.tell(&stat));
        let old = match old {
            Some(Item::File(old)) if old.size == stat.size && known == Some(token(&old)) => {
                let shown = shown_of(&entry, &old, &self.keep, &tree, &listing.below);
                self.events.push_back(unchanged(entry, shown, stat, old));
                return;
            }
            old => old.map(Box::new),
        };
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

impl Listing {
    fn new(
        tree: Arc<Tree>,
        below: PathBuf,
        key: Vec<u8>,
        old: OldEntries,
        entries: Entries,
        crew: &Arc<Crew>,
    ) -> Self {
        let mut listing = Listing {
            tree,
            below,
            key,
            old,
            page: Vec::new().into_iter(),
            names: None,
            pages: Queue::new(crew),
            to_list: VecDeque::new(),
            listed: Queue::new(crew),
        };
        match entries {
            Entries::Few(entries) => listing.turn(entries),
            Entries::Many(names) => listing.names = Some((Arc::new(names), 0)),
        }
        listing
    }

    /// The next entry.
    fn next(&mut self, keep: &Arc<Keep>) -> Option<Entry> {
        loop {
            if let Some(entry) = self.page.next() {
                return Some(entry);
            }
            let (names, next) = self.names.as_mut()?;
            while self.pages.jobs() < PAGES_AHEAD && *next < names.pages() {
                let (names, number, keep) = (names.clone(), *next, keep.clone());
                self.pages.submit(move || names.page(number, &keep));
                *next += 1;
            }
            let entries = self.pages.take()?;
            self.turn(entries);
        }
    }

    /// Turns to a page.
    fn turn(&mut self, entries: Vec<Entry>) {
        let directories = entries
            .iter()
            .filter(|entry| entry.found == Found::Directory && Name::new(&entry.name).is_ok());
        let paths = directories.map(|entry| scan::join(&self.below, &entry.name));
        self.to_list.extend(paths);
        self.page = entries.into_iter();
    }

    fn list_ahead(&mut self, keep: &Arc<Keep>) {
        while self.listed.jobs() < DIRECTORIES_AHEAD {
            let Some(below) = self.to_list.pop_front() else { break };
            let (tree, keep) = (self.tree.clone(), keep.clone());
            self.listed.submit(move || scan::scan(&tree, &below, &keep));
        }
    }

    fn key_of(&self, name: &[u8]) -> Vec<u8> {
        crate::files::cache::key(&self.key, name)
    }
}
