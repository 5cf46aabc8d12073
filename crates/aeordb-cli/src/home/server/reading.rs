//! What is read of a server's database.

use aeordb::Error;
use aeordb::object::Path;
use aeordb_api::item::Stat;
use aeordb_api::parameter::{NameBytes, Word};
use aeordb_api::table::{ReadFiles, ReadQuery};
use aeordb_client::place::place_of;
use aeordb_client::stream::{copy, whole};
use aeordb_client::{Client, Overlay, Payload, place};

use crate::app::App;
use crate::exit::{About, Attempt, Failure, Subject};
use crate::home::{EachItem, Reading};
use crate::location::Location;

/// What is recorded of what is at a path.
pub fn look(client: &Client, path: &Path, query: &ReadQuery) -> Attempt<Stat> {
    place::stat(client, path, query).about(Subject::Version).map_err(about_path)
}

/// A path that is not there is told apart from a version by what is named.
pub fn about_path(failure: Failure) -> Failure {
    match &failure.error {
        Error::NotFound(what) if what.starts_with('/') => {
            Failure { subject: Subject::Path, ..failure }
        }
        _ => failure,
    }
}

/// The database of a server, read with patches on top.
pub struct Remote<'h> {
    /// The server.
    pub client: &'h Client,
    /// The patches.
    pub overlay: Overlay<'h>,
    /// The version of what names none, else HEAD.
    pub at: Option<String>,
}

impl Remote<'_> {
    /// What of a place is read.
    pub fn query(&self, place: &Location) -> ReadQuery {
        let version = place.version.as_deref().or(self.at.as_deref());
        let with = self.overlay.parameter().cloned();
        let version = version.map(|name| Word(name.into()));
        ReadQuery { version, with, ..ReadQuery::default() }
    }
}

impl Reading for Remote<'_> {
    fn look(&self, place: &Location) -> Attempt<Stat> {
        let is_version = || {
            let name = place.maybe_version();
            name.is_some_and(|name| place::version(self.client, name).is_ok())
        };
        look(self.client, &place.path, &self.query(place)).map_err(|failure| {
            match failure.subject {
                Subject::Path if is_version() => {
                    Failure { subject: Subject::VersionAsPath, ..failure }
                }
                _ => failure,
            }
        })
    }

    fn list(
        &self,
        place: &Location,
        after: Option<&[u8]>,
        limit: usize,
        each: EachItem<'_>,
    ) -> Attempt<()> {
        let after = after.map(|name| NameBytes(name.to_vec()));
        let query = self.query(place);
        let mut left = limit;
        if left == 0 {
            return Ok(());
        }
        let listed = place::list(self.client, &place.path, &query, after, limit, |path, item| {
            left -= 1;
            Ok(each(path, item)? && left > 0)
        });
        listed.about(Subject::Database)
    }

    fn walk(&self, place: &Location, limit: usize, each: EachItem<'_>) -> Attempt<()> {
        let query = self.query(place);
        let mut left = limit;
        if left == 0 {
            return Ok(());
        }
        let walked = place::walk(self.client, &place.path, &query, limit, |path, item| {
            left -= 1;
            Ok(each(path, item)? && left > 0)
        });
        walked.about(Subject::Database)
    }

    fn bytes(&self, place: &Location, most: u64) -> Attempt<Option<Vec<u8>>> {
        let (bytes, query) = (place_of(&place.path), self.query(place));
        let reply = self.client.open::<ReadFiles>(&bytes, &query, &[], Payload::Empty);
        Ok(whole(reply.about(Subject::Path)?, most)?)
    }

    fn print(&self, app: &mut App, places: &[Location]) -> Attempt<()> {
        app.watched(|out, monitor| {
            for place in places {
                let (bytes, query) = (place_of(&place.path), self.query(place));
                let reply = self.client.open::<ReadFiles>(&bytes, &query, &[], Payload::Empty);
                copy(reply.about(Subject::Path)?, out.data(), monitor)?;
            }
            Ok(())
        })
    }
}
