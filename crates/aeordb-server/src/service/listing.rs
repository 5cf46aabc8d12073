//! Directories in pages, what is recorded of a path, and the versions that changed it.

use std::sync::Arc;

use aeordb::db::Reader;
use aeordb::hash::VersionId;
use aeordb::internals::limits::NAME_LEN_MAX;
use aeordb::object::{Name, Path};
use aeordb_api::Page;
use aeordb_api::item::{Entry, PathEntry, Stat};
use aeordb_api::library::Describe;
use aeordb_api::versions::PathVersion;
use data_encoding::BASE64URL_NOPAD;

use super::problem::Problem;
use super::{Cancelled, Place, Service};

/// A page of a directory.
#[derive(Clone, Default, Debug)]
pub struct Listing {
    /// What the names, or the paths below the directory, begin with.
    pub prefix: Vec<u8>,
    /// Where the page starts: the `next` of the one before.
    pub cursor: Option<String>,
    /// Or behind a name of the directory.
    pub after: Option<Vec<u8>>,
    /// Most items.
    pub limit: usize,
}

impl Listing {
    /// Refuses a page that cannot be meant, of a directory or of everything below it.
    pub fn check(&self, recursive: bool) -> Result<(), Problem> {
        if recursive && self.after.is_some() {
            let detail = "after= is a name in one directory, not of a recursive list";
            return Err(Problem::invalid(detail));
        }
        self.start().map(drop)
    }

    /// Behind what it starts.
    fn start(&self) -> Result<Option<Vec<u8>>, Problem> {
        let cursor = self.cursor.as_ref().map(|cursor| {
            let bad = |_| Problem::invalid("the cursor is not the `next` of a page");
            BASE64URL_NOPAD.decode(cursor.as_bytes()).map_err(bad)
        });
        Ok(cursor.transpose()?.or_else(|| self.after.clone()))
    }
}

impl Service {
    /// What is recorded of what is at a path.
    pub async fn stat(
        self: &Arc<Self>,
        reader: Arc<Reader>,
        version: VersionId,
        place: Place,
    ) -> Result<Stat, Problem> {
        self.blocking(move |_| {
            let path = &place.path;
            let item = reader
                .item(&version, path)?
                .ok_or_else(|| Problem::not_found(format!("{path} in version {version}")))?;
            place.check(Some(&item))?;
            let entry = PathEntry::new(path.as_bytes(), Describe::new(&reader).item(&item));
            Ok(Stat { entry, version: version.into() })
        })
        .await
    }

    /// The entries of a directory.
    pub async fn list(
        self: &Arc<Self>,
        reader: Arc<Reader>,
        version: VersionId,
        path: Path,
        page: Listing,
    ) -> Result<Page<Entry>, Problem> {
        let start = page.start()?;
        self.blocking(move |_| {
            check_directory(&reader, &version, &path)?;
            list(&reader, &version, &path, &page.prefix, start, page.limit)
        })
        .await
    }

    /// Everything below a directory, each directory before what it holds.
    pub async fn list_tree(
        self: &Arc<Self>,
        reader: Arc<Reader>,
        version: VersionId,
        path: Path,
        page: Listing,
    ) -> Result<Page<PathEntry>, Problem> {
        page.check(true)?;
        let start = page.start()?;
        self.blocking(move |_| {
            check_directory(&reader, &version, &path)?;
            tree(&reader, &version, &path, &page.prefix, start, page.limit)
        })
        .await
    }

    /// The versions that changed what is at a path, newest first. A page goes on by how many are left:
    /// new ones come before all.
    pub async fn trace(
        self: &Arc<Self>,
        reader: Arc<Reader>,
        path: Path,
        cursor: Option<String>,
        limit: usize,
    ) -> Result<Page<PathVersion>, Problem> {
        let left = cursor.map(|cursor| {
            let refused = || Problem::invalid("the cursor is not the `next` of a page of versions");
            cursor.parse::<usize>().map_err(|_| refused())
        });
        let left = left.transpose()?;
        let cancelled = Cancelled::default();
        let monitor = cancelled.0.clone();
        self.blocking(move |_| {
            let mut traced = reader.trace(&path, &monitor)?;
            if traced.is_empty() {
                return Err(Problem::not_found(path));
            }
            let first = left.map_or(0, |left| traced.len().saturating_sub(left));
            let end = first.saturating_add(limit).min(traced.len());
            let next = (end < traced.len()).then(|| (traced.len() - end).to_string());
            let mut describe = Describe::new(&reader);
            let items = traced.drain(first..end);
            let items = items.filter_map(|traced| describe.traced(&path, traced)).collect();
            Ok(Page { items, next })
        })
        .await
    }
}

/// Refuses a path that is no directory.
fn check_directory(reader: &Reader, version: &VersionId, path: &Path) -> Result<(), Problem> {
    let directory = reader.directory(version, path);
    directory.map(drop).map_err(|error| match error {
        aeordb::Error::Invalid(_) => Problem::not_found(format!("directory {path}/")),
        other => other.into(),
    })
}

fn list(
    reader: &Reader,
    version: &VersionId,
    path: &Path,
    prefix: &[u8],
    cursor: Option<Vec<u8>>,
    limit: usize,
) -> Result<Page<Entry>, Problem> {
    let after = cursor.max(before(prefix));
    let mut describe = Describe::new(reader);
    let mut items = Vec::new();
    let mut last: Option<Name> = None;
    for entry in reader.list(version, path, after.as_deref())? {
        let (name, item) = entry?;
        if !name.as_bytes().starts_with(prefix) {
            break;
        }
        if items.len() == limit {
            let next = last.map(|name| BASE64URL_NOPAD.encode(name.as_bytes()));
            return Ok(Page { items, next });
        }
        items.push(Entry::new(name.as_bytes(), describe.item(&item)));
        last = Some(name);
    }
    Ok(Page { items, next: None })
}

/// The last name that sorts before every name that starts with `prefix`.
fn before(prefix: &[u8]) -> Option<Vec<u8>> {
    let (last, start) = prefix.split_last()?;
    let mut name = start.to_vec();
    name.push(last.checked_sub(1)?);
    name.resize(NAME_LEN_MAX.max(name.len()), 0xff);
    Some(name)
}

/// Everything below a directory whose path below it starts with `prefix`, each directory before
/// what it holds.
fn tree(
    reader: &Reader,
    version: &VersionId,
    top: &Path,
    prefix: &[u8],
    cursor: Option<Vec<u8>>,
    limit: usize,
) -> Result<Page<PathEntry>, Problem> {
    let cursor = cursor.map(|cursor| Path::parse(&cursor)).transpose()?;
    if cursor.as_ref().is_some_and(|cursor| !top.contains(cursor) || cursor == top) {
        return Err(Problem::invalid("the cursor is of another directory"));
    }
    let start_of_prefix = before_path(prefix);
    let after: Vec<&[u8]> = match &cursor {
        Some(path) => path.components().skip(top.components().count()).collect(),
        None => start_of_prefix.iter().map(Vec::as_slice).collect(),
    };
    let start = if top.is_root() { 1 } else { top.as_bytes().len() + 1 };
    let mut describe = Describe::new(reader);
    let mut items = Vec::new();
    let mut last: Option<Path> = None;
    // Paths of one prefix come one after the other.
    for found in reader.walk_after(version, top, &after)? {
        let (path, item) = found?;
        if !path.as_bytes().get(start..).is_some_and(|below| below.starts_with(prefix)) {
            break;
        }
        if items.len() == limit {
            let next = last.map(|path| BASE64URL_NOPAD.encode(path.as_bytes()));
            return Ok(Page { items, next });
        }
        items.push(PathEntry::new(path.as_bytes(), describe.item(&item)));
        last = Some(path);
    }
    Ok(Page { items, next: None })
}

/// The names on the way to the last place before every path that starts with `prefix`.
fn before_path(prefix: &[u8]) -> Vec<Vec<u8>> {
    let mut names: Vec<Vec<u8>> = prefix.split(|byte| *byte == b'/').map(Vec::from).collect();
    // What ends in a slash starts below the directory that is named before it.
    if let Some(name) = names.pop().as_deref().and_then(before) {
        names.push(name);
    }
    names
}

#[cfg(test)]
mod tests {
    use super::before;

    #[test]
    fn what_is_before_a_prefix_is_above_all_that_does_not_start_with_it() {
        let name = before(b"ab").unwrap();
        assert!(name.as_slice() < b"ab".as_slice());
        assert!(name.as_slice() > b"aazzz".as_slice());
        assert_eq!(name.len(), 255);
        assert_eq!(before(b""), None);
    }
}
