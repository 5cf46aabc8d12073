//! Whole trees as tar archives: in as one commit, out as they are read.

use std::collections::hash_map::Entry::{Occupied, Vacant};
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{Read, Write};
use std::sync::Arc;

use aeordb::db::{BulkLoad, Draft, EditReport, Placing, Reader, Replacing};
use aeordb::error::Context;
use aeordb::files::{MaxDelete, Replaced};
use aeordb::hash::VersionId;
use aeordb::internals::log::View;
use aeordb::internals::object::attributes::KnownSets;
use aeordb::internals::object::hard_link::{InodeKey, file_key};
use aeordb::monitor::Monitor;
use aeordb::object::{
    AttributeSet, Attributes, FileRecord, Item, Name, Path, Special, SpecialKind, Subdirectory,
    Symlink,
};
use aeordb::{Error, Result};
use tar::EntryType;

use super::conditions::Conditions;
use super::pieces::Pieces;
use super::problem::Problem;
use super::streams::Stream;
use super::tarball::{self, Member, Records, Tarball, Writer};
use super::upload::{Announced, Head};
use super::{Asker, Cancelled, Service};

/// Most bytes of holes of its files: they cost a sender nothing.
const HOLES_LEN_MAX: u64 = 1 << 40;
/// Bytes that are read at once.
const PIECE_LEN: usize = 256 * 1024;

/// How much of what is there something may take away that comes in its place.
#[derive(Clone, Copy, Debug)]
pub struct Bound {
    /// Most files.
    pub max_delete: MaxDelete,
    /// True if nothing at all may come in place of something.
    pub allow_empty: bool,
}

impl Bound {
    /// An error if more would go.
    pub(super) fn check(&self, path: &str, replacing: &Replacing) -> Result<()> {
        let Replacing { put, deleted, files } = *replacing;
        let replaced = Replaced { source: "the archive", path, put, deleted, files };
        replaced.check(self.max_delete, self.allow_empty)
    }
}

/// An archive that is to be unpacked.
pub struct Unpack {
    /// The directory that it is unpacked into.
    pub path: Path,
    /// True if what the archive does not have goes.
    pub mirror: bool,
    /// How much that may be.
    pub bound: Bound,
    /// What is demanded of what is there.
    pub conditions: Conditions,
}

impl Service {
    /// The directory at `path` as an archive.
    pub async fn archive(
        self: &Arc<Self>,
        reader: Arc<Reader>,
        version: VersionId,
        path: Path,
    ) -> std::result::Result<Stream, Problem> {
        let (looked_at, directory) = (reader.clone(), path.clone());
        self.blocking(move |_| Ok(looked_at.directory(&version, &directory)?)).await?;
        Ok(Stream::export(version, move |out, _| pack(&reader, &version, &path, out)))
    }

    /// Unpacks what is sent into a directory, as one commit.
    pub async fn unpack(
        self: &Arc<Self>,
        asker: &Asker,
        wanted: Unpack,
        announced: Announced,
        sent: impl Pieces,
    ) -> std::result::Result<EditReport, Problem> {
        let Unpack { path, mirror, bound, conditions } = wanted;
        let append_only = asker.rights.append_only;
        if append_only && mirror {
            return Err(Problem::forbidden("this key may only append, and a mirror removes"));
        }
        let (top, asked) = (path.clone(), conditions.clone());
        let check = move |head: &Head| {
            let found = head.item(&top)?;
            head.check(&asked, &top, found.as_ref())?;
            check_top(&top, found.as_ref(), mirror)
        };
        self.foresee(announced, check).await?;
        let file = self.spool(asker, sent).await?;
        let place = self.archives.take(&asker.key, 1).await?;
        self.check_file()?;
        let cancelled = Cancelled::default();
        let monitor = cancelled.0.clone();
        let edit = self.blocking(move |service| {
            let _place = place;
            let shared = service.clone();
            let mut load = BulkLoad::new(service.database.clone(), move || shared.backups.spool());
            unpack(&mut load, file, &path, &monitor)?;
            let shown = path.to_string();
            let placing = Placing { top: path.clone(), mirror, only_adds: append_only };
            let check = move |draft: &mut Draft<'_, '_>, found: Option<&Item>| {
                conditions.check(draft, &path, found)
            };
            let allow = move |replacing: &Replacing| bound.check(&shown, replacing);
            load.into_edit("put", placing, check, allow, &monitor).map_err(Problem::from)
        });
        let edit = edit.await.map_err(|problem| problem.of_appending(append_only))?;
        self.edit(edit).await.map_err(|problem| problem.of_appending(append_only))
    }
}

fn pack(reader: &Reader, version: &VersionId, top: &Path, out: &mut dyn Write) -> Result<()> {
    let (archive, sets) = (Writer::new(out), KnownSets::new(reader.view()));
    let mut packer = Packer { reader, archive, sets, linked: HashMap::new() };
    let directory = reader.directory(version, top)?;
    if directory.attributes != Attributes::default() {
        packer.append(b".", &Item::Directory(directory), None)?;
    }
    let start = if top.is_root() { 1 } else { top.as_bytes().len() + 1 };
    for entry in reader.walk(version, top)? {
        let (path, item) = entry?;
        let name = path.as_bytes().get(start..).unwrap_or_default();
        let first = packer.first_path(&path, name, &item)?;
        packer.append(name, &item, first.as_deref())?;
    }
    packer.archive.finish().context(writing)
}

fn writing() -> String {
    "writing an archive".into()
}

/// Writes items as entries of an archive.
struct Packer<'p> {
    reader: &'p Reader,
    archive: Writer<'p>,
    sets: KnownSets<'p, View>,
    /// Where files with several paths are in the archive. Memory grows with their number, some 200
    /// bytes and a path each.
    linked: HashMap<InodeKey, Vec<u8>>,
}

impl Packer<'_> {
    /// Where in the archive the same file is already, if it has several paths.
    fn first_path(&mut self, path: &Path, name: &[u8], item: &Item) -> Result<Option<Vec<u8>>> {
        let Some(link) = item.attributes().link else { return Ok(None) };
        let at = path.parent().unwrap_or_else(Path::root);
        Ok(match self.linked.entry(file_key(&at, item, link)?) {
            Occupied(first) => Some(first.get().clone()),
            Vacant(none) => {
                none.insert(name.to_vec());
                None
            }
        })
    }

    fn append(&mut self, name: &[u8], item: &Item, first: Option<&[u8]>) -> Result<()> {
        let (kind, usual) = match item {
            Item::File(_) => (EntryType::Regular, 0o644),
            Item::Directory(_) => (EntryType::Directory, 0o755),
            Item::Symlink(_) => (EntryType::Symlink, 0o777),
            Item::Special(special) => match special.what {
                SpecialKind::Fifo => (EntryType::Fifo, 0o644),
                SpecialKind::CharacterDevice(_) => (EntryType::Char, 0o600),
                SpecialKind::BlockDevice(_) => (EntryType::Block, 0o600),
                // Archives have none.
                SpecialKind::Socket => return Ok(()),
            },
        };
        let device = match item {
            Item::Special(special) => special.what.device(),
            _ => None,
        };
        let attributes = item.attributes();
        let mut path = name.to_vec();
        if kind == EntryType::Directory {
            path.push(b'/');
        }
        let (kind, link, size): (_, &[u8], u64) = match (first, item) {
            (Some(first), _) => (EntryType::Link, first, 0),
            (None, Item::Symlink(link)) => (kind, &link.target, 0),
            (None, Item::File(file)) => (kind, &[], file.size),
            (None, Item::Directory(_) | Item::Special(_)) => (kind, &[], 0),
        };
        let set = self.sets.of(attributes.set.as_ref())?;
        let records = match first {
            None => self.records(item, &set)?,
            // All else stands where the file is first.
            Some(_) => Records::default(),
        };
        let member = Member {
            kind,
            path: &path,
            link,
            size,
            device: device.unwrap_or_default(),
            owner: set.owner.as_ref(),
            mode: attributes.mode.unwrap_or(usual),
            mtime: attributes.mtime.unwrap_or_default(),
            records,
        };
        match item {
            Item::File(file) if first.is_none() => {
                self.archive.append(&member, self.reader.file(file))
            }
            _ => self.archive.append(&member, std::io::empty()),
        }
        .context(writing)
    }

    /// The records of what a header has no place for.
    fn records(&self, item: &Item, set: &AttributeSet) -> Result<Records> {
        let mut records = Records::default();
        if let Item::File(FileRecord { content_type: Some(content_type), .. }) = item {
            records.push(tarball::CONTENT_TYPE, content_type.as_bytes());
        }
        let Attributes { mode, mtime, .. } = item.attributes();
        // Nobody asks for the mode of a link.
        let without_mode = mode.is_none() && !matches!(item, Item::Symlink(_));
        let unknown =
            [("mode", without_mode), ("mtime", mtime.is_none()), ("owner", set.owner.is_none())];
        let unknown: Vec<&str> =
            unknown.into_iter().filter(|(_, unknown)| *unknown).map(|(name, _)| name).collect();
        if !unknown.is_empty() {
            records.push(tarball::UNKNOWN, unknown.join(" ").as_bytes());
        }
        let mut xattrs = BTreeMap::new();
        for (name, value) in &set.xattrs {
            xattrs.insert(name.clone(), value.read(self.sets.store())?);
        }
        tarball::write_attributes(set.flags, &xattrs, &mut records);
        Ok(records)
    }
}

/// Takes in the bytes of an archive's files, and what stands where. Later entries of a path stand
/// in place of earlier ones.
fn unpack(
    load: &mut BulkLoad,
    file: File,
    top: &Path,
    monitor: &Monitor,
) -> std::result::Result<(), Problem> {
    let mut archive = Tarball::new(file)?;
    let mut piece = vec![0; PIECE_LEN];
    let mut holes_len = 0;
    while let Some(entry) = archive.next_entry()? {
        monitor.check()?;
        let path = below(top, &entry.path)?;
        holes_len = entry.holes_len().saturating_add(holes_len);
        if holes_len > HOLES_LEN_MAX {
            let what = "bytes of holes in an archive".into();
            return Err(Error::Limit { what, limit: HOLES_LEN_MAX, found: holes_len }.into());
        }
        if entry.kind == EntryType::Link {
            // One more path of the file that it names, which came before.
            load.link(&path, below(top, &entry.link)?)?;
            continue;
        }
        let set = load.set(entry.extended.clone());
        let set = set.map_err(|error| Problem::from(error).of_entry(&entry.path))?;
        let attributes = Attributes { set, ..entry.attributes };
        let special = |what| Item::Special(Special { what, attributes });
        let item = match entry.kind {
            EntryType::Regular | EntryType::Continuous => {
                let record = take(load, &mut archive.contents(&entry), &mut piece, monitor)?;
                let content_type = entry.content_type;
                Item::File(FileRecord { attributes, content_type, ..record })
            }
            EntryType::Directory => Item::Directory(Subdirectory::empty(attributes)),
            EntryType::Symlink => {
                let attributes = attributes.of_link();
                Item::Symlink(Symlink { target: entry.link, attributes })
            }
            EntryType::Fifo => special(SpecialKind::Fifo),
            EntryType::Char => special(SpecialKind::CharacterDevice(entry.device)),
            EntryType::Block => special(SpecialKind::BlockDevice(entry.device)),
            _ => return Err(Problem::invalid(format!("{path} is nothing that a tree has"))),
        };
        if path.is_root() && !matches!(item, Item::Directory(_)) {
            return Err(Problem::invalid("/ is a directory and stays one"));
        }
        load.put(path, &item)?;
    }
    Ok(())
}

fn take(
    load: &mut BulkLoad,
    contents: &mut impl Read,
    piece: &mut [u8],
    monitor: &Monitor,
) -> Result<FileRecord> {
    loop {
        monitor.check()?;
        let read = contents.read(piece).context(|| "reading an archive".into())?;
        if read == 0 {
            return load.finish_file();
        }
        load.write(piece.get(..read).unwrap_or_default())?;
    }
}

/// Where an entry lands: never outside of `top`. `.` is `top` itself.
fn below(top: &Path, name: &[u8]) -> Result<Path> {
    let mut path = top.clone();
    for component in name.split(|byte| *byte == b'/') {
        if !matches!(component, b"" | b".") {
            path = path.join(&Name::new(component)?)?;
        }
    }
    Ok(path)
}

/// Refuses to unpack over what is no directory, but for a mirror.
fn check_top(top: &Path, found: Option<&Item>, mirror: bool) -> Result<()> {
    match found {
        Some(Item::File(_) | Item::Symlink(_) | Item::Special(_)) if !mirror => {
            Err(Error::invalid(format!("{top} is not a directory")))
        }
        _ => Ok(()),
    }
}
