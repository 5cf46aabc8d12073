//! Import: exports and patches into a database, proved before anything becomes visible.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use crate::backup::changes::same_apart_from_below;
use crate::crew::{Crew, Ticket};
use crate::db::{Database, FileKind, Snapshot, Writer};
use crate::error::{Context, Error, Result};
use crate::format::change_list::ChangeRecord;
use crate::format::delta;
use crate::format::seal::Closing;
use crate::graph::{self, Differ, Step};
use crate::hash::{Hash, Kind, VersionId};
use crate::limits::{CHUNK_BLOCK_LEN_TARGET, DELTA_PREFIX_LEN_MAX};
use crate::log::source::RawBlock;
use crate::log::stream::{Delta, Part, StreamReader};
use crate::object::{Item, Path};
use crate::store::ReadEntries;
use crate::watch::Watch;

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
}

/// An export or a patch to import.
pub enum Input {
    /// A file.
    File(PathBuf),
    /// Bytes that come in order.
    Stream(Box<dyn Read + Send>),
}

/// What was imported: the counts describe the files.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
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
}

/// Takes exports and patches into a database, in order, as one change: all or nothing.
pub fn import(
    database: &Database,
    inputs: Vec<Input>,
    options: &ImportOptions,
    watch: &Watch,
) -> Result<ImportReport> {
    let mut writer = database.writer()?;
    let start = writer.entries().end();
    let head = writer.head();
    if let Some(expected) = options.expect.filter(|expected| *expected != head) {
        return Err(Error::HeadMoved { head, expected });
    }
    let mut chain = Chain { at: head, links: Vec::new(), options };
    let mut new_entries = 0;
    for input in inputs {
        let (mut read, name) = open(database, input)?;
        let mut stream = StreamReader::new(&mut *read, name)?;
        chain.check(&stream)?;
        let mut copy = Copy {
            crew: database.crew().clone(),
            writer: &mut writer,
            watch,
            under_way: VecDeque::new(),
            version: chain.at,
            base: chain.links.last().and_then(|link| link.base),
            entries: 0,
            new_entries: 0,
            changes: Vec::new(),
        };
        let closing = copy.run(&mut stream)?;
        new_entries += copy.new_entries;
        // What the next file refers to is found where it is written.
        copy.writer.entries().flush()?;
        let changes = std::mem::take(&mut copy.changes);
        if let Some(link) = chain.links.last_mut() {
            link.closing = closing;
            link.changes = changes;
        }
    }
    let Some(last) = chain.links.last() else {
        return Err(Error::invalid("there is nothing to import"));
    };
    let version = chain.at;
    let supplier = last.base;
    graph::prove(writer.entries(), &version, Some(&head), watch).map_err(|error| match error {
        Error::Incomplete { version, missing, .. } => {
            Error::Incomplete { version, missing, supplier }
        }
        Error::NotFound(_) => Error::Incomplete { version, missing: 1, supplier },
        other => other,
    })?;
    for link in &chain.links {
        link.check_counts(&writer)?;
    }
    let mut report = chain.report(new_entries);
    report.promoted = options.promote;
    let grown = finish(database, writer, &version, new_entries, options)?;
    report.new_bytes = grown.unwrap_or(start).saturating_sub(start);
    Ok(report)
}

fn open(database: &Database, input: Input) -> Result<(Box<dyn Read>, String)> {
    match input {
        Input::Stream(stream) => Ok((stream, "the input".into())),
        Input::File(path) => {
            let name = path.display().to_string();
            let file = File::open(&path).map_err(|error| match error.kind() {
                std::io::ErrorKind::NotFound => Error::not_found(name.clone()),
                _ => Error::Io { what: format!("opening {name}"), source: error },
            })?;
            let metadata = file.metadata().context(|| format!("looking at {name}"))?;
            if !metadata.is_file() {
                let detail = "is not a regular file".into();
                return Err(Error::Foreign { what: name, detail });
            }
            if database.is_same_file(&metadata) {
                return Err(Error::invalid(format!("{name} is the database itself")));
            }
            Ok((Box::new(BufReader::with_capacity(64 * 1024, file)), name))
        }
    }
}

/// The files of one import, each of which must start where the one before it ends.
struct Chain<'o> {
    at: VersionId,
    links: Vec<Link>,
    options: &'o ImportOptions,
}

struct Link {
    name: String,
    kind: FileKind,
    base: Option<VersionId>,
    target: VersionId,
    closing: Closing,
    changes: Vec<ChangeRecord>,
}

impl Chain<'_> {
    /// Takes the next file into the chain, if it follows.
    fn check(&mut self, stream: &StreamReader<'_>) -> Result<()> {
        let superblock = stream.superblock();
        let target = VersionId(Hash::new(superblock.target));
        let kind = superblock.file_kind().unwrap_or(FileKind::Export);
        let base = (kind == FileKind::Patch).then(|| VersionId(Hash::new(superblock.base)));
        if let Some(base) = base.filter(|base| *base != self.at && !self.options.force) {
            return Err(match self.links.last() {
                None => Error::BaseMismatch { head: self.at, base, target },
                Some(before) => Error::invalid(format!(
                    "{} starts from version {base}, but {} before it leads to version {}",
                    stream.name(),
                    before.name,
                    before.target
                )),
            });
        }
        self.at = target;
        let name = stream.name().to_owned();
        let (closing, changes) = (Closing::default(), Vec::new());
        self.links.push(Link { name, kind, base, target, closing, changes });
        Ok(())
    }

    fn report(&self, new_entries: u64) -> ImportReport {
        let sum = |count: fn(&Closing) -> u64| -> u64 {
            self.links.iter().map(|link| count(&link.closing)).fold(0, u64::saturating_add)
        };
        let chunks = sum(|closing| closing.chunks.get());
        let files = sum(|closing| closing.files.get());
        let directories = sum(|closing| closing.directories.get());
        let deletions = sum(|closing| closing.files_deleted.get());
        let first = self.links.first();
        ImportReport {
            kind: first.map_or(FileKind::Export, |link| link.kind),
            version: self.at,
            base: first.and_then(|link| link.base),
            entries: [chunks, files, directories, deletions]
                .into_iter()
                .fold(0, u64::saturating_add),
            chunks,
            files,
            directories,
            deletions,
            promoted: false,
            new_entries,
            new_bytes: 0,
        }
    }
}

impl Link {
    /// The counts and changes that a file promises must be those of the versions it leads to.
    fn check_counts(&self, writer: &Writer<'_>) -> Result<()> {
        let lie = |what: &str, expected: u64, found: u64| {
            let detail = format!("it promises {expected} {what}, its versions have {found}");
            Error::damaged(self.name.clone(), self.closing.offset.get(), detail)
        };
        let Some(base) = self.base else {
            let totals = crate::object::Version::read(writer, &self.target)?.totals;
            if totals.files != self.closing.files.get() {
                return Err(lie("files", self.closing.files.get(), totals.files));
            }
            if totals.directories != self.closing.directories.get() {
                return Err(lie("directories", self.closing.directories.get(), totals.directories));
            }
            return Ok(());
        };
        // With --force the base need not be here: then there is nothing to hold the list against.
        let Ok(base) = crate::object::Version::read(writer, &base) else { return Ok(()) };
        let target = crate::object::Version::read(writer, &self.target)?;
        let root = Path::root();
        let steps = Differ::new(writer, Some(&base.root), writer, Some(&target.root), &root)?;
        let mut found = Counts::default();
        for step in steps {
            match step {
                Ok(Step::Item { path, before, after }) => found.add(&path, before, after),
                Ok(Step::Node { .. }) => {}
                Err(Error::NotFound(_)) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        let promised = [
            ("added files", self.closing.files_added.get(), found.added),
            ("modified files", self.closing.files_modified.get(), found.modified),
            ("deleted files", self.closing.files_deleted.get(), found.deleted),
            ("files", self.closing.files.get(), found.added + found.modified),
        ];
        if let Some((what, expected, found)) = promised.into_iter().find(|(_, a, b)| a != b) {
            return Err(lie(what, expected, found));
        }
        let mut listed: Vec<(u8, Vec<u8>)> = Vec::new();
        for change in &self.changes {
            match change.letter {
                b'R' => {
                    listed.push((b'D', change.path.clone()));
                    listed.push((b'A', change.to.clone()));
                }
                letter => listed.push((letter, change.path.clone())),
            }
        }
        listed.sort();
        found.changes.sort();
        if listed != found.changes {
            return Err(lie("changes", listed.len() as u64, found.changes.len() as u64));
        }
        Ok(())
    }
}

#[derive(Default)]
struct Counts {
    added: u64,
    modified: u64,
    deleted: u64,
    changes: Vec<(u8, Vec<u8>)>,
}

impl Counts {
    fn add(&mut self, path: &Path, before: Option<Item>, after: Option<Item>) {
        let is_file = |item: &Option<Item>| matches!(item, Some(Item::File(_) | Item::Symlink(_)));
        match (is_file(&before), is_file(&after)) {
            (false, true) => self.added += 1,
            (true, true) => self.modified += 1,
            (true, false) => self.deleted += 1,
            (false, false) => {}
        }
        let letter = match (&before, &after) {
            (None, _) => b'A',
            (_, None) => b'D',
            (Some(old), Some(new)) if same_apart_from_below(old, new) => return,
            _ => b'M',
        };
        self.changes.push((letter, path.as_bytes().to_vec()));
    }
}

/// Copies the entries of one file, every one of them hashed.
struct Copy<'a, 'd> {
    crew: Arc<Crew>,
    writer: &'a mut Writer<'d>,
    watch: &'a Watch,
    under_way: VecDeque<Ticket<Result<Checked>>>,
    version: VersionId,
    base: Option<VersionId>,
    entries: u64,
    new_entries: u64,
    changes: Vec<ChangeRecord>,
}

/// What came out of a block or a delta: every entry has its name.
enum Checked {
    Block(Box<RawBlock>, Vec<(Kind, Hash, Bytes)>),
    Delta(Vec<(Kind, Hash, Bytes)>),
}

impl Copy<'_, '_> {
    fn run(&mut self, stream: &mut StreamReader<'_>) -> Result<Closing> {
        loop {
            self.watch.check()?;
            match stream.next_part()? {
                Part::Block(at, block) => {
                    let name = stream.name().to_owned();
                    self.submit(move || {
                        check_block(at, block).map_err(|error| renamed(error, &name))
                    })?;
                }
                Part::Delta(at, delta) => self.delta(stream.name(), at, delta)?,
                Part::Changes(mut changes) => self.changes.append(&mut changes),
                Part::End(closing) => {
                    while !self.under_way.is_empty() {
                        self.take_next()?;
                    }
                    if closing.entries.get() != self.entries {
                        let (promised, found) = (closing.entries.get(), self.entries);
                        let detail = format!("it promises {promised} entries and has {found}");
                        let at = closing.offset.get();
                        return Err(Error::damaged(stream.name(), at, detail));
                    }
                    return Ok(*closing);
                }
            }
        }
    }

    fn submit(&mut self, job: impl FnOnce() -> Result<Checked> + Send + 'static) -> Result<()> {
        self.under_way.push_back(self.crew.submit(job));
        while self.under_way.len() > self.crew.depth() {
            self.take_next()?;
        }
        Ok(())
    }

    /// A delta needs entries that are here already; they are read before the crew decodes it.
    fn delta(&mut self, name: &str, at: u64, delta: Delta) -> Result<()> {
        let mut prefix = Vec::new();
        let mut missing = 0;
        for reference in &delta.head.references {
            match self.read_any(reference)? {
                Some(bytes) => prefix.extend_from_slice(&bytes),
                None => missing += 1,
            }
            if prefix.len() > DELTA_PREFIX_LEN_MAX {
                return Err(Error::Limit {
                    what: format!("what the delta at offset {at} of {name} refers to"),
                    limit: DELTA_PREFIX_LEN_MAX as u64,
                    found: prefix.len() as u64,
                });
            }
        }
        if missing > 0 {
            let (version, supplier) = (self.version, self.base);
            return Err(Error::Incomplete { version, missing, supplier });
        }
        let name = name.to_owned();
        self.submit(move || check_delta(at, &delta, &prefix).map_err(|error| renamed(error, &name)))
    }

    /// An entry whose kind is not told.
    fn read_any(&mut self, hash: &Hash) -> Result<Option<Bytes>> {
        for kind in [Kind::Chunk, Kind::Directory, Kind::List] {
            match self.writer.entries().read(kind, hash) {
                Ok(bytes) => return Ok(Some(bytes)),
                Err(Error::NotFound(_)) => return Ok(None),
                Err(Error::Damaged { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    fn take_next(&mut self) -> Result<()> {
        let Some(ticket) = self.under_way.pop_front() else { return Ok(()) };
        let (block, entries) = match ticket.wait()? {
            Checked::Block(block, entries) => (Some(block), entries),
            Checked::Delta(entries) => (None, entries),
        };
        self.entries += entries.len() as u64;
        let appender = self.writer.entries();
        if let Some(block) = block
            && block.head.raw_len >= CHUNK_BLOCK_LEN_TARGET / 2
        {
            let mut all_new = true;
            for (_, hash, _) in &entries {
                all_new = all_new && !appender.contains(hash)?;
            }
            if all_new {
                self.new_entries += entries.len() as u64;
                let bytes: usize = entries.iter().map(|(_, _, bytes)| bytes.len()).sum();
                self.watch.advance(0, bytes as u64);
                return appender.append_block(&block);
            }
        }
        for (kind, hash, bytes) in entries {
            self.watch.advance(0, bytes.len() as u64);
            self.new_entries += u64::from(appender.append_hashed(kind, hash, &bytes)?);
        }
        Ok(())
    }
}

fn renamed(error: Error, name: &str) -> Error {
    match error {
        Error::Damaged { offset, detail, .. } => {
            Error::Damaged { what: name.into(), offset, detail }
        }
        other => other,
    }
}

fn check_block(at: u64, block: RawBlock) -> Result<Checked> {
    let decoded = block.decode(at)?;
    let mut entries = Vec::with_capacity(block.head.entries.len());
    for (ordinal, entry) in block.head.entries.iter().enumerate() {
        if entry.kind == Kind::System {
            return Err(Error::damaged("", at, "a node of a system map in a sealed file"));
        }
        entries.push((entry.kind, entry.hash, decoded.verified(ordinal, at)?));
    }
    // Two entries of one name in a block would make a copy of it a block that no packer writes.
    let mut names: Vec<_> = entries.iter().map(|(_, hash, _)| hash).collect();
    names.sort_unstable();
    if names.windows(2).any(|pair| pair.first() == pair.last()) {
        return Err(Error::damaged("", at, "a block with two entries of one name"));
    }
    Ok(Checked::Block(Box::new(block), entries))
}

fn check_delta(at: u64, delta: &Delta, prefix: &[u8]) -> Result<Checked> {
    let raw = Bytes::from(delta::decode(at, &delta.head, &delta.payload, prefix)?);
    let mut start = 0;
    let mut entries = Vec::with_capacity(delta.head.entries.len());
    for (kind, len) in &delta.head.entries {
        let end = start + *len as usize;
        let bytes = raw.slice(start..end);
        entries.push((*kind, kind.hash(&bytes), bytes));
        start = end;
    }
    Ok(Checked::Delta(entries))
}

/// Records what was imported. Returns the end of the file, or `None` if nothing was written.
fn finish(
    database: &Database,
    mut writer: Writer<'_>,
    version: &VersionId,
    new_entries: u64,
    options: &ImportOptions,
) -> Result<Option<u64>> {
    let moves = options.promote && writer.head() != *version;
    let known = writer.head() == *version || writer.is_recorded(version)?;
    if !moves && known && new_entries == 0 && options.snapshot.is_none() {
        return Ok(None);
    }
    if moves {
        writer.set_head(*version, "import")?;
    } else if !known {
        writer.record(*version, "import")?;
    }
    if let Some(name) = &options.snapshot {
        let (version, created_at) = (*version, database.clock().now());
        let metadata = std::collections::BTreeMap::new();
        writer.add_snapshot(&Snapshot { name: name.clone(), version, created_at, metadata })?;
    }
    let end = writer.commit_and_end()?;
    Ok(Some(end))
}
