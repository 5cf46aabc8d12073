//! Loading many files at once whose bytes and places come in any order, in memory that does not
//! grow with their number. What comes is sorted outside of memory and made a tree of its own, which
//! is then laid over what HEAD has: both in batches that nothing reaches, while others write. The
//! edit that is left puts one directory in its place.

mod links;
mod place;
mod sort;

use std::fs::File;
use std::sync::Arc;

use self::place::Placed;
use self::sort::{Record, Sorted, Sorter, Spool};
use crate::db::batches::{Batches, Leads, check_set};
use crate::db::{Database, Draft, Edit, Reader, Upload};
use crate::error::{Error, Result};
use crate::format::superblock::EXTENDED;
use crate::hash::AttributesId;
use crate::monitor::Monitor;
use crate::object::attributes::{Extended, StoredSets};
use crate::object::{self, Attributes, FileRecord, Item, Path, Subdirectory, Version};
use crate::store::Transaction;

/// How often it is made up for what others did meanwhile before the edit does it, which keeps
/// them waiting.
const ROUNDS_MAX: usize = 8;
/// How often the writer is waited for once a part is written: all of it would be for nothing.
const WAITS: u32 = 12;

/// Where what was loaded lands, and how.
pub struct Placing {
    /// The directory that everything lands in. What was loaded is at this path or below.
    pub top: Path,
    /// Whether nothing else is left there. If not, a directory that is there keeps what is in it.
    pub mirror: bool,
    /// [`Error::Exists`] if a file would be replaced.
    pub only_adds: bool,
}

/// What would go, once everything is in its place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Replacing {
    /// Files that come.
    pub put: u64,
    /// Files that go, other than by being replaced.
    pub deleted: u64,
    /// Files that are there.
    pub files: u64,
}

/// Takes in files with their places.
pub struct BulkLoad {
    upload: Upload,
    spool: Spool,
    items: Sorter,
    links: Sorter,
    number: u64,
    sets: StoredSets,
    /// What came of the root itself.
    root: Option<Attributes>,
}

impl BulkLoad {
    /// Into `database`. What does not fit in memory goes to files that `spool` makes.
    pub fn new(
        database: Arc<Database>,
        spool: impl Fn() -> Result<File> + Send + Sync + 'static,
    ) -> Self {
        let spool: Spool = Arc::new(spool);
        let (items, links) = (Sorter::new(&spool), Sorter::new(&spool));
        let mut upload = Upload::new(database);
        upload.batches.waits = WAITS;
        let (sets, root) = (StoredSets::default(), None);
        BulkLoad { upload, spool, items, links, number: 0, sets, root }
    }

    /// Adds the next bytes of a file.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.upload.write(bytes)
    }

    /// Ends the file, and begins the next one.
    pub fn finish_file(&mut self) -> Result<FileRecord> {
        self.upload.end_file()
    }

    /// The set of these attributes; `None` if they say nothing.
    pub fn set(&mut self, extended: Extended) -> Result<Option<AttributesId>> {
        self.sets.of(&mut self.upload.batches, extended)
    }

    /// Puts something at a path, in place of what was put there before. What is in a directory
    /// comes by itself, and so does what is in the root: of that the attributes alone are taken.
    pub fn put(&mut self, path: Path, item: &Item) -> Result<()> {
        if path.is_root() {
            self.upload.batches.require(EXTENDED);
            self.root = Some(*item.attributes());
            return Ok(());
        }
        if let Item::Special(_) = item {
            self.upload.batches.require(EXTENDED);
        }
        self.number += 1;
        let (number, origin, value) = (self.number, self.number, item.encode()?);
        self.items.push(Record { path, number, rank: links::ITEM, origin, value })
    }

    /// Makes a path one more of what is at `target` now.
    pub fn link(&mut self, path: &Path, target: Path) -> Result<()> {
        self.upload.batches.require(EXTENDED);
        self.number += 1;
        let (number, value) = (self.number, path.as_bytes().to_vec());
        let (rank, origin) = (links::PLACE, 0);
        let place = Record { path: path.clone(), number, rank, origin, value: Vec::new() };
        self.items.push(place)?;
        self.links.push(Record { path: target, number, rank: links::WANTED, origin, value })
    }

    /// The edit, called `what`, that makes everything visible. Before it does, `check` gets what
    /// is at the top then, and `allow` what would go; both may be asked several times, and `allow`
    /// is asked at once.
    pub fn into_edit(
        self,
        what: &'static str,
        placing: Placing,
        check: impl Fn(&mut Draft<'_, '_>, Option<&Item>) -> Result<()> + Send + 'static,
        allow: impl Fn(&Replacing) -> Result<()> + Send + 'static,
        monitor: &Monitor,
    ) -> Result<Edit> {
        let (items, links) = (self.items.finish()?, self.links.finish()?);
        let is_linked = !links.is_empty();
        let mut found = links::resolve(items, links, &self.spool, monitor)?;
        if is_linked {
            let groups = links::groups(&found, &self.spool, monitor)?;
            found.push(groups);
        }
        let mut batches = self.upload.batches;
        let version = build(&mut batches, &found, monitor)?;
        drop(found);
        let mut reader = batches.look()?;
        let mut arrived = arrived(&reader, &version, &placing.top)?;
        if let (Some(arrived), Some(root)) = (&mut arrived, self.root) {
            arrived.attributes = root;
        }
        let leads = |placed: Option<&Placed>| {
            let result = placed.map(|placed| (placed.base(), placed.result.root));
            Leads::Trees([(None, version.root)].into_iter().chain(result).collect())
        };
        batches.renew(leads(None), &reader, monitor)?;
        let mut now = top_of(&reader, &placing.top)?;
        let mut placed = Placed::new(&mut batches, &reader, now, &placing, arrived, monitor)?;
        allow(&placed.replacing())?;
        for _ in 0..ROUNDS_MAX {
            reader = batches.look()?;
            batches.renew(leads(Some(&placed)), &reader, monitor)?;
            now = top_of(&reader, &placing.top)?;
            if now == placed.over {
                break;
            }
            placed = placed.catch_up(&mut batches, reader.view(), now, &placing, monitor)?;
        }
        batches.flush()?;
        let leads = leads(Some(&placed));
        let required = batches.required();
        let mut edit = Edit::new(what, move |draft| {
            let now = draft.whole_or_none(&placing.top)?;
            check(draft, now.as_ref())?;
            let caught_up;
            let mut placed = &placed;
            if now != placed.over {
                let writer = draft.writer()?;
                let reader = writer.reader()?;
                let monitor = Monitor::new();
                let entries = writer.entries();
                caught_up = placed.catch_up(entries, reader.view(), now, &placing, &monitor)?;
                placed = &caught_up;
            }
            allow(&placed.replacing())?;
            if required != 0 {
                draft.writer()?.entries().require(required);
            }
            if let Some(set) = &placed.result.attributes.set {
                check_set(&*draft.writer()?, set)?;
            }
            if placed.is_something(&placing) {
                draft.set_directory(&placing.top, placed.result.clone())?;
            }
            Ok(placed.placed)
        });
        (edit.entries, edit.uploaded) = batches.end(leads);
        Ok(edit)
    }
}

/// A directory with nothing in it.
fn empty() -> Subdirectory {
    Subdirectory::empty(Attributes::default())
}

fn top_of(reader: &Reader, top: &Path) -> Result<Option<Item>> {
    reader.item(&reader.head(), top)
}

/// Makes a tree of what came.
fn build(batches: &mut Batches, found: &[Sorted], monitor: &Monitor) -> Result<Version> {
    let mut records = Sorted::merged(found)?.peekable();
    let mut failed = None;
    let mut next = || -> Result<Option<(Path, Option<Item>)>> {
        monitor.check()?;
        let Some(mut record) = records.next().transpose()? else { return Ok(None) };
        // Of several at one path the last counts.
        let (path, mut link) = (record.path.clone(), None);
        let is_later = |next: &Result<Record>| next.as_ref().is_ok_and(|next| next.path == path);
        while let Some(next) = records.next_if(is_later).transpose()? {
            match next.rank {
                links::LINK => link = links::link(&next.value),
                _ => record = next,
            }
        }
        Ok(Some((path, Some(Item::decode(&record.value)?.with_link(link)))))
    };
    let changes = std::iter::from_fn(|| {
        next().unwrap_or_else(|error| {
            failed = Some(error);
            None
        })
    });
    let built = object::apply(batches, &empty().root, changes);
    failed.map_or(built, Err)
}

/// What came at the top; nothing if nothing did.
fn arrived(reader: &Reader, version: &Version, top: &Path) -> Result<Option<Subdirectory>> {
    if top.is_root() {
        return Ok(Some(version.root_directory()));
    }
    match object::resolve(reader.view(), &version.root, top)? {
        None => Ok(None),
        Some(Item::Directory(directory)) => Ok(Some(directory)),
        Some(_) => Err(Error::invalid(format!("{top} is a directory, and something else came"))),
    }
}

#[cfg(test)]
mod tests;
