//! Files by path: read, removed, moved and copied.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use aeordb::db::{EditReport, FileReader, Reader};
use aeordb::hash::{Hash, VersionId};
use aeordb::object::{Item, Path};
use aeordb_api::files::Edit as EditReply;
use aeordb_api::parameter::{Archive, PathBytes, Word};
use aeordb_api::table::{
    DeleteFiles, DeleteQuery, MoveFiles, MoveQuery, PostBatch, PutFiles, ReadFiles, ReadQuery,
};
use axum::body::Body;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;

use super::download::{self, Representation};
use super::{Route, json_answer, listing, no_content, streams, upload};
use crate::app::App;
use crate::cache::{Cached, FILE_LEN_MAX};
use crate::outgoing::Pulled;
use crate::problem::{Answer, Problem};
use crate::request::Request;
use crate::service::pieces::Source;
use crate::service::{Place, Service};
use crate::sniff;

/// Longest body of a batch, in bytes.
const BATCH_LEN_MAX: usize = 1024 * 1024;

pub fn routes() -> Vec<Route> {
    vec![
        Route::of::<ReadFiles>(|request, query| Box::pin(get(request, query))),
        Route::of::<PutFiles>(|request, query| Box::pin(upload::put(request, query))),
        Route::of::<DeleteFiles>(|request, query| Box::pin(delete(request, query))),
        Route::of::<MoveFiles>(|request, query| Box::pin(post(request, query))),
        Route::of::<PostBatch>(|request, _| Box::pin(batch(request))),
    ]
}

async fn get(request: Request, query: ReadQuery) -> Answer {
    let place = request.place()?;
    match query.archive {
        Some(Archive::Aeordb) => return streams::tree(request, query, place).await,
        Some(Archive::Tar) => return streams::archive(request, query, place).await,
        None => {}
    }
    if query.log {
        return listing::trace(request, query, place).await;
    }
    if place.slash || query.stat || query.recursive {
        return listing::get(request, query, place).await;
    }
    let (app, service) = (request.app.clone(), request.app.service.clone());
    let reader = request.reader(query.with.as_ref())?;
    let version = version_of(&app.service, &reader, &query).await?;
    let cached = match app.cache.get(&version, place.path.as_bytes()) {
        Some(cached) => {
            app.metrics.cache_hits.fetch_add(1, Relaxed);
            cached
        }
        None => {
            let (shared, wanted, app) = (reader.clone(), place.path.clone(), app.clone());
            let found = service.blocking(move |_| load(&app, &shared, &version, &wanted)).await?;
            match found {
                Some(cached) => cached,
                // A directory is one without its slash too.
                None => return listing::get(request, query, place).await,
            }
        }
    };
    let mut response = send(&request, &reader, &cached)?;
    insert_version(response.headers_mut(), &version);
    Ok(response)
}

/// The version that a request reads.
pub async fn version_of(
    service: &Arc<Service>,
    reader: &Arc<Reader>,
    query: &ReadQuery,
) -> Result<VersionId, Problem> {
    let text = |word: &Option<Word>| word.as_ref().map(|word| word.0.clone());
    service.version(reader, text(&query.version), text(&query.snapshot)).await
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
        etag: tag_of_content(&record.content_hash),
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
            request.app.metrics.bytes_out.add(part.len() as u64);
            return Body::from(part);
        }
        let mut file = reader.file(&cached.record);
        // A place within the file is always found.
        let _ = io::Seek::seek(&mut file, io::SeekFrom::Start(start));
        Pulled::body(&request.app.metrics.bytes_out, Contents(file), end - start)
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
pub fn tag_of_content(hash: &Hash) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{hash}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

/// The strong tag of a whole tree: its version.
pub fn tag_of(version: &VersionId) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{version}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

async fn delete(request: Request, query: DeleteQuery) -> Answer {
    let (place, conditions) = (request.place()?, request.conditions());
    let report = request.app.service.remove(place, query.recursive, conditions).await?;
    let mut response = no_content();
    insert_version(response.headers_mut(), &report.version);
    Ok(response)
}

/// Says which version an answer made.
pub fn insert_version(headers: &mut HeaderMap, version: &VersionId) {
    if let Ok(value) = HeaderValue::from_str(&version.to_string()) {
        headers.insert(super::streams::VERSION, value);
    }
}

async fn post(request: Request, query: MoveQuery) -> Answer {
    let (from, asker) = (request.place()?, request.asker());
    let MoveQuery { rename_to, copy_to, version, force } = query;
    let (service, conditions) = (&request.app.service, request.conditions());
    let report = match (target(rename_to)?, target(copy_to)?, version) {
        (Some(to), None, None) => service.rename(&asker, from, to, force, conditions).await?,
        (None, Some(to), version) => {
            let from = (version.map(|version| version.0), from);
            service.copy(&asker, from, to, force, conditions).await?
        }
        _ => return Err(Problem::invalid("say rename-to=PATH or copy-to=PATH [&version=V]")),
    };
    Ok(edited(&report))
}

fn target(to: Option<PathBytes>) -> aeordb::Result<Option<Place>> {
    let parse = |to: PathBytes| {
        let (path, slash) = Path::parse_with_slash(&to.0)?;
        Ok(Place { path, slash })
    };
    to.map(parse).transpose()
}

async fn batch(mut request: Request) -> Answer {
    let expect = request.expected_head()?;
    let batch = request.incoming().json_up_to(BATCH_LEN_MAX).await?;
    Ok(edited(&request.app.service.batch(batch, expect).await?))
}

/// What a change of paths did.
pub fn edited(report: &EditReport) -> Response {
    let mut response = json_answer(StatusCode::OK, &EditReply::from(report));
    insert_version(response.headers_mut(), &report.version);
    response
}
