//! The walk through what is restored: directories and links are made in order, files in batches by
//! the pool. A pass that changes nothing goes the same way, and says what would be done.

use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path as LocalPath, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::attributes::Lacks;
use super::foresee::{Each, Found, joined};
use super::links::Links;
use super::place::Place;
use super::present::{self, Decision};
use super::shared::{Filling, Shared};
use super::write::{self, BATCH_FILES_MAX, BATCH_LEN_TARGET, Job};
use crate::db::Reader;
use crate::error::Result;
use crate::files::scan;
use crate::graph;
use crate::object::hard_link::file_key;
use crate::object::{HardLink, Item, Name, Path, Subdirectory};
use crate::pool::Queue;

/// Directories that may be open beside those on the way to where the walk is.
const OPEN_DIRECTORIES_MAX: u64 = 128;

/// Directories on the way that are open: a system may allow a process 1,024 files, and a path may
/// have more names. Those further up are opened again from below.
const OPEN_LEVELS_MAX: usize = 256;

type Entries<'r> = Box<dyn Iterator<Item = Result<(Name, Item)>> + 'r>;

/// A directory on the way to where the walk is.
pub struct Level<'r> {
    /// `None` where nothing is there, and nothing is to be made or not yet.
    filling: Option<Arc<Filling>>,
    /// What it is to become.
    directory: Option<Subdirectory>,
    /// Its name in the directory above.
    name: Option<Name>,
    /// The path by which people know it.
    shown: PathBuf,
    /// Its path in the version.
    pub path: Path,
    /// Its path from the top of the restore: patterns see that.
    below: PathBuf,
    /// What is in it is chosen unless a pattern says otherwise.
    chosen: bool,
    entries: Entries<'r>,
    /// Names that are there and were not come to yet, the last one first.
    here: Vec<Name>,
}

/// Makes directories and links itself, in order, and has the pool write files in batches.
pub struct Walk<'w> {
    pub shared: Arc<Shared>,
    under_way: Queue<Result<()>>,
    batch: Vec<Job>,
    batch_len: u64,
    pub links: &'w mut Links,
    pub each: Each<'w>,
}

impl<'w> Walk<'w> {
    pub fn new(shared: Arc<Shared>, links: &'w mut Links, each: Each<'w>) -> Self {
        let under_way = Queue::new(shared.reader.pool());
        Walk { shared, under_way, batch: Vec::new(), batch_len: 0, links, each }
    }

    /// Restores what is in a directory.
    pub fn contents(
        &mut self,
        place: Option<Place>,
        shown: &LocalPath,
        path: &Path,
        directory: Subdirectory,
    ) -> Result<()> {
        let reader = self.shared.reader.clone();
        self.links.start(place.as_ref(), path)?;
        if !self.shared.alters() {
            self.look_at_top(place.as_ref(), path, &directory)?;
        }
        let (path, shown) = (path.clone(), shown.to_owned());
        let chosen = !self.shared.options.patterns.only_take();
        let level = Level {
            filling: place.map(|place| self.shared.fill(place, Some(directory.clone()))),
            entries: Box::new(graph::entries(reader.view(), &directory.root, None)?),
            directory: Some(directory),
            name: None,
            shown,
            path,
            below: PathBuf::new(),
            chosen,
            here: Vec::new(),
        };
        self.shared.directories.fetch_add(1, Relaxed);
        self.run(&reader, level)
    }

    /// Restores one thing under its own name.
    pub fn inside(
        &mut self,
        place: Option<Place>,
        shown: &LocalPath,
        path: &Path,
        item: Item,
    ) -> Result<()> {
        let reader = self.shared.reader.clone();
        let above = path.parent().unwrap_or_else(Path::root);
        self.links.start(place.as_ref(), &above)?;
        let name = Name::new(path.name().unwrap_or_default())?;
        let level = Level {
            filling: place.map(|place| self.shared.fill(place, None)),
            directory: None,
            name: None,
            shown: shown.to_owned(),
            path: above,
            below: PathBuf::new(),
            chosen: !self.shared.options.patterns.only_take(),
            entries: Box::new(std::iter::once(Ok((name, item)))),
            here: Vec::new(),
        };
        self.run(&reader, level)
    }

    /// Restores one thing that is no directory under any name; what goes wrong with it is an error.
    pub fn alone(&mut self, place: Place, name: Name, path: &Path, item: Item) -> Result<()> {
        let shared = self.shared.clone();
        if place.entry(&name)?.is_some_and(|entry| present::is_directory(&entry)) {
            // That is more than was named.
            return Err(place.exists(&name));
        }
        let own = LocalPath::new(std::ffi::OsStr::from_bytes(path.name().unwrap_or_default()));
        let out = shared.options.patterns.leaves_out(own, false);
        if out.unwrap_or(shared.options.patterns.only_take()) {
            shared.excluded.fetch_add(1, Relaxed);
            return Ok(());
        }
        if !shared.alters() {
            return self.foresee_file(Some(&place), &name, path, &item);
        }
        let filling = shared.fill(place, None);
        self.file(&filling, &name, path, item, None)?;
        self.wait_all()
    }

    fn run(&mut self, reader: &Reader, level: Level<'_>) -> Result<()> {
        let mut levels = vec![level];
        let walked = self.begin(&mut levels).and_then(|()| self.fill(reader, &mut levels));
        while walked.is_err() && !levels.is_empty() {
            // What ended everything is told, not what follows from it.
            let _ = self.leave(&mut levels);
        }
        if walked.is_err() {
            // Whoever is at a file takes it back; nobody is to be cut off while at it.
            self.shared.stopped.store(true, Relaxed);
            while self.under_way.take().is_some() {}
        }
        walked
    }

    /// Lists what is in the directory that was entered, if that decides anything.
    fn begin(&mut self, levels: &mut [Level<'_>]) -> Result<()> {
        let Some(level) = levels.last_mut() else { return Ok(()) };
        if self.shared.options.mirror
            && let Some(filling) = &level.filling
            && !filling.place.is_fresh()
        {
            level.here = filling.place.list()?;
            level.here.reverse();
        }
        Ok(())
    }

    fn fill<'r>(&mut self, reader: &'r Reader, levels: &mut Vec<Level<'r>>) -> Result<()> {
        while let Some(level) = levels.last_mut() {
            self.shared.check()?;
            match level.entries.next() {
                None => {
                    self.go(levels, None)?;
                    self.leave(levels)?;
                }
                Some(Ok((name, item))) => {
                    self.go(levels, Some(&name))?;
                    self.take(reader, levels, name, item)?;
                    self.close_some(levels.len())?;
                }
                Some(Err(error)) => {
                    // What else is in the directory is not known: the iterator has ended, and
                    // what is there stays.
                    level.here.clear();
                    let shown = level.shown.clone();
                    self.shared.failed(&shown, error)?;
                }
            }
        }
        self.submit()?;
        self.wait_all()?;
        self.fix();
        Ok(())
    }

    /// Restores one entry, or begins to, if it is chosen.
    fn take<'r>(
        &mut self,
        reader: &'r Reader,
        levels: &mut Vec<Level<'r>>,
        name: Name,
        item: Item,
    ) -> Result<()> {
        let Some(level) = levels.last() else { return Ok(()) };
        let is_directory = matches!(item, Item::Directory(_));
        let chosen = self.chooses(level, &name, is_directory);
        if chosen != Some(true) && !(is_directory && chosen.is_none()) {
            self.shared.excluded.fetch_add(1, Relaxed);
            return Ok(());
        }
        if chosen == Some(true) {
            self.make_way(levels)?;
        }
        let Some(level) = levels.last() else { return Ok(()) };
        let shown = scan::join(&level.shown, name.as_bytes());
        match self.step(reader, level, name, item, chosen.is_some()) {
            Ok(None) => Ok(()),
            Ok(Some(below)) => {
                levels.push(below);
                self.close_above(levels)?;
                self.begin(levels)
            }
            Err(error) => self.shared.failed(&shown, error),
        }
    }

    /// Whether something is chosen; `None` if it is only on the way to what may be.
    fn chooses(&self, level: &Level<'_>, name: &Name, is_directory: bool) -> Option<bool> {
        let patterns = &self.shared.options.patterns;
        if patterns.is_empty() {
            return Some(true);
        }
        let below = scan::join(&level.below, name.as_bytes());
        match patterns.leaves_out(&below, is_directory) {
            Some(out) => Some(!out),
            None if level.chosen => Some(true),
            None => None,
        }
    }

    /// Makes the directories on the way to what is chosen, where they are not there yet.
    fn make_way(&mut self, levels: &mut [Level<'_>]) -> Result<()> {
        if !self.shared.alters() {
            return Ok(());
        }
        for at in 1..levels.len() {
            let Some((above, [level, ..])) = levels.split_at_mut_checked(at) else { break };
            let (Some(above), Some(name), None) = (above.last(), &level.name, &level.filling)
            else {
                continue;
            };
            let (Some(filling), Some(directory)) = (&above.filling, &level.directory) else {
                continue;
            };
            let mode = directory.attributes.mode;
            let place = filling.place.enter(name, mode, self.shared.replace())?;
            self.shared.directories.fetch_add(1, Relaxed);
            level.filling = Some(self.shared.fill(place, Some(directory.clone())));
        }
        Ok(())
    }

    /// Removes what is there, is not in the version and stands before `name`, or before the end.
    fn go(&mut self, levels: &mut [Level<'_>], name: Option<&Name>) -> Result<()> {
        let Some(level) = levels.last_mut() else { return Ok(()) };
        while let Some(here) = level.here.pop_if(|here| name.is_none_or(|name| &*here <= name)) {
            if name == Some(&here) {
                break;
            }
            let Some(filling) = level.filling.clone() else { break };
            let place = &filling.place;
            let shown = place.path_of(&here);
            let gone = self.gone(level, place, &here);
            gone.or_else(|error| self.shared.failed(&shown, error))?;
        }
        Ok(())
    }

    fn gone(&mut self, level: &Level<'_>, place: &Place, here: &Name) -> Result<()> {
        let shared = self.shared.clone();
        if !shared.options.patterns.is_empty() {
            // What is not chosen stays as it is.
            let is_directory = place.enter_to_read(here).is_ok();
            if self.chooses(level, here, is_directory) != Some(true) {
                return Ok(());
            }
        }
        let (each, top) = (&mut self.each, level.path.as_bytes());
        shared.remove(place, here, &mut |names| each.see(Found::Deleted, &joined(top, names)))
    }

    /// Sets the flags of files that have all their paths.
    fn fix(&mut self) {
        for (made, set) in self.links.take_fixed() {
            let mut lacks = Lacks::default();
            let extra = self.shared.sets.of(set.as_ref(), &mut lacks);
            match self.links.open(&made) {
                Ok(file) => extra.set_flags(file.as_fd(), &mut lacks),
                Err(errno) => lacks.count("flags", errno.desc()),
            }
            self.shared.lacking(&self.links.shown(&made), &lacks);
        }
    }

    /// Leaves a directory. The one above it is opened again, if it was closed.
    fn leave(&mut self, levels: &mut Vec<Level<'_>>) -> Result<()> {
        let (Some(below), Some(above)) = (levels.pop(), levels.last_mut()) else { return Ok(()) };
        let (Some(below), Some(filling)) = (&below.filling, &mut above.filling) else {
            return Ok(());
        };
        // One that others have, too, was never closed.
        let Some(filling) = Arc::get_mut(filling) else { return Ok(()) };
        filling.place.open_above(&below.place).or_else(|error| {
            above.entries = Box::new(std::iter::empty());
            above.here.clear();
            self.shared.failed(&above.shown, error)
        })
    }

    /// Closes the directory that is now too far up to stay open. Where none of those below it is
    /// open, there is nothing to open it from.
    fn close_above(&mut self, levels: &mut [Level<'_>]) -> Result<()> {
        let is_open = levels.last().is_some_and(|level| level.filling.is_some());
        let far = levels.len().checked_sub(OPEN_LEVELS_MAX + 1);
        let Some(level) = far.filter(|_| is_open).and_then(|far| levels.get_mut(far)) else {
            return Ok(());
        };
        let Some(filling) = &mut level.filling else { return Ok(()) };
        if Arc::get_mut(filling).is_none() {
            // Files are to be made in it.
            self.submit()?;
            self.wait_all()?;
        }
        match Arc::get_mut(filling) {
            Some(filling) => filling.place.close(),
            None => Ok(()),
        }
    }

    /// Restores one entry, or begins to; returns the directory that it is. One that is not `chosen`
    /// itself is only made when something in it is.
    fn step<'r>(
        &mut self,
        reader: &'r Reader,
        level: &Level<'_>,
        name: Name,
        item: Item,
        chosen: bool,
    ) -> Result<Option<Level<'r>>> {
        let (shared, path) = (self.shared.clone(), level.path.join(&name)?);
        let Item::Directory(directory) = item else {
            match &level.filling {
                Some(filling) if shared.alters() => {
                    let filling = filling.clone();
                    self.file(&filling, &name, &path, item, Some(level))?;
                }
                filling => {
                    let filling = filling.clone();
                    let place = filling.as_ref().map(|filling| &filling.place);
                    self.foresee_item(place, &name, &path, &item, level)?;
                }
            }
            return Ok(None);
        };
        let entered = match (&level.filling, shared.alters()) {
            (Some(_), true) if !chosen => None,
            (Some(filling), true) => {
                let place = &filling.place;
                let item = Item::Directory(directory.clone());
                match shared.decide(place, &name, &item)? {
                    Decision::Keep => {
                        shared.kept(directory.totals.bytes);
                        return Ok(None);
                    }
                    _ => {
                        let mode = directory.attributes.mode;
                        // One that all of it becomes may be there, and is empty.
                        let replace = shared.replace() || level.directory.is_none();
                        Some(place.enter(&name, mode, replace)?)
                    }
                }
            }
            (Some(filling), false) => {
                let item = Item::Directory(directory.clone());
                let decision = shared.decide(&filling.place, &name, &item)?;
                if decision == Decision::Keep {
                    shared.kept(directory.totals.bytes);
                    return Ok(None);
                }
                let entered = match decision {
                    Decision::Enter => Some(filling.place.enter_to_read(&name)?),
                    _ => None,
                };
                self.foresee_directory(entered.as_ref(), decision, &path, &directory, chosen)?;
                entered
            }
            (None, _) => {
                if !shared.alters() && chosen {
                    self.each.see(Found::Added, path.as_bytes())?;
                }
                None
            }
        };
        if entered.is_some() || (!shared.alters() && chosen) {
            shared.directories.fetch_add(1, Relaxed);
        }
        let entries: Entries<'r> = Box::new(graph::entries(reader.view(), &directory.root, None)?);
        Ok(Some(Level {
            filling: entered.map(|place| shared.fill(place, Some(directory.clone()))),
            directory: Some(directory),
            shown: scan::join(&level.shown, name.as_bytes()),
            below: scan::join(&level.below, name.as_bytes()),
            name: Some(name),
            path,
            chosen,
            entries,
            here: Vec::new(),
        }))
    }

    /// Restores what is no directory, or has the pool do it. It is in the directory `level`, or all
    /// that is asked for.
    fn file(
        &mut self,
        filling: &Arc<Filling>,
        name: &Name,
        path: &Path,
        item: Item,
        level: Option<&Level<'_>>,
    ) -> Result<()> {
        if let (Some(link), Some(level)) = (item.attributes().link, level) {
            return self.linked(level, filling, name, item, link);
        }
        let (shared, filling) = (self.shared.clone(), filling.clone());
        match item {
            Item::File(record) => {
                let len = record.size;
                let (name, path) = (name.clone(), path.clone());
                let job = Job { filling, name, path, record, linked: false };
                if level.is_none() {
                    return write::restore(&shared, &job).map(drop);
                }
                self.batch_len += len;
                self.batch.push(job);
                if self.batch_len >= BATCH_LEN_TARGET || self.batch.len() >= BATCH_FILES_MAX {
                    self.submit()?;
                }
                Ok(())
            }
            item => write::make(&shared, &filling.place, name, &item).map(drop),
        }
    }

    /// Restores one path of a file that has several: the first one as a file, at once, so that the
    /// others can be made of it.
    fn linked(
        &mut self,
        level: &Level<'_>,
        filling: &Arc<Filling>,
        name: &Name,
        item: Item,
        link: HardLink,
    ) -> Result<()> {
        let (place, shared) = (&filling.place, self.shared.clone());
        let path = level.path.join(name)?;
        let key = file_key(&level.path, &item, link)?;
        if let Some(made) = self.links.get(&key) {
            let is_it = place.look(name) == Some(made.file);
            let stays = !is_it && shared.decide(place, name, &item)? == Decision::Keep;
            if is_it || stays {
                let len = item.totals().bytes;
                if stays {
                    shared.kept(len)
                } else {
                    shared.unchanged(len)
                }
                return Ok(());
            }
            write::clear(&shared, place, name, &item)?;
            match place.hard_link(self.links.top(), made, name, shared.replace())? {
                Ok(()) => {
                    let len = item.totals().bytes;
                    shared.monitor.advance(0, len);
                    shared.done(len);
                    return Ok(());
                }
                Err(why) => {
                    shared.lacking.fetch_add(1, Relaxed);
                    shared.count(&place.path_of(name), "restored as files of their own", why);
                }
            }
        }
        let set = item.attributes().set;
        let decision = match item {
            Item::File(record) => {
                let (filling, name, path) = (filling.clone(), name.clone(), path.clone());
                write::restore(&shared, &Job { filling, name, path, record, linked: true })?
            }
            item => write::make(&shared, place, name, &item)?,
        };
        if decision == Decision::Keep {
            return Ok(());
        }
        let file = place.look(name);
        // What cannot be read of a set was told when the file was restored.
        let fixed = shared.sets.of(set.as_ref(), &mut Lacks::default()).is_fixed();
        if fixed && decision != Decision::Unchanged {
            self.links.fix_later(&path, file, set);
        }
        self.links.made(key, &path, file);
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
