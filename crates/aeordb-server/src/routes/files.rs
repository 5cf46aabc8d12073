//! Files by path: read, removed, moved and copied.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use aeordb::Error;
use aeordb::db::edit::{copy, remove, rename};
use aeordb::db::{Draft, Edit, EditReport, FileReader, Reader};
use aeordb::hash::VersionId;
use aeordb::object::{FileRecord, Item, Path};
use axum::body::Body;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, IF_MATCH, IF_NONE_MATCH,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::Response;
use bytes::Bytes;

use super::download::{self, Representation};
use super::{
    Content, Needs, Route, archive, batch, graft, json_answer, listing, no_content, upload,
};
use crate::app::App;
use crate::cache::{Cached, FILE_LEN_MAX};
use crate::json;
use crate::keys::Scope;
use crate::outgoing::{Pulled, Source};
use crate::problem::{Answer, Problem};
use crate::request::Request;
use crate::schema::{self, count, hash, object, text, text_or_null};
use crate::sniff;

pub fn routes() -> Vec<Route> {
    // A file of JSON may hold anything.
    let directory = serde_json::json!({
        "anyOf": [schema::page(schema::item("name")), schema::item("path"), {}],
    });
    let put = object(&[
        ("path", text()),
        ("size", count()),
        ("content_hash", hash()),
        ("version", hash()),
        ("content_type", text_or_null()),
    ]);
    let replaced = serde_json::json!({ "anyOf": [put, schema::edit(), graft::schema()] });
    vec![
        Route::new(
            Method::GET,
            "/files/{*path}",
            Needs::Scope(Scope::Read),
            "Read a file, list a directory, or fetch it as a tar archive",
            |request| Box::pin(get(request)),
        )
        .query(&[
            ("version", "read this version instead of HEAD"),
            ("snapshot", "read this snapshot instead of HEAD"),
            ("with", "read with this overlay"),
            ("stat", "what is recorded of the path, instead of its bytes or entries"),
            ("archive", "`tar`: a directory as an archive; `aeordb`: what is there as an export"),
            ("outline", "with `archive=aeordb`: without the bytes of files"),
            ("recursive", "list everything below a directory"),
            (
                "prefix",
                "list only names that start so; with `recursive`, paths below the directory",
            ),
            ("after", "list only names after this one; without `recursive`"),
            ("cursor", "the `next` of the page before"),
            ("limit", "1 to 10000 items"),
        ])
        .answer(200, "The bytes of a file", Content::Bytes("application/octet-stream"))
        .answer(200, "A page of a directory", Content::Json(directory))
        .answer(200, "What is there as an archive", Content::Bytes("application/x-tar"))
        .answer(200, "What is there as an export", Content::Bytes(super::streams::MEDIA_TYPE))
        .answer(206, "A part of a file", Content::Bytes("application/octet-stream"))
        .answer(304, "The file has the tag of If-None-Match", Content::None),
        Route::new(
            Method::PUT,
            "/files/{*path}",
            Needs::Scope(Scope::Write),
            "Put a file; with a slash at the end make a directory, or unpack a tar archive into it",
            |request| Box::pin(upload::put(request)),
        )
        .query(&[
            (
                "archive",
                "`tar`: the body is an archive, unpacked as one commit; `aeordb`: it is a patch \
                 of what is there",
            ),
            ("mirror", "with an archive: remove what is not in it"),
        ])
        .conditional()
        .body(Content::Bytes("application/octet-stream"))
        .answer(201, "It was not there", Content::Json(put.clone()))
        .answer(200, "It was replaced", Content::Json(replaced)),
        Route::new(
            Method::DELETE,
            "/files/{*path}",
            Needs::Removal(Scope::Write),
            "Remove a file or directory",
            |request| Box::pin(delete(request)),
        )
        .conditional()
        .query(&[("recursive", "also a directory, with everything in it")])
        .answer(204, "It is gone from HEAD", Content::None),
        Route::new(
            Method::POST,
            "/files/{*path}",
            Needs::Scope(Scope::Write),
            "Rename or copy a file or directory",
            |request| Box::pin(post(request)),
        )
        .conditional()
        .query(&[
            ("rename-to", "the new path"),
            ("copy-to", "the path of the copy"),
            ("version", "copy out of this version"),
            ("force", "replace a file that is there"),
        ])
        .answer(200, "What was done", Content::Json(schema::edit())),
        Route::new(
            Method::POST,
            "/batch",
            Needs::Removal(Scope::Write),
            "Make many changes as one commit; If-Match says what HEAD must still be",
            |request| Box::pin(batch::post(request)),
        )
        .conditional()
        .body(Content::Json(batch::schema()))
        .answer(200, "What was done", Content::Json(schema::edit())),
    ]
}

async fn get(request: Request) -> Answer {
    let (path, slash) = request.path()?;
    match request.query("archive")? {
        Some("aeordb") => return graft::get(request, path).await,
        Some(_) => return archive::get(request, path).await,
        None => {}
    }
    if slash || request.flag("stat")? || request.flag("recursive")? {
        return listing::get(request, path, slash).await;
    }
    let app = request.app.clone();
    let reader = request.reader()?;
    let version = version_of(&app, &reader, &request).await?;
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
                None => return listing::get(request, path, slash).await,
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
    request: &Request,
) -> Result<VersionId, Problem> {
    let (version, snapshot) = (request.query("version")?, request.query("snapshot")?);
    if version.is_none() && snapshot.is_none() {
        return Ok(reader.head());
    }
    let (version, snapshot) = (version.map(str::to_owned), snapshot.map(str::to_owned));
    let reader = reader.clone();
    app.blocking(move |_| App::version(&reader, version.as_deref(), snapshot.as_deref())).await
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

async fn delete(request: Request) -> Answer {
    let (path, slash) = request.path()?;
    let recursive = request.flag("recursive")?;
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
        Some(Item::File(_) | Item::Symlink(_)) if slash => {
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

async fn post(request: Request) -> Answer {
    let (from, slash) = request.path()?;
    let force = request.flag("force")?;
    let target = |name| request.query_bytes(name).map(Path::parse_with_slash).transpose();
    let conditions = Conditions::of(&request);
    let edit = match (target("rename-to")?, target("copy-to")?, request.query("version")?) {
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
            let version = match version.map(str::to_owned) {
                None => None,
                Some(name) => {
                    let resolve = move |app: &Arc<App>| Ok(app.reader()?.resolve(&name)?);
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
    let mut response = json_answer(StatusCode::OK, &json::edit(report));
    insert_version(response.headers_mut(), &report.version);
    response
}
