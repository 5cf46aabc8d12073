//! Places in the database of a server: a path, and the version that it is read in.

use std::ffi::OsStr;

use aeordb::Error;
use aeordb::object::{Item, Name, Path};
use aeordb_server::percent_encoded;
use serde_json::Value;

use super::client::{Client, encoded};
use super::parse;
use crate::exit::{About, Attempt, Failure, Subject};
use crate::location::{Location, location};

/// Most items of a page.
const PAGE_MAX: usize = 10_000;

/// A path that is read.
pub struct Place {
    pub path: Path,
    /// What might have been meant as the name of a version.
    maybe_version: Option<String>,
    /// What of the database is read, each with a `&` before it.
    pub parameters: String,
}

/// The URL of a path.
pub fn url(path: &Path) -> String {
    format!("/files{}", percent_encoded(path.as_bytes()))
}

/// The URL of a path as a directory.
fn directory_url(path: &Path) -> String {
    if path.is_root() { "/files/".into() } else { format!("{}/", url(path)) }
}

/// The parameter that names a version.
pub fn version_parameter(location: &Location, at: Option<&str>) -> String {
    let version = location.version.as_deref().or(at);
    version.map_or_else(String::new, |version| format!("&version={}", encoded(version)))
}

impl Place {
    /// The place that a person typed, read with what `with` says.
    pub fn new(argument: &OsStr, at: Option<&str>, with: &str) -> Attempt<Self> {
        let location = location(argument)?;
        let parameters = version_parameter(&location, at) + with;
        let maybe_version = location.maybe_version().map(Into::into);
        Ok(Place { path: location.path, maybe_version, parameters })
    }

    /// A path in HEAD.
    pub fn in_head(path: Path) -> Self {
        Place { path, maybe_version: None, parameters: String::new() }
    }

    /// The URL of what is there, asked with `query`.
    pub fn url(&self, query: &str) -> String {
        format!("{}?{query}{}", url(&self.path), self.parameters)
    }

    /// What is recorded of what is there.
    pub fn look(&self, client: &Client) -> Attempt<(Item, Value)> {
        let found = client.get(&self.url("stat")).about(Subject::Version).map_err(about_path);
        let found = found.map_err(|failure| match failure.subject {
            Subject::Path if self.is_version(client) => {
                Failure { subject: Subject::VersionAsPath, ..failure }
            }
            _ => failure,
        })?;
        Ok((parse::item(&found)?, found))
    }

    /// True if what was typed as a path is the name of a version.
    fn is_version(&self, client: &Client) -> bool {
        let named = |name| client.get(&format!("/files/?stat&version={}", encoded(name)));
        self.maybe_version.as_deref().is_some_and(|name| named(name).is_ok())
    }

    /// The URL of a directory in pages, of which no more than `limit` items are wanted.
    fn pages(&self, query: &str, limit: usize) -> String {
        let (directory, limit) = (directory_url(&self.path), limit.min(PAGE_MAX));
        format!("{directory}?limit={limit}{query}{}", self.parameters)
    }

    /// Shows `each` what is directly in a directory, by name, until it has seen enough.
    pub fn list(
        &self,
        client: &Client,
        query: &str,
        limit: usize,
        mut each: impl FnMut(&Path, &Item) -> aeordb::Result<bool>,
    ) -> Attempt<()> {
        let url = self.pages(query, limit);
        let listed = client.pages(&url, |found| {
            let path = self.path.join(&Name::new(&parse::bytes(found, "name")?)?)?;
            each(&path, &parse::item(found)?)
        });
        listed.about(Subject::Database)
    }

    /// Shows `each` everything below a directory, until it has seen enough.
    pub fn walk(
        &self,
        client: &Client,
        limit: usize,
        mut each: impl FnMut(&Path, &Item) -> aeordb::Result<bool>,
    ) -> Attempt<()> {
        let url = self.pages("&recursive", limit);
        let listed =
            client.pages(&url, |found| each(&parse::path(found, "path")?, &parse::item(found)?));
        listed.about(Subject::Database)
    }
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
