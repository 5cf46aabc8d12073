//! What a walk that changes nothing says: what would come, become another, or go.

use super::place::Place;
use super::present::Decision;
use super::shared::Purpose;
use super::walk::{Level, Walk};
use crate::error::Result;
use crate::object::hard_link::file_key;
use crate::object::{Item, Name, Path, Subdirectory};

/// What is found at a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Found {
    /// It comes.
    Added,
    /// It becomes another.
    Modified,
    /// It goes.
    Deleted,
}

/// Something that would change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Foreseen {
    /// How.
    pub found: Found,
    /// Where, as a path of the database; one that is only local may be none there.
    pub path: Vec<u8>,
}

impl Foreseen {
    /// The same, seen from the other side.
    pub fn turned(self) -> Foreseen {
        let found = match self.found {
            Found::Added => Found::Deleted,
            Found::Modified => Found::Modified,
            Found::Deleted => Found::Added,
        };
        Foreseen { found, ..self }
    }
}

/// What a pass is for, and who sees what it finds.
pub enum Each<'e> {
    /// What differs is made so.
    Restore,
    /// Only what would go is counted.
    Count,
    /// What a restore would change is said.
    Foresee(&'e mut dyn FnMut(Foreseen) -> Result<()>),
    /// What differs is said, whoever could set it.
    Compare(&'e mut dyn FnMut(Foreseen) -> Result<()>),
}

impl Each<'_> {
    /// The same for the next part.
    pub fn again(&mut self) -> Each<'_> {
        match self {
            Each::Restore => Each::Restore,
            Each::Count => Each::Count,
            Each::Foresee(each) => Each::Foresee(*each),
            Each::Compare(each) => Each::Compare(*each),
        }
    }

    /// What it is for.
    pub fn purpose(&self) -> Purpose {
        match self {
            Each::Restore => Purpose::Restore,
            Each::Count => Purpose::Count,
            Each::Foresee(_) => Purpose::Foresee,
            Each::Compare(_) => Purpose::Compare,
        }
    }

    pub fn see(&mut self, found: Found, path: &[u8]) -> Result<()> {
        match self {
            Each::Restore | Each::Count => Ok(()),
            Each::Foresee(each) | Each::Compare(each) => {
                each(Foreseen { found, path: path.to_vec() })
            }
        }
    }
}

impl Walk<'_> {
    /// Says whether the directory that everything is in would change.
    pub fn look_at_top(
        &mut self,
        place: Option<&Place>,
        path: &Path,
        directory: &Subdirectory,
    ) -> Result<()> {
        let shared = self.shared.clone();
        match place {
            None => self.each.see(Found::Added, path.as_bytes()),
            Some(place) if shared.sets_top(place)? => {
                match shared.is_same_directory(place, &directory.attributes)? {
                    true => Ok(()),
                    false => self.each.see(Found::Modified, path.as_bytes()),
                }
            }
            Some(_) => Ok(()),
        }
    }

    /// Says what would become of a directory.
    pub fn foresee_directory(
        &mut self,
        entered: Option<&Place>,
        decision: Decision,
        path: &Path,
        directory: &Subdirectory,
        chosen: bool,
    ) -> Result<()> {
        match (decision, entered) {
            _ if !chosen => Ok(()),
            (Decision::Make, _) => self.each.see(Found::Added, path.as_bytes()),
            (_, Some(place))
                if self.shared.is_count()
                    || self.shared.is_same_directory(place, &directory.attributes)? =>
            {
                Ok(())
            }
            _ => self.each.see(Found::Modified, path.as_bytes()),
        }
    }

    /// Says what would become of what is no directory, and may be a path of a file with several.
    pub fn foresee_item(
        &mut self,
        place: Option<&Place>,
        name: &Name,
        path: &Path,
        item: &Item,
        level: &Level<'_>,
    ) -> Result<()> {
        let Some(link) = item.attributes().link else {
            return self.foresee_file(place, name, path, item);
        };
        let key = file_key(&level.path, item, link)?;
        let here = place.and_then(|place| place.look(name));
        if let (Some(made), Some(place), Some(here)) = (self.links.get(&key), place, here) {
            let is_it = made.file == here;
            let decision = match self.shared.decide(place, name, item)? {
                Decision::Keep if !is_it => Decision::Keep,
                _ if is_it => Decision::Unchanged,
                // It becomes a path of another file.
                Decision::Unchanged => Decision::Replace,
                decision => decision,
            };
            return self.foreseen(decision, Some(place), name, path, item);
        }
        self.foresee_file(place, name, path, item)?;
        // What is not there yet is another file than any that is.
        self.links.made(key, path, Some(here.unwrap_or_default()));
        Ok(())
    }

    /// Says what would become of what is no directory.
    pub fn foresee_file(
        &mut self,
        place: Option<&Place>,
        name: &Name,
        path: &Path,
        item: &Item,
    ) -> Result<()> {
        let decision = match place {
            Some(place) => self.shared.decide(place, name, item)?,
            None => Decision::Make,
        };
        self.foreseen(decision, place, name, path, item)
    }

    /// Says what was decided of what is no directory.
    fn foreseen(
        &mut self,
        decision: Decision,
        place: Option<&Place>,
        name: &Name,
        path: &Path,
        item: &Item,
    ) -> Result<()> {
        let shared = self.shared.clone();
        let found = match decision {
            Decision::Keep => {
                shared.kept(item.totals().bytes);
                return Ok(());
            }
            Decision::Unchanged => {
                shared.unchanged(item.totals().bytes);
                return Ok(());
            }
            Decision::Make => Found::Added,
            _ => Found::Modified,
        };
        self.each.see(found, path.as_bytes())?;
        shared.done(item.totals().bytes);
        if let (Decision::ReplaceDirectory, Some(place)) = (decision, place) {
            let (each, top) = (&mut self.each, path.parent().unwrap_or_else(Path::root));
            let mut go = |names: &[Name]| each.see(Found::Deleted, &joined(top.as_bytes(), names));
            shared.remove_directory(place, name, &mut go)?;
        }
        Ok(())
    }
}

/// The path of what has these names below a directory.
pub fn joined(directory: &[u8], names: &[Name]) -> Vec<u8> {
    let mut path = directory.strip_suffix(b"/").unwrap_or(directory).to_vec();
    for name in names {
        path.push(b'/');
        path.extend_from_slice(name.as_bytes());
    }
    path
}
