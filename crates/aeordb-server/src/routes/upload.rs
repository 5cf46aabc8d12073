//! Files that are put: their bytes are taken in batches, and nothing is visible before all of
//! them are there and the commit is durable.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use aeordb::Error;
use aeordb::db::{Draft, Edit, Reader, Upload};
use aeordb::hash::VersionId;
use aeordb::limits::CONTENT_TYPE_LEN_MAX;
use aeordb::object::{Attributes, FileRecord, Item, Path, Subdirectory, Totals};
use aeordb_api::Name;
use aeordb_api::files::{StoredDirectory, StoredFile};
use aeordb_api::parameter::Archive;
use aeordb_api::table::PutQuery;
use axum::http::header::{CONTENT_TYPE, ETAG, EXPECT};
use axum::http::{HeaderMap, StatusCode};
use bytes::Bytes;

use super::files::{Conditions, etag, insert_version};
use super::{archive, graft, json_answer};
use crate::app::App;
use crate::body::Incoming;
use crate::problem::{Answer, Problem};
use crate::request::Request;

/// Bodies up to this are hashed where they arrive, without a thread of their own.
const SMALL_LEN: usize = 64 * 1024;
/// Bytes that are collected before a thread takes them.
const BATCH_LEN: usize = 1024 * 1024;
/// Permissions of a file that is new.
const MODE: u32 = 0o644;

pub async fn put(mut request: Request, query: PutQuery) -> Answer {
    let (path, slash) = request.path()?;
    let conditions = Conditions::of(&request);
    match query.archive {
        Some(Archive::Tar) if slash => return archive::put(request, query, path).await,
        Some(Archive::Aeordb) => return graft::put(request, path).await,
        None => {}
        Some(Archive::Tar) => {
            return Err(Problem::invalid(
                "?archive=tar goes with a path that ends in /; curl -T FILE adds the file's name \
                 to the path, -T - and --data-binary @FILE do not",
            ));
        }
    }
    if slash {
        return make_directory(request, path, conditions).await;
    }
    let content_type = content_type(&request.headers)?;
    let append_only = request.rights.append_only;
    let target = Target {
        path,
        content_type,
        conditions,
        append_only,
        now: request.app.database.clock().now(),
        outcome: Arc::default(),
    };
    let size = request.body_len();
    let checked = target.clone();
    foresee(&request, move |head| checked.check(head, size))
        .await
        .map_err(|problem| refused(problem, append_only))?;
    let body = request.incoming();
    let (upload, record) = take(&request.app, body).await?;
    let (outcome, shown) = (target.outcome.clone(), target.path.clone());
    let (size, hash, tag) = (record.size, record.content_hash, etag(&record));
    let edit = upload.into_edit("put", move |draft| target.put(draft, &record));
    let report = request.app.edit(edit).await.map_err(|problem| refused(problem, append_only))?;
    let outcome = std::mem::take(&mut *outcome.lock().unwrap_or_else(PoisonError::into_inner));
    let Name { text, b64 } = Name::new(shown.as_bytes());
    let stored = StoredFile {
        path: text,
        path_b64: b64,
        size,
        content_hash: hash.into(),
        version: report.version.into(),
        content_type: outcome.content_type,
    };
    let status = if outcome.created { StatusCode::CREATED } else { StatusCode::OK };
    let mut response = json_answer(status, &stored);
    response.headers_mut().insert(ETAG, tag);
    insert_version(response.headers_mut(), &report.version);
    Ok(response)
}

/// HEAD before a body came.
pub struct Head {
    reader: Arc<Reader>,
    version: VersionId,
}

impl Head {
    /// What is at a path; refused if one of its parents is there and no directory.
    pub fn item(&self, path: &Path) -> aeordb::Result<Option<Item>> {
        let found = self.reader.item(&self.version, path)?;
        let mut above = path.parent().filter(|_| found.is_none());
        while let Some(directory) = above {
            match self.reader.item(&self.version, &directory)? {
                None => above = directory.parent(),
                Some(Item::Directory(_)) => break,
                Some(_) => return Err(Error::invalid(format!("{directory} is not a directory"))),
            }
        }
        Ok(found)
    }

    /// Checks conditions of what is at a path.
    pub fn check(
        &self,
        conditions: &Conditions,
        path: &Path,
        found: Option<&Item>,
    ) -> aeordb::Result<()> {
        conditions.hold(path, found, || Ok(self.version))
    }
}

/// Refuses what HEAD lets nobody hope for before the body is sent, if that is worth a look: where
/// the sender waits for it, or the body is not small. What decides is the commit.
pub async fn foresee(
    request: &Request,
    check: impl FnOnce(&Head) -> aeordb::Result<()> + Send + 'static,
) -> Result<(), Problem> {
    let is_small = request.body_len().is_some_and(|len| len <= SMALL_LEN as u64);
    if is_small && !request.headers.contains_key(EXPECT) {
        return Ok(());
    }
    let look = move |app: &Arc<App>| {
        let reader = app.reader()?;
        let version = reader.head();
        Ok(check(&Head { reader, version })?)
    };
    request.app.blocking(look).await
}

/// That something is there already is a matter of rights for a key that may only append.
pub fn refused(problem: Problem, append_only: bool) -> Problem {
    match append_only && problem.status() == StatusCode::CONFLICT {
        true => Problem::forbidden("this key may only append, and something is there"),
        false => problem,
    }
}

/// Takes a body in as one file. What is not as it was sent is never more than bytes that nothing
/// reaches.
async fn take(app: &Arc<App>, mut body: Incoming) -> Result<(Upload, FileRecord), Problem> {
    let mut upload = Upload::new(app.database.clone());
    let mut pieces: Vec<Bytes> = Vec::new();
    let mut len = 0;
    while let Some(bytes) = body.next_kept().await? {
        len += bytes.len();
        pieces.push(bytes);
        if len > SMALL_LEN {
            return take_large(app, upload, pieces, body).await;
        }
    }
    // So few bytes never fill a batch, so nothing is written here.
    pieces.iter().try_for_each(|bytes| upload.write(bytes))?;
    let record = upload.finish_file()?;
    Ok((upload, record))
}

async fn take_large(
    app: &Arc<App>,
    mut upload: Upload,
    mut pieces: Vec<Bytes>,
    mut body: Incoming,
) -> Result<(Upload, FileRecord), Problem> {
    let _place = app.place(&app.uploads, &body.caller().key, 1).await?;
    let mut len: usize = pieces.iter().map(Bytes::len).sum();
    loop {
        let next = body.next().await?;
        let ended = next.is_none();
        len += next.as_ref().map_or(0, Bytes::len);
        pieces.extend(next);
        if ended || len >= BATCH_LEN {
            let batch = std::mem::take(&mut pieces);
            len = 0;
            let write = move |_: &Arc<App>| {
                batch.iter().try_for_each(|bytes| upload.write(bytes))?;
                let record = ended.then(|| upload.finish_file()).transpose()?;
                Ok((upload, record))
            };
            let (written, record) = app.writing(write).await?;
            upload = written;
            if let Some(record) = record {
                return Ok((upload, record));
            }
        }
    }
}

/// The type that a sender means: what forms and tools send of themselves says nothing.
fn content_type(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(CONTENT_TYPE) else { return Ok(None) };
    let text = value.to_str().map_err(|_| Problem::invalid("Content-Type is not ASCII"))?;
    if text.len() > CONTENT_TYPE_LEN_MAX {
        return Err(Problem::invalid(format!(
            "Content-Type has {} bytes, the limit is {CONTENT_TYPE_LEN_MAX}",
            text.len()
        )));
    }
    let told = !text.is_empty() && text != "application/x-www-form-urlencoded";
    Ok(told.then(|| text.to_owned()))
}

/// Where a file is put, and how.
#[derive(Clone)]
struct Target {
    path: Path,
    content_type: Option<String>,
    conditions: Conditions,
    append_only: bool,
    now: i64,
    outcome: Arc<Mutex<Outcome>>,
}

/// What a file that was put is now.
#[derive(Default)]
struct Outcome {
    created: bool,
    content_type: Option<String>,
}

impl Target {
    /// What can be said before a file of `size` bytes, if that is known, came.
    fn check(&self, head: &Head, size: Option<u64>) -> aeordb::Result<()> {
        let found = head.item(&self.path)?;
        head.check(&self.conditions, &self.path, found.as_ref())?;
        match found {
            Some(Item::Directory(_)) => Err(Error::Exists(format!("directory {}/", self.path))),
            Some(Item::Symlink(_) | Item::Special(_)) if self.append_only => {
                Err(Error::Exists(self.path.to_string()))
            }
            // It may be the same again.
            Some(Item::File(record))
                if self.append_only && size.is_some_and(|size| size != record.size) =>
            {
                Err(Error::Exists(self.path.to_string()))
            }
            _ => Ok(()),
        }
    }

    fn put(&self, draft: &mut Draft<'_, '_>, uploaded: &FileRecord) -> aeordb::Result<Totals> {
        let found = draft.item(&self.path)?;
        self.conditions.check(draft, &self.path, found.as_ref())?;
        let created = found.is_none();
        let before = match found {
            Some(Item::Directory(_)) => {
                return Err(Error::Exists(format!("directory {}/", self.path)));
            }
            Some(Item::File(record)) => Some(record),
            Some(Item::Symlink(_) | Item::Special(_)) if self.append_only => {
                return Err(Error::Exists(self.path.to_string()));
            }
            Some(Item::Symlink(_) | Item::Special(_)) | None => None,
        };
        let mut record = uploaded.clone();
        record.content_type = self.content_type.clone();
        record.attributes = Attributes::new(MODE, self.now);
        if let Some(before) = before {
            record.content_type = record.content_type.or_else(|| before.content_type.clone());
            record.attributes.mode = before.attributes.mode;
            record.metadata = before.metadata.clone();
            // Putting the same again changes nothing, not even the time.
            if (before.content_hash, &before.content_type)
                == (record.content_hash, &record.content_type)
            {
                record = before;
            } else if self.append_only {
                return Err(Error::Exists(self.path.to_string()));
            }
        }
        let content_type = record.content_type.clone();
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) =
            Outcome { created, content_type };
        let totals = Totals { files: 1, directories: 0, bytes: record.size };
        draft.set(&self.path, Some(Item::File(record)))?;
        Ok(totals)
    }
}

async fn make_directory(mut request: Request, path: Path, conditions: Conditions) -> Answer {
    if request.incoming().next().await?.is_some() {
        return Err(Problem::invalid("a path that ends in / is a directory: it takes no body"));
    }
    let created: Arc<AtomicBool> = Arc::default();
    let (made, shown) = (created.clone(), path.clone());
    let edit = Edit::new("mkdir", move |draft: &mut Draft<'_, '_>| {
        let found = draft.item(&path)?;
        conditions.check(draft, &path, found.as_ref())?;
        made.store(found.is_none(), Relaxed);
        match found {
            Some(Item::Directory(_)) => Ok(Totals::default()),
            Some(_) => Err(Error::Exists(path.to_string())),
            None => aeordb::db::edit::put(draft, &path, Item::Directory(empty_directory())),
        }
    });
    let report = request.app.edit(edit).await?;
    let stored = StoredDirectory::new(shown.as_bytes(), report.version.into());
    let status = if created.load(Relaxed) { StatusCode::CREATED } else { StatusCode::OK };
    let mut response = json_answer(status, &stored);
    insert_version(response.headers_mut(), &report.version);
    Ok(response)
}

/// A directory without entries.
pub fn empty_directory() -> Subdirectory {
    Subdirectory::empty(Attributes { mode: Some(0o755), ..Attributes::default() })
}
