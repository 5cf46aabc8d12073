//! What is to be done where something is already: the one place that decides it.

use std::fs::File;
use std::io::Read;
use std::sync::atomic::Ordering::Relaxed;

use super::Overwrite;
use super::attributes::Lacks;
use super::place::Place;
use super::shared::Shared;
use crate::error::{Context, Error, Result};
use crate::files::scan::{Entry, Found};
use crate::hash::Hash;
use crate::object::{Attributes, Item, Name};

/// Bytes that are read at a time.
const BUFFER_LEN: usize = 256 * 1024;

/// Bits of a mode that give a program the rights of another than who runs it.
const SET_IDS: u32 = 0o6000;

/// What is to be done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    /// Nothing is there: it is made.
    Make,
    /// A directory is there, and becomes this one.
    Enter,
    /// What is there is replaced.
    Replace,
    /// The same, and it is a directory with all that is in it, for something else.
    ReplaceDirectory,
    /// What is there is what is stored.
    Unchanged,
    /// What is there is another, and stays.
    Keep,
}

impl Shared {
    /// What is to be done with `item` at `name`. An error if what is there must not go.
    pub fn decide(&self, place: &Place, name: &Name, item: &Item) -> Result<Decision> {
        let overwrite = self.options.overwrite;
        if place.is_fresh() || (self.alters() && overwrite == Overwrite::Refuse) {
            return Ok(Decision::Make);
        }
        let Some(entry) = place.entry(name)? else { return Ok(Decision::Make) };
        place.check_spelling(name)?;
        let found = is_directory(&entry);
        if !found {
            self.present.fetch_add(1, Relaxed);
        }
        let wanted = matches!(item, Item::Directory(_));
        if found && wanted {
            return Ok(Decision::Enter);
        }
        let decision = match overwrite {
            Overwrite::Refuse => return Err(place.exists(name)),
            Overwrite::Never => return Ok(Decision::Keep),
            _ if found != wanted && !(self.options.force || self.options.mirror) => {
                return Err(place.exists(name));
            }
            _ if found => Decision::ReplaceDirectory,
            Overwrite::Always => Decision::Replace,
            // Only what goes is counted.
            _ if self.is_count() => Decision::Replace,
            _ if self.is_same(place, name, item, &entry)? => return Ok(Decision::Unchanged),
            Overwrite::IfNewer if !wanted && !is_newer(item, &entry) => return Ok(Decision::Keep),
            _ => Decision::Replace,
        };
        self.check_protected(place, name, &entry)?;
        Ok(decision)
    }

    /// An error if this is a file that must stay as it is.
    pub fn check_protected(&self, place: &Place, name: &Name, entry: &Entry) -> Result<()> {
        let Some(stat) = entry.facts.file() else { return Ok(()) };
        if self.options.protected.contains(&(stat.device, stat.inode)) {
            let path = place.path_of(name);
            return Err(Error::Exists(format!("{}, which is the database,", path.display())));
        }
        Ok(())
    }

    /// Whether what is there is what a restore of `item` would make of it.
    pub fn is_same(&self, place: &Place, name: &Name, item: &Item, entry: &Entry) -> Result<bool> {
        let alike = match (item, &entry.found) {
            (Item::File(record), Found::File(stat)) => record.size == stat.size,
            (Item::Symlink(link), Found::Symlink(target)) => link.target == *target,
            (Item::Special(special), Found::Special(kind)) => special.what == *kind,
            (Item::Directory(_), Found::Directory) => true,
            _ => false,
        };
        let directory = place.facts()?.0;
        let same = || {
            let kept = self.keep.of_entry(directory, name.as_bytes(), &entry.facts);
            self.has(item.attributes(), entry, &kept)
        };
        if !alike || !same()? {
            return Ok(false);
        }
        match item {
            Item::File(record) if self.options.checksum || record.attributes.mtime.is_none() => {
                let mut file = place.open_file(name)?;
                let what = || format!("reading {}", place.path_of(name).display());
                Ok(self.hash(&mut file, what)? == record.content_hash)
            }
            _ => Ok(true),
        }
    }

    /// Whether the directory `place` is as this one is stored, whatever is in it.
    pub fn is_same_directory(&self, place: &Place, attributes: &Attributes) -> Result<bool> {
        let (handle, facts) = place.facts()?;
        let entry = Entry::new(b"", &facts, || Ok(Vec::new()));
        self.has(attributes, &entry, &self.keep.of_handle(handle, &facts))
    }

    fn has(
        &self,
        wanted: &Attributes,
        entry: &Entry,
        kept: &crate::files::extended::Kept,
    ) -> Result<bool> {
        // Without the owner such a file does not get the bits either.
        let dropped = match entry.found {
            Found::File(_) if self.compares_what_can_be() && !self.options.set_ids => SET_IDS,
            _ => 0,
        };
        let found = &kept.attributes;
        let mode = |mode: u32| found.mode.is_some_and(|found| (found ^ mode) & !dropped == 0);
        if !wanted.mode.is_none_or(mode)
            || wanted.mtime.is_some_and(|time| found.mtime != Some(time))
        {
            return Ok(false);
        }
        // What cannot be read of a set is told when the file is restored.
        let extra = self.sets.of(wanted.set.as_ref(), &mut Lacks::default());
        let root = !self.compares_what_can_be();
        Ok(extra.is_kept_by(entry.facts.owner(), &kept.extended, root))
    }

    /// The hash of what is left to be read of a file.
    pub fn hash(&self, file: &mut File, what: impl Fn() -> String + Copy) -> Result<Hash> {
        let (mut hasher, mut buffer) = (blake3::Hasher::new(), vec![0; BUFFER_LEN]);
        loop {
            self.check()?;
            let read = match file.read(&mut buffer) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                read => read.context(what)?,
            };
            match buffer.get(..read) {
                Some(bytes) if read > 0 => hasher.update(bytes),
                _ => return Ok(hasher.finalize().into()),
            };
        }
    }
}

/// True of a directory.
pub fn is_directory(entry: &Entry) -> bool {
    entry.found == Found::Directory
}

/// Whether what is stored is newer than what is there; what has no time is not.
fn is_newer(item: &Item, entry: &Entry) -> bool {
    item.attributes().mtime > entry.facts.mtime()
}
