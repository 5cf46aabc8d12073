//! Salvage: a new database from what is sound in a damaged file.
//!
//! The file is read from front to back, and only read. Whatever entry has its hash goes into the
//! new database, then what names versions is put together, and each version is kept as far as it
//! can be had: whole, or written again without what it has lost. Other files may give what is
//! missing: an entry is the same wherever it lies.

mod broken;
mod entries;
mod orphans;
pub mod repair;
mod rest;
mod roots;
mod scan;
mod trees;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path as LocalPath, PathBuf};
use std::sync::Arc;

use crate::db::{Database, FileKind, HistoryEntry, Options, Reader, Snapshot, history_key};
use crate::error::{Error, Result};
use crate::graph;
use crate::hash::{DirectoryId, Kind, VersionId};
use crate::log::source::Source;
use crate::media::FileMedia;
use crate::monitor::Monitor;
use crate::object::tree::{self, SystemMap};
use crate::object::{Attributes, Item, Path, Version};
use crate::random;
pub use crate::salvage::broken::{Broken, LOST_MAX, Part};
use crate::salvage::entries::Entries;
pub use crate::salvage::orphans::Orphans;
use crate::salvage::roots::Roots;
use crate::salvage::trees::Trees;
use crate::store::{Root, Transaction};

/// What a snapshot says of itself that has lost something.
const NOTE: &str = "salvaged";

/// The result of a salvage.
#[derive(Debug, Default)]
pub struct SalvageReport {
    /// HEAD of the new database.
    pub head: Option<VersionId>,
    /// True if it is the last HEAD, or the rest of it; false if an earlier version stands in.
    pub head_is_last: bool,
    /// Blocks that were found.
    pub blocks: u64,
    /// Entries that the damaged file gave.
    pub entries: u64,
    /// Entries that other files gave.
    pub taken: u64,
    /// Versions that were saved whole.
    pub versions: u64,
    /// Versions that were saved in parts: the whole one, and the rest of it.
    pub partial: Vec<(VersionId, VersionId)>,
    /// Snapshots that are kept.
    pub snapshots: u64,
    /// Entries of history that are kept.
    pub history: u64,
    /// Broken parts of the file.
    pub broken: Vec<Broken>,
    /// Lost paths.
    pub lost: Vec<Lost>,
    /// There are more lost paths than are named.
    pub more_lost: bool,
    /// It is not certain that all names of versions are there: the last commit is not.
    pub names_uncertain: bool,
    /// Nor is it certain that all of them were found: a part of the file is lost.
    pub names_lacking: bool,
    /// Keys and other system data of the last commit are lost.
    pub system_lost: bool,
    /// Directories that nothing names any more, and are kept.
    pub orphans: Option<Orphans>,
}

impl SalvageReport {
    /// Nothing is missing.
    pub fn is_complete(&self) -> bool {
        let named = self.lost.is_empty() && !self.more_lost;
        named && !self.system_lost && !self.names_lacking && self.head_is_last
    }
}

/// A path of a version that could not be saved.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Lost {
    /// The version as it was.
    pub version: VersionId,
    /// The path.
    pub path: Path,
    /// The lost part of it.
    pub part: Part,
}

impl Part {
    /// What is lost had names in it.
    fn has_names(self) -> bool {
        matches!(self, Part::Directory | Part::Names)
    }
}

/// Writes all that can be saved of the file at `damaged`, with the help of `others`, to a new database
/// at `output`. [`Error::Damaged`] if there is nothing.
pub fn salvage(
    damaged: &LocalPath,
    output: &LocalPath,
    others: &[PathBuf],
    options: &Options,
    monitor: &Monitor,
) -> Result<SalvageReport> {
    let media = FileMedia::open_read(damaged)?;
    media.advise_sequential();
    let source = Source::new(Arc::new(media), damaged.to_string_lossy());
    let others = others.iter().map(|path| open_other(path, options)).collect::<Result<Vec<_>>>()?;
    let readers = others.iter().map(Database::reader).collect::<Result<Vec<_>>>()?;
    let file = Arc::new(FileMedia::create(output)?);
    let new = Database::create_media(file.clone(), output, random::bytes()?, options)?;
    let report = copy(&source, readers, &new, monitor)?;
    new.close()?;
    monitor.check()?;
    file.publish()?;
    Ok(report)
}

fn open_other(path: &LocalPath, options: &Options) -> Result<Database> {
    // Each entry counts by itself, so it may be damaged as well.
    let options = Options { doubtful: true, ..options.clone() };
    let other = Database::open(path, &options)?;
    if other.kind() == FileKind::Patch {
        let detail = "is a patch: a full export or a database has entries to give";
        return Err(Error::invalid(format!("{} {detail}", path.display())));
    }
    Ok(other)
}

/// Fills `new`, which is empty, with what can be saved of `source`.
pub fn copy(
    source: &Source,
    others: Vec<Reader>,
    new: &Database,
    monitor: &Monitor,
) -> Result<SalvageReport> {
    let mut writer = new.writer()?;
    let mut entries = Entries::new(&mut writer, others);
    let scan = scan::scan(source, monitor, &mut |found| entries.take(found))?;
    let roots = roots::find(&scan, &mut entries)?;
    let mut rescue =
        Rescue { entries, trees: Trees::default(), monitor, done: HashMap::new(), proved: None };
    let is_database = scan.target.is_none();
    let mut report = SalvageReport {
        blocks: scan.blocks,
        broken: scan.broken,
        names_uncertain: is_database && !roots.certain,
        names_lacking: is_database && !roots.certain && scan.lacks,
        system_lost: is_database && roots.system.is_none() && roots.had_system,
        ..SalvageReport::default()
    };
    let root = rescue
        .keep(roots, &mut report)?
        .ok_or_else(|| source.damaged(0, "nothing of any version is left that could be saved"))?;
    report.entries = rescue.entries.saved;
    report.taken = rescue.entries.taken;
    report.lost.sort();
    report.lost.dedup();
    writer.compacted(root)?;
    Ok(report)
}

/// What became of a version.
#[derive(Clone, Copy)]
struct Kept {
    /// What stands for it: itself, or what is left; `None` if nothing is.
    version: Option<VersionId>,
    /// Paths of it that are lost.
    lost: u64,
}

/// The new database while versions are put into it.
struct Rescue<'w, 'd, 'a> {
    entries: Entries<'w, 'd>,
    trees: Trees,
    monitor: &'a Monitor,
    done: HashMap<VersionId, Kept>,
    /// A version that is complete, so that what others share with it is not looked at again.
    proved: Option<VersionId>,
}

impl Rescue<'_, '_, '_> {
    /// Keeps what the roots name, as far as it can be had; `None` if that is nothing.
    fn keep(&mut self, roots: Roots, report: &mut SalvageReport) -> Result<Option<Root>> {
        let last = roots.heads.first().copied();
        let unnamed: HashSet<VersionId> = roots.unnamed.iter().copied().collect();
        for candidate in &roots.heads {
            // What nothing names may never have been a version of anything.
            let tell = if unnamed.contains(candidate) { Tell::IfKept } else { Tell::All };
            let kept = self.version(candidate, report, tell)?;
            if kept.version.is_some() {
                report.head = kept.version;
                report.head_is_last = Some(*candidate) == last;
                break;
            }
        }
        let mut snapshots = self.snapshots(roots.snapshots.into_values(), report)?;
        let mut history = self.history(roots.history.into_values(), report)?;
        let mut sequence = roots.sequence;
        for version in &roots.unnamed {
            let kept = self.version(version, report, Tell::Nothing)?;
            if let Some(version) = kept.version.filter(|_| kept.lost == 0) {
                sequence += 1;
                let what = "salvage".into();
                history.push(HistoryEntry { sequence, time: 0, version, what, promoted: false });
            }
        }
        if report.has_lost_names() {
            let orphans = self.orphans(&snapshots, report)?;
            snapshots.extend(orphans);
            snapshots.sort_by(|one, other| one.name.cmp(&other.name));
        }
        let Some(head) = report.head.or(self.any_version(&snapshots, &history)) else {
            return Ok(None);
        };
        report.head = Some(head);
        (report.snapshots, report.history) = (snapshots.len() as u64, history.len() as u64);
        let appender = self.entries.appender();
        let snapshots = snapshots.iter().map(|one| (one.name.as_bytes(), one.encode()));
        let snapshots = tree::build::<SystemMap, _, _, _>(appender, snapshots)?.root;
        let history = history.iter().map(|one| (history_key(one.sequence), one.encode()));
        let history = tree::build::<SystemMap, _, _, _>(appender, history)?.root;
        let system = roots.system.unwrap_or_default();
        Ok(Some(Root { sequence, time: 0, head: Some(head), snapshots, history, system, epoch: 0 }))
    }

    fn any_version(&self, snapshots: &[Snapshot], history: &[HistoryEntry]) -> Option<VersionId> {
        let newest = snapshots.iter().max_by_key(|snapshot| snapshot.created_at);
        history.last().map(|one| one.version).or(newest.map(|one| one.version))
    }

    fn snapshots(
        &mut self,
        named: impl Iterator<Item = Snapshot>,
        report: &mut SalvageReport,
    ) -> Result<Vec<Snapshot>> {
        let mut kept = Vec::new();
        for mut snapshot in named {
            let Kept { version, lost } = self.version(&snapshot.version, report, Tell::All)?;
            if let Some(version) = version {
                if lost > 0 {
                    let note = format!("without {lost} lost paths of version {}", snapshot.version);
                    snapshot.metadata.insert(NOTE.into(), note);
                }
                kept.push(Snapshot { version, ..snapshot });
            }
        }
        Ok(kept)
    }

    fn history(
        &mut self,
        named: impl DoubleEndedIterator<Item = HistoryEntry>,
        report: &mut SalvageReport,
    ) -> Result<Vec<HistoryEntry>> {
        let mut kept = Vec::new();
        for entry in named {
            if let Some(version) = self.version(&entry.version, report, Tell::All)?.version {
                kept.push(HistoryEntry { version, ..entry });
            }
        }
        Ok(kept)
    }

    /// Sees what is left of a version, and reports what is not.
    fn version(&mut self, id: &VersionId, report: &mut SalvageReport, tell: Tell) -> Result<Kept> {
        if let Some(kept) = self.done.get(id) {
            return Ok(*kept);
        }
        let (mut lost, mut more) = (Vec::new(), false);
        let left = match self.judge(id)? {
            None => None,
            Some((was, left)) => {
                let room = LOST_MAX.saturating_sub(report.lost.len());
                more = self.trees.lost(&was.root.0, room, &mut lost);
                // Directories alone are nothing that anybody wants back.
                let empty = (more || !lost.is_empty()) && left.is_some_and(|l| l.totals.files == 0);
                left.filter(|_| !empty)
            }
        };
        let version = match left {
            Some(left) => self.prove(id, &left)?,
            None => None,
        };
        if version.is_none() && lost.is_empty() && !more {
            lost.push((Path::root(), Part::Directory));
        }
        let paths: BTreeSet<(Path, Part)> = lost.into_iter().collect();
        let kept = Kept { version, lost: paths.len() as u64 + u64::from(more) };
        if tell == Tell::All || (tell == Tell::IfKept && version.is_some()) {
            let of_version = |(path, part)| Lost { version: *id, path, part };
            report.lost.extend(paths.into_iter().map(of_version));
            report.more_lost |= more;
            report.partial.extend(version.filter(|left| left != id).map(|left| (*id, left)));
        }
        report.versions += u64::from(version == Some(*id));
        self.done.insert(*id, kept);
        Ok(kept)
    }

    /// The version as it was, and what is left of it; `None` if that it was is all that is known.
    fn judge(&mut self, id: &VersionId) -> Result<Option<(Version, Option<Version>)>> {
        let was = match *id == Version::empty().id() {
            true => Version::empty(),
            false => {
                let Some(bytes) = self.entries.get(Kind::Version, &id.0)? else { return Ok(None) };
                match Version::decode(&bytes) {
                    Ok(version) => version,
                    Err(error @ Error::Newer { .. }) => return Err(error),
                    Err(_) => return Ok(None),
                }
            }
        };
        let left = self.trees.judge(&was.root.0, was.totals, &mut self.entries, self.monitor)?;
        let own = Item::Directory(was.root_directory());
        let attributes = match self.trees.has_set(&own, &mut self.entries)? {
            true => was.attributes,
            false => Attributes { set: None, ..was.attributes },
        };
        let left = left.map(|(root, totals)| {
            let root = DirectoryId(root);
            Version { root, totals, attributes }
        });
        Ok(Some((was, left)))
    }

    /// Stores what is left of a version, if it proves complete: nothing else may be named.
    fn prove(&mut self, id: &VersionId, left: &Version) -> Result<Option<VersionId>> {
        let appender = self.entries.appender();
        appender.append_hashed(Kind::Version, left.id().0, &left.encode())?;
        // What is proved is found where it was written.
        appender.flush()?;
        let (written, pool) = (appender.written(), self.entries.pool());
        match graph::prove(&written, &left.id(), self.proved.as_ref(), pool, self.monitor) {
            Ok(_) => {
                self.proved = Some(left.id());
                Ok(self.proved)
            }
            Err(Error::Damaged { .. } | Error::Incomplete { .. } | Error::NotFound(_)) => Ok(None),
            Err(Error::Limit { .. } | Error::Invalid(_)) => Ok(None),
            Err(Error::Newer { what, needs }) => {
                Err(Error::newer(format!("version {id}: {what}"), needs))
            }
            Err(error) => Err(error),
        }
    }
}

/// Which losses of a version are reported.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tell {
    All,
    IfKept,
    Nothing,
}
