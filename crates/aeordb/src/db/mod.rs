//! A database: versions of a tree of files, HEAD, snapshots and history, in one file.

mod batches;
mod bulk;
mod draft;
pub mod edit;
mod group;
mod journal;
mod layered;
mod reader;
mod resolve;
pub(crate) mod roots;
#[cfg(test)]
mod tests;
mod turn;
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
pub use group::{CommitStats, Committer};
pub(crate) use journal::history_key;
pub use journal::{HistoryEntry, Snapshot};
pub use reader::{FileReader, Reader};
pub use upload::Upload;
pub use writer::Writer;
pub(crate) use writer::check_snapshot_name;

use crate::clock::Clock;
use crate::crew::Crew;
use crate::error::{Context, Error, Result};
use crate::format::checkpoint::VoidRef;
pub use crate::format::superblock::FileKind;
use crate::graph;
use crate::hash::VersionId;
use crate::log::Log;
pub use crate::log::appender::Purpose;
use crate::log::home::LogHome;
pub use crate::log::recover::Damage;
pub use crate::log::source::SyncStats;
use crate::media::Media;
use crate::media::{FileMedia, lock_holder};
use crate::store::{Home, Transaction};
use crate::watch::Watch;

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
    /// Opens for reading also what may show an older state than was acknowledged last, as
    /// [`Database::doubt`] says: for those who look at damage, or name what they want by its hash.
    pub doubtful: bool,
    /// How long whoever wants to write waits for another thread of this process, a collection
    /// excepted; without end if not said.
    pub patience: Option<Duration>,
}

/// What `promote` did.
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
    crew: Arc<Crew>,
    clock: Clock,
    turns: Turns,
    patience: Option<Duration>,
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
    pub fn open(path: &LocalPath, options: &Options) -> Result<Database> {
        let media = Arc::new(FileMedia::open_read(path)?);
        Database::open_media(media, path, options)
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
        let crew = Arc::new(Crew::new(options.workers));
        Ok(Database::new(LogHome::reading(log), path, crew, options))
    }

    fn new(home: LogHome, path: &LocalPath, crew: Arc<Crew>, options: &Options) -> Database {
        Database {
            opened_at: home.log().sequence(),
            home,
            path: path.into(),
            crew,
            clock: options.clock.clone(),
            file: None,
            unpublished: None,
            uploads: Arc::default(),
            turns: Turns::default(),
            patience: options.patience,
        }
    }

    /// Opens an existing database for writing.
    pub fn open_writer(path: &LocalPath, options: &Options) -> Result<Database> {
        Database::open_writer_file(path, options).map(|(_, database)| database)
    }

    /// Opens an existing database for writing, and gives its file as well.
    pub(crate) fn open_writer_file(
        path: &LocalPath,
        options: &Options,
    ) -> Result<(Arc<FileMedia>, Database)> {
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
        let crew = Arc::new(Crew::new(options.workers));
        let name = path.to_string_lossy();
        let holder = || lock_holder(path);
        let clock = options.clock.clone();
        let opened = Log::open_writer(media, &name, crew.clone(), clock, holder)?;
        Ok(Database::new(LogHome::writing(opened), path, crew, options))
    }

    /// Opens a database for writing, or begins a new one, which appears at `path` complete with
    /// its first commit and leaves nothing behind without one.
    pub fn open_or_create(path: &LocalPath, options: &Options) -> Result<Database> {
        match Database::open_writer(path, options) {
            Err(Error::NotFound(_)) => {}
            opened => return opened,
        }
        let file = Arc::new(FileMedia::create(path)?);
        Log::create(&*file, &path.to_string_lossy(), random_id()?)?;
        let mut database = Database::write_media(file.clone(), path, options)?;
        database.file = Some(file.clone());
        database.unpublished = Some(Unpublished { file, published: AtomicBool::new(false) });
        Ok(database)
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
    pub fn log(&self) -> &Log {
        self.home.log()
    }

    /// The uploads under way.
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
    pub fn crew(&self) -> &Arc<Crew> {
        &self.crew
    }

    /// Gives the times that are shown.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// A reader, pinned to the last commit: what it sees does not change.
    pub fn reader(&self) -> Result<Reader> {
        Ok(Reader::new(self.home.view()?, self.kind(), self.crew.clone()))
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
        self.patience.and_then(|wait| Instant::now().checked_add(wait))
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
        let missing = graph::missing(writer.entries(), version, Some(&previous), &Watch::new())?;
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
        let snapshot = Snapshot { name: name.into(), version: *version, created_at, metadata };
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

/// 16 bytes that no other file has.
pub(crate) fn random_id() -> Result<[u8; 16]> {
    let mut id = [0; 16];
    let mut source =
        std::fs::File::open("/dev/urandom").context(|| "opening /dev/urandom".into())?;
    std::io::Read::read_exact(&mut source, &mut id).context(|| "reading /dev/urandom".into())?;
    Ok(id)
}
