//! Directories in pages.

use aeordb::db::Reader;
use aeordb::hash::VersionId;
use aeordb::limits::NAME_LEN_MAX;
use aeordb::object::{Name, Path};
use aeordb_api::item::{Entry, PathEntry, Stat};
use aeordb_api::table::ReadQuery;
use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::ETAG;
use axum::response::Response;
use data_encoding::BASE64URL_NOPAD;

use super::files::{check_slash, insert_version, tag_of, version_of};
use super::{download, items_max, json_answer, page};
use crate::problem::{Answer, Problem};
use crate::request::Request;

/// Items of a page that does not say how many.
const LIMIT: usize = 1000;

/// Lists the directory at `path`, or says what is recorded of what is there; where `slash` asks for
/// a directory, of that alone.
pub async fn get(request: Request, query: ReadQuery, path: Path, slash: bool) -> Answer {
    let app = request.app.clone();
    let reader = request.reader(query.with.as_ref())?;
    let version = version_of(&app, &reader, &query).await?;
    let ReadQuery { stat, recursive, prefix, after, cursor, limit, .. } = query;
    let limit = items_max(limit, LIMIT);
    let prefix = prefix.map(|prefix| prefix.0).unwrap_or_default();
    let cursor = cursor.map(|cursor| {
        let bad = |_| Problem::invalid("the cursor is not the `next` of a page");
        BASE64URL_NOPAD.decode(cursor.0.as_bytes()).map_err(bad)
    });
    let after = after.map(|after| after.0);
    if recursive && after.is_some() {
        return Err(Problem::invalid("after= is a name in one directory, not of a recursive list"));
    }
    let cursor = cursor.transpose()?.or(after);
    let is_root = path.is_root();
    if is_root && download::is_tag_known(&request.headers, &tag_of(&version)) {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return Ok(named_version(response, &version, is_root));
    }
    let answer = app.blocking(move |_| {
        if stat {
            return describe(&reader, &version, &path, slash);
        }
        let directory = reader.directory(&version, &path);
        directory.map_err(|error| match error {
            aeordb::Error::Invalid(_) => Problem::not_found(format!("directory {path}/")),
            other => other.into(),
        })?;
        match recursive {
            true => tree(&reader, &version, &path, &prefix, cursor, limit),
            false => list(&reader, &version, &path, &prefix, cursor, limit),
        }
    });
    Ok(named_version(answer.await?, &version, is_root))
}

/// Says which version was read. Of the whole tree that is the tag too.
fn named_version(mut response: Response, version: &VersionId, is_root: bool) -> Response {
    insert_version(response.headers_mut(), version);
    if is_root {
        response.headers_mut().insert(ETAG, tag_of(version));
    }
    response
}

fn describe(reader: &Reader, version: &VersionId, path: &Path, slash: bool) -> Answer {
    let item = reader
        .item(version, path)?
        .ok_or_else(|| Problem::not_found(format!("{path} in version {version}")))?;
    check_slash(path, slash, Some(&item))?;
    let entry = PathEntry::new(path.as_bytes(), (&item).into());
    Ok(json_answer(StatusCode::OK, &Stat { entry, version: (*version).into() }))
}

fn list(
    reader: &Reader,
    version: &VersionId,
    path: &Path,
    prefix: &[u8],
    cursor: Option<Vec<u8>>,
    limit: usize,
) -> Answer {
    let after = cursor.max(before(prefix));
    let mut items = Vec::new();
    let mut last: Option<Name> = None;
    for entry in reader.list(version, path, after.as_deref())? {
        let (name, item) = entry?;
        if !name.as_bytes().starts_with(prefix) {
            break;
        }
        if items.len() == limit {
            return Ok(page(items, last.map(|name| BASE64URL_NOPAD.encode(name.as_bytes()))));
        }
        items.push(Entry::new(name.as_bytes(), (&item).into()));
        last = Some(name);
    }
    Ok(page(items, None))
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
) -> Answer {
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
    let mut items = Vec::new();
    let mut last: Option<Path> = None;
    // Paths of one prefix come one after the other.
    for found in reader.walk_after(version, top, &after)? {
        let (path, item) = found?;
        if !path.as_bytes().get(start..).is_some_and(|below| below.starts_with(prefix)) {
            break;
        }
        if items.len() == limit {
            return Ok(page(items, last.map(|path| BASE64URL_NOPAD.encode(path.as_bytes()))));
        }
        items.push(PathEntry::new(path.as_bytes(), (&item).into()));
        last = Some(path);
    }
    Ok(page(items, None))
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
