//! Files by path: read, removed, moved and copied.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use aeordb::Error;
use aeordb::db::edit::{copy, remove, rename};
use aeordb::db::{Draft, Edit, EditReport, FileReader, Reader};
use aeordb::hash::VersionId;
use aeordb::object::{FileRecord, Item, Path};
use aeordb_api::files::Edit as EditReply;
use aeordb_api::parameter::{Archive, PathBytes};
use aeordb_api::table::{
    DeleteFiles, DeleteQuery, MoveFiles, MoveQuery, PostBatch, PutFiles, ReadFiles, ReadQuery,
};
use axum::body::Body;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, IF_MATCH, IF_NONE_MATCH,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;

use super::download::{self, Representation};
use super::streams::named;
use super::{Route, archive, batch, graft, json_answer, listing, no_content, upload};
use crate::app::App;
use crate::cache::{Cached, FILE_LEN_MAX};
use crate::outgoing::{Pulled, Source};
use crate::problem::{Answer, Problem};
use crate::request::Request;
use crate::sniff;

pub fn routes() -> Vec<Route> {
    vec![
        Route::of::<ReadFiles>(|request, query| Box::pin(get(request, query))),
        Route::of::<PutFiles>(|request, query| Box::pin(upload::put(request, query))),
        Route::of::<DeleteFiles>(|request, query| Box::pin(delete(request, query))),
        Route::of::<MoveFiles>(|request, query| Box::pin(post(request, query))),
        Route::of::<PostBatch>(|request, _| Box::pin(batch::post(request))),
    ]
}

async fn get(request: Request, query: ReadQuery) -> Answer {
    let (path, slash) = request.path()?;
    match query.archive {
        Some(Archive::Aeordb) => return graft::get(request, query, path).await,
        Some(Archive::Tar) => return archive::get(request, query, path).await,
        None => {}
    }
    if slash || query.stat || query.recursive {
        return listing::get(request, query, path, slash).await;
    }
    let app = request.app.clone();
    let reader = request.reader(query.with.as_ref())?;
    let version = version_of(&app, &reader, &query).await?;
    let cached = match app.cache.get(&version, path.as_bytes()) {
        Some(cached) => {
            app.metrics.cache_hits.fetch_add(1, Relaxed);
            cached
        }
        None => {
            let (shared, wanted) = (reader.clone(), path.clone());
            let found = app.blocking(move |app| load(app, &shared, &version, &wanted)).await?;
            match found {
                Some(cached) => cached,
                // A directory is one without its slash too.
                None => return listing::get(request, query, path, slash).await,
            }
        }
    };
    let mut response = send(&request, &reader, &cached)?;
    insert_version(response.headers_mut(), &version);
    Ok(response)
}

/// The version that a request reads.
pub async fn version_of(
    app: &Arc<App>,
    reader: &Arc<Reader>,
    query: &ReadQuery,
) -> Result<VersionId, Problem> {
    let (version, snapshot) = (query.version.clone(), query.snapshot.clone());
    if version.is_none() && snapshot.is_none() {
        return Ok(reader.head());
    }
    let reader = reader.clone();
    app.blocking(move |_| named(&reader, version.as_ref(), snapshot.as_ref())).await
}

/// The file at a path; `None` if it is a directory.
fn load(
    app: &App,
    reader: &Reader,
    version: &VersionId,
    path: &Path,
) -> Result<Option<Arc<Cached>>, Problem> {
    let record = match reader.item(version, path)? {
        Some(Item::File(record)) => record,
        Some(Item::Directory(_)) => return Ok(None),
        Some(Item::Symlink(_)) => {
            return Err(Problem::invalid("this is a symbolic link; ?stat shows its target"));
        }
        Some(Item::Special(special)) => {
            let what = special.what.name();
            return Err(Problem::invalid(format!("this is a {what}, which has no bytes")));
        }
        None => return Err(Problem::not_found(path)),
    };
    let small = record.size <= FILE_LEN_MAX;
    let mut bytes = Vec::new();
    let mut contents = reader.file(&record);
    while small || bytes.is_empty() {
        let piece = contents.next_bytes()?;
        if piece.is_empty() {
            break;
        }
        bytes.extend_from_slice(&piece);
    }
    let content_type = sniff::content_type(&record, path, &bytes);
    let cached = Arc::new(Cached {
        etag: etag(&record),
        modified: record.attributes.mtime.and_then(download::http_date),
        content_type,
        bytes: small.then(|| Bytes::from(bytes)),
        record,
    });
    app.cache.insert(version, path.as_bytes(), cached.clone());
    Ok(Some(cached))
}

fn send(request: &Request, reader: &Arc<Reader>, cached: &Cached) -> Answer {
    let size = cached.record.size;
    let modified = cached.modified.as_ref();
    let (etag, mtime) = (Some(&cached.etag), cached.record.attributes.mtime);
    let representation = Representation { size, etag, modified, mtime };
    let mut response = download::respond(request, &representation, |range| {
        let (start, end) = (range.start, range.end);
        if let Some(bytes) = &cached.bytes {
            let part = usize::try_from(start).ok().zip(usize::try_from(end).ok());
            let part = part.map(|(start, end)| bytes.slice(start..end)).unwrap_or_default();
            request.app.metrics.bytes_out.fetch_add(part.len() as u64, Relaxed);
            return Body::from(part);
        }
        let mut file = reader.file(&cached.record);
        // A place within the file is always found.
        let _ = io::Seek::seek(&mut file, io::SeekFrom::Start(start));
        Pulled::body(&request.app, Contents(file), end - start)
    })?;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, cached.content_type.clone());
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    // What a user stored is never run as a page of this server.
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Ok(response)
}

struct Contents(FileReader);

impl Source for Contents {
    fn next_piece(&mut self) -> io::Result<Bytes> {
        self.0.next_bytes().map_err(io::Error::other)
    }
}

/// The strong tag of a file: its content hash.
pub fn etag(record: &FileRecord) -> HeaderValue {
    let tag = format!("\"{}\"", record.content_hash);
    HeaderValue::from_str(&tag).unwrap_or(HeaderValue::from_static("\"\""))
}

/// The strong tag of a whole tree: its version.
pub fn tag_of(version: &VersionId) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{version}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

/// What `If-Match` and `If-None-Match` demand of a path that is changed.
#[derive(Clone, Default)]
pub struct Conditions {
    headers: HeaderMap,
}

impl Conditions {
    /// Those of a request.
    pub fn of(request: &Request) -> Self {
        let mut headers = HeaderMap::new();
        for name in [IF_MATCH, IF_NONE_MATCH] {
            for value in request.headers.get_all(&name) {
                headers.append(&name, value.clone());
            }
        }
        Conditions { headers }
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.headers.is_empty()
    }

    /// [`Error::Changed`] unless they hold of what is at `path`.
    pub fn check(
        &self,
        draft: &mut Draft<'_, '_>,
        path: &Path,
        found: Option<&Item>,
    ) -> aeordb::Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        self.hold(path, found, || draft.version())
    }

    /// The same of what is at `path` in a version.
    pub fn hold(
        &self,
        path: &Path,
        found: Option<&Item>,
        version: impl FnOnce() -> aeordb::Result<VersionId>,
    ) -> aeordb::Result<()> {
        let tag = match found {
            None => None,
            Some(_) if path.is_root() => Some(tag_of(&version()?)),
            Some(Item::File(record)) => Some(etag(record)),
            // What is no file has a tag that is no file's.
            Some(_) => Some(HeaderValue::from_static("\"not a file\"")),
        };
        let holds = |name| download::matches(&self.headers, name, tag.as_ref());
        let changed = |detail: &str| {
            Err(Error::Changed { what: path.to_string(), detail: detail.to_owned() })
        };
        if self.headers.contains_key(IF_MATCH) && !holds(IF_MATCH) {
            return changed("its tag is none of If-Match");
        }
        if self.headers.contains_key(IF_NONE_MATCH) && holds(IF_NONE_MATCH) {
            return changed("If-None-Match names it");
        }
        Ok(())
    }
}

async fn delete(request: Request, query: DeleteQuery) -> Answer {
    let (path, slash) = request.path()?;
    let recursive = query.recursive;
    let conditions = Conditions::of(&request);
    let edit = Edit::removal("rm", move |draft: &mut Draft<'_, '_>| {
        let found = draft.item(&path)?;
        conditions.check(draft, &path, found.as_ref())?;
        check_slash(&path, slash, found.as_ref())?;
        remove(draft, std::slice::from_ref(&path), recursive)
    });
    let report = request.app.edit(edit).await?;
    let mut response = no_content();
    insert_version(response.headers_mut(), &report.version);
    Ok(response)
}

/// A path that ends in a slash names a directory: a file of that name is not what was meant.
pub fn check_slash(path: &Path, slash: bool, found: Option<&Item>) -> aeordb::Result<()> {
    match found {
        Some(Item::File(_) | Item::Symlink(_) | Item::Special(_)) if slash => {
            Err(Error::NotFound(format!("directory {path}/")))
        }
        _ => Ok(()),
    }
}

/// Says which version an answer made.
pub fn insert_version(headers: &mut HeaderMap, version: &VersionId) {
    if let Ok(value) = HeaderValue::from_str(&version.to_string()) {
        headers.insert(super::streams::VERSION, value);
    }
}

async fn post(request: Request, query: MoveQuery) -> Answer {
    let (from, slash) = request.path()?;
    let MoveQuery { rename_to, copy_to, version, force } = query;
    let target = |to: Option<PathBytes>| to.map(|to| Path::parse_with_slash(&to.0)).transpose();
    let conditions = Conditions::of(&request);
    let edit = match (target(rename_to)?, target(copy_to)?, version) {
        (Some((to, to_slash)), None, None) => {
            if request.rights.append_only {
                return Err(Problem::forbidden("this key may only append"));
            }
            Edit::new("mv", move |draft: &mut Draft<'_, '_>| {
                let found = draft.item(&from)?;
                conditions.check(draft, &from, found.as_ref())?;
                check_slash(&from, slash, found.as_ref())?;
                check_slash(&to, to_slash, found.as_ref())?;
                rename(draft, &from, &to, force)
            })
        }
        (None, Some((to, to_slash)), version) => {
            if request.rights.append_only && force {
                return Err(Problem::forbidden("this key may only append"));
            }
            let version = match version {
                None => None,
                Some(name) => {
                    let resolve = move |app: &Arc<App>| Ok(app.reader()?.resolve(&name.0)?);
                    Some(request.app.blocking(resolve).await?)
                }
            };
            Edit::new("cp", move |draft: &mut Draft<'_, '_>| {
                let found = match &version {
                    Some(version) => Some(draft.item_of(version, &from)?),
                    None => draft.item(&from)?,
                };
                conditions.check(draft, &from, found.as_ref())?;
                check_slash(&from, slash, found.as_ref())?;
                check_slash(&to, to_slash, found.as_ref())?;
                copy(draft, version.as_ref(), &from, &to, force)
            })
        }
        _ => return Err(Problem::invalid("say rename-to=PATH or copy-to=PATH [&version=V]")),
    };
    Ok(edited(&request.app.edit(edit).await?))
}

/// What a change of paths did.
pub fn edited(report: &EditReport) -> Response {
    let mut response = json_answer(StatusCode::OK, &EditReply::from(report));
    insert_version(response.headers_mut(), &report.version);
    response
}
