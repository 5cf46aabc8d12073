//! Repair: a damaged database gets back from others what it has lost, and nothing else.
//!
//! It is a salvage into a file that takes the place of the damaged one, in one step, once it is whole:
//! what is sound is taken, then what is missing is taken from others, each entry proved by its name.
//! What versions are called is not put together anew: the last commit must say it. So every version
//! keeps its name, also one that is still not whole, and another file may heal it later.

use std::path::{Path as LocalPath, PathBuf};
use std::sync::Arc;

use crate::backup::delta::{Decoded, decode};
use crate::backup::import::copy::check_block;
use crate::db::{Database, FileKind, Options, Reader, patiently};
use crate::error::{Context, Error, Result};
use crate::format::commit::Commit;
use crate::format::superblock::{SLOTS, SUPERBLOCK_LEN, Superblock};
use crate::graph;
use crate::hash::{Hash, Kind, VersionId};
use crate::log::WRITER_LOCK;
use crate::log::source::Source;
use crate::log::stream::{Part as StreamPart, StreamReader};
use crate::media::{FileMedia, Lock, Media, lock_holder};
use crate::monitor::Monitor;
use crate::object::{Item, Path, Version};
use crate::random;
use crate::salvage::entries::Entries;
use crate::salvage::trees::Trees;
use crate::salvage::{Broken, LOST_MAX, Lost, Part, roots, scan};
use crate::store::{ReadEntries, Root, Transaction};

/// What was found and healed.
#[derive(Debug, Default)]
pub struct RepairReport {
    /// The file was replaced by one that has more.
    pub changed: bool,
    /// Versions that are whole now.
    pub versions: u64,
    /// Entries that others gave.
    pub taken: u64,
    /// What is broken in the file.
    pub broken: Vec<Broken>,
    /// What was lost, and is there again.
    pub healed: Vec<Lost>,
    /// What is still lost.
    pub lost: Vec<Lost>,
    /// There are more lost paths than are named.
    pub more_lost: bool,
}

impl RepairReport {
    /// Nothing is missing.
    pub fn is_complete(&self) -> bool {
        self.lost.is_empty() && !self.more_lost
    }
}

/// Gives databases that may have what is lost, when it is known what that is.
pub type Suppliers<'a> = dyn FnMut(&[Lost]) -> Result<Vec<Database>> + 'a;

/// Gives the database at `path` what it has lost, from `others` and whatever `more` gives. Where that
/// is nothing, the file stays as it was. [`Error::Damaged`] if it is not known any more what it held.
pub fn repair(
    path: &LocalPath,
    others: &[PathBuf],
    more: &mut Suppliers<'_>,
    options: &Options,
    monitor: &Monitor,
) -> Result<RepairReport> {
    let (file, id) = patiently(options.lock_wait.as_ref(), || lock(path))?;
    let source = Source::new(file.clone(), path.to_string_lossy());
    let media = Arc::new(FileMedia::create_in_place_of(&file)?);
    let mut mending = Mending { source: &source, others, more, options, monitor };
    let (report, new) = mending.run(path, media.clone(), id)?;
    new.close()?;
    monitor.check()?;
    if report.changed {
        media.take_place_of(&file)?;
    }
    Ok(report)
}

/// The file, whose only writer this is, and what it is known by.
fn lock(path: &LocalPath) -> Result<(Arc<FileMedia>, [u8; 16])> {
    let file = Arc::new(FileMedia::open_write(path)?);
    // Before anything else, so that a file that is not ours is never even locked.
    let superblock = superblock(&file, &path.to_string_lossy())?;
    if superblock.file_kind() != Some(FileKind::Database) {
        let (what, why) = (path.display().to_string(), "it is sealed: fetch it again".into());
        return Err(Error::ReadOnly { what, why });
    }
    let locked = file.try_lock(WRITER_LOCK, Lock::Exclusive);
    if !locked.context(|| format!("locking {}", path.display()))? {
        return Err(Error::Locked { path: path.into(), holder: lock_holder(path) });
    }
    Ok((file, superblock.file_id))
}

/// A superblock that is sound.
fn superblock(file: &FileMedia, name: &str) -> Result<Superblock> {
    let mut found = Err(Error::damaged(name, 0, "no superblock"));
    for offset in SLOTS {
        let mut bytes = [0; SUPERBLOCK_LEN];
        let read = file.read_at(&mut bytes, offset).context(|| format!("reading {name}"))?;
        found = Superblock::parse(name, offset, bytes.get(..read).unwrap_or_default());
        if found.is_ok() {
            break;
        }
    }
    found
}

struct Mending<'a, 's> {
    source: &'a Source,
    others: &'a [PathBuf],
    more: &'a mut Suppliers<'s>,
    options: &'a Options,
    monitor: &'a Monitor,
}

impl Mending<'_, '_> {
    fn run(
        &mut self,
        path: &LocalPath,
        media: Arc<FileMedia>,
        id: [u8; 16],
    ) -> Result<(RepairReport, Database)> {
        let (source, monitor) = (self.source, self.monitor);
        let new = Database::create_media(media, path, id, self.options)?;
        let mut writer = new.writer()?;
        let mut entries = Entries::new(&mut writer, Vec::new());
        monitor.enter("salvage");
        let scan = scan::scan(source, monitor, &mut |found| entries.take(found))?;
        let opened = self.open(&mut entries)?;
        let given = opened.iter().map(Database::reader).collect::<Result<Vec<_>>>()?;
        // What versions there are must be known, whoever knows it.
        entries.others.clone_from(&given);
        let roots = roots::find(&scan, &mut entries)?;
        let uncertain = !roots.certain || roots.system.is_none() && roots.had_system;
        let Some(commit) = scan.newest.filter(|_| !uncertain) else {
            let detail = "it is not certain any more what it held last: no repair can tell";
            return Err(source.damaged(scan.last_broken, detail));
        };
        let mut versions: Vec<VersionId> = roots.heads.first().copied().into_iter().collect();
        versions.extend(roots.snapshots.values().map(|snapshot| snapshot.version));
        versions.extend(roots.history.values().rev().map(|entry| entry.version));
        let mut seen = std::collections::HashSet::new();
        versions.retain(|version| seen.insert(*version));
        monitor.enter("find losses");
        entries.others.clear();
        let (before, _) = losses(&versions, &mut entries, monitor)?;
        let mut report = RepairReport { broken: scan.broken, ..RepairReport::default() };
        monitor.enter("heal");
        let fetched = match before.is_empty() {
            true => Vec::new(),
            false => (self.more)(&before)?,
        };
        entries.others = given;
        for database in &fetched {
            entries.others.push(database.reader()?);
        }
        let (lost, more_lost) = losses(&versions, &mut entries, monitor)?;
        (report.lost, report.more_lost, report.taken) = (lost, more_lost, entries.taken);
        report.healed = before.into_iter().filter(|one| !report.lost.contains(one)).collect();
        prove(&versions, &mut entries, &mut report, monitor)?;
        let broken = !report.broken.is_empty() || !report.healed.is_empty();
        report.changed = broken && (report.taken > 0 || report.is_complete());
        writer.compacted(root_of(&commit))?;
        Ok((report, new))
    }

    /// Opens the files that may have what is missing. What is in a patch goes to a file without a name.
    fn open(&self, entries: &mut Entries<'_, '_>) -> Result<Vec<Database>> {
        let mut opened = Vec::new();
        for path in self.others {
            // Each entry counts by itself, so it may be damaged as well.
            let options = Options { doubtful: true, ..self.options.clone() };
            let other = Database::open(path, &options)?;
            if other.kind() == FileKind::Patch {
                let other = self.unpack(path, &opened, entries)?;
                opened.push(other);
            } else {
                opened.push(other);
            }
        }
        Ok(opened)
    }

    /// What a patch holds, as far as what it refers to can be had.
    fn unpack(
        &self,
        path: &LocalPath,
        opened: &[Database],
        entries: &mut Entries<'_, '_>,
    ) -> Result<Database> {
        let name = path.display().to_string();
        let number = u128::from_le_bytes(random::bytes()?);
        let scratch = std::env::temp_dir().join(format!("{number:032x}.aeordb"));
        let media = Arc::new(FileMedia::create(&scratch)?);
        let unpacked = Database::create_media(media, &scratch, random::bytes()?, self.options)?;
        let before = opened.iter().map(Database::reader).collect::<Result<Vec<_>>>()?;
        entries.appender().flush()?;
        let sound = entries.appender().written();
        let mut writer = unpacked.writer()?;
        let file = std::fs::File::open(path).context(|| format!("opening {name}"))?;
        let mut input = std::io::BufReader::with_capacity(64 * 1024, file);
        let mut stream = StreamReader::new(&mut input, name.clone())?;
        loop {
            self.monitor.check()?;
            let found = match stream.next_part() {
                Ok(StreamPart::Block(at, block)) => check_block(at, &block),
                Ok(StreamPart::Delta(delta)) => {
                    let read = |kind, hash: &Hash| {
                        let of = |reader: &Reader| have(reader.view(), kind, hash).transpose();
                        let own = have(&writer, kind, hash).transpose();
                        let own = own.or_else(|| have(&sound, kind, hash).transpose());
                        own.or_else(|| before.iter().find_map(of)).transpose()
                    };
                    decode(&delta, &read).map(|decoded| match decoded {
                        Decoded::Entries(entries) => entries,
                        Decoded::Missing(_) => Vec::new(),
                    })
                }
                Ok(StreamPart::Changes(_) | StreamPart::Link(..) | StreamPart::Unopened(_)) => {
                    continue;
                }
                // What comes after damage is not found without an index.
                Ok(StreamPart::End(_)) | Err(Error::Damaged { .. }) => break,
                Err(error) => return Err(error),
            };
            match found {
                Ok(found) => {
                    for (kind, hash, bytes) in found {
                        writer.entries().append_hashed(kind, hash, &bytes)?;
                    }
                }
                Err(Error::Damaged { .. } | Error::Limit { .. }) => {}
                Err(error) => return Err(error.in_file(&name)),
            }
        }
        writer.commit()?;
        Ok(unpacked)
    }
}

/// An entry, if it is there and sound.
fn have(store: &impl ReadEntries, kind: Kind, hash: &Hash) -> Result<Option<bytes::Bytes>> {
    match store.read(kind, hash) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(Error::NotFound(_) | Error::Damaged { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What the commit says, in a file that others do not know.
fn root_of(commit: &Commit) -> Root {
    Root {
        sequence: commit.sequence.get(),
        time: commit.time.get(),
        head: Some(VersionId(Hash::new(commit.head))),
        snapshots: Hash::new(commit.snapshots),
        history: Hash::new(commit.history),
        system: Hash::new(commit.system),
        epoch: commit.epoch.get() + 1,
    }
}

fn whole(version: &VersionId) -> Lost {
    Lost { version: *version, path: Path::root(), part: Part::Directory }
}

/// Proves what has lost nothing.
fn prove(
    versions: &[VersionId],
    entries: &mut Entries<'_, '_>,
    report: &mut RepairReport,
    monitor: &Monitor,
) -> Result<()> {
    monitor.enter("prove");
    let appender = entries.appender();
    appender.flush()?;
    let (written, pool) = (appender.written(), entries.pool().clone());
    let mut prover = graph::Prover::new(&written, &pool, monitor);
    let mut proved = None;
    for version in versions {
        if report.lost.iter().any(|lost| lost.version == *version) {
            continue;
        }
        match prover.prove(version, proved.as_ref()) {
            Ok(_) => {
                proved = Some(*version);
                report.versions += 1;
            }
            Err(Error::Damaged { .. } | Error::Incomplete { .. } | Error::NotFound(_)) => {
                report.lost.push(whole(version));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// What of these versions cannot be had; true if that is more than is named.
fn losses(
    versions: &[VersionId],
    entries: &mut Entries<'_, '_>,
    monitor: &Monitor,
) -> Result<(Vec<Lost>, bool)> {
    let (mut trees, mut all, mut more) = (Trees::judging(), Vec::new(), false);
    for id in versions {
        let was = match *id == Version::empty().id() {
            true => Some(Version::empty()),
            false => {
                match entries.get(Kind::Version, &id.0)?.map(|bytes| Version::decode(&bytes)) {
                    Some(Err(error @ Error::Newer { .. })) => return Err(error),
                    found => found.and_then(Result::ok),
                }
            }
        };
        let Some(was) = was else {
            all.push(whole(id));
            continue;
        };
        trees.judge(&was.root.0, was.totals, entries, monitor)?;
        let mut lost = Vec::new();
        more |= trees.lost(&was.root.0, LOST_MAX.saturating_sub(all.len()), &mut lost);
        if !trees.has_set(&Item::Directory(was.root_directory()), entries)? {
            lost.push((Path::root(), Part::Attributes));
        }
        all.extend(lost.into_iter().map(|(path, part)| Lost { version: *id, path, part }));
    }
    all.sort();
    all.dedup();
    Ok((all, more))
}
