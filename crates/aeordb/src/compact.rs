//! Compaction: what the roots reach goes into a new file, densely, and that file takes the place of
//! the old one.
//!
//! It is an export of all roots by the same copier: blocks of which everything lives are copied as
//! they are, of others what lives is packed anew. The old file is not written to. The new one is
//! whole, proved and on the disk before it gets the name, in one step; so after a crash the name
//! leads to the one or the other. Readers keep the file that they have open.

use std::path::Path as LocalPath;
use std::sync::Arc;

use crate::backup::repack::Repack;
use crate::backup::verify::verify_database;
use crate::db::roots::Roots;
use crate::db::{Database, FileKind, Options, Reader, history_key};
use crate::error::{Context, Error, Result};
use crate::format::FRAME_HEADER_LEN;
use crate::format::commit::COMMIT_FRAME_LEN;
use crate::format::run;
use crate::format::superblock::DATABASE_START;
use crate::gc;
use crate::hash::{Hash, Kind};
use crate::log::View;
use crate::log::appender::Appender;
use crate::log::survey::{Survey, Tightness};
use crate::media::{FileMedia, Media};
use crate::monitor::Monitor;
use crate::object::tree::{self, SystemMap};
use crate::store::{Receive, Root, Transaction, ViewEntries};

/// What a compaction found and did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CompactReport {
    /// Entries that are reached.
    pub entries_live: u64,
    /// Length of the old file.
    pub bytes_before: u64,
    /// Length of the new one. Before a compaction this is an estimate.
    pub bytes_after: u64,
}

/// Puts a new file that holds what the roots reach, and nothing else, in the place of the database
/// at `path`, with its owner and mode. What gc no longer keeps of history goes as well. After an
/// error the old file is in its place, as it was.
pub fn compact(
    path: impl AsRef<LocalPath>,
    options: &Options,
    monitor: &Monitor,
) -> Result<CompactReport> {
    let path = path.as_ref();
    let (file, old) = Database::open_writer_file(path, options)?;
    let new = Arc::new(FileMedia::create_in_place_of(&file)?);
    let report = copy(&old, new.clone(), options, monitor)?;
    monitor.check()?;
    // What another program has written there meanwhile is not what was copied.
    old.check_writable()?;
    new.take_place_of(&file)?;
    Ok(report)
}

/// What a compaction would do. Nothing is written, and a database that was opened for reading will
/// do.
pub fn foresee(database: &Database, monitor: &Monitor) -> Result<CompactReport> {
    if database.kind() != FileKind::Database {
        let what = database.path().display().to_string();
        return Err(Error::ReadOnly { what, why: "it is sealed".into() });
    }
    let reader = database.reader()?;
    let (roots, _) = kept(database, &reader)?;
    let view = reader.view();
    let live = roots.mark(view, database.path(), monitor)?;
    let survey = Survey::new(view.index(), view.source(), live, Tightness::Usual, monitor)?;
    let entries_live = survey.entries_live();
    let frames = 2 * FRAME_HEADER_LEN + COMMIT_FRAME_LEN;
    Ok(CompactReport {
        entries_live,
        bytes_before: view.source().file_len()?,
        bytes_after: DATABASE_START + survey.packed() + run::body_len(entries_live) + frames as u64,
    })
}

/// Makes `media`, which is empty, a database that holds what the roots of `old` reach, and proves
/// that it does. Commits and history go on there where those of `old` end. All of it is on the disk
/// when this returns.
pub fn copy(
    old: &Database,
    media: Arc<dyn Media>,
    options: &Options,
    monitor: &Monitor,
) -> Result<CompactReport> {
    // Nobody else commits meanwhile. Damaged pages of the index are healed before their entries
    // are numbered for good.
    let mut writer = old.writer()?;
    writer.appender().records().try_for_each(|record| record.map(drop))?;
    let reader = old.reader()?;
    let new = Database::create_media(media.clone(), old.path(), old.file_id(), options)?;
    let chunk_bytes = copy_roots(old, &reader, writer.root(), &new, monitor)?;
    if release_runs(&new)? {
        media.sync().context(|| format!("syncing the new {}", old.path().display()))?;
    }
    new.close()?;
    let new = Database::open_media(media, old.path(), options)?;
    // The proof expects the rest.
    monitor.expect(0, chunk_bytes);
    Ok(CompactReport {
        entries_live: prove(&new, monitor)?,
        bytes_before: reader.view().source().file_len()?,
        bytes_after: new.log().source().file_len()?,
    })
}

/// The roots of which a copy is made, and the number of the last entry of history that has
/// outlived its use.
fn kept(database: &Database, reader: &Reader) -> Result<(Roots, Option<u64>)> {
    let mut roots = Roots::of_reader(reader)?;
    let gone = gc::outlived(roots.history(), database.clock().now());
    roots.forget(&gone);
    roots.forget_unfinished(database.clock().now());
    Ok((roots, gone.last().map(|entry| entry.sequence)))
}

/// Copies what is reached: nodes in the order of a walk, then chunks in the order of their files,
/// newest versions first. Returns the bytes of the chunks.
fn copy_roots(
    old: &Database,
    reader: &Reader,
    root: &Root,
    new: &Database,
    monitor: &Monitor,
) -> Result<u64> {
    let mut into = new.writer()?;
    into.entries().require(reader.view().required());
    let (roots, gone) = kept(old, reader)?;
    let (view, mut chunks, mut chunk_bytes) = (reader.view(), Repack::new(reader), 0);
    roots.reach(view, old.path(), monitor, |found| match (found.kind, found.bytes) {
        (Kind::Chunk, _) => {
            chunks.want(&found.place);
            chunk_bytes += found.len;
            Ok(())
        }
        // Maps are made anew below.
        (Kind::System, _) | (_, None) => Ok(()),
        (kind, Some(bytes)) => into.appender().receive(kind, *found.hash, bytes),
    })?;
    let gone = gone.map(history_key);
    let gone = gone.as_ref().map(|key| key.as_slice());
    let root = Root {
        snapshots: copy_map(view, &root.snapshots, None, into.appender())?,
        history: copy_map(view, &root.history, gone, into.appender())?,
        system: copy_map(view, &root.system, None, into.appender())?,
        epoch: root.epoch + 1,
        ..root.clone()
    };
    into.appender().flush()?;
    // The old file has as much of everything as the new one will have, and its index beside.
    monitor.expect(0, chunk_bytes + reader.view().source().file_len()?);
    chunks.copy(reader, into.appender(), monitor)?;
    into.compacted(root)?;
    Ok(chunk_bytes)
}

/// Makes a system map again, without the keys up to `after`. Equal maps have equal roots.
fn copy_map(from: &View, root: &Hash, after: Option<&[u8]>, into: &mut Appender) -> Result<Hash> {
    let mut builder = tree::Builder::<SystemMap>::new();
    for entry in tree::iterate::<SystemMap, _>(from, root, after)? {
        let (key, value) = entry?;
        builder.push(into, &key, &value)?;
    }
    let built = builder.finish(into)?.root;
    if after.is_none() && built != *root {
        let detail = format!("expected the system map {root}, its entries make {built}");
        return Err(from.source().damaged(0, detail));
    }
    Ok(built)
}

/// Gives the space of runs back that others have superseded; true if there were any.
fn release_runs(new: &Database) -> Result<bool> {
    let mut writer = new.writer()?;
    let voids = writer.appender().voids().to_vec();
    Ok(new.log().release(&voids)? > 0)
}

/// Proves that a new file is what was written, that its index finds all of it, and that nothing is
/// missing that its roots reach. Returns how many entries that are.
fn prove(new: &Database, monitor: &Monitor) -> Result<u64> {
    let report = verify_database(new, false, monitor)?;
    let source = new.log().source();
    if let Some(damage) = report.damages.first() {
        return Err(source.damaged(damage.offset, format!("in its new file: {}", damage.what)));
    }
    let reader = new.reader()?;
    Ok(Roots::of_reader(&reader)?.mark(reader.view(), new.path(), monitor)?.len())
}
