//! The single-file store: append, read, index, commit, recover. FORMAT.md describes the file.

pub mod appender;
pub mod checked;
mod content_hash;
pub mod frames;
mod heal;
pub mod home;
pub mod index;
mod layers;
pub mod packer;
mod pins;
pub mod recover;
mod replay;
pub mod run_writer;
pub mod sealed;
mod slots;
pub mod source;
pub mod space;
pub mod state;
pub mod stream;
pub mod survey;

use std::sync::{Arc, PoisonError, RwLock};
use std::thread;
use std::time::Duration;

use zerocopy::IntoBytes;

use crate::clock::Clock;
use crate::error::{Context, Error, Result};
use crate::format::checkpoint::VoidRef;
use crate::format::superblock::{
    DATABASE_START, FileKind, SEALED_START, SLOTS, SUPERBLOCK_LEN, Superblock,
};
use crate::hash::VersionId;
use crate::log::appender::Appender;
use crate::log::checked::Damage;
use crate::log::frames::Frames;
use crate::log::index::Index;
use crate::log::layers::Below;
pub use crate::log::layers::{Published, View};
use crate::log::pins::{Pin, Pins};
pub use crate::log::pins::{WRITER_LOCK, epoch_lock};
use crate::log::slots::Slots;
use crate::log::source::Source;
use crate::log::state::State;
use crate::media::{Lock, Media};
use crate::pool::Pool;
use crate::store::{Root, ViewEntries};

/// How long a writer is given to finish what was seen half done.
const SECOND_LOOK: Duration = Duration::from_millis(10);

/// An open file of ours, of any kind.
pub struct Log {
    source: Arc<Source>,
    superblock: Superblock,
    kind: FileKind,
    published: Arc<RwLock<Arc<Published>>>,
    damages: Arc<Vec<Damage>>,
    doubt: Option<Damage>,
    lost_slot: Option<Damage>,
    pins: Arc<Pins>,
    end: u64,
    voids: Vec<VoidRef>,
    /// What reads fall through to.
    below: Option<Below>,
    /// A file that is only read is pinned from the start: another process may collect.
    _pin: Option<Pin>,
}

impl Log {
    /// Opens a file for reading. Nothing is written.
    pub fn open(media: Arc<dyn Media>, name: &str) -> Result<Log> {
        let source = Source::new(media, name);
        let mut head = [0; SUPERBLOCK_LEN];
        let read = source.media().read_at(&mut head, 0).context(|| format!("reading {name}"))?;
        match Superblock::parse(name, 0, &head[..read]) {
            Ok(superblock) if superblock.file_kind() != Some(FileKind::Database) => {
                sealed::open(source, superblock)
            }
            _ => Log::open_database(&Arc::new(source)),
        }
    }

    /// Opens a database beside whoever writes to it. What is being written may be seen half done:
    /// so what looks broken is looked at again, and counts if it is found twice.
    fn open_database(source: &Arc<Source>) -> Result<Log> {
        let mut before = None;
        loop {
            let found = Log::look(source);
            let faults = match &found {
                // A collection committed between looking and pinning, and saw no pin.
                Ok(None) => continue,
                Ok(Some(log)) => (log.damages.to_vec(), log.doubt.clone(), log.lost_slot.clone()),
                Err(error @ (Error::Damaged { .. } | Error::Foreign { .. })) => {
                    (vec![checked::damage(error)], None, None)
                }
                Err(_) => (Vec::new(), None, None),
            };
            let sound = matches!(&faults, (damages, None, None) if damages.is_empty());
            if sound || before.as_ref() == Some(&faults) {
                return found.and_then(|log| log.ok_or(Error::Interrupted));
            }
            before = Some(faults);
            if source.media().locked_by_others(WRITER_LOCK).unwrap_or(false) {
                thread::park_timeout(SECOND_LOOK);
            }
            source.forget();
        }
    }

    /// The database as it is now; `None` if it is another by now.
    fn look(source: &Arc<Source>) -> Result<Option<Log>> {
        let newest = || Slots::read(source).map(|slots| slots.newest().copied());
        let before = newest()?;
        let state = recover::recover(source)?;
        if let Some(end) = state.not_indexed_to {
            heal::rebuild(source, &state.index, DATABASE_START..end)?;
        }
        let mut log = Log::new(source.clone(), state.superblock, FileKind::Database, &state);
        log._pin = Some(Pins::pin(&log.pins, state.root.epoch)?);
        Ok((newest()? == before).then_some(log))
    }

    /// Opens a database for reading and writing. The caller is its only writer: the writer's lock
    /// is taken, and [`Error::Locked`] if another holds it, as `holder` says.
    pub fn open_writer(
        media: Arc<dyn Media>,
        name: &str,
        pool: Arc<Pool>,
        clock: Clock,
        holder: impl FnOnce() -> String,
    ) -> Result<(Log, Appender)> {
        let source = Arc::new(Source::new(media, name));
        // Before anything else, so that a file that is not ours is never even locked.
        let kind = Slots::read(&source)?.newest().and_then(Superblock::file_kind);
        if kind != Some(FileKind::Database) {
            let kind = kind.map_or("sealed", FileKind::name);
            let why = format!("it is a sealed {kind}; import it into a database to change it");
            return Err(Error::ReadOnly { what: name.into(), why });
        }
        let locked = source.media().try_lock(WRITER_LOCK, Lock::Exclusive);
        if !locked.context(|| format!("locking {name}"))? {
            return Err(Error::Locked { path: name.into(), holder: holder() });
        }
        let state = recover::recover(&source)?;
        // Nothing is written over damage: what is there may be needed to get the rest out.
        if let Some(Damage { offset, detail }) = state.doubt.iter().chain(&state.damages).next() {
            return Err(source.damaged(*offset, detail.clone()));
        }
        let log = Log::new(source.clone(), state.superblock, FileKind::Database, &state);
        let appender = Appender::new(source, log.published.clone(), state, pool, clock)?;
        Ok((log, appender))
    }

    /// Makes an empty database in `media`, which is empty.
    pub fn create(media: &dyn Media, name: &str, file_id: [u8; 16]) -> Result<()> {
        let mut superblock = Superblock::new(FileKind::Database, file_id);
        superblock.durable_to = DATABASE_START.into();
        let what = || format!("creating {name}");
        media.set_len(DATABASE_START).context(what)?;
        for (sequence, slot) in SLOTS.into_iter().enumerate() {
            superblock.sequence = (sequence as u64).into();
            media.write_at(superblock.sealed().as_bytes(), slot).context(what)?;
        }
        media.sync().context(what)
    }

    /// Makes an empty log in `media`, which is empty, whose reads fall through to `below` and whose
    /// HEAD is `head`, a version of `below`. It is as durable as the process: nothing is synced.
    pub fn open_over(
        media: Arc<dyn Media>,
        name: &str,
        below: View,
        head: VersionId,
        pool: Arc<Pool>,
        clock: Clock,
    ) -> Result<(Log, Appender)> {
        Log::create(&*media, name, [0; 16])?;
        let source = Arc::new(Source::new(media, name));
        let mut state = recover::recover(&source)?;
        state.root = Root { head: Some(head), epoch: 0, ..below.root().clone() };
        let below = Below::new(below);
        let mut log = Log::new(source.clone(), state.superblock, FileKind::Database, &state);
        log.below = Some(below.clone());
        let published = log.published.clone();
        let appender = Appender::new(source, published, state, pool, clock)?.over(below);
        Ok((log, appender))
    }

    fn new(source: Arc<Source>, superblock: Superblock, kind: FileKind, state: &State) -> Log {
        let published = Published {
            root: state.root.clone(),
            index: state.index.clone(),
            required: superblock.features(),
        };
        Log {
            superblock,
            kind,
            published: Arc::new(RwLock::new(Arc::new(published))),
            damages: Arc::new(state.damages.clone()),
            doubt: state.doubt.clone(),
            lost_slot: state.lost_slot.clone(),
            end: state.end,
            voids: state.checkpoint.voids.clone(),
            below: None,
            _pin: None,
            pins: Arc::new(Pins::new(source.clone())),
            source,
        }
    }

    /// What the file is.
    pub fn kind(&self) -> FileKind {
        self.kind
    }

    /// The superblock that the file was opened with.
    pub fn superblock(&self) -> &Superblock {
        &self.superblock
    }

    /// Where bytes are read from.
    pub fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// What the last collection left as void when the file was opened, by offset.
    pub fn voids(&self) -> &[VoidRef] {
        &self.voids
    }

    /// Where frames start.
    pub fn start(&self) -> u64 {
        match self.kind {
            FileKind::Database => DATABASE_START,
            FileKind::Export | FileKind::Patch => SEALED_START,
        }
    }

    /// End of the last commit when the file was opened, or of the sealed file.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// The frames up to there, voids passed over.
    pub fn frames(&self) -> Frames<'_> {
        Frames::new(&self.source, self.start()..self.end, &self.voids)
    }

    /// Those of them from `at` on, where one begins.
    pub fn frames_from(&self, at: u64) -> Frames<'_> {
        Frames::new(&self.source, at.max(self.start())..self.end, &self.voids)
    }

    /// Damage that was found while opening.
    pub fn damages(&self) -> &[Damage] {
        &self.damages
    }

    /// Why the last commit that was found may not be the last that was acknowledged.
    pub fn doubt(&self) -> Option<&Damage> {
        self.doubt.as_ref()
    }

    /// Why one of the two superblocks is of no use. All is there without it, and the next writer
    /// replaces it.
    pub fn lost_slot(&self) -> Option<&Damage> {
        self.lost_slot.as_ref()
    }

    /// The number of the last commit.
    pub fn sequence(&self) -> u64 {
        self.published.read().unwrap_or_else(PoisonError::into_inner).root.sequence
    }

    /// A view of the last commit, pinned: no collection releases what it reaches.
    pub fn view(&self) -> Result<View> {
        let published = || self.published.read().unwrap_or_else(PoisonError::into_inner).clone();
        // A collection that commits between looking and pinning sees no pin: look again.
        loop {
            let seen = published();
            let pin = Pins::pin(&self.pins, seen.root.epoch)?;
            if published().root.epoch == seen.root.epoch {
                let (root, index) = (seen.root.clone(), seen.index.clone());
                return Ok(self.view_of(root, index, seen.required, pin));
            }
        }
    }

    /// A view of what the writer has written and not yet committed, with these roots. It holds
    /// nothing that is still packed, and ends with the writer.
    pub fn view_uncommitted(&self, appender: &Appender, root: Root) -> Result<View> {
        let pin = Pins::pin(&self.pins, root.epoch)?;
        Ok(self.view_of(root, appender.index().clone(), appender.required(), pin))
    }

    fn view_of(&self, root: Root, index: Arc<Index>, required: u64, pin: Pin) -> View {
        View {
            source: self.source.clone(),
            index,
            root,
            required: required | self.below.as_ref().map_or(0, |below| below.view().required),
            damages: self.damages.clone(),
            below: self.below.clone(),
            _pin: Arc::new(pin),
        }
    }

    /// Bytes that those frames have.
    pub fn frames_len(&self) -> u64 {
        let void: u64 = self.voids.iter().map(|void| void.len.get()).sum();
        self.end.saturating_sub(self.start()).saturating_sub(void)
    }

    /// True if a reader of this or another process pins an epoch before `epoch`.
    pub fn has_readers_before(&self, epoch: u64) -> Result<bool> {
        self.pins.any_before(epoch)
    }
}
