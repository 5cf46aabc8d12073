//! What goes: whole directories, beneath the open one that they are in. Nothing is followed out of
//! it, neither a link nor a mount.

use std::sync::atomic::Ordering::Relaxed;
use std::vec::IntoIter;

use super::place::Place;
use super::present::is_directory;
use super::shared::Shared;
use crate::error::Result;
use crate::files::scan::Entry;
use crate::object::Name;

/// Sees what goes, or would go: its names below the directory, each before what is in it.
pub type Goes<'g> = &'g mut dyn FnMut(&[Name]) -> Result<()>;

/// A directory that goes.
struct Going {
    place: Place,
    names: IntoIter<Name>,
}

impl Shared {
    /// Removes what is called `name`, or only says what that would be.
    pub fn remove(&self, place: &Place, name: &Name, each: Goes<'_>) -> Result<()> {
        let Some(entry) = place.entry(name)? else { return Ok(()) };
        each(std::slice::from_ref(name))?;
        match is_directory(&entry) {
            true => self.remove_directory(place, name, each),
            false => self.remove_file(place, name, &entry),
        }
    }

    /// Removes the directory `name`, or only says what of its content would go.
    pub fn remove_directory(&self, place: &Place, name: &Name, each: Goes<'_>) -> Result<()> {
        let (mut going, mut path) = (vec![self.going(place, name)?], vec![name.clone()]);
        while let Some(level) = going.last_mut() {
            self.check()?;
            if let Some(inner) = level.names.next() {
                let Some(entry) = level.place.entry(&inner)? else { continue };
                path.push(inner.clone());
                each(&path)?;
                if is_directory(&entry) {
                    let below = self.going(&level.place, &inner)?;
                    going.push(below);
                } else {
                    self.remove_file(&level.place, &inner, &entry)?;
                    path.pop();
                }
                continue;
            }
            going.pop();
            let above = going.last().map_or(place, |above| &above.place);
            if let Some(done) = path.pop()
                && self.alters()
            {
                above.remove_directory(&done)?;
            }
        }
        Ok(())
    }

    fn going(&self, place: &Place, name: &Name) -> Result<Going> {
        let place = match self.alters() {
            true => place.enter_to_remove(name)?,
            false => place.enter_to_read(name)?,
        };
        let names = place.list()?.into_iter();
        Ok(Going { place, names })
    }

    fn remove_file(&self, place: &Place, name: &Name, entry: &Entry) -> Result<()> {
        self.check_protected(place, name, entry)?;
        if self.alters() {
            place.remove_file(name)?;
        }
        self.present.fetch_add(1, Relaxed);
        self.deleted.fetch_add(1, Relaxed);
        Ok(())
    }
}
