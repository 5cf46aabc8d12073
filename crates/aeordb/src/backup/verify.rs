//! Verify: whether a file of ours is what was written, and what is hit if it is not.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path as LocalPath, PathBuf};
use std::sync::Arc;

use crate::backup::import::copy;
use crate::backup::layered::open_with;
use crate::backup::listing::Tally;
use crate::crew::{Crew, Queue};
use crate::db::roots::Roots;
use crate::db::{Database, FileKind, Options, Reader};
use crate::error::{Context, Error, Result};
use crate::format::block::TableEntry;
use crate::graph::{self, Bitmap};
use crate::hash::{Hash, VersionId};
use crate::log::frames::Seen;
use crate::log::recover;
use crate::log::source::Source;
use crate::log::stream::{Part, StreamReader};
use crate::object::{Item, ListReader, Path};
use crate::store::ReadEntries;
use crate::watch::Watch;

/// Damages of the index that are listed one by one.
const DAMAGES_MAX: usize = 1000;
/// Paths that are named for one version.
const PATHS_MAX: usize = 20;

/// What was found.
#[derive(Clone, Debug)]
pub struct VerifyReport {
    /// What the file is.
    pub kind: FileKind,
    /// Versions whose completeness was proved.
    pub versions: u64,
    /// Entries that were looked at.
    pub entries: u64,
    /// Blocks and deltas that were looked at.
    pub blocks: u64,
    /// Bytes of the file that were read.
    pub bytes: u64,
    /// True if every entry was hashed and versions were proved.
    pub deep: bool,
    /// Entries of a patch that only its base can prove.
    pub unproved: u64,
    /// What is damaged, in the order of the file.
    pub damages: Vec<Damage>,
    /// What is sound and can be read by a newer program alone.
    pub newer: Vec<Newer>,
    /// Bytes after the last commit that were never acknowledged.
    pub torn_tail: u64,
}

/// Something that is damaged.
#[derive(Clone, Debug)]
pub struct Damage {
    /// Where in the file.
    pub offset: u64,
    /// What is wrong.
    pub what: String,
    /// Some of the paths that it hits, and in which versions.
    pub paths: Vec<(VersionId, Path)>,
}

/// Something that a newer program made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Newer {
    /// Where in the file; zero if that is not known.
    pub offset: u64,
    /// The thing.
    pub what: String,
    /// The feature that this program does not know.
    pub needs: String,
}

impl VerifyReport {
    fn new(kind: FileKind, deep: bool) -> Self {
        VerifyReport {
            kind,
            versions: 0,
            entries: 0,
            blocks: 0,
            bytes: 0,
            deep,
            unproved: 0,
            damages: Vec::new(),
            newer: Vec::new(),
            torn_tail: 0,
        }
    }

    fn damage(&mut self, offset: u64, what: impl Into<String>) {
        self.damages.push(Damage { offset, what: what.into(), paths: Vec::new() });
    }

    /// Counts another file in, whose damage is called by its name.
    pub fn count_in(&mut self, file: &LocalPath, other: VerifyReport) {
        self.versions += other.versions;
        self.entries += other.entries;
        self.blocks += other.blocks;
        self.bytes += other.bytes;
        self.unproved += other.unproved;
        let named = |damage: Damage| {
            let what = format!("{}: {}", file.display(), damage.what);
            Damage { what, ..damage }
        };
        self.damages.extend(other.damages.into_iter().map(named));
        self.newer.extend(other.newer);
    }

    /// The files lead to one more version, which proves what was not proved yet; or they do not,
    /// and why is damage or another error.
    pub fn lead_to(&mut self, proved: Result<()>) -> Result<()> {
        if proved.is_ok() {
            self.unproved = 0;
            self.versions += 1;
        }
        self.keep(0, proved)
    }

    /// Keeps damage and what only a newer program reads, passes other errors on.
    fn keep(&mut self, at: u64, result: Result<()>) -> Result<()> {
        match result {
            Err(Error::Damaged { offset, detail, .. }) => {
                self.damage(if offset == 0 { at } else { offset }, detail);
                Ok(())
            }
            Err(error @ (Error::Limit { .. } | Error::Incomplete { .. } | Error::NotFound(_))) => {
                self.damage(at, error.to_string());
                Ok(())
            }
            Err(Error::Newer { what, needs }) => {
                self.newer.push(Newer { offset: at, what, needs });
                Ok(())
            }
            other => other,
        }
    }
}

/// Verifies a database, an export or a patch. Damage is in the report; an error means that the
/// file could not be looked at.
pub fn verify(path: &LocalPath, deep: bool, watch: &Watch) -> Result<VerifyReport> {
    let options = Options { doubtful: true, ..Options::default() };
    match Database::open(path, &options) {
        Ok(database) if database.kind() == FileKind::Database => {
            verify_database(&database, deep, watch)
        }
        Ok(database) => verify_sealed(path, Some(&database), database.kind(), deep, watch),
        Err(Error::Damaged { what, offset, detail }) => {
            // A sealed file that is cut off is read as far as it goes, which names the place.
            match verify_sealed(path, None, FileKind::Export, deep, watch) {
                Ok(report) if !report.damages.is_empty() => Ok(report),
                Err(error @ Error::Newer { .. }) => Err(error),
                _ => Err(Error::Damaged { what, offset, detail }),
            }
        }
        Err(error) => Err(error),
    }
}

/// Verifies a patch with what it is for, or a full export with its patches: each file, and that
/// they lead to a version that is complete, every entry of which has its hash. What the patches
/// bring goes to a file without a name in `scratch`. The report is about the first file and counts
/// the others in.
pub fn verify_with(
    path: &LocalPath,
    with: &[PathBuf],
    deep: bool,
    scratch: &LocalPath,
    watch: &Watch,
) -> Result<VerifyReport> {
    let mut report = verify(path, deep, watch)?;
    for file in with {
        report.count_in(file, verify(file, deep, watch)?);
    }
    // A patch lies on what it is for, a full export below what is for it.
    let mut files = with.to_vec();
    match report.kind {
        FileKind::Patch => files.push(path.to_owned()),
        FileKind::Export | FileKind::Database => files.insert(0, path.to_owned()),
    }
    let Some((first, patches)) = files.split_first() else { return Ok(report) };
    if report.damages.is_empty() && report.newer.is_empty() {
        let opened = open_with(first, patches, scratch, &Options::default(), watch);
        report.lead_to(opened.map(drop))?;
    }
    Ok(report)
}

/// Verifies an open database.
pub(crate) fn verify_database(
    database: &Database,
    deep: bool,
    watch: &Watch,
) -> Result<VerifyReport> {
    let mut report = VerifyReport::new(FileKind::Database, deep);
    let log = database.log();
    let source = log.source().clone();
    for damage in log.damages().iter().chain(log.lost_slot()) {
        report.damage(damage.offset, damage.detail.clone());
    }
    report.torn_tail = source.file_len()?.saturating_sub(log.end());
    watch.expect_more(log.frames_len());
    let reader = database.reader()?;
    let mut checks = Checks {
        reader: &reader,
        source: source.clone(),
        under_way: Queue::new(database.crew()),
        deep,
        found: Bitmap::new(reader.view().number_limit()),
        bad_blocks: BTreeSet::new(),
        report: &mut report,
    };
    for seen in log.frames() {
        watch.check()?;
        match seen? {
            Seen::Frame(at, header) => {
                watch.advance(0, header.frame_len());
                checks.frame(at, &header)?;
            }
            Seen::Gap(at, len) => {
                let what = format!("expected a frame, found {len} other bytes");
                checks.report.damage(at, what);
            }
        }
    }
    checks.finish(watch)?;
    let bad_blocks = std::mem::take(&mut checks.bad_blocks);
    if deep {
        prove_versions(&reader, &mut report, watch)?;
    }
    if !bad_blocks.is_empty() {
        let paths = paths_in(&reader, &bad_blocks);
        for damage in &mut report.damages {
            damage.paths = paths
                .iter()
                .filter(|(at, ..)| *at == damage.offset)
                .map(|(_, v, p)| (*v, p.clone()))
                .collect();
        }
    }
    report.damages.sort_by_key(|damage| damage.offset);
    report.damages.dedup_by(|a, b| a.offset == b.offset && a.what == b.what);
    report.newer.dedup();
    Ok(report)
}

/// First bytes of a block's hash, its table, and which of its chunks can be none.
type Tagged = (u64, Vec<TableEntry>, Vec<u16>);

/// Looks at the block at `at`; with `deep` at every entry in it.
fn look_at(source: &Source, at: u64, deep: bool) -> Result<Tagged> {
    let block = source.raw_block(at, None)?;
    let mut uncut = Vec::new();
    if deep {
        let decoded = block.decode(at)?;
        for (entry, ordinal) in block.head.entries.iter().zip(0u16..) {
            let bytes = decoded.verified(ordinal.into(), at)?;
            if !copy::can_be(entry.kind, &bytes) {
                uncut.push(ordinal);
            }
        }
    }
    let tag = crate::format::first_u64(&block.hash);
    Ok((tag, block.head.entries.clone(), uncut))
}

/// The checks of a database's frames. One thread reads, the crew decodes.
struct Checks<'a> {
    reader: &'a Reader,
    source: Arc<Source>,
    under_way: Queue<(u64, Result<Tagged>)>,
    deep: bool,
    /// Numbers of the entries that are where the index says.
    found: Bitmap,
    bad_blocks: BTreeSet<u64>,
    report: &'a mut VerifyReport,
}

impl Checks<'_> {
    fn frame(&mut self, at: u64, header: &crate::format::FrameHeader) -> Result<()> {
        use crate::format::FrameKind;
        self.report.bytes += header.frame_len();
        match header.frame_kind() {
            Some(FrameKind::Block) => self.block(at),
            Some(FrameKind::Run) => {
                let checked = recover::check_run(&self.source, at, header);
                self.report.keep(at, checked)
            }
            Some(kind @ (FrameKind::Checkpoint | FrameKind::Commit)) => {
                let checked =
                    recover::small_frame(&self.source, at, kind).and_then(|(header, body)| {
                        match header.expected_hash([body.as_slice()]) == header.hash {
                            true => Ok(()),
                            false => {
                                Err(self.source.damaged(at, format!("a {kind:?} without its hash")))
                            }
                        }
                    });
                self.report.keep(at, checked)
            }
            Some(_) => Ok(()),
            None => self.report.keep(at, self.source.named(Err(header.newer()))),
        }
    }

    fn block(&mut self, at: u64) -> Result<()> {
        let (source, deep) = (self.source.clone(), self.deep);
        self.report.blocks += 1;
        self.under_way.submit(move || (at, look_at(&source, at, deep)));
        while let Some((at, tagged)) = self.under_way.surplus() {
            self.take(at, tagged)?;
        }
        Ok(())
    }

    fn take(&mut self, at: u64, tagged: Result<Tagged>) -> Result<()> {
        match tagged {
            Ok((tag, entries, uncut)) => {
                self.report.entries += entries.len() as u64;
                for (entry, ordinal) in entries.into_iter().zip(0u16..) {
                    // Dead entries of a block that lives are in no index.
                    let located = self.reader.view().locate(&entry.hash);
                    let found = located.map(|place| {
                        let place = place.filter(|place| {
                            (place.block, place.ordinal) == (at, ordinal) && place.tag == tag
                        });
                        if let Some(place) = place {
                            self.found.insert(place.number);
                            if uncut.contains(&ordinal) {
                                self.report.damage(at, copy::uncut(&entry.hash));
                            }
                        }
                    });
                    self.report.keep(at, found)?;
                }
                Ok(())
            }
            Err(error) => {
                self.bad_blocks.insert(at);
                match error {
                    Error::Damaged { detail, .. } => self.report.damage(at, detail),
                    other => self.report.keep(at, Err(other))?,
                }
                Ok(())
            }
        }
    }

    fn finish(&mut self, watch: &Watch) -> Result<()> {
        while let Some((at, tagged)) = self.under_way.take() {
            self.take(at, tagged)?;
        }
        let index = self.reader.view().index();
        for record in index.all_records() {
            watch.check()?;
            let found = record.and_then(|record| {
                let hash = Hash::new(record.hash);
                let at = record.block_offset();
                let place = index.locate(&hash)?;
                let known = place.is_some_and(|place| self.found.contains(place.number));
                if known || self.bad_blocks.contains(&at) {
                    return Ok(());
                }
                Err(self.source.damaged(at, format!("entry {hash} is not where the index says")))
            });
            let failed = found.is_err();
            self.report.keep(0, found)?;
            // A page of the index that is damaged is reported once, not once for each entry.
            if failed && self.report.damages.len() > DAMAGES_MAX {
                break;
            }
        }
        Ok(())
    }
}

fn prove_versions(reader: &Reader, report: &mut VerifyReport, watch: &Watch) -> Result<()> {
    let versions = match Roots::of_reader(reader) {
        Ok(roots) => roots.versions(),
        Err(error) => return report.keep(0, Err(error)),
    };
    // What a version that was proved has as well need not be looked at again.
    let mut proved: Option<VersionId> = None;
    let mut prover = graph::Prover::new(reader.view(), reader.crew(), watch);
    for version in versions {
        let result = prover.prove(&version, proved.as_ref()).map(drop);
        if result.is_ok() {
            proved = Some(version);
            report.versions += 1;
        }
        // What a version rests on may have been found broken already.
        let known = |at: u64| report.damages.iter().any(|damage| at > 0 && damage.offset == at);
        if matches!(&result, Err(Error::Damaged { offset, .. }) if known(*offset)) {
            continue;
        }
        let result = result.map_err(|error| match error {
            Error::Damaged { what, offset, detail } => {
                let detail = format!("version {version}: {what}: {detail}");
                Error::Damaged { what, offset, detail }
            }
            Error::Newer { what, needs } => {
                Error::newer(format!("version {version}: {what}"), needs)
            }
            other => other,
        });
        report.keep(0, result)?;
    }
    Ok(())
}

/// Some paths whose bytes lie in damaged blocks: offset of the block, version, path.
fn paths_in(reader: &Reader, blocks: &BTreeSet<u64>) -> Vec<(u64, VersionId, Path)> {
    let mut found = Vec::new();
    let view = reader.view();
    let Ok(roots) = Roots::of_reader(reader) else { return found };
    for version in roots.versions() {
        let before = found.len();
        let Ok(walk) = reader.walk(&version, &Path::root()) else { continue };
        for entry in walk {
            // The walk ends where a directory is damaged itself.
            let Ok((path, Item::File(record))) = entry else {
                if entry.is_err() {
                    break;
                }
                continue;
            };
            let Ok(chunks) = ListReader::new(view, &record.content, record.size, 0) else {
                continue;
            };
            let places = chunks.flatten().filter_map(|(_, chunk)| view.locate(&chunk.id.0).ok()?);
            let hit = places.map(|place| place.block).find(|block| blocks.contains(block));
            if let Some(block) = hit {
                found.push((block, version, path));
            }
            if found.len() - before >= PATHS_MAX {
                break;
            }
        }
    }
    found
}

fn verify_sealed(
    path: &LocalPath,
    database: Option<&Database>,
    kind: FileKind,
    deep: bool,
    watch: &Watch,
) -> Result<VerifyReport> {
    let name = path.display().to_string();
    let file = File::open(path).context(|| format!("opening {name}"))?;
    let len = file.metadata().context(|| format!("looking at {name}"))?.len();
    watch.expect_more(len);
    let mut input = BufReader::with_capacity(64 * 1024, file);
    let mut stream = StreamReader::new(&mut input, name)?;
    let kind = stream.superblock().file_kind().unwrap_or(kind);
    let mut report = VerifyReport::new(kind, deep);
    let crew = database.map_or_else(|| Arc::new(Crew::new(0)), |database| database.crew().clone());
    let mut under_way: Queue<(u64, Result<()>)> = Queue::new(&crew);
    let mut tally = Tally::default();
    loop {
        watch.check()?;
        let at = stream.offset();
        match stream.next_part() {
            Ok(Part::Block(at, block)) => {
                report.blocks += 1;
                report.entries += block.head.entries.len() as u64;
                if deep {
                    under_way.submit(move || (at, copy::check_block(at, &block).map(drop)));
                }
            }
            Ok(Part::Delta(delta)) => {
                report.blocks += 1;
                report.entries += delta.count();
                report.unproved += delta.count();
            }
            Ok(Part::Changes(changes)) => {
                let counted = copy::tally(&mut tally, changes, stream.name(), stream.offset());
                report.keep(at, counted)?;
            }
            Ok(Part::Link(..)) => {}
            Ok(Part::End(_)) => break,
            Err(error) => {
                report.keep(at, Err(error))?;
                break;
            }
        }
        while let Some((at, checked)) = under_way.surplus() {
            report.keep(at, checked)?;
        }
        watch.advance(0, stream.offset() - at);
    }
    while let Some((at, checked)) = under_way.take() {
        report.keep(at, checked)?;
    }
    report.bytes = stream.offset();
    if deep
        && kind == FileKind::Export
        && report.damages.is_empty()
        && let Some(database) = database
    {
        prove_versions(&database.reader()?, &mut report, watch)?;
    }
    Ok(report)
}
