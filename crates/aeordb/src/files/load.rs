//! Loads a local tree: a producer looks at directories in order and has the crew read small files
//! ahead, a consumer takes the results in the same order, stores chunks and builds directories
//! from the leaves up. What is stored does not depend on how many worker threads there are.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use crate::crew::{Crew, Ticket};
use crate::db::Writer;
use crate::error::{Context, Error, Result};
use crate::files::cache::Cache;
use crate::files::put::PutReport;
use crate::files::scan::{self, Entry, Found, Stat};
use crate::graph;
use crate::hash::{ChunkId, DirectoryId, Hash, Kind};
use crate::limits::DEPTH_MAX;
use crate::object::chunker::{self, ChunkReader};
use crate::object::tree::{self, Directories};
use crate::object::{
    ChunkRef, Content, FileRecord, Item, ListBuilder, Name, Subdirectory, Symlink,
};
use crate::watch::Watch;

/// Files above this are read by the consumer, in pieces.
const SMALL_LEN_MAX: u64 = 1024 * 1024;
/// Bytes and files of one reading job.
const BATCH_LEN_TARGET: u64 = 512 * 1024;
const BATCH_FILES_MAX: usize = 64;
/// Bytes that reading jobs may have under way.
const UNDER_WAY_LEN_MAX: u64 = 24 * 1024 * 1024;
/// Events that may wait for the consumer.
const EVENTS_MAX: usize = 4096;
/// Directories that are listed ahead.
const LISTED_AHEAD: usize = 16;

/// A file that is to be read.
struct Wanted {
    path: PathBuf,
    entry: Entry,
    stat: Stat,
}

/// A file that was read: its bytes, and the hashes and lengths of its chunks.
struct ReadFile {
    wanted: Wanted,
    outcome: Result<ReadBytes>,
}

struct ReadBytes {
    bytes: Vec<u8>,
    hash: Hash,
    chunks: Vec<ChunkRef>,
    /// What the file looked like once it was read: another than before means that it changed.
    settled: Option<Stat>,
}

/// What the consumer does next.
enum Event {
    Enter(Entry),
    Item(Vec<u8>, Box<Item>, Option<Stat>),
    Batch(Ticket<Vec<ReadFile>>, u64),
    Large(Box<Wanted>),
    Kept(Vec<u8>),
    Leave,
}

/// A directory that the producer is in.
struct Listing {
    path: PathBuf,
    entries: std::vec::IntoIter<Entry>,
    ahead: VecDeque<Ticket<Result<Vec<Entry>>>>,
    to_list: VecDeque<PathBuf>,
    /// What the database has at this place.
    old: Arc<HashMap<Vec<u8>, Item>>,
    key: Vec<u8>,
}

/// A directory that the consumer is building.
struct Building {
    entry: Option<Entry>,
    existing: Option<Subdirectory>,
    old: Arc<HashMap<Vec<u8>, Item>>,
    items: Vec<(Vec<u8>, Item)>,
    key: Vec<u8>,
}

/// Loads one local tree or file into the database behind a writer.
pub struct Loader<'a, 'd> {
    pub writer: &'a mut Writer<'d>,
    pub crew: Arc<Crew>,
    pub watch: &'a Watch,
    pub report: &'a mut PutReport,
    pub cache: Cache,
    pub mirror: bool,
    pub content_type: Option<String>,
    listings: Vec<Listing>,
    buildings: Vec<Building>,
    events: VecDeque<Event>,
    batch: Vec<Wanted>,
    batch_len: u64,
    under_way_len: u64,
    chunk_reader: ChunkReader,
    done: Option<Subdirectory>,
}

impl<'a, 'd> Loader<'a, 'd> {
    pub fn new(
        writer: &'a mut Writer<'d>,
        watch: &'a Watch,
        report: &'a mut PutReport,
        cache: Cache,
        mirror: bool,
        content_type: Option<String>,
    ) -> Self {
        let crew = writer.database().crew().clone();
        Loader {
            writer,
            crew,
            watch,
            report,
            cache,
            mirror,
            content_type,
            listings: Vec::new(),
            buildings: Vec::new(),
            events: VecDeque::new(),
            batch: Vec::new(),
            batch_len: 0,
            under_way_len: 0,
            chunk_reader: ChunkReader::new(),
            done: None,
        }
    }

    /// Loads the contents of the directory `path` over the directory that exists at its place.
    pub fn directory(
        &mut self,
        path: PathBuf,
        entry: Option<Entry>,
        existing: Option<Subdirectory>,
    ) -> Result<Subdirectory> {
        let entries = scan::scan(&path)?;
        let old = self.old_entries(existing.as_ref())?;
        self.listings.push(listing(path, entries, old.clone(), Vec::new()));
        self.buildings.push(Building { entry, existing, old, items: Vec::new(), key: Vec::new() });
        self.list_ahead();
        loop {
            self.watch.check()?;
            while !self.listings.is_empty()
                && self.under_way_len < UNDER_WAY_LEN_MAX
                && self.events.len() < EVENTS_MAX
            {
                self.produce()?;
            }
            match self.events.pop_front() {
                Some(event) => self.consume(event)?,
                None => break,
            }
        }
        self.done.take().ok_or_else(|| Error::invalid("the directory vanished while it was read"))
    }

    fn old_entries(&self, existing: Option<&Subdirectory>) -> Result<Arc<HashMap<Vec<u8>, Item>>> {
        let mut old = HashMap::new();
        if let Some(existing) = existing {
            for entry in graph::entries(&*self.writer, &existing.root, None)? {
                let (name, item) = entry?;
                old.insert(name.as_bytes().to_vec(), item);
            }
        }
        Ok(Arc::new(old))
    }

    fn list_ahead(&mut self) {
        if let Some(listing) = self.listings.last_mut() {
            while listing.ahead.len() < LISTED_AHEAD {
                let Some(path) = listing.to_list.pop_front() else { break };
                listing.ahead.push_back(self.crew.submit(move || scan::scan(&path)));
            }
        }
    }

    /// Takes one step of the walk.
    fn produce(&mut self) -> Result<()> {
        let Some(listing) = self.listings.last_mut() else { return Ok(()) };
        let Some(entry) = listing.entries.next() else {
            self.listings.pop();
            self.flush_batch();
            self.events.push_back(Event::Leave);
            return Ok(());
        };
        let path = listing.path.join(local_name(&entry.name));
        if let Err(error) = Name::new(&entry.name) {
            self.watch.warn(format!("{}: skipped: {error}", path.display()));
            self.report.skipped += 1;
            return Ok(());
        }
        let key = [listing.key.as_slice(), b"/", &entry.name].concat();
        let old = listing.old.get(&entry.name).cloned();
        match entry.found.clone() {
            Found::File(stat) => self.file(path, entry, stat, key, old),
            Found::Symlink(target) => {
                let item = Item::Symlink(Symlink { target, mtime: Some(entry.mtime) });
                self.flush_batch();
                self.events.push_back(Event::Item(entry.name, Box::new(item), None));
            }
            Found::Directory => self.enter(path, entry, key, old)?,
            Found::Special(what) => {
                self.watch.warn(format!("{}: skipped: it is {what}", path.display()));
                self.report.skipped += 1;
            }
            Found::Unreadable(why) => self.unreadable(&path, &why, entry.name),
        }
        Ok(())
    }

    fn unreadable(&mut self, path: &std::path::Path, why: &str, name: Vec<u8>) {
        self.watch.warn(format!("{}: not read: {why}", path.display()));
        self.report.unreadable += 1;
        self.flush_batch();
        self.events.push_back(Event::Kept(name));
    }

    fn enter(
        &mut self,
        path: PathBuf,
        entry: Entry,
        key: Vec<u8>,
        old: Option<Item>,
    ) -> Result<()> {
        if self.listings.len() >= DEPTH_MAX {
            let (what, limit) = (format!("the depth of {}", path.display()), DEPTH_MAX as u64);
            return Err(Error::Limit { what, limit, found: limit + 1 });
        }
        let listed = self.listings.last_mut().and_then(|listing| listing.ahead.pop_front());
        let listed = match listed {
            Some(ticket) => ticket.wait(),
            None => scan::scan(&path),
        };
        self.list_ahead();
        let entries = match listed {
            Ok(entries) => entries,
            Err(error) => {
                self.unreadable(&path, &error.to_string(), entry.name);
                return Ok(());
            }
        };
        let existing = match old {
            Some(Item::Directory(directory)) => Some(directory),
            _ => None,
        };
        self.flush_batch();
        let old = self.old_entries(existing.as_ref())?;
        self.listings.push(listing(path, entries, old, key));
        self.list_ahead();
        self.events.push_back(Event::Enter(entry));
        Ok(())
    }

    fn file(&mut self, path: PathBuf, entry: Entry, stat: Stat, key: Vec<u8>, old: Option<Item>) {
        if let Some(Item::File(old)) = &old
            && old.size == stat.size
            && self.cache.known(&key, &stat) == Some(old.content_hash)
        {
            let mut record = old.clone();
            record.mode = Some(entry.mode);
            record.mtime = Some(entry.mtime);
            self.flush_batch();
            self.events.push_back(Event::Item(
                entry.name,
                Box::new(Item::File(record)),
                Some(stat),
            ));
            return;
        }
        let wanted = Wanted { path, entry, stat };
        if stat.size > SMALL_LEN_MAX {
            self.flush_batch();
            self.events.push_back(Event::Large(Box::new(wanted)));
            return;
        }
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
        let len = std::mem::take(&mut self.batch_len) + 4096 * batch.len() as u64;
        let ticket = self.crew.submit(move || batch.into_iter().map(read_small).collect());
        self.under_way_len += len;
        self.events.push_back(Event::Batch(ticket, len));
    }

    fn consume(&mut self, event: Event) -> Result<()> {
        match event {
            Event::Enter(entry) => {
                let parent = self.buildings.last();
                let old = parent.and_then(|parent| parent.old.get(&entry.name).cloned());
                let existing = match old {
                    Some(Item::Directory(directory)) => Some(directory),
                    _ => None,
                };
                let parent_key = parent.map(|parent| parent.key.as_slice()).unwrap_or_default();
                let key = [parent_key, b"/", &entry.name].concat();
                let old = self.old_entries(existing.as_ref())?;
                let entry = Some(entry);
                self.buildings.push(Building { entry, existing, old, items: Vec::new(), key });
                Ok(())
            }
            Event::Item(name, item, stat) => {
                let totals = item.totals();
                self.report.files += totals.files;
                self.report.bytes += totals.bytes;
                self.watch.advance(totals.files, totals.bytes);
                if let (Item::File(record), Some(stat)) = (&*item, stat) {
                    let key = self.key(&name);
                    self.cache.remember(key, stat, record.content_hash);
                }
                self.add(name, *item);
                Ok(())
            }
            Event::Batch(ticket, len) => {
                self.under_way_len -= len;
                for read in ticket.wait() {
                    self.small(read)?;
                }
                Ok(())
            }
            Event::Large(wanted) => self.large(*wanted),
            Event::Kept(name) => {
                self.keep(name);
                Ok(())
            }
            Event::Leave => self.leave(),
        }
    }

    fn key(&self, name: &[u8]) -> Vec<u8> {
        let parent = self.buildings.last().map(|building| building.key.as_slice());
        [parent.unwrap_or_default(), b"/", name].concat()
    }

    /// What could not be read stays as it was, also when mirroring.
    fn keep(&mut self, name: Vec<u8>) {
        if let Some(building) = self.buildings.last_mut()
            && let Some(item) = building.old.get(&name).cloned()
        {
            building.items.push((name, item));
        }
    }

    fn add(&mut self, name: Vec<u8>, item: Item) {
        if let Some(building) = self.buildings.last_mut() {
            if !matches!(item, Item::Directory(_)) {
                match building.old.get(&name) {
                    None => self.report.files_new += 1,
                    Some(old) if *old == item => self.report.files_unchanged += 1,
                    Some(_) => self.report.files_changed += 1,
                }
            }
            building.items.push((name, item));
        }
    }

    fn small(&mut self, read: ReadFile) -> Result<()> {
        let ReadFile { wanted, outcome } = read;
        let read = match outcome {
            Ok(read) => read,
            Err(error) => return self.failed(wanted, &error),
        };
        let mut list = ListBuilder::new();
        let mut start = 0;
        for chunk in &read.chunks {
            let end = start + chunk.len as usize;
            let bytes = read.bytes.get(start..end).unwrap_or_default();
            self.writer.entries().append_hashed(Kind::Chunk, chunk.id.0, bytes)?;
            list.push(self.writer.entries(), *chunk)?;
            start = end;
        }
        let content = list.finish(self.writer.entries())?;
        self.store(wanted, read.bytes.len() as u64, read.hash, content, read.settled)
    }

    fn failed(&mut self, wanted: Wanted, error: &Error) -> Result<()> {
        self.watch.warn(format!("{}: not read: {error}", wanted.path.display()));
        self.report.unreadable += 1;
        self.keep(wanted.entry.name);
        Ok(())
    }

    fn large(&mut self, wanted: Wanted) -> Result<()> {
        let file = match open(&wanted.path) {
            Ok(file) => file,
            Err(error) => return self.failed(wanted, &error),
        };
        let before = self.cache_stat(&file);
        let name = wanted.path.display().to_string();
        let (size, hash, content) = self.stream(&file, &name)?;
        let settled = self.cache_stat(&file).filter(|after| Some(*after) == before);
        self.store(wanted, size, hash, content, settled)
    }

    fn cache_stat(&self, file: &File) -> Option<Stat> {
        file.metadata().ok().map(|metadata| Stat::of(&metadata))
    }

    /// Stores the bytes of a stream: their number, their hash and where they are.
    pub fn stream(&mut self, input: impl Read, name: &str) -> Result<(u64, Hash, Content)> {
        let mut list = ListBuilder::new();
        let mut hasher = blake3::Hasher::new();
        let Loader { writer, chunk_reader, watch, .. } = self;
        let size = chunk_reader.read(input, name, |chunk| {
            watch.check()?;
            hasher.update(chunk);
            let id = ChunkId(Hash::of(chunk));
            writer.entries().append_hashed(Kind::Chunk, id.0, chunk)?;
            let len = u32::try_from(chunk.len()).unwrap_or(u32::MAX);
            watch.advance(0, u64::from(len));
            list.push(writer.entries(), ChunkRef { id, len })
        })?;
        let content = list.finish(self.writer.entries())?;
        Ok((size, hasher.finalize().into(), content))
    }

    fn store(
        &mut self,
        wanted: Wanted,
        size: u64,
        hash: Hash,
        content: Content,
        settled: Option<Stat>,
    ) -> Result<()> {
        let Wanted { path, entry, stat } = wanted;
        match settled {
            Some(settled) if settled == stat => {
                let key = self.key(&entry.name);
                self.cache.remember(key, stat, hash);
            }
            _ => self.watch.warn(format!("{}: it changed while it was read", path.display())),
        }
        self.report.files += 1;
        self.report.bytes += size;
        self.watch.advance(1, if stat.size > SMALL_LEN_MAX { 0 } else { size });
        let old = self.buildings.last().and_then(|building| building.old.get(&entry.name));
        let old = match old {
            Some(Item::File(old)) => Some(old.clone()),
            _ => None,
        };
        let mut record = FileRecord::new(size, hash, content);
        record.mode = Some(entry.mode);
        record.mtime = Some(entry.mtime);
        self.describe(&mut record, old.as_ref());
        self.add(entry.name, Item::File(record));
        Ok(())
    }

    /// The content type and metadata that a file keeps when it is replaced.
    pub fn describe(&self, record: &mut FileRecord, old: Option<&FileRecord>) {
        if let Some(old) = old {
            record.content_type = old.content_type.clone();
            record.metadata = old.metadata.clone();
        }
        if self.content_type.is_some() {
            record.content_type = self.content_type.clone();
        }
    }

    fn leave(&mut self) -> Result<()> {
        let Some(building) = self.buildings.pop() else { return Ok(()) };
        let Building { entry, existing, old, items, .. } = building;
        self.report.directories += 1;
        let gone = self.mirror && items.len() < old.len();
        let changed: Vec<&(Vec<u8>, Item)> =
            items.iter().filter(|(name, item)| old.get(name) != Some(item)).collect();
        if self.mirror {
            let kept: std::collections::HashSet<&[u8]> =
                items.iter().map(|(name, _)| name.as_slice()).collect();
            for (name, item) in old.iter() {
                if !kept.contains(name.as_slice()) {
                    self.report.files_deleted += item.totals().files;
                }
            }
        }
        let unchanged = existing.as_ref().filter(|_| changed.is_empty() && !gone);
        let mut directory = match (unchanged, &existing) {
            (Some(same), _) => same.clone(),
            (None, Some(existing)) if !self.mirror => {
                let mut edits = Vec::with_capacity(changed.len());
                for (name, item) in changed {
                    edits.push((name, Some(item.encode()?)));
                }
                let built = tree::edit::<Directories, _, _, _>(
                    self.writer.entries(),
                    &existing.root.0,
                    edits,
                )?;
                Subdirectory::new(DirectoryId(built.root), built.summary.totals)
            }
            _ => {
                let mut entries = Vec::with_capacity(items.len());
                for (name, item) in &items {
                    entries.push((name, item.encode()?));
                }
                let built = tree::build::<Directories, _, _, _>(self.writer.entries(), entries)?;
                Subdirectory::new(DirectoryId(built.root), built.summary.totals)
            }
        };
        if let Some(entry) = &entry {
            directory.mode = Some(entry.mode);
            directory.mtime = Some(entry.mtime);
        }
        match (self.buildings.last_mut(), entry) {
            (Some(parent), Some(entry)) => {
                parent.items.push((entry.name, Item::Directory(directory)));
            }
            _ => self.done = Some(directory),
        }
        Ok(())
    }

    /// Loads one file on its own.
    pub fn single(&mut self, path: PathBuf, entry: Entry, stat: Stat) -> Result<FileRecord> {
        let file = open(&path)?;
        let (size, hash, content) = self.stream(&file, &path.display().to_string())?;
        if self.cache_stat(&file) != Some(stat) {
            self.watch.warn(format!("{}: it changed while it was read", path.display()));
        }
        self.report.files += 1;
        self.report.bytes += size;
        self.watch.advance(1, 0);
        let mut record = FileRecord::new(size, hash, content);
        record.mode = Some(entry.mode);
        record.mtime = Some(entry.mtime);
        Ok(record)
    }
}

fn listing(
    path: PathBuf,
    entries: Vec<Entry>,
    old: Arc<HashMap<Vec<u8>, Item>>,
    key: Vec<u8>,
) -> Listing {
    let to_list = entries
        .iter()
        .filter(|entry| entry.found == Found::Directory && Name::new(&entry.name).is_ok())
        .map(|entry| path.join(local_name(&entry.name)))
        .collect();
    Listing { path, entries: entries.into_iter(), ahead: VecDeque::new(), to_list, old, key }
}

fn local_name(name: &[u8]) -> &std::ffi::OsStr {
    std::os::unix::ffi::OsStrExt::from_bytes(name)
}

/// Opens a file that was a regular file a moment ago: a FIFO in its place must not hang us.
fn open(path: &PathBuf) -> Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let flags = nix::fcntl::OFlag::O_NONBLOCK | nix::fcntl::OFlag::O_NOFOLLOW;
    std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits())
        .open(path)
        .context(|| format!("opening {}", path.display()))
}

fn read_small(wanted: Wanted) -> ReadFile {
    let outcome = read_bytes(&wanted);
    ReadFile { wanted, outcome }
}

fn read_bytes(wanted: &Wanted) -> Result<ReadBytes> {
    let mut file = open(&wanted.path)?;
    let what = || format!("reading {}", wanted.path.display());
    let capacity = usize::try_from(wanted.stat.size).unwrap_or(0).saturating_add(1);
    let mut bytes = Vec::with_capacity(capacity);
    (&mut file).take(2 * SMALL_LEN_MAX).read_to_end(&mut bytes).context(what)?;
    let settled = file.metadata().ok().map(|metadata| Stat::of(&metadata));
    let settled = settled.filter(|settled| settled.size == bytes.len() as u64);
    let mut chunks = Vec::new();
    for chunk in chunker::chunks(&bytes) {
        let len = u32::try_from(chunk.len()).unwrap_or(u32::MAX);
        chunks.push(ChunkRef { id: ChunkId(Hash::of(chunk)), len });
    }
    let hash = match chunks.as_slice() {
        [one] => one.id.0,
        _ => Hash::of(&bytes),
    };
    Ok(ReadBytes { bytes, hash, chunks, settled })
}
