//! The bytes of files: read, cut into chunks and stored.

use std::io::Read;
use std::path::Path as LocalPath;

use super::{Loader, kept_link};
use crate::db::Writer;
use crate::error::{Error, Result};
use crate::files::beneath::Tree;
use crate::files::cache::{self, Remembered};
use crate::files::clocks::Clocks;
use crate::files::read::{ATTEMPTS, Opened, ReadFile, Seen, Small, Wanted};
use crate::hash::{ChunkId, Hash, Kind};
use crate::object::chunker::{Dense, Sparse, ZEROS_ID};
use crate::object::{ChunkRef, FileRecord, Item, ListBuilder, Path};
use crate::store::Transaction;

/// A file that is read in pieces.
struct Reading {
    list: ListBuilder,
    hasher: blake3::Hasher,
    len: u64,
}

impl Reading {
    /// The file, as far as it was read.
    fn so_far(&self, writer: &mut Writer<'_>) -> Result<FileRecord> {
        let content = self.list.clone().finish(writer.entries())?;
        Ok(FileRecord::new(self.len, self.hasher.finalize().into(), content))
    }
}

impl Loader<'_, '_> {
    pub(super) fn small(
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
        self.monitor.advance(0, bytes.len() as u64);
        self.resume.advance(bytes.len() as u64);
        let record = FileRecord::new(bytes.len() as u64, hash, content);
        self.store(wanted, record, seen, clocks, remembered)
    }

    pub(super) fn large(
        &mut self,
        wanted: Wanted,
        clocks: &Clocks,
        remembered: &mut Remembered,
    ) -> Result<()> {
        remembered.flush();
        let path = self.path_of(&wanted.name)?;
        match self.read(&wanted.tree, &wanted.below, &path)? {
            Ok((record, seen)) => self.store(wanted, record, seen, clocks, remembered),
            Err(error) => {
                self.failed(&wanted.path(), &error);
                Ok(())
            }
        }
    }

    /// Stores the bytes of a file in pieces; those of one that changes meanwhile again. The inner
    /// error is that of the file, the outer one of the database.
    fn read(
        &mut self,
        tree: &Tree,
        below: &LocalPath,
        path: &Path,
    ) -> Result<Result<(FileRecord, Seen)>> {
        let name = tree.path_of(below).display().to_string();
        let mut last = None;
        let mut attempt = 1;
        loop {
            let mut opened = match Opened::open(tree, below, &self.keep) {
                Ok(opened) => opened,
                Err(error) => return Ok(Err(error)),
            };
            let record = match self.sparse(&mut opened, &name, path) {
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

    fn failed(&mut self, path: &LocalPath, error: &Error) {
        self.monitor.warn(format!("{}: not read: {error}", path.display()));
        self.report.unreadable += 1;
    }

    /// Stores the bytes of a stream that `name` names in errors.
    pub fn stream(&mut self, input: impl Read, name: &str) -> Result<FileRecord> {
        let path = self.at.clone();
        self.sparse(Dense(input), name, &path)
    }

    /// The same of one that may know where it has holes. They are not read, but hashed. What was read of
    /// it is kept as what is at `path`.
    fn sparse(&mut self, input: impl Sparse, name: &str, path: &Path) -> Result<FileRecord> {
        let mut file = Reading { list: ListBuilder::new(), hasher: blake3::Hasher::new(), len: 0 };
        let Loader { writer, chunk_reader, monitor, options, resume, .. } = self;
        let read = chunk_reader.read(input, name, |chunk, times| {
            let id = if times > 1 { *ZEROS_ID } else { ChunkId(Hash::of(chunk)) };
            if !options.outline {
                writer.entries().append_hashed(Kind::Chunk, id.0, chunk)?;
            }
            let len = u32::try_from(chunk.len()).unwrap_or(u32::MAX);
            for _ in 0..times {
                monitor.check()?;
                monitor.advance(0, u64::from(len));
                file.hasher.update(chunk);
                file.len += u64::from(len);
                file.list.push(writer.entries(), ChunkRef { id, len })?;
            }
            resume.advance(u64::from(len));
            if resume.is_due() {
                resume.note(path.clone(), &file.so_far(writer)?);
                resume.keep(writer, monitor)?;
            }
            Ok(())
        });
        if let Err(error) = read {
            if resume.is_worth_it() {
                // The error says more than that this did not work either.
                if let Ok(so_far) = file.so_far(writer) {
                    resume.note(path.clone(), &so_far);
                }
            }
            return Err(error);
        }
        file.so_far(self.writer)
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
        if self.resume.is_possible() {
            let path = self.path_of(&wanted.name)?;
            self.resume.note(path, &record);
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
            self.monitor.warn(format!("{}: its attributes were not read: {why}", path.display()));
            self.report.unreadable += 1;
        }
        if !seen.settled {
            self.monitor.warn(format!("{}: it changed while it was read", path.display()));
            self.report.unsettled += 1;
        }
        self.report.files += 1;
        self.report.bytes += record.size;
        self.monitor.advance(1, 0);
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
        let at = self.at.clone();
        match self.read(&tree, &below, &at)? {
            Ok((mut record, seen)) => {
                self.resume.note(at, &record);
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
