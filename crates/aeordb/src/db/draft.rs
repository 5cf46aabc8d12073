//! HEAD as it will be: the changes of several edits, one after another, before one commit.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::db::Writer;
use crate::error::{Error, Result};
use crate::graph;
use crate::hash::VersionId;
use crate::object::{self, Attributes, Item, Path, Subdirectory, Version};

/// HEAD with changes that are not committed yet. An edit sees those of the edits before it; one
/// that fails leaves nothing behind.
pub struct Draft<'w, 'd> {
    writer: &'w mut Writer<'d>,
    base: Version,
    changes: BTreeMap<Path, Option<Item>>,
    undo: Vec<Undo>,
}

/// How a step of an edit is taken back.
enum Undo {
    /// What the changes said of a path; `None` if nothing.
    Change(Path, Option<Option<Item>>),
    /// The base, and the changes that then became part of it.
    Settled(Version, BTreeMap<Path, Option<Item>>),
}

impl<'w, 'd> Draft<'w, 'd> {
    pub(super) fn new(writer: &'w mut Writer<'d>) -> Result<Self> {
        let base = writer.head_version()?;
        Ok(Draft { writer, base, changes: BTreeMap::new(), undo: Vec::new() })
    }

    /// Makes one edit, wholly or not at all.
    pub(super) fn attempt<T>(&mut self, edit: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.undo.clear();
        let done = edit(self);
        if done.is_err() {
            while let Some(step) = self.undo.pop() {
                match step {
                    Undo::Change(path, Some(before)) => drop(self.changes.insert(path, before)),
                    Undo::Change(path, None) => drop(self.changes.remove(&path)),
                    Undo::Settled(base, changes) => (self.base, self.changes) = (base, changes),
                }
            }
        }
        done
    }

    /// Writes the nodes of the changed tree.
    pub(super) fn finish(mut self) -> Result<Version> {
        let changes = std::mem::take(&mut self.changes);
        object::apply(self.writer.entries(), &self.base, changes)
    }

    /// What is at `path`; `None` if nothing is. Of a directory that changes were made in, only
    /// that it is one is told: [`Draft::whole`] knows what is in it.
    pub fn item(&self, path: &Path) -> Result<Option<Item>> {
        let change = self.changes.get(path);
        if let Some(Some(put)) = change {
            return Ok(Some(put.clone()));
        }
        if self.has_puts_below(path) {
            return Ok(Some(Item::Directory(Subdirectory::empty(Attributes::default()))));
        }
        if change.is_some() {
            return Ok(None);
        }
        let mut above = path.parent();
        while let Some(directory) = above {
            match self.changes.get(&directory) {
                None => above = directory.parent(),
                Some(Some(Item::Directory(put))) => return self.within(put, &directory, path),
                Some(_) => return Ok(None),
            }
        }
        if path.is_root() {
            return Ok(Some(Item::Directory(self.base.root_directory())));
        }
        object::resolve(&*self.writer, &self.base, path)
    }

    /// What is at `path`, with all that changed in it; [`Error::NotFound`] if nothing is.
    pub fn whole(&mut self, path: &Path) -> Result<Item> {
        if self.below(path).next().is_some() {
            self.settle()?;
        }
        self.item(path)?.ok_or_else(|| Error::not_found(path.to_string()))
    }

    /// The same; `None` if nothing is there.
    pub(super) fn whole_or_none(&mut self, path: &Path) -> Result<Option<Item>> {
        match self.whole(path) {
            Err(Error::NotFound(_)) => Ok(None),
            found => found.map(Some),
        }
    }

    /// The writer behind, with nothing that waits to be written.
    pub(super) fn writer(&mut self) -> Result<&mut Writer<'d>> {
        self.settle()?;
        Ok(self.writer)
    }

    /// What is at `path` in a committed version; [`Error::NotFound`] if nothing is.
    pub fn item_of(&self, version: &VersionId, path: &Path) -> Result<Item> {
        let version = Version::read(&*self.writer, version)?;
        if path.is_root() {
            return Ok(Item::Directory(version.root_directory()));
        }
        object::resolve(&*self.writer, &version, path)?
            .ok_or_else(|| Error::not_found(path.to_string()))
    }

    /// The name of HEAD as it is here.
    pub fn version(&mut self) -> Result<VersionId> {
        self.settle()?;
        Ok(self.base.id())
    }

    /// Puts `item` at `path` in place of whatever is there, or removes what is there. Missing
    /// parents are made; [`Error::Invalid`] if one of them is not a directory, or if a directory is
    /// put so deep that what is in it could not be named.
    pub fn set(&mut self, path: &Path, item: Option<Item>) -> Result<()> {
        if path.is_root() {
            return match item {
                None => self.clear(),
                Some(_) => Err(Error::invalid("/ is a directory and stays one")),
            };
        }
        if let Some(Item::Directory(directory)) = &item {
            graph::check_paths_below(&*self.writer, path, directory)?;
        }
        self.change(path, item)
    }

    /// Puts a directory in place of whatever is there, the root too. Everything below it can be
    /// named there.
    pub(super) fn set_directory(&mut self, path: &Path, directory: Subdirectory) -> Result<()> {
        if !path.is_root() {
            return self.change(path, Some(Item::Directory(directory)));
        }
        let Subdirectory { root, totals, attributes } = directory;
        let version = Version { root, totals, attributes };
        let before = std::mem::replace(&mut self.base, version);
        self.undo.push(Undo::Settled(before, std::mem::take(&mut self.changes)));
        Ok(())
    }

    fn change(&mut self, path: &Path, item: Option<Item>) -> Result<()> {
        let mut above = path.parent().filter(|_| item.is_some());
        while let Some(directory) = above {
            match self.item(&directory)? {
                None => above = directory.parent(),
                Some(Item::Directory(_)) => break,
                Some(_) => return Err(Error::invalid(format!("{directory} is not a directory"))),
            }
        }
        let gone: Vec<Path> = self.below(path).map(|(below, _)| below.clone()).collect();
        for below in gone {
            let before = self.changes.remove(&below);
            self.undo.push(Undo::Change(below, before));
        }
        let before = self.changes.insert(path.clone(), item);
        self.undo.push(Undo::Change(path.clone(), before));
        Ok(())
    }

    /// Removes everything.
    fn clear(&mut self) -> Result<()> {
        let before = std::mem::replace(&mut self.base, Version::empty());
        self.undo.push(Undo::Settled(before, std::mem::take(&mut self.changes)));
        Ok(())
    }

    /// Makes the changes part of the base.
    fn settle(&mut self) -> Result<()> {
        if self.changes.is_empty() {
            return Ok(());
        }
        let changed = self.changes.clone();
        let version = object::apply(self.writer.entries(), &self.base, changed)?;
        let before = std::mem::replace(&mut self.base, version);
        self.undo.push(Undo::Settled(before, std::mem::take(&mut self.changes)));
        Ok(())
    }

    /// The changes below a path: they follow it in the order of paths.
    fn below<'a>(&'a self, path: &'a Path) -> impl Iterator<Item = (&'a Path, &'a Option<Item>)> {
        let after = (Bound::Excluded(path), Bound::Unbounded);
        self.changes.range::<Path, _>(after).take_while(|(other, _)| path.contains(other))
    }

    fn has_puts_below(&self, path: &Path) -> bool {
        self.below(path).any(|(_, change)| change.is_some())
    }

    /// What is at `path` in a directory that is put at `at`.
    fn within(&self, put: &Subdirectory, at: &Path, path: &Path) -> Result<Option<Item>> {
        let below = path.as_bytes().get(at.as_bytes().len()..).unwrap_or_default();
        object::resolve(&*self.writer, &put.root, &Path::parse(below)?)
    }
}
