//! Loads a local tree: takes what the walk says in order, stores chunks and edits directories from
//! the leaves up. A directory that did not change is not written, and of one that did only what
//! changed is held.

mod contents;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::db::Writer;
use crate::error::{Error, Result};
use crate::files::cache::{self, CacheFile, Known, Remembered};
use crate::files::extended::{Keep, KeepOptions, Kept};
use crate::files::links::Links;
use crate::files::old::OldEntries;
use crate::files::put::{Did, PutOptions, PutReport, Tell, Told};
use crate::files::resume::Resume;
use crate::files::scan::Entry;
use crate::files::walk::{Event, Linked, Walk, WalkOptions};
use crate::format::superblock::EXTENDED;
use crate::hash::{DirectoryId, Hash, Kind};
use crate::monitor::Monitor;
use crate::object::attributes::StoredSets;
use crate::object::chunker::ChunkReader;
use crate::object::tree::{self, Directories, Editor};
use crate::object::{Attributes, HardLink, Item, Name, Path, Special, Subdirectory, Symlink};
use crate::store::Transaction;

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
    monitor: &'a Monitor,
    report: &'a mut PutReport,
    loading: Vec<Loading>,
    chunk_reader: ChunkReader,
    keep: Arc<Keep>,
    sets: StoredSets,
    links: &'a mut Links,
    resume: &'a mut Resume,
    /// Where the start is.
    at: Path,
    /// Whoever is told what becomes of what is in a directory.
    pub tell: Tell<'a>,
}

impl<'a, 'd> Loader<'a, 'd> {
    pub fn new(
        writer: &'a mut Writer<'d>,
        options: &'a PutOptions,
        monitor: &'a Monitor,
        report: &'a mut PutReport,
        (links, resume, at): (&'a mut Links, &'a mut Resume, &Path),
    ) -> Self {
        let (loading, chunk_reader) = (Vec::new(), ChunkReader::new());
        let (keep, sets) = (Arc::new(Keep::new(options.keep)), StoredSets::default());
        let (at, tell) = (at.clone(), None);
        Loader {
            writer,
            options,
            monitor,
            report,
            loading,
            chunk_reader,
            keep,
            sets,
            links,
            resume,
            at,
            tell,
        }
    }

    /// Loads the contents of the directory `path` over what the database has at its place, a path of
    /// `path_len` bytes; it `lands` there below the target. What is remembered is to be saved once the
    /// result is committed.
    pub fn directory(
        &mut self,
        path: PathBuf,
        path_len: usize,
        old: Option<Item>,
        lands: PathBuf,
        cache: &CacheFile,
    ) -> Result<(Subdirectory, Remembered)> {
        let database = self.writer.database();
        let known = if self.options.rehash { Known::nothing() } else { cache.known() };
        let mut remembered = cache.remember(database.clock().now(), self.resume.is_possible());
        let itself = fs::metadata(database.path()).ok().map(|own| (own.dev(), own.ino()));
        let (mirror, choice) = (self.options.mirror, self.options.choice.clone());
        let ignored = self.options.ignored;
        let kept = self.resume.directory(self.writer, &self.at)?;
        let walk = WalkOptions { mirror, database: itself, path_len, kept, ignored, choice, lands };
        let mut start =
            Loading { name: Vec::new(), kept: None, old, editor: None, key: Vec::new() };
        let root = start.existing().map(|directory| directory.root);
        let shared = (database.pool(), &self.keep);
        let (mut walk, kept) = Walk::new(path, root, walk, known, shared, self.monitor)?;
        // The root has attributes only with what an older program does not know.
        let plain = self.at.is_root() && self.options.keep == KeepOptions::NOTHING;
        start.kept = (!plain).then_some(kept);
        self.loading.push(start);
        let mut done = None;
        while let Some(event) = walk.next(&*self.writer)? {
            self.monitor.check()?;
            if let Some(directory) = self.take(event, &mut walk, &mut remembered)? {
                done = Some(directory);
            }
            if self.resume.is_due() {
                remembered.flush();
                self.resume.keep(self.writer, self.monitor)?;
            }
        }
        self.report.pass_over(&walk.passed_over);
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
            Event::Kept { name, mut new, stat, old, linked } => {
                self.note(linked, &name)?;
                let tick = walk.clocks.tick(&stat);
                remembered.push(&self.key(&name), &stat, tick, &cache::token(&new));
                self.advance(1, new.size);
                new.attributes.link = kept_link(linked, old.as_deref());
                self.describe(&mut new, old.as_deref());
                self.settle(&name, &Item::File(*new), old.as_deref())?;
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
                self.tell_gone(name.as_bytes(), &item)?;
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
        self.monitor.advance(files, bytes);
    }

    /// Counts a file or link, and puts it in its place if that holds another thing.
    fn settle(&mut self, name: &[u8], item: &Item, old: Option<&Item>) -> Result<()> {
        self.report.count(old, item);
        self.tell(name, item, old)?;
        match old == Some(item) {
            true => Ok(()),
            false => self.edit(name, Some(item)),
        }
    }

    /// Tells what becomes of what is called `name` in the directory that is loaded.
    fn tell(&mut self, name: &[u8], item: &Item, old: Option<&Item>) -> Result<()> {
        let Some(did) = Did::of(old, item).filter(|_| self.tell.is_some()) else { return Ok(()) };
        let path = self.path_of(name)?;
        if let Some(tell) = &mut self.tell {
            tell(Told { did, path: &path, item })?;
        }
        match (old, item) {
            (Some(Item::Directory(old)), other) if !matches!(other, Item::Directory(_)) => {
                self.tell_below(&path, &old.root)
            }
            _ => Ok(()),
        }
    }

    /// Tells that something goes, with all that is in it.
    fn tell_gone(&mut self, name: &[u8], item: &Item) -> Result<()> {
        if self.tell.is_none() {
            return Ok(());
        }
        let path = self.path_of(name)?;
        self.tell_deleted(&path, item)
    }

    fn tell_deleted(&mut self, path: &Path, item: &Item) -> Result<()> {
        if let Some(tell) = &mut self.tell {
            tell(Told { did: Did::Deleted, path, item })?;
        }
        match item {
            Item::Directory(directory) => self.tell_below(path, &directory.root),
            _ => Ok(()),
        }
    }

    fn tell_below(&mut self, path: &Path, root: &DirectoryId) -> Result<()> {
        let mut entries = OldEntries::new(Some(*root));
        while let Some((name, item)) = entries.next_below(&*self.writer, None)? {
            self.monitor.check()?;
            self.tell_deleted(&path.join(&name)?, &item)?;
        }
        Ok(())
    }

    /// The path of what is called `name` in the directory that is loaded.
    fn path_of(&self, name: &[u8]) -> Result<Path> {
        let above = self.loading.iter().skip(1).map(|loading| loading.name.as_slice());
        let names: Vec<Name> = above.chain([name]).map(Name::new).collect::<Result<_>>()?;
        self.at.join_all(&names)
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
        self.tell(&loading.name, &item, loading.old.as_ref())?;
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
        self.monitor.at(|| Some(self.path_of(name).ok()?.as_bytes().to_vec()));
        let Some(file) = linked else { return Ok(()) };
        let path = self.path_of(name)?;
        self.links.note(file, path);
        Ok(())
    }

    /// What is kept, with its set stored.
    fn attributes(&mut self, kept: Kept) -> Result<Attributes> {
        let Kept { attributes, extended, .. } = kept;
        let set = self.sets.of(self.writer.entries(), extended)?;
        Ok(Attributes { set, ..attributes })
    }

    /// A file gives way to the directory that is loaded.
    pub fn replaces_file(&mut self) {
        self.report.files_deleted += 1;
    }
}
