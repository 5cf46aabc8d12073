//! A database: versions of a tree of files, HEAD, snapshots and history, in one file.

mod batches;
mod bulk;
mod draft;
pub mod edit;
mod forget;
mod group;
mod journal;
mod keep;
mod layered;
mod lock_wait;
mod names;
mod reader;
mod resolve;
pub(crate) mod roots;
#[cfg(test)]
mod tests;
mod trace;
mod turn;
pub(crate) mod unfinished;
mod upload;
mod writer;

use std::collections::BTreeMap;
use std::path::{Path as LocalPath, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

pub use batches::Uploads;
pub use bulk::{BulkLoad, Placing, Replacing};
pub use draft::Draft;
pub use edit::{Edit, EditReport};
pub use forget::{Forget, Forgotten};
pub(crate) use forget::{RELEASE, asks_for_release};
pub use group::{CommitStats, Committer};
pub use journal::{HistoryEntry, Naming, Snapshot};
pub(crate) use journal::{history_key, is_made_key};
pub use keep::{Judged, Policy};
pub use lock_wait::{LockWait, patiently};
pub(crate) use names::could_be_snapshot_name;
pub use names::{SnapshotEdit, SnapshotFilter};
pub use reader::{FileReader, Reader};
pub use trace::{Known, Traced};
pub use unfinished::Unfinished;
pub(crate) use unfinished::is_key as is_unfinished_key;
pub use upload::Upload;
pub use writer::Writer;

use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::format::checkpoint::VoidRef;
pub use crate::format::superblock::FileKind;
use crate::graph;
use crate::hash::VersionId;
use crate::log::Log;
pub use crate::log::appender::Purpose;
pub use crate::log::checked::Damage;
use crate::log::home::LogHome;
pub use crate::log::source::SyncStats;
use crate::log::space::len_of;
use crate::media::Media;
use crate::media::open_read;
use crate::media::{FileMedia, lock_holder};
use crate::monitor::Monitor;
pub use crate::pool::Compression;
use crate::pool::Pool;
use crate::random;
use crate::store::{Home, Transaction};

use self::turn::Turns;

/// How often a writer opens a file that others replace under its hands.
const ATTEMPTS: usize = 4;

/// How a database is opened.
#[derive(Clone, Default, Debug)]
pub struct Options {
    /// Gives the times that are shown.
    pub clock: Clock,
    /// Worker threads; zero means one for each core.
    pub workers: usize,
    /// Opens for reading also a file that may show an older state than was acknowledged last, as
    /// [`Database::doubt`] says: to look at damage, or at versions by their hash.
    pub doubtful: bool,
    /// Longest wait of a writer for another thread of this process, a collection excepted; `None` is
    /// without end.
    pub wait_max: Option<Duration>,
    /// How hard the blocks are compressed that are written.
    pub compression: Compression,
    /// The wait of a writer for another process that writes.
    pub lock_wait: Option<LockWait>,
}

impl Options {
    fn pool(&self) -> Arc<Pool> {
        Arc::new(Pool::compressing(self.workers, self.compression))
    }
}

/// The result of a promotion.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Promotion {
    /// HEAD now.
    pub head: VersionId,
    /// HEAD before.
    pub previous: VersionId,
}

/// A commit and what of the file it takes.
pub(crate) struct Extent {
    /// The commit.
    pub reader: Reader,
    /// Where it ends.
    pub end: u64,
    /// What is void before that.
    pub voids: Vec<VoidRef>,
}

/// An open database, export or patch. Shared by any number of threads.
pub struct Database {
    home: LogHome,
    path: PathBuf,
    pool: Arc<Pool>,
    clock: Clock,
    turns: Turns,
    wait_max: Option<Duration>,
    /// The number of the last commit when it was opened.
    opened_at: u64,
    /// The file, where it is one of a file system.
    file: Option<Arc<FileMedia>>,
    /// The file as long as it has no name yet: it gets it with its first commit.
    unpublished: Option<Unpublished>,
    uploads: Arc<Uploads>,
}

struct Unpublished {
    file: Arc<FileMedia>,
    published: AtomicBool,
}

impl Database {
    /// Opens a file of any kind for reading. Never writes a byte.
    pub fn open(path: impl AsRef<LocalPath>, options: &Options) -> Result<Database> {
        let path = path.as_ref();
        Database::open_media(open_read(path)?, path, options)
    }

    /// Opens the bytes of a file of any kind, called `path` in errors, for reading.
    pub fn open_media(
        media: Arc<dyn Media>,
        path: &LocalPath,
        options: &Options,
    ) -> Result<Database> {
        let log = Log::open(media, &path.to_string_lossy())?;
        if let Some(Damage { offset, detail }) = log.doubt().filter(|_| !options.doubtful) {
            return Err(log.source().damaged(*offset, detail.clone()));
        }
        let pool = options.pool();
        Ok(Database::new(LogHome::reading(log), path, pool, options))
    }

    fn new(home: LogHome, path: &LocalPath, pool: Arc<Pool>, options: &Options) -> Database {
        Database {
            opened_at: home.log().sequence(),
            home,
            path: path.into(),
            pool,
            clock: options.clock.clone(),
            file: None,
            unpublished: None,
            uploads: Arc::default(),
            turns: Turns::default(),
            wait_max: options.wait_max,
        }
    }

    /// Opens an existing database for writing.
    pub fn open_writer(path: impl AsRef<LocalPath>, options: &Options) -> Result<Database> {
        let path = path.as_ref();
        Database::open_writer_file(path, options).map(|(_, database)| database)
    }

    /// Opens an existing database for writing, and gives its file as well.
    pub(crate) fn open_writer_file(
        path: &LocalPath,
        options: &Options,
    ) -> Result<(Arc<FileMedia>, Database)> {
        lock_wait::patiently(options.lock_wait.as_ref(), || Database::lock_file(path, options))
    }

    fn lock_file(path: &LocalPath, options: &Options) -> Result<(Arc<FileMedia>, Database)> {
        // A compaction may put another file there between opening and locking.
        for _ in 0..ATTEMPTS {
            let file = Arc::new(FileMedia::open_write(path)?);
            let mut database = Database::write_media(file.clone(), path, options)?;
            database.file = Some(file.clone());
            if file.still_at_path()? {
                file.remove_leftover();
                return Ok((file, database));
            }
        }
        let holder = "a process that has just replaced it; try again".into();
        Err(Error::Locked { path: path.into(), holder })
    }

    /// Opens the bytes of a database for writing.
    pub fn write_media(
        media: Arc<dyn Media>,
        path: &LocalPath,
        options: &Options,
    ) -> Result<Database> {
        let pool = options.pool();
        let name = path.to_string_lossy();
        let holder = || lock_holder(path);
        let clock = options.clock.clone();
        let opened = Log::open_writer(media, &name, pool.clone(), clock, holder)?;
        Ok(Database::new(LogHome::writing(opened), path, pool, options))
    }

    /// Opens a database for writing, or begins a new one, which appears at `path` complete with
    /// its first commit and leaves nothing behind without one. One that others began, and that has
    /// something to go on with, is gone on with.
    pub fn open_or_create(path: impl AsRef<LocalPath>, options: &Options) -> Result<Database> {
        let path = path.as_ref();
        let opened =
            lock_wait::patiently(options.lock_wait.as_ref(), || {
                match Database::lock_file(path, options) {
                    Err(Error::NotFound(_)) => Database::take_up(path, options),
                    opened => opened.map(|(_, database)| Some(database)),
                }
            })?;
        if let Some(database) = opened {
            return Ok(database);
        }
        let file = Arc::new(FileMedia::create(path)?);
        Log::create(&*file, &path.to_string_lossy(), random::bytes()?)?;
        Ok(Database::write_media(file.clone(), path, options)?.unpublished(file))
    }

    /// The database at `path` that did not come to its first commit, or to its name after it.
    fn take_up(path: &LocalPath, options: &Options) -> Result<Option<Database>> {
        for _ in 0..ATTEMPTS {
            let Some(file) = FileMedia::open_unfinished(path)? else { return Ok(None) };
            let written_at = file.written_at()?;
            let file = Arc::new(file);
            match Database::write_media(file.clone(), path, options) {
                Ok(_) if !file.still_unfinished() => {}
                Ok(_) if written_at.saturating_add(unfinished::GRACE) <= options.clock.now() => {
                    file.give_up_unfinished();
                }
                Ok(database) => {
                    let database = database.unpublished(file);
                    if database.reader()?.history_len()? > 0 {
                        database.publish()?;
                    }
                    return Ok(Some(database));
                }
                // Nobody was told that anything is in it.
                Err(Error::Damaged { .. } | Error::Foreign { .. }) => file.give_up_unfinished(),
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// The same, in a file that has not got its name yet.
    fn unpublished(self, file: Arc<FileMedia>) -> Database {
        let unpublished = Unpublished { file: file.clone(), published: AtomicBool::new(false) };
        Database { file: Some(file), unpublished: Some(unpublished), ..self }
    }

    /// Makes an empty database in `media` and opens it for writing.
    pub fn create_media(
        media: Arc<dyn Media>,
        path: &LocalPath,
        file_id: [u8; 16],
        options: &Options,
    ) -> Result<Database> {
        Log::create(&*media, &path.to_string_lossy(), file_id)?;
        Database::write_media(media, path, options)
    }

    /// Where the file is, as it was given.
    pub fn path(&self) -> &LocalPath {
        &self.path
    }

    /// True if this is what the database's file is.
    pub fn is_same_file(&self, metadata: &std::fs::Metadata) -> bool {
        use std::os::unix::fs::MetadataExt;
        std::fs::metadata(&self.path)
            .is_ok_and(|own| own.dev() == metadata.dev() && own.ino() == metadata.ino())
    }

    /// True if the path still leads to the file that is written to: what is committed to one that
    /// was removed or replaced is lost when it is closed.
    pub fn still_at_path(&self) -> Result<bool> {
        match &self.file {
            Some(file) if file.is_published() => file.still_at_path(),
            _ => Ok(true),
        }
    }

    /// What the file is.
    pub fn kind(&self) -> FileKind {
        self.home.log().kind()
    }

    /// The identity of the file: another for every database that is made.
    pub fn file_id(&self) -> [u8; 16] {
        self.home.log().superblock().file_id
    }

    /// Why this may be an older state than was acknowledged last.
    pub fn doubt(&self) -> Option<&Damage> {
        self.home.log().doubt()
    }

    /// The file behind.
    #[doc(hidden)]
    pub fn log(&self) -> &Log {
        self.home.log()
    }

    /// The uploads under way.
    #[doc(hidden)]
    pub fn uploads(&self) -> &Arc<Uploads> {
        &self.uploads
    }

    /// The number of the last commit.
    pub fn sequence(&self) -> u64 {
        self.home.log().sequence()
    }

    /// The syncs of the file so far.
    pub fn sync_stats(&self) -> SyncStats {
        self.home.log().source().sync_stats()
    }

    /// The worker threads that long verbs share.
    #[doc(hidden)]
    pub fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// Gives the times that are shown.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// A reader, pinned to the last commit: what it sees does not change.
    pub fn reader(&self) -> Result<Reader> {
        Ok(Reader::new(self.home.view()?, self))
    }

    /// The last commit and what of the file it takes.
    pub(crate) fn extent(&self) -> Result<Extent> {
        Ok(match self.home.appender() {
            Some(appender) => {
                // Held, so that no commit comes between.
                let appender = appender.lock().unwrap_or_else(PoisonError::into_inner);
                let voids = appender.voids().to_vec();
                Extent { reader: self.reader()?, end: appender.state().end, voids }
            }
            None => {
                let (end, voids) = (self.log().end(), self.log().voids().to_vec());
                Extent { reader: self.reader()?, end, voids }
            }
        })
    }

    /// Bytes that collections have made voids of; while somebody writes, those that there were when it was
    /// opened.
    pub fn void_bytes(&self) -> u64 {
        let now = self.home.appender().and_then(|appender| appender.try_lock().ok());
        match now {
            Some(appender) => len_of(appender.voids()),
            None => len_of(self.log().voids()),
        }
    }

    /// The writer. Waits while another thread of this process has it.
    pub fn writer(&self) -> Result<Writer<'_>> {
        self.writer_for(Purpose::Growth)
    }

    /// The writer, for something that a full disk must not refuse, or must.
    pub fn writer_for(&self, purpose: Purpose) -> Result<Writer<'_>> {
        let until = self.usual_wait().filter(|_| purpose != Purpose::Collection);
        self.writer_until(purpose, until)
    }

    /// Until when somebody waits who begins to wait now.
    fn usual_wait(&self) -> Option<Instant> {
        self.wait_max.and_then(|wait| Instant::now().checked_add(wait))
    }

    /// The writer; [`Error::Busy`] if others write until then.
    fn writer_until(&self, purpose: Purpose, until: Option<Instant>) -> Result<Writer<'_>> {
        let busy = || Error::Busy("the database is being written to, by many or for long".into());
        let turn = self.turns.take(until).ok_or_else(busy)?;
        let mut appender = self.home.begin()?;
        appender.begin(purpose)?;
        Writer::new(self, appender, turn)
    }

    /// [`Error::ReadOnly`] if nothing can be written any more: a sync failed, or another program has
    /// written to the file. Waits for nobody: a writer that is at work finds that by itself.
    pub fn check_writable(&self) -> Result<()> {
        match self.home.appender().map(Mutex::try_lock) {
            Some(Ok(mut appender)) => appender.check_own(),
            Some(Err(_)) => Ok(()),
            None => self.home.begin().map(drop),
        }
    }

    /// Gives a new database its name, now that it has a commit.
    fn publish(&self) -> Result<()> {
        match &self.unpublished {
            Some(new) if !new.published.load(Ordering::Acquire) => {
                new.file.publish()?;
                new.published.store(true, Ordering::Release);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Has a new database that has no name yet stay, for the next that is begun there.
    fn keep_unpublished(&self) -> Result<()> {
        match &self.unpublished {
            Some(new) if !new.published.load(Ordering::Acquire) => new.file.keep_unfinished(),
            _ => Ok(()),
        }
    }

    /// Sets HEAD to a complete version; with `expect`, only if HEAD is still that.
    pub fn promote(&self, version: &VersionId, expect: Option<&VersionId>) -> Result<Promotion> {
        let mut writer = self.writer()?;
        let previous = writer.head();
        if let Some(expected) = expect.filter(|expected| **expected != previous) {
            return Err(Error::HeadMoved { head: previous, expected: *expected });
        }
        if *version == previous {
            return Ok(Promotion { head: previous, previous });
        }
        let missing = graph::missing(writer.entries(), version, Some(&previous), &Monitor::new())?;
        if missing > 0 {
            return Err(Error::Incomplete { version: *version, missing, supplier: None });
        }
        writer.set_head(*version, "promote")?;
        writer.commit()?;
        Ok(Promotion { head: *version, previous })
    }

    /// Names a version. Where it has this name already, that is told and nothing is written.
    pub fn create_snapshot(
        &self,
        name: &str,
        version: &VersionId,
        metadata: BTreeMap<String, String>,
    ) -> Result<Snapshot> {
        let mut writer = self.writer()?;
        let created_at = self.clock.now();
        let (name, version) = (name.into(), *version);
        let snapshot = Snapshot { name, version, created_at, metadata, held: false };
        if let Some(there) = writer.add_snapshot(&snapshot)? {
            return Ok(there);
        }
        writer.commit()?;
        Ok(snapshot)
    }

    /// Takes a version's name away.
    pub fn delete_snapshot(&self, name: &str) -> Result<Snapshot> {
        let mut writer = self.writer_for(Purpose::Removal)?;
        let snapshot = writer.remove_snapshot(name)?;
        writer.commit()?;
        Ok(snapshot)
    }

    /// Closes the database: what was committed is safe anyway, but this makes the next opening
    /// short, and says so if it did not work.
    pub fn close(self) -> Result<()> {
        let opened_at = self.opened_at;
        let Some(mut appender) = self.home.into_appender() else { return Ok(()) };
        appender.close().map_err(|error| match error {
            Error::Io { what, source } if appender.root().sequence != opened_at => {
                let what = format!(
                    "closing the database, whose changes were committed and may be there: {what}"
                );
                Error::Io { what, source }
            }
            other => other,
        })
    }
}
