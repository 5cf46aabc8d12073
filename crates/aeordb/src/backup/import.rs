//! Import: exports and patches into a database, proved before anything becomes visible.

mod at;
pub(super) mod chain;
pub(crate) mod copy;
mod intake;

use std::collections::BTreeMap;
use std::path::{Path as LocalPath, PathBuf};

pub use at::{ImportAtReport, import_at};
pub use chain::{Head, Input, look_ahead};

use crate::backup::diff::diff;
use crate::backup::import::chain::Chain;
use crate::backup::merge::{self, MergeReport, OnConflict};
use crate::db::{Database, FileKind, Snapshot, Writer};
use crate::error::{Error, Result};
use crate::graph;
use crate::hash::VersionId;
use crate::media::NewFile;
use crate::monitor::Monitor;
use crate::store::Transaction;

/// How files are imported.
#[derive(Clone, Default, Debug)]
pub struct ImportOptions {
    /// Set HEAD to the imported version.
    pub promote: bool,
    /// Do not ask that HEAD is the base of a patch. Hashes and completeness are always proved.
    pub force: bool,
    /// Only if HEAD is still this version.
    pub expect: Option<VersionId>,
    /// Name the imported version.
    pub snapshot: Option<String>,
    /// Apply the changes to HEAD, whatever it is, and import what comes out.
    pub merge: Option<OnConflict>,
    /// Make a patch here that leads from the new HEAD back to the old one. Asks for `promote`.
    pub undo: Option<PathBuf>,
}

/// What was imported: the counts describe the files.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ImportReport {
    /// What the first file is.
    pub kind: FileKind,
    /// The version that is here now.
    pub version: VersionId,
    /// The version that the first file starts from, if it is a patch.
    pub base: Option<VersionId>,
    /// Chunks, files, directories and deletions together.
    pub entries: u64,
    /// Chunks in the files.
    pub chunks: u64,
    /// Files of the version; of a patch, files added or modified.
    pub files: u64,
    /// Directories of the version; of a patch, those that changed.
    pub directories: u64,
    /// Files that patches delete.
    pub deletions: u64,
    /// True if HEAD is the imported version.
    pub promoted: bool,
    /// Entries that the database did not have.
    pub new_entries: u64,
    /// Bytes by which the database grew.
    pub new_bytes: u64,
    /// What became of a merge.
    pub merge: Option<MergeReport>,
    /// Bytes of the patch that leads back.
    pub undo_bytes: Option<u64>,
}

impl ImportReport {
    /// True if a merge left something out.
    pub fn has_open_conflicts(&self) -> bool {
        self.merge.as_ref().is_some_and(|merge| {
            merge.on_conflict == OnConflict::LeaveOut && !merge.conflicts.is_empty()
        })
    }
}

/// Takes exports and patches into a database, in order, as one change: all or nothing.
pub fn import(
    database: &Database,
    inputs: impl IntoIterator<Item = impl Into<Input>>,
    options: &ImportOptions,
    monitor: &Monitor,
) -> Result<ImportReport> {
    let inputs: Vec<Input> = inputs.into_iter().map(Into::into).collect();
    let undo = options.undo.as_deref().map(|path| Undo::begin(path, options)).transpose()?;
    let mut writer = database.writer()?;
    let start = writer.entries().end();
    let head = writer.head();
    if let Some(expected) = options.expect.filter(|expected| *expected != head) {
        return Err(Error::HeadMoved { head, expected });
    }
    let starts = |writer: &mut Writer<'_>, file: &Head| match &file.base {
        Some(base) => check_base(writer, file, base, options, monitor).map(Some),
        None => Ok(Some(head)),
    };
    let chain = intake::take(&mut writer, inputs, starts, monitor)?;
    let last = chain.last().ok_or_else(|| Error::invalid("there is nothing to import"))?;
    let mut report = report(&chain, last, options.promote);
    if let Some(on_conflict) = options.merge {
        let base = merge_base(&chain)?;
        let merged = merge::merge(&mut writer, &base, &last.target, on_conflict, monitor)?;
        report.version = merged.version;
        report.merge = Some(merged);
    }
    let undone = undo.map(|undo| undo.write(&mut writer, &report.version, monitor)).transpose()?;
    report.undo_bytes = undone.as_ref().map(|undone| undone.bytes);
    match finish(database, writer, &report.version, options) {
        Ok(Some(end)) => report.new_bytes = end.saturating_sub(start),
        Ok(None) => report.new_entries = 0,
        Err(error) => {
            // A sync that failed may have made HEAD the new version: the way back stays.
            let in_doubt = matches!(error, Error::Io { .. });
            if let Some(undone) = undone.filter(|_| !in_doubt) {
                undone.take_back();
            }
            return Err(error);
        }
    }
    Ok(report)
}

/// A patch is for its base: HEAD, or with options a version that need not be HEAD. Gives a version
/// that is complete here and near what the patch leads to.
fn check_base(
    writer: &mut Writer<'_>,
    file: &Head,
    base: &VersionId,
    options: &ImportOptions,
    monitor: &Monitor,
) -> Result<VersionId> {
    let (head, target) = (writer.head(), file.target);
    if head == *base {
        return Ok(head);
    }
    if options.merge.is_some() {
        // What was changed is told by the base, so the base must be here.
        let missing = match graph::missing(writer.entries(), base, Some(&head), monitor) {
            Err(Error::NotFound(_)) => 1,
            missing => missing?,
        };
        return match missing {
            0 => Ok(*base),
            _ => Err(Error::Incomplete { version: target, missing, supplier: Some(*base) }),
        };
    }
    if options.force {
        return Ok(head);
    }
    Err(Error::BaseMismatch { head, base: *base, target })
}

/// The version that the changes of the files start from.
fn merge_base(chain: &Chain) -> Result<VersionId> {
    match (chain.first(), chain.last()) {
        (Some(first), Some(Head { base: Some(_), .. })) => Ok(first.base.unwrap_or(first.target)),
        _ => Err(Error::invalid("a merge takes the changes of a patch, and there is none")),
    }
}

fn report(chain: &Chain, last: &Head, promoted: bool) -> ImportReport {
    let chunks = chain.sum(|copied| copied.closing.chunks.get());
    let files = chain.sum(|copied| copied.closing.files.get());
    let directories = chain.sum(|copied| copied.closing.directories.get());
    let deletions = chain.sum(|copied| copied.closing.files_deleted.get());
    let counts = [chunks, files, directories, deletions];
    let first = chain.first();
    ImportReport {
        kind: first.map_or(FileKind::Export, |first| first.kind),
        version: last.target,
        base: first.and_then(|first| first.base),
        entries: counts.into_iter().fold(0, u64::saturating_add),
        chunks,
        files,
        directories,
        deletions,
        promoted,
        new_entries: chain.sum(|copied| copied.new_entries),
        new_bytes: 0,
        merge: None,
        undo_bytes: None,
    }
}

/// A patch that leads back: its file has no name before everything it needs is known.
struct Undo {
    file: NewFile,
    path: PathBuf,
}

/// A patch that leads back and is there, though nothing is to be undone yet.
struct Undone {
    path: PathBuf,
    bytes: u64,
}

impl Undo {
    fn begin(path: &LocalPath, options: &ImportOptions) -> Result<Undo> {
        if !options.promote {
            return Err(Error::invalid("there is nothing to undo where HEAD stays what it is"));
        }
        Ok(Undo { file: NewFile::create(path)?, path: path.into() })
    }

    /// Writes the patch from `version` to HEAD.
    fn write(
        mut self,
        writer: &mut Writer<'_>,
        version: &VersionId,
        monitor: &Monitor,
    ) -> Result<Undone> {
        let old = writer.head();
        let patch = diff(&writer.reader()?, version, &old, &mut self.file, monitor)?;
        self.file.publish()?;
        Ok(Undone { path: self.path, bytes: patch.bytes })
    }
}

impl Undone {
    /// Removes the file: the import failed, and why is what is to be told.
    fn take_back(self) {
        let _ = std::fs::remove_file(self.path);
    }
}

/// Records what was imported. Returns the end of the file, or `None` if there was nothing to
/// record: the version was here, and what else was in the files is not kept.
fn finish(
    database: &Database,
    mut writer: Writer<'_>,
    version: &VersionId,
    options: &ImportOptions,
) -> Result<Option<u64>> {
    let moves = options.promote && writer.head() != *version;
    let known = writer.head() == *version || writer.is_recorded(version)?;
    let snapshot = options.snapshot.clone().map(|name| Snapshot {
        name,
        version: *version,
        created_at: database.clock().now(),
        metadata: BTreeMap::new(),
        held: false,
    });
    let named = snapshot.map(|snapshot| writer.add_snapshot(&snapshot)).transpose()?;
    if !moves && known && !matches!(named, Some(None)) {
        return Ok(None);
    }
    let what = if options.merge.is_some() { "merge" } else { "import" };
    if moves {
        writer.set_head(*version, what)?;
    } else if !known {
        writer.record(*version, what)?;
    }
    Ok(Some(writer.commit_and_end()?))
}
