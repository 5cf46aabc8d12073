//! Files that are put: their bytes are taken in batches, and nothing is visible before all of
//! them are there and the commit is durable.

use std::sync::{Arc, Mutex, PoisonError};

use aeordb::Error;
use aeordb::db::{Draft, EditReport, Reader, Upload};
use aeordb::hash::{Hash, VersionId};
use aeordb::object::{Attributes, FileRecord, Item, Path, Totals};
use bytes::Bytes;

use super::conditions::Conditions;
use super::pieces::Pieces;
use super::problem::Problem;
use super::{Asker, Service};

/// Bodies up to this are hashed where they arrive, without a thread of their own.
const SMALL_LEN: usize = 64 * 1024;
/// Bytes that are collected before a thread takes them.
const BATCH_LEN: usize = 1024 * 1024;
/// Permissions of a file that is new.
const MODE: u32 = 0o644;

/// What a sender says of its bytes before they come.
#[derive(Clone, Copy, Debug)]
pub struct Announced {
    /// How many there are, if that is known.
    pub len: Option<u64>,
    /// True if it waits for leave to send them.
    pub waits: bool,
}

/// A file that is to be put.
pub struct Put {
    /// Where.
    pub path: Path,
    /// Its type, if the sender says it; else it keeps the one that it has.
    pub content_type: Option<String>,
    /// What is demanded of what is there.
    pub conditions: Conditions,
}

/// A file that was put.
pub struct Stored {
    /// True if nothing was there.
    pub created: bool,
    /// Its bytes.
    pub size: u64,
    /// Their hash.
    pub content_hash: Hash,
    /// Its type, if one is recorded.
    pub content_type: Option<String>,
    /// The change.
    pub report: EditReport,
}

impl Service {
    /// Puts a file, as one change.
    pub async fn put(
        self: &Arc<Self>,
        asker: &Asker,
        put: Put,
        announced: Announced,
        sent: impl Pieces,
    ) -> Result<Stored, Problem> {
        let append_only = asker.rights.append_only;
        let target = Target {
            put: Arc::new(put),
            append_only,
            now: self.database.clock().now(),
            outcome: Arc::default(),
        };
        let checked = target.clone();
        self.foresee(announced, move |head| checked.check(head, announced.len))
            .await
            .map_err(|problem| problem.of_appending(append_only))?;
        let (upload, record) = self.take(asker, sent).await?;
        let outcome = target.outcome.clone();
        let (size, content_hash) = (record.size, record.content_hash);
        let edit = upload.into_edit("put", move |draft| target.put(draft, &record));
        let report = self.edit(edit).await.map_err(|problem| problem.of_appending(append_only))?;
        let Outcome { created, content_type } =
            std::mem::take(&mut *outcome.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(Stored { created, size, content_hash, content_type, report })
    }

    /// Refuses what HEAD lets nobody hope for before the bytes are sent, if that is worth a look: where
    /// the sender waits for it, or they are not few. What decides is the commit.
    pub(super) async fn foresee(
        self: &Arc<Self>,
        announced: Announced,
        check: impl FnOnce(&Head) -> aeordb::Result<()> + Send + 'static,
    ) -> Result<(), Problem> {
        if announced.len.is_some_and(|len| len <= SMALL_LEN as u64) && !announced.waits {
            return Ok(());
        }
        let look = move |service: &Arc<Self>| {
            let reader = service.reader()?;
            let version = reader.head();
            Ok(check(&Head { reader, version })?)
        };
        self.blocking(look).await
    }

    /// Takes in one file. What is not as it was sent is never more than bytes that nothing reaches.
    async fn take(
        self: &Arc<Self>,
        asker: &Asker,
        mut sent: impl Pieces,
    ) -> Result<(Upload, FileRecord), Problem> {
        let mut upload = Upload::new(self.database.clone());
        let mut pieces: Vec<Bytes> = Vec::new();
        let mut len = 0;
        while let Some(bytes) = sent.next_kept().await? {
            len += bytes.len();
            pieces.push(bytes);
            if len > SMALL_LEN {
                return self.take_large(asker, upload, pieces, sent).await;
            }
        }
        // So few bytes never fill a batch, so nothing is written here.
        pieces.iter().try_for_each(|bytes| upload.write(bytes))?;
        let record = upload.finish_file()?;
        Ok((upload, record))
    }

    async fn take_large(
        self: &Arc<Self>,
        asker: &Asker,
        mut upload: Upload,
        mut pieces: Vec<Bytes>,
        mut sent: impl Pieces,
    ) -> Result<(Upload, FileRecord), Problem> {
        let _place = self.uploads.take(&asker.key, 1).await?;
        let mut len: usize = pieces.iter().map(Bytes::len).sum();
        loop {
            let next = sent.next().await?;
            let ended = next.is_none();
            len += next.as_ref().map_or(0, Bytes::len);
            pieces.extend(next);
            if ended || len >= BATCH_LEN {
                let batch = std::mem::take(&mut pieces);
                len = 0;
                let write = move |_: &Arc<Self>| {
                    batch.iter().try_for_each(|bytes| upload.write(bytes))?;
                    let record = ended.then(|| upload.finish_file()).transpose()?;
                    Ok((upload, record))
                };
                let (written, record) = self.writing(write).await?;
                upload = written;
                if let Some(record) = record {
                    return Ok((upload, record));
                }
            }
        }
    }
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

/// Where a file is put, and how.
#[derive(Clone)]
struct Target {
    put: Arc<Put>,
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
        let found = head.item(&self.put.path)?;
        head.check(&self.put.conditions, &self.put.path, found.as_ref())?;
        match found {
            Some(Item::Directory(_)) => Err(Error::Exists(format!("directory {}/", self.put.path))),
            Some(Item::Symlink(_) | Item::Special(_)) if self.append_only => {
                Err(Error::Exists(self.put.path.to_string()))
            }
            // It may be the same again.
            Some(Item::File(record))
                if self.append_only && size.is_some_and(|size| size != record.size) =>
            {
                Err(Error::Exists(self.put.path.to_string()))
            }
            _ => Ok(()),
        }
    }

    fn put(&self, draft: &mut Draft<'_, '_>, uploaded: &FileRecord) -> aeordb::Result<Totals> {
        let found = draft.item(&self.put.path)?;
        self.put.conditions.check(draft, &self.put.path, found.as_ref())?;
        let created = found.is_none();
        let before = match found {
            Some(Item::Directory(_)) => {
                return Err(Error::Exists(format!("directory {}/", self.put.path)));
            }
            Some(Item::File(record)) => Some(record),
            Some(Item::Symlink(_) | Item::Special(_)) if self.append_only => {
                return Err(Error::Exists(self.put.path.to_string()));
            }
            Some(Item::Symlink(_) | Item::Special(_)) | None => None,
        };
        let mut record = uploaded.clone();
        record.content_type = self.put.content_type.clone();
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
                return Err(Error::Exists(self.put.path.to_string()));
            }
        }
        let content_type = record.content_type.clone();
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) =
            Outcome { created, content_type };
        let totals = Totals { files: 1, directories: 0, bytes: record.size };
        draft.set(&self.put.path, Some(Item::File(record)))?;
        Ok(totals)
    }
}
