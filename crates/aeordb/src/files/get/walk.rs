//! The walk through what is restored: directories and links are made in order, files in batches by
//! the crew.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::links::Links;
use super::place::Place;
use super::write::{self, BATCH_FILES_MAX, BATCH_LEN_TARGET, Job};
use super::{Filling, Shared};
use crate::crew::Queue;
use crate::db::Reader;
use crate::error::Result;
use crate::graph;
use crate::object::{HardLink, Item, Name, Path, Subdirectory};

/// Directories that may be open beside those on the way to where the walk is.
const OPEN_DIRECTORIES_MAX: u64 = 128;

/// Directories on the way that are open: a system may allow a process 1,024 files, and a path may
/// have more names. Those further up are opened again from below.
const OPEN_LEVELS_MAX: usize = 256;

type Entries<'r> = Box<dyn Iterator<Item = Result<(Name, Item)>> + 'r>;

/// A directory on the way to where the walk is.
struct Level<'r> {
    filling: Arc<Filling>,
    path: Path,
    entries: Entries<'r>,
}

/// Makes directories and links itself, in order, and has the crew write files in batches.
pub struct Walk {
    shared: Arc<Shared>,
    under_way: Queue<Result<()>>,
    batch: Vec<Job>,
    batch_len: u64,
    links: Links,
}

impl Walk {
    pub fn new(shared: Arc<Shared>) -> Self {
        let under_way = Queue::new(shared.reader.crew());
        Walk { shared, under_way, batch: Vec::new(), batch_len: 0, links: Links::default() }
    }

    pub fn run(mut self, place: Place, path: Path, directory: Subdirectory) -> Result<()> {
        let walked = self.walk(place, path, directory);
        if walked.is_err() {
            // Whoever is at a file takes it back; nobody is to be cut off while at it.
            self.shared.stopped.store(true, Relaxed);
            while self.under_way.take().is_some() {}
        }
        walked
    }

    fn walk(&mut self, place: Place, path: Path, directory: Subdirectory) -> Result<()> {
        let reader = self.shared.reader.clone();
        self.links.start(&place, &path)?;
        let mut levels = vec![self.level(&reader, place, path, directory)?];
        let filled = self.fill(&reader, &mut levels);
        while filled.is_err() && !levels.is_empty() {
            // What ended everything is told, not what follows from it.
            let _ = self.leave(&mut levels);
        }
        filled
    }

    fn fill<'r>(&mut self, reader: &'r Reader, levels: &mut Vec<Level<'r>>) -> Result<()> {
        while let Some(level) = levels.last_mut() {
            self.shared.check()?;
            match level.entries.next() {
                None => self.leave(levels)?,
                Some(Ok((name, item))) => {
                    let shown = level.filling.place.path_of(&name);
                    match self.step(reader, level, name, item) {
                        Ok(None) => {}
                        Ok(Some(below)) => {
                            levels.push(below);
                            self.close_above(levels)?;
                        }
                        Err(error) => self.shared.failed(&shown, error)?,
                    }
                    self.close_some(levels.len())?;
                }
                Some(Err(error)) => {
                    // What else is in the directory is not known: the iterator has ended.
                    let shown = level.filling.place.path().to_owned();
                    self.shared.failed(&shown, error)?;
                }
            }
        }
        self.submit()?;
        self.wait_all()
    }

    /// Leaves a directory. The one above it is opened again, if it was closed.
    fn leave(&mut self, levels: &mut Vec<Level<'_>>) -> Result<()> {
        let (Some(below), Some(above)) = (levels.pop(), levels.last_mut()) else { return Ok(()) };
        // One that others have, too, was never closed.
        let Some(filling) = Arc::get_mut(&mut above.filling) else { return Ok(()) };
        filling.place.open_above(&below.filling.place).or_else(|error| {
            above.entries = Box::new(std::iter::empty());
            self.shared.failed(above.filling.place.path(), error)
        })
    }

    /// Closes the directory that is now too far up to stay open.
    fn close_above(&mut self, levels: &mut [Level<'_>]) -> Result<()> {
        let far = levels.len().checked_sub(OPEN_LEVELS_MAX + 1);
        let Some(level) = far.and_then(|far| levels.get_mut(far)) else { return Ok(()) };
        if Arc::get_mut(&mut level.filling).is_none() {
            // Files are to be made in it.
            self.submit()?;
            self.wait_all()?;
        }
        match Arc::get_mut(&mut level.filling) {
            Some(filling) => filling.place.close(),
            None => Ok(()),
        }
    }

    fn level<'r>(
        &self,
        reader: &'r Reader,
        place: Place,
        path: Path,
        directory: Subdirectory,
    ) -> Result<Level<'r>> {
        let entries: Entries<'r> = Box::new(graph::entries(reader.view(), &directory.root, None)?);
        self.shared.directories.fetch_add(1, Relaxed);
        Ok(Level { filling: self.shared.fill(place, Some(directory)), path, entries })
    }

    /// Restores one entry, or begins to; returns the directory that it is.
    fn step<'r>(
        &mut self,
        reader: &'r Reader,
        level: &Level<'_>,
        name: Name,
        item: Item,
    ) -> Result<Option<Level<'r>>> {
        let place = &level.filling.place;
        if let Some(link) = item.attributes().link {
            return self.linked(level, name, item, link).map(|()| None);
        }
        match item {
            Item::Directory(directory) => {
                let path = level.path.join(&name)?;
                let place = place.enter(&name, directory.attributes.mode, self.shared.replace())?;
                return self.level(reader, place, path, directory).map(Some);
            }
            Item::Symlink(link) => self.shared.link(place, &name, &link)?,
            Item::Special(special) => self.shared.special(place, &name, &special)?,
            Item::File(record) => {
                let path = level.path.join(&name)?;
                self.batch_len += record.size;
                self.batch.push(Job { filling: level.filling.clone(), name, path, record });
                if self.batch_len >= BATCH_LEN_TARGET || self.batch.len() >= BATCH_FILES_MAX {
                    self.submit()?;
                }
            }
        }
        Ok(None)
    }

    /// Restores one path of a file that has several: the first one as a file, at once, so that the
    /// others can be made of it.
    fn linked(&mut self, level: &Level<'_>, name: Name, item: Item, link: HardLink) -> Result<()> {
        let (place, shared) = (&level.filling.place, self.shared.clone());
        let path = level.path.join(&name)?;
        let key = Links::key(&level.path, &item, link)?;
        if let Some(made) = self.links.get(&key) {
            match place.hard_link(self.links.top(), made, &name, shared.replace())? {
                Ok(()) => {
                    let len = item.totals().bytes;
                    shared.watch.advance(0, len);
                    shared.done(len);
                    return Ok(());
                }
                Err(why) => {
                    shared.lacking.fetch_add(1, Relaxed);
                    shared.count(&place.path_of(&name), "restored as files of their own", why);
                }
            }
        }
        match item {
            Item::File(record) => {
                let (filling, name, path) = (level.filling.clone(), name.clone(), path.clone());
                write::restore(&shared, &Job { filling, name, path, record })?;
            }
            Item::Symlink(link) => shared.link(place, &name, &link)?,
            Item::Special(special) => shared.special(place, &name, &special)?,
            Item::Directory(_) => {}
        }
        self.links.made(key, &path, place.look(&name));
        Ok(())
    }

    fn submit(&mut self) -> Result<()> {
        self.batch_len = 0;
        let batch = std::mem::take(&mut self.batch);
        let shared = self.shared.clone();
        self.under_way.submit(move || write::restore_all(&shared, batch));
        while let Some(restored) = self.under_way.surplus() {
            restored?;
        }
        Ok(())
    }

    fn wait_all(&mut self) -> Result<()> {
        while let Some(restored) = self.under_way.take() {
            restored?;
        }
        Ok(())
    }

    /// Waits until no more directories are open than may be.
    fn close_some(&mut self, depth: usize) -> Result<()> {
        let most = OPEN_DIRECTORIES_MAX + depth as u64;
        if self.shared.open.load(Relaxed) > most {
            self.submit()?;
        }
        while self.shared.open.load(Relaxed) > most
            && let Some(restored) = self.under_way.take()
        {
            restored?;
        }
        Ok(())
    }
}
