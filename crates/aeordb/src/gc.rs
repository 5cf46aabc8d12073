//! Garbage collection: keeps what HEAD, snapshots, kept history and unfinished puts reach, and gives
//! the rest back to the file system.
//!
//! The order makes it safe: a commit whose index no longer names the dead entries is durable, both
//! superblocks lead to it, and no reader from before is left, before a byte is released. A crash
//! in between leaks space, which the next collection gives back.
//!
//! What a collection frees it leaves to the next one to release, as long as the file does not take
//! much more than what lives: so a copy that began before it is whole. docs/design/0007 says why. The
//! one after a `forget` releases at once, as 0010 says.
//!
//! The file does not get shorter: its end is always the index and the commit of the collection
//! itself. What is void takes no space where the file system can release it.

use crate::db::roots::Roots;
use crate::db::{
    Database, Extent, FileKind, HistoryEntry, Purpose, RELEASE, Writer, asks_for_release,
};
use crate::error::{Error, Result};
use crate::format::superblock::DATABASE_START;
use crate::hash::Hash;
use crate::log::appender::Appender;
use crate::log::index::Index;
use crate::log::space::len_of;
use crate::log::survey::{Survey, Tightness, releasable};
use crate::monitor::Monitor;
use crate::store::{Bitmap, Transaction, ViewEntries};

/// History entries that are always kept.
const HISTORY_KEPT: usize = 1000;
/// How long others are kept, in nanoseconds: 30 days.
const HISTORY_AGE: i64 = 30 * 24 * 3600 * 1_000_000_000;
/// Living bytes, before compression, that are moved out of sparse blocks at once. What is more is
/// moved after that, with a commit between.
const MOVED_LEN_MAX: u64 = 1024 * 1024 * 1024;

/// What a collection frees stays for one more while the file takes at most this part more than what
/// lives, and so many bytes.
const KEPT_PART: u64 = 2;
const KEPT_LEN: u64 = 16 * 1024 * 1024;

/// The result of a collection.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct GcReport {
    /// Entries that are reached.
    pub entries_live: u64,
    /// Bytes of the blocks that hold them. For blocks that are mostly dead, a dry run gives an
    /// estimate.
    pub bytes_live: u64,
    /// Entries that are not.
    pub entries_collected: u64,
    /// Bytes of the file that nothing needs any more.
    pub bytes_collected: u64,
    /// Bytes that went back to the file system: the file takes as many less.
    pub bytes_released: u64,
    /// Bytes that a later collection releases: readers hold them, or they are kept for programs that
    /// copy the file.
    pub bytes_deferred: u64,
}

impl GcReport {
    fn found(survey: &Survey) -> Self {
        GcReport {
            entries_live: survey.entries_live(),
            bytes_live: survey.bytes_live(),
            entries_collected: survey.entries_dead(),
            ..GcReport::default()
        }
    }
}

/// Collects the entries that nothing reaches. With `dry_run` only counts them: nothing is written,
/// and a database that was opened for reading will do. Progress counts the files of all versions
/// that are marked, then the bytes of the file that are surveyed.
pub fn collect(database: &Database, dry_run: bool, monitor: &Monitor) -> Result<GcReport> {
    if database.kind() != FileKind::Database {
        let what = database.path().display().to_string();
        return Err(Error::ReadOnly { what, why: "it is sealed".into() });
    }
    if dry_run {
        return foresee(database, monitor);
    }
    let allocated = || database.log().allocated();
    let before = allocated()?;
    let mut report = release_what_waited(database)?;
    monitor.expect(0, 0);
    let at_once = asks_for_release(&database.reader()?)?;
    let mut left = usize::MAX;
    loop {
        let pass = match collect_once(database, MOVED_LEN_MAX, at_once, &report, monitor) {
            // Nothing is moved then: the index alone, for which there is a reserve, frees what is
            // wholly dead.
            Err(error) if error.is_no_space() => {
                collect_once(database, 0, at_once, &report, monitor)?
            }
            collected => collected?,
        };
        report = pass.report;
        if pass.left == 0 || pass.left >= left {
            break;
        }
        left = pass.left;
    }
    // What a collection writes takes space as well.
    report.bytes_released = report.bytes_released.min(before.saturating_sub(allocated()?));
    Ok(report)
}

/// What one pass of a collection did.
struct Pass {
    /// With what was done before it.
    report: GcReport,
    /// Sparse blocks that it left.
    left: usize,
}

/// Collects after what `before` says was done, and moves at most so many living bytes; with `at_once`
/// what is freed is released, and little that is dead is left beside what lives.
fn collect_once(
    database: &Database,
    moved_max: u64,
    at_once: bool,
    before: &GcReport,
    monitor: &Monitor,
) -> Result<Pass> {
    let mut writer = database.writer_for(Purpose::Collection)?;
    monitor.expect_more(writer.appender().end() - DATABASE_START);
    // Damaged pages of the index are healed before their entries are numbered for good.
    writer.appender().records().try_for_each(|record| record.map(drop))?;
    let trimmed = trim_history(database, &mut writer)?
        | writer.trim_unfinished(database.clock().now())?
        | take_mark(&mut writer)?;
    writer.entries().flush()?;
    let roots = Roots::of_writer(&writer)?;
    let appender = writer.appender();
    let written = appender.written();
    let mut live = roots.mark(&written, database.path(), monitor)?;
    keep_uploads(database, written.index(), &mut live)?;
    let survey = Survey::new(written.index(), written.source(), live, tightness(at_once), monitor)?;
    let mut report = GcReport::found(&survey);
    // Old runs and commits alone are not worth a collection: it would leave its own behind.
    let worth = report.entries_collected > 0 || trimmed || survey.sparse() > 0;
    report.entries_collected += before.entries_collected;
    report.bytes_collected = before.bytes_collected;
    report.bytes_released = before.bytes_released;
    report.bytes_deferred = before.bytes_deferred;
    if !worth {
        return Ok(Pass { report, left: 0 });
    }
    let void_before = appender.void_bytes();
    let block_len = appender.source().media().block_len();
    let freed_before = releasable(appender.voids(), block_len);
    let moved_from = appender.end();
    let left = survey.move_living(appender, moved_max, monitor)?;
    appender.flush()?;
    let voids = survey.voids(appender, moved_from, monitor)?;
    let void_now = len_of(&voids);
    let freed = releasable(&voids, block_len).saturating_sub(freed_before);
    report.bytes_collected += void_now.saturating_sub(void_before);
    report.bytes_live = appender.end().saturating_sub(DATABASE_START + void_now);
    let mut root = writer.root().clone();
    root.epoch += 1;
    let mut writer = writer.collected(root, survey.live(), moved_from, voids)?;
    let appender = writer.appender();
    appender.write_both_superblocks()?;
    appender.trim_reserve();
    let log = database.log();
    let held = database.log().held_bytes(appender.voids(), appender.end())?;
    // A disk that is full needs the space at once.
    let has_room = !appender.is_short() && log.free()? > held;
    if has_room && !at_once && log.allocated()? <= kept_max(report.bytes_live) {
        report.bytes_deferred = held;
    } else {
        let now = release_unread(database, appender)?;
        report.bytes_released += now.bytes_released;
        report.bytes_deferred = now.bytes_deferred;
    }
    // Voids grow together: what was released before is not counted again.
    report.bytes_deferred = report.bytes_deferred.min(before.bytes_deferred + freed);
    // A full disk: what can be moved then is not.
    let left = if moved_max > 0 { left } else { 0 };
    Ok(Pass { report, left })
}

/// Takes the mark away that asks for this collection to release. True if it was there.
fn take_mark(writer: &mut Writer<'_>) -> Result<bool> {
    let is_marked = writer.system(RELEASE)?.is_some();
    if is_marked {
        writer.set_system(RELEASE, None)?;
    }
    Ok(is_marked)
}

/// How much may be dead beside what lives.
fn tightness(at_once: bool) -> Tightness {
    if at_once { Tightness::Packed } else { Tightness::Usual }
}

/// Bytes that the file may take for what this collection freed to stay.
fn kept_max(live: u64) -> u64 {
    live.saturating_add(live / KEPT_PART).saturating_add(KEPT_LEN)
}

/// What a collection would do.
fn foresee(database: &Database, monitor: &Monitor) -> Result<GcReport> {
    let Extent { reader, end, voids } = database.extent()?;
    monitor.expect(0, end - DATABASE_START);
    let mut roots = Roots::of_reader(&reader)?;
    let gone = outlived(roots.history(), database.clock().now());
    roots.forget(&gone);
    roots.forget_unfinished(database.clock().now());
    let view = reader.view();
    let mut live = roots.mark(view, database.path(), monitor)?;
    keep_uploads(database, view.index(), &mut live)?;
    let at_once = asks_for_release(&reader)?;
    let survey = Survey::new(view.index(), view.source(), live, tightness(at_once), monitor)?;
    let mut report = GcReport::found(&survey);
    let log = database.log();
    let waiting = database.log().held_bytes(&voids, end)?;
    let are_read = log.has_readers_before(view.root().epoch)?;
    let mut allocated = log.allocated()?;
    if are_read {
        report.bytes_deferred = waiting;
    } else {
        report.bytes_released = waiting;
        allocated = allocated.saturating_sub(waiting);
    }
    if report.entries_collected > 0 || !gone.is_empty() || at_once || survey.sparse() > 0 {
        let (live, foreseen) = survey.foreseen(end);
        let block_len = log.source().media().block_len();
        let freed = releasable(&foreseen, block_len).saturating_sub(releasable(&voids, block_len));
        report.bytes_live = live;
        report.bytes_collected = len_of(&foreseen).saturating_sub(len_of(&voids));
        match (allocated <= kept_max(live) && !at_once) || are_read {
            true => report.bytes_deferred += freed,
            false => report.bytes_released += freed,
        }
    }
    Ok(report)
}

/// Releases what an earlier collection left to this one.
fn release_what_waited(database: &Database) -> Result<GcReport> {
    let mut writer = database.writer_for(Purpose::Collection)?;
    if database.log().unreleased(writer.appender().voids())?.is_empty() {
        return Ok(GcReport::default());
    }
    // Whoever opens the file pins what it found, and looks again if another superblock is there by
    // then. So a reader is either seen or finds the new state.
    writer.appender().write_both_superblocks()?;
    release_unread(database, writer.appender())
}

/// Releases voids that are not, unless a reader may need them. Both superblocks lead to their
/// checkpoint.
fn release_unread(database: &Database, appender: &mut Appender) -> Result<GcReport> {
    let log = database.log();
    let mut report = GcReport::default();
    if log.has_readers_before(appender.root().epoch)? {
        report.bytes_deferred = database.log().held_bytes(appender.voids(), appender.end())?;
        return Ok(report);
    }
    let before = log.allocated()?;
    log.release(&log.unreleased(appender.voids())?)?;
    report.bytes_released = before.saturating_sub(log.allocated()?);
    appender.renew_reserve();
    Ok(report)
}

/// Marks what uploads under way may have written: nothing reaches it yet.
fn keep_uploads(database: &Database, index: &Index, live: &mut Bitmap) -> Result<()> {
    let Some(start) = database.uploads().start() else { return Ok(()) };
    for record in index.all_records() {
        let place = index.locate(&Hash::new(record?.hash))?;
        if let Some(place) = place.filter(|place| place.block >= start) {
            live.insert(place.number);
        }
    }
    Ok(())
}

/// The oldest entries of history that are old in number and in time.
pub(crate) fn outlived(history: &[HistoryEntry], now: i64) -> Vec<HistoryEntry> {
    let oldest = now.saturating_sub(HISTORY_AGE);
    let surplus = history.len().saturating_sub(HISTORY_KEPT);
    // In order of number: where one is kept, all that are newer are kept, whatever their clock.
    history.iter().take(surplus).take_while(|entry| entry.time < oldest).cloned().collect()
}

/// Lets go of history that has outlived its use. True if there was any.
fn trim_history(database: &Database, writer: &mut Writer<'_>) -> Result<bool> {
    let gone = outlived(&writer.history()?, database.clock().now());
    let gone: Vec<u64> = gone.iter().map(|entry| entry.sequence).collect();
    if gone.is_empty() {
        return Ok(false);
    }
    writer.forget_history(&gone)?;
    Ok(true)
}
