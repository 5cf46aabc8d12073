//! What is read of a database that is a file of this machine.

use aeordb::hash::VersionId;
use aeordb::object::Item;
use aeordb_api::item::{PathEntry, Stat};
use aeordb_api::library::Describe;

use crate::app::{App, Opened};
use crate::exit::{About, Attempt, Subject};
use crate::home::{EachItem, Reading};
use crate::location::Location;

/// The file, opened.
pub struct Open {
    pub opened: Opened,
    pub at: Option<String>,
}

impl Open {
    fn version(&self, place: &Location) -> Attempt<VersionId> {
        self.opened.version_of(place, self.at.as_deref())
    }
}

impl Reading for Open {
    fn look(&self, place: &Location) -> Attempt<Stat> {
        let (version, item) = self.opened.item(place, self.at.as_deref())?;
        let item = Describe::new(&self.opened.reader).item(&item);
        let entry = PathEntry::new(place.path.as_bytes(), item);
        Ok(Stat { entry, version: version.into() })
    }

    fn list(
        &self,
        place: &Location,
        after: Option<&[u8]>,
        limit: usize,
        each: EachItem<'_>,
    ) -> Attempt<()> {
        let version = self.version(place)?;
        let mut describe = Describe::new(&self.opened.reader);
        let found = self.opened.reader.list(&version, &place.path, after);
        for found in found.about(Subject::Database)?.take(limit) {
            let (name, item) = found.about(Subject::Database)?;
            if !each(&place.path.join(&name)?, describe.item(&item))? {
                break;
            }
        }
        Ok(())
    }

    fn walk(&self, place: &Location, limit: usize, each: EachItem<'_>) -> Attempt<()> {
        let version = self.version(place)?;
        let mut describe = Describe::new(&self.opened.reader);
        let found = self.opened.reader.walk(&version, &place.path);
        for found in found.about(Subject::Database)?.take(limit) {
            let (path, item) = found.about(Subject::Database)?;
            if !each(&path, describe.item(&item))? {
                break;
            }
        }
        Ok(())
    }

    fn bytes(&self, place: &Location, most: u64) -> Attempt<Option<Vec<u8>>> {
        let (_, Item::File(record)) = self.opened.item(place, self.at.as_deref())? else {
            return Ok(None);
        };
        if record.size > most {
            return Ok(None);
        }
        let mut file = self.opened.reader.file(&record);
        let mut all = Vec::new();
        loop {
            let bytes = file.next_bytes().about(Subject::Database)?;
            if bytes.is_empty() {
                return Ok(Some(all));
            }
            all.extend_from_slice(&bytes);
        }
    }

    fn print(&self, app: &mut App, places: &[Location]) -> Attempt<()> {
        for place in places {
            let (_, Item::File(record)) = self.opened.item(place, self.at.as_deref())? else {
                continue;
            };
            let mut file = self.opened.reader.file(&record);
            loop {
                let bytes = file.next_bytes().about(Subject::Database)?;
                if bytes.is_empty() {
                    break;
                }
                app.out.bytes(&bytes)?;
            }
        }
        Ok(())
    }
}
