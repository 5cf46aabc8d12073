//! Loads a local tree: takes what the walk says in order, stores chunks and edits directories from
//! the leaves up. A directory that did not change is not written, and of one that did only what
//! changed is held.

use std::collections::HashMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path as LocalPath, PathBuf};
use std::sync::Arc;

use crate::db::Writer;
use crate::error::{Error, Result};
use crate::files::beneath::Tree;
use crate::files::cache::{self, CacheFile, Known, Remembered};
use crate::files::clocks::Clocks;
use crate::files::extended::{Extended, Keep, KeepOptions, Kept};
use crate::files::links::Links;
use crate::files::put::{PutOptions, PutReport};
use crate::files::read::{ATTEMPTS, Opened, ReadFile, Seen, Small, Wanted};
use crate::files::scan::Entry;
use crate::files::walk::{Event, Linked, Walk, WalkOptions};
use crate::format::superblock::EXTENDED;
use crate::hash::{AttributesId, ChunkId, DirectoryId, Hash, Kind};
use crate::object::chunker::ChunkReader;
use crate::object::tree::{self, Directories, Editor};
use crate::object::{
    Attributes, ChunkRef, FileRecord, HardLink, Item, ListBuilder, Name, Path, Special,
    Subdirectory, Symlink,
};
use crate::store::Transaction;
use crate::watch::Watch;

/// Sets that are remembered, so that they are not encoded again: a tree has few.
const SETS_MAX: usize = 1024;

/// A directory that is being loaded.
struct Loading {
    /// Its name; the start needs none.
    name: Vec<u8>,
    /// What is kept of it; the root may have nothing of its own.
    kept: Option<Kept>,
    /// What the database has at its place.
    old: Option<Item>,
    /// What changes of it, if anything does.
    editor: Option<Editor<Directories>>,
    key: Vec<u8>,
}

impl Loading {
    fn existing(&self) -> Option<&Subdirectory> {
        match &self.old {
            Some(Item::Directory(directory)) => Some(directory),
            _ => None,
        }
    }

    /// The root node to start from.
    fn root(&self) -> Hash {
        let empty = || tree::empty_root(Kind::Directory);
        self.existing().map_or_else(empty, |directory| directory.root.0)
    }
}

/// Until all paths of a file are known it has the other ones that it had.
fn kept_link(linked: Linked, old: Option<&Item>) -> Option<HardLink> {
    linked.and_then(|_| old?.attributes().link)
}

/// Loads local trees and files into the database behind a writer.
pub struct Loader<'a, 'd> {
    writer: &'a mut Writer<'d>,
    options: &'a PutOptions,
    watch: &'a Watch,
    report: &'a mut PutReport,
    loading: Vec<Loading>,
    chunk_reader: ChunkReader,
    keep: Arc<Keep>,
    sets: HashMap<Extended, Option<AttributesId>>,
    links: &'a mut Links,
    /// Where the start is.
    at: Path,
}

impl<'a, 'd> Loader<'a, 'd> {
    pub fn new(
        writer: &'a mut Writer<'d>,
        options: &'a PutOptions,
        watch: &'a Watch,
        report: &'a mut PutReport,
        (links, at): (&'a mut Links, &Path),
    ) -> Self {
        let (loading, chunk_reader) = (Vec::new(), ChunkReader::new());
        let (keep, sets) = (Arc::new(Keep::new(options.keep)), HashMap::new());
        let at = at.clone();
        Loader { writer, options, watch, report, loading, chunk_reader, keep, sets, links, at }
    }

    /// Loads the contents of the directory `path` over what the database has at its place, a path of
    /// `path_len` bytes. What is remembered is to be saved once the result is committed.
    pub fn directory(
        &mut self,
        path: PathBuf,
        path_len: usize,
        old: Option<Item>,
        cache: &CacheFile,
    ) -> Result<(Subdirectory, Remembered)> {
        let database = self.writer.database();
        let known = if self.options.rehash { Known::nothing() } else { cache.known() };
        let mut remembered = cache.remember(database.clock().now());
        let itself = fs::metadata(database.path()).ok().map(|own| (own.dev(), own.ino()));
        let walk = WalkOptions { mirror: self.options.mirror, database: itself, path_len };
        let mut start =
            Loading { name: Vec::new(), kept: None, old, editor: None, key: Vec::new() };
        let root = start.existing().map(|directory| directory.root);
        let shared = (database.crew(), &self.keep);
        let (mut walk, kept) = Walk::new(path, root, walk, known, shared, self.watch)?;
        // The root has attributes only with what an older program does not know.
        let plain = self.at.is_root() && self.options.keep == KeepOptions::NOTHING;
        start.kept = (!plain).then_some(kept);
        self.loading.push(start);
        let mut done = None;
        while let Some(event) = walk.next(&*self.writer)? {
            self.watch.check()?;
            if let Some(directory) = self.take(event, &mut walk, &mut remembered)? {
                done = Some(directory);
            }
        }
        self.report.skipped += walk.skipped;
        self.report.unreadable += walk.unreadable;
        let done = done.ok_or_else(|| Error::invalid("the walk ended within a directory"))?;
        Ok((done, remembered))
    }

    /// Does what the walk says; returns the directory with which it ends.
    fn take(
        &mut self,
        event: Event,
        walk: &mut Walk<'_>,
        remembered: &mut Remembered,
    ) -> Result<Option<Subdirectory>> {
        match event {
            Event::Enter { name, kept, old } => {
                let key = self.key(&name);
                let (kept, old) = (Some(*kept), old.map(|old| *old));
                self.loading.push(Loading { name, kept, old, editor: None, key });
            }
            Event::Same { name, stat, token, linked } => {
                self.note(linked, &name)?;
                remembered.push(&self.key(&name), &stat, walk.clocks.tick(&stat), &token);
                self.advance(1, stat.size);
                self.report.files_unchanged += 1;
            }
            Event::Changed { name, new, stat, old, linked } => {
                self.note(linked, &name)?;
                let tick = walk.clocks.tick(&stat);
                remembered.push(&self.key(&name), &stat, tick, &cache::token(&new));
                self.advance(1, new.size);
                self.settle(&name, &Item::File(*new), Some(&old))?;
            }
            Event::Link { entry, target, old } => {
                let attributes = self.entry(&entry, old.as_deref())?.of_link();
                let link = Item::Symlink(Symlink { target, attributes });
                self.settle(&entry.name, &link, old.as_deref())?;
            }
            Event::Special { entry, what, old } => {
                let attributes = self.entry(&entry, old.as_deref())?;
                self.writer.entries().require(EXTENDED);
                let special = Item::Special(Special { what, attributes });
                self.settle(&entry.name, &special, old.as_deref())?;
            }
            Event::Small => {
                if let Some(read) = walk.next_read() {
                    self.small(read, &walk.clocks, remembered)?;
                }
            }
            Event::Large(wanted) => self.large(wanted, &walk.clocks, remembered)?,
            Event::Gone { name, item } => {
                self.report.files_deleted += item.totals().files;
                self.edit(name.as_bytes(), None)?;
            }
            Event::Leave => return self.leave(),
        }
        Ok(None)
    }

    fn key(&self, name: &[u8]) -> Vec<u8> {
        let directory = self.loading.last().map(|loading| loading.key.as_slice());
        cache::key(directory.unwrap_or_default(), name)
    }

    /// Counts what was looked at.
    fn advance(&mut self, files: u64, bytes: u64) {
        self.report.files += files;
        self.report.bytes += bytes;
        self.watch.advance(files, bytes);
    }

    /// Counts a file or link, and puts it in its place if that holds another thing.
    fn settle(&mut self, name: &[u8], item: &Item, old: Option<&Item>) -> Result<()> {
        self.report.count(old, item);
        match old == Some(item) {
            true => Ok(()),
            false => self.edit(name, Some(item)),
        }
    }

    fn edit(&mut self, name: &[u8], item: Option<&Item>) -> Result<()> {
        let Some(loading) = self.loading.last_mut() else { return Ok(()) };
        let root = loading.root();
        let editor = match &mut loading.editor {
            Some(editor) => editor,
            none => none.insert(Editor::new(self.writer.entries(), &root)?),
        };
        let value = item.map(Item::encode).transpose()?;
        editor.push(self.writer.entries(), name, value.as_deref())
    }

    fn leave(&mut self) -> Result<Option<Subdirectory>> {
        let Some(mut loading) = self.loading.pop() else { return Ok(None) };
        self.report.directories += 1;
        let mut directory = match (loading.editor.take(), loading.existing()) {
            (None, Some(same)) => same.clone(),
            (None, None) => Subdirectory::new(DirectoryId(loading.root()), Default::default()),
            (Some(editor), _) => {
                let built = editor.finish(self.writer.entries())?;
                Subdirectory::new(DirectoryId(built.root), built.summary.totals)
            }
        };
        if let Some(kept) = loading.kept {
            directory.attributes = self.attributes(kept)?;
        }
        if self.loading.is_empty() {
            return Ok(Some(directory));
        }
        let item = Item::Directory(directory);
        if loading.old.as_ref() != Some(&item) {
            if !matches!(loading.old, None | Some(Item::Directory(_))) {
                self.report.files_deleted += 1;
            }
            self.edit(&loading.name, Some(&item))?;
        }
        Ok(None)
    }

    /// What is kept of an entry that is not opened, which is counted.
    fn entry(&mut self, entry: &Entry, old: Option<&Item>) -> Result<Attributes> {
        let linked = entry.facts.linked();
        self.note(linked, &entry.name)?;
        self.advance(1, 0);
        let attributes = self.attributes(entry.kept.clone())?;
        Ok(Attributes { link: kept_link(linked, old), ..attributes })
    }

    /// Notes what is called `name` in the directory that is loaded, if it has several paths.
    fn note(&mut self, linked: Linked, name: &[u8]) -> Result<()> {
        let Some(file) = linked else { return Ok(()) };
        let above = self.loading.iter().skip(1).map(|loading| loading.name.as_slice());
        let names: Vec<Name> = above.chain([name]).map(Name::new).collect::<Result<_>>()?;
        self.links.note(file, self.at.join_all(&names)?);
        Ok(())
    }

    /// What is kept, with its set stored.
    fn attributes(&mut self, kept: Kept) -> Result<Attributes> {
        let Kept { attributes, extended, .. } = kept;
        if let Some(set) = self.sets.get(&extended) {
            return Ok(Attributes { set: *set, ..attributes });
        }
        let set = extended.store(self.writer.entries())?;
        if self.sets.len() >= SETS_MAX {
            self.sets.clear();
        }
        self.sets.insert(extended, set);
        Ok(Attributes { set, ..attributes })
    }

    fn small(
        &mut self,
        read: ReadFile,
        clocks: &Clocks,
        remembered: &mut Remembered,
    ) -> Result<()> {
        let ReadFile { wanted, outcome } = read;
        let Small { bytes, hash, chunks, seen } = match outcome {
            Ok(Some(small)) => small,
            Ok(None) => return self.large(wanted, clocks, remembered),
            Err(error) => {
                self.failed(&wanted.path(), &error);
                return Ok(());
            }
        };
        let mut list = ListBuilder::new();
        let mut start = 0;
        for chunk in &chunks {
            let end = start + chunk.len as usize;
            let part = bytes.get(start..end).unwrap_or_default();
            if !self.options.outline {
                self.writer.entries().append_hashed(Kind::Chunk, chunk.id.0, part)?;
            }
            list.push(self.writer.entries(), *chunk)?;
            start = end;
        }
        let content = list.finish(self.writer.entries())?;
        self.watch.advance(0, bytes.len() as u64);
        let record = FileRecord::new(bytes.len() as u64, hash, content);
        self.store(wanted, record, seen, clocks, remembered)
    }

    fn large(
        &mut self,
        wanted: Wanted,
        clocks: &Clocks,
        remembered: &mut Remembered,
    ) -> Result<()> {
        match self.read(&wanted.tree, &wanted.below)? {
            Ok((record, seen)) => self.store(wanted, record, seen, clocks, remembered),
            Err(error) => {
                self.failed(&wanted.path(), &error);
                Ok(())
            }
        }
    }

    /// Stores the bytes of a file in pieces; those of one that changes meanwhile again. The inner
    /// error is that of the file, the outer one of the database.
    fn read(&mut self, tree: &Tree, below: &LocalPath) -> Result<Result<(FileRecord, Seen)>> {
        let name = tree.path_of(below).display().to_string();
        let mut last = None;
        let mut attempt = 1;
        loop {
            let mut opened = match Opened::open(tree, below, &self.keep) {
                Ok(opened) => opened,
                Err(error) => return Ok(Err(error)),
            };
            let record = match self.stream(&mut opened, &name) {
                Ok(record) => record,
                Err(error) if opened.failed() => return Ok(Err(error)),
                Err(error) => return Err(error),
            };
            let seen = opened.seen(record.size, last == Some(record.content_hash));
            if seen.settled || attempt == ATTEMPTS {
                return Ok(Ok((record, seen)));
            }
            attempt += 1;
            last = Some(record.content_hash);
        }
    }

    /// A file gives way to the directory that is loaded.
    pub fn replaces_file(&mut self) {
        self.report.files_deleted += 1;
    }

    fn failed(&mut self, path: &LocalPath, error: &Error) {
        self.watch.warn(format!("{}: not read: {error}", path.display()));
        self.report.unreadable += 1;
    }

    /// Stores the bytes of a stream that `name` names in errors.
    pub fn stream(&mut self, input: impl Read, name: &str) -> Result<FileRecord> {
        let mut list = ListBuilder::new();
        let mut hasher = blake3::Hasher::new();
        let Loader { writer, chunk_reader, watch, options, .. } = self;
        let size = chunk_reader.read(input, name, |chunk| {
            watch.check()?;
            hasher.update(chunk);
            let id = ChunkId(Hash::of(chunk));
            if !options.outline {
                writer.entries().append_hashed(Kind::Chunk, id.0, chunk)?;
            }
            let len = u32::try_from(chunk.len()).unwrap_or(u32::MAX);
            watch.advance(0, u64::from(len));
            list.push(writer.entries(), ChunkRef { id, len })
        })?;
        let content = list.finish(self.writer.entries())?;
        Ok(FileRecord::new(size, hasher.finalize().into(), content))
    }

    fn store(
        &mut self,
        wanted: Wanted,
        mut record: FileRecord,
        seen: Seen,
        clocks: &Clocks,
        remembered: &mut Remembered,
    ) -> Result<()> {
        let (stat, settled) = (seen.stat, seen.settled);
        self.note(seen.linked, &wanted.name)?;
        self.finish(&wanted.path(), &mut record, seen, wanted.old.as_deref())?;
        // One whose length lies may be another without its times saying so.
        if settled && stat.size == record.size {
            let tick = clocks.tick(&stat);
            remembered.push(&self.key(&wanted.name), &stat, tick, &cache::token(&record));
        }
        self.settle(&wanted.name, &Item::File(record), wanted.old.as_deref())
    }

    /// Gives the record of a file that was read what is not in its bytes.
    fn finish(
        &mut self,
        path: &LocalPath,
        record: &mut FileRecord,
        seen: Seen,
        old: Option<&Item>,
    ) -> Result<()> {
        if let Some(why) = &seen.kept.lacks {
            self.watch.warn(format!("{}: its attributes were not read: {why}", path.display()));
            self.report.unreadable += 1;
        }
        if !seen.settled {
            self.watch.warn(format!("{}: it changed while it was read", path.display()));
            self.report.unsettled += 1;
        }
        self.report.files += 1;
        self.report.bytes += record.size;
        self.watch.advance(1, 0);
        record.attributes = self.attributes(seen.kept)?;
        record.attributes.link = kept_link(seen.linked, old);
        self.describe(record, old);
        Ok(())
    }

    /// Gives the record the content type that was asked for, and what a file keeps when it is
    /// replaced.
    pub fn describe(&self, record: &mut FileRecord, old: Option<&Item>) {
        if let Some(Item::File(old)) = old {
            record.content_type.clone_from(&old.content_type);
            record.metadata.clone_from(&old.metadata);
        }
        if self.options.content_type.is_some() {
            record.content_type.clone_from(&self.options.content_type);
        }
    }

    /// Loads one file that was named. One of `many` that cannot be read is left out.
    pub fn single(
        &mut self,
        path: &LocalPath,
        old: Option<&Item>,
        many: bool,
    ) -> Result<Option<FileRecord>> {
        let (tree, below) = Tree::around(path)?;
        match self.read(&tree, &below)? {
            Ok((mut record, seen)) => {
                if let Some(file) = seen.linked {
                    self.links.note(file, self.at.clone());
                }
                self.finish(path, &mut record, seen, old)?;
                Ok(Some(record))
            }
            Err(error) if many => {
                self.failed(path, &error);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}
