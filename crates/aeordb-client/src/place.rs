//! What is at paths of a server's database.

use aeordb::Result;
use aeordb::hash::VersionId;
use aeordb::object::{Name, Path};
use aeordb_api::Page;
use aeordb_api::item::{Entry, Item, PathEntry, Stat};
use aeordb_api::parameter::{Limit, NameBytes, Word};
use aeordb_api::table::{ReadFiles, ReadQuery};

use crate::{Client, Payload};

/// What varies of the URL of a path.
pub fn place_of(path: &Path) -> Vec<u8> {
    path.as_bytes().strip_prefix(b"/").unwrap_or_default().to_vec()
}

/// What varies of the URL of a path as a directory.
fn directory(path: &Path) -> Vec<u8> {
    let mut place = place_of(path);
    if !place.is_empty() {
        place.push(b'/');
    }
    place
}

/// What is recorded of what is at a path; `query` says of which version.
pub fn stat(client: &Client, path: &Path, query: &ReadQuery) -> Result<Stat> {
    let query = ReadQuery { stat: true, ..query.clone() };
    client.read(client.open::<ReadFiles>(&place_of(path), &query, &[], Payload::Empty)?)
}

/// The version that is called `name`.
pub fn version(client: &Client, name: &str) -> Result<VersionId> {
    let query = ReadQuery { version: Some(Word(name.into())), ..ReadQuery::default() };
    Ok(stat(client, &Path::root(), &query)?.version.into())
}

/// Shows `each` what is directly in a directory, by name, until it has seen enough: no more than
/// `limit` are wanted.
pub fn list(
    client: &Client,
    path: &Path,
    query: &ReadQuery,
    after: Option<NameBytes>,
    limit: usize,
    mut each: impl FnMut(&Path, Item) -> Result<bool>,
) -> Result<()> {
    let query = ReadQuery { after, limit: Some(Limit::up_to(limit)), ..query.clone() };
    client.pages::<ReadFiles, Page<Entry>>(&directory(path), query, |found| {
        each(&path.join(&Name::new(&found.name()?)?)?, found.item)
    })
}

/// Shows `each` everything below a directory, until it has seen enough: no more than `limit` are
/// wanted.
pub fn walk(
    client: &Client,
    path: &Path,
    query: &ReadQuery,
    limit: usize,
    mut each: impl FnMut(&Path, Item) -> Result<bool>,
) -> Result<()> {
    let limit = Some(Limit::up_to(limit));
    let query = ReadQuery { recursive: true, limit, ..query.clone() };
    client.pages::<ReadFiles, Page<PathEntry>>(&directory(path), query, |found| {
        each(&Path::parse(&found.path()?)?, found.item)
    })
}
