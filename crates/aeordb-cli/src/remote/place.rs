//! Places in the database of a server: a path, and the version that it is read in.

use std::ffi::OsStr;

use aeordb::Error;
use aeordb::hash::VersionId;
use aeordb::object::{Name, Path};
use aeordb_api::Page;
use aeordb_api::item::{Entry, Item, PathEntry, Stat};
use aeordb_api::parameter::{Limit, NameBytes, Token, Word};
use aeordb_api::table::{ReadFiles, ReadQuery};

use super::client::{Client, Payload};
use crate::exit::{About, Attempt, Failure, Subject};
use crate::location::location;

/// A path that is read.
pub struct Place {
    pub path: Path,
    /// What might have been meant as the name of a version.
    maybe_version: Option<String>,
    /// What of the database is read.
    pub query: ReadQuery,
}

/// What varies of the URL of a path.
pub fn place_of(path: &Path) -> Vec<u8> {
    path.as_bytes().strip_prefix(b"/").unwrap_or_default().to_vec()
}

impl Place {
    /// The place that a person typed, read with the overlay `with`.
    pub fn new(argument: &OsStr, at: Option<&str>, with: Option<&Token>) -> Attempt<Self> {
        let location = location(argument)?;
        let version = location.version.as_deref().or(at).map(|name| Word(name.into()));
        let query = ReadQuery { version, with: with.cloned(), ..ReadQuery::default() };
        let maybe_version = location.maybe_version().map(Into::into);
        Ok(Place { path: location.path, maybe_version, query })
    }

    /// A path in HEAD.
    pub fn in_head(path: Path) -> Self {
        Place { path, maybe_version: None, query: ReadQuery::default() }
    }

    /// What varies of its URL.
    pub fn bytes(&self) -> Vec<u8> {
        place_of(&self.path)
    }

    /// What is recorded of what is there.
    pub fn look(&self, client: &Client) -> Attempt<Stat> {
        let found = stat(client, &self.bytes(), self.query.clone());
        let found = found.about(Subject::Version).map_err(about_path);
        found.map_err(|failure| match failure.subject {
            Subject::Path if self.is_version(client) => {
                Failure { subject: Subject::VersionAsPath, ..failure }
            }
            _ => failure,
        })
    }

    /// True if what was typed as a path is the name of a version.
    fn is_version(&self, client: &Client) -> bool {
        self.maybe_version.as_deref().is_some_and(|name| version(client, name).is_ok())
    }

    /// Shows `each` what is directly in a directory, by name, until it has seen enough.
    pub fn list(
        &self,
        client: &Client,
        after: Option<NameBytes>,
        limit: usize,
        mut each: impl FnMut(&Path, Item) -> aeordb::Result<bool>,
    ) -> Attempt<()> {
        let query = ReadQuery { after, limit: Some(Limit::up_to(limit)), ..self.query.clone() };
        let listed = client.pages::<ReadFiles, Page<Entry>>(&self.directory(), query, |found| {
            let path = self.path.join(&Name::new(&found.name()?)?)?;
            each(&path, found.item)
        });
        listed.about(Subject::Database)
    }

    /// Shows `each` everything below a directory, until it has seen enough.
    pub fn walk(
        &self,
        client: &Client,
        limit: usize,
        mut each: impl FnMut(&Path, Item) -> aeordb::Result<bool>,
    ) -> Attempt<()> {
        let limit = Some(Limit::up_to(limit));
        let query = ReadQuery { recursive: true, limit, ..self.query.clone() };
        let place = self.directory();
        let listed = client.pages::<ReadFiles, Page<PathEntry>>(&place, query, |found| {
            each(&Path::parse(&found.path()?)?, found.item)
        });
        listed.about(Subject::Database)
    }

    /// What varies of its URL as a directory.
    fn directory(&self) -> Vec<u8> {
        let mut place = self.bytes();
        if !place.is_empty() {
            place.push(b'/');
        }
        place
    }
}

fn stat(client: &Client, place: &[u8], query: ReadQuery) -> aeordb::Result<Stat> {
    let query = ReadQuery { stat: true, ..query };
    client.read(client.open::<ReadFiles>(place, &query, &[], Payload::Empty)?)
}

/// The version that is called `name`.
pub fn version(client: &Client, name: &str) -> aeordb::Result<VersionId> {
    let version = Some(Word(name.into()));
    let found = stat(client, b"", ReadQuery { version, ..ReadQuery::default() })?;
    Ok(found.version.into())
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
