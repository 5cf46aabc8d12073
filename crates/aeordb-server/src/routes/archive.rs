//! Whole trees as tar archives: in as one commit, out as they are read.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};

use aeordb::db::edit::sum;
use aeordb::db::{Draft, Edit, Reader, Upload};
use aeordb::error::Context;
use aeordb::hash::VersionId;
use aeordb::object::{Attributes, FileRecord, Item, Name, Path, Subdirectory, Symlink, Totals};
use aeordb::watch::Watch;
use aeordb::{Error, Result};
use aeordb_api::files::Edit as EditReply;
use aeordb_api::table::{PutQuery, ReadQuery};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::Response;
use tar::EntryType;

use super::admin::Cancelled;
use super::files::{Conditions, insert_version, version_of};
use super::streams::piped;
use super::upload::{Head, empty_directory, foresee, refused};
use super::{Leaves, json_answer};
use crate::outgoing::unmeasured;
use crate::problem::{Answer, Problem};
use crate::request::Request;
use crate::spool;
use crate::tarball::{self, Member, Records, Tarball, Writer};

/// Most entries of an archive that comes in: they are in memory until the commit.
const ENTRIES_MAX: usize = 1_000_000;
/// Most bytes of their paths, targets and types, likewise.
const NAMES_LEN_MAX: usize = 128 * 1024 * 1024;
/// Most bytes of holes of its files: they cost a sender nothing.
const HOLES_LEN_MAX: u64 = 1 << 40;
/// Bytes that are read at once.
const PIECE_LEN: usize = 256 * 1024;

/// Sends the directory at `path` as an archive.
pub async fn get(request: Request, query: ReadQuery, path: Path) -> Answer {
    let reader = request.reader(query.with.as_ref())?;
    let version = version_of(&request.app, &reader, &query).await?;
    let (looked_at, directory) = (reader.clone(), path.clone());
    request.app.blocking(move |_| Ok(looked_at.directory(&version, &directory)?)).await?;
    let body = match request.method {
        Method::HEAD => unmeasured(),
        _ => {
            let permit = request.app.export_permit()?;
            piped(&request.app, permit, move |_, out, _| pack(&reader, &version, &path, out))
                .await?
        }
    };
    let mut response = Response::new(body);
    let kind = HeaderValue::from_static("application/x-tar");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    insert_version(response.headers_mut(), &version);
    response.extensions_mut().insert(Leaves);
    Ok(response)
}

fn pack(reader: &Reader, version: &VersionId, top: &Path, out: &mut dyn Write) -> Result<()> {
    let mut archive = Writer::new(out);
    let directory = reader.directory(version, top)?;
    if directory.attributes != Attributes::default() {
        append(reader, b".", &Item::Directory(directory), &mut archive)?;
    }
    let start = if top.is_root() { 1 } else { top.as_bytes().len() + 1 };
    for entry in reader.walk(version, top)? {
        let (path, item) = entry?;
        let name = path.as_bytes().get(start..).unwrap_or_default();
        append(reader, name, &item, &mut archive)?;
    }
    archive.finish().context(writing)
}

fn writing() -> String {
    "writing an archive".into()
}

fn append(reader: &Reader, name: &[u8], item: &Item, archive: &mut Writer<'_>) -> Result<()> {
    let (kind, usual) = match item {
        Item::File(_) => (EntryType::Regular, 0o644),
        Item::Directory(_) => (EntryType::Directory, 0o755),
        Item::Symlink(_) => (EntryType::Symlink, 0o777),
    };
    let attributes = item.attributes();
    let mut path = name.to_vec();
    if kind == EntryType::Directory {
        path.push(b'/');
    }
    let (link, size): (&[u8], u64) = match item {
        Item::Symlink(link) => (&link.target, 0),
        Item::File(file) => (&[], file.size),
        Item::Directory(_) => (&[], 0),
    };
    let member = Member {
        kind,
        path: &path,
        link,
        size,
        mode: attributes.mode.unwrap_or(usual),
        mtime: attributes.mtime.unwrap_or_default(),
        records: records(item),
    };
    match item {
        Item::File(file) => archive.append(&member, reader.file(file)),
        _ => archive.append(&member, std::io::empty()),
    }
    .context(writing)
}

/// The records of what nobody else's archives hold.
fn records(item: &Item) -> Records {
    let mut records = Records::default();
    if let Item::File(FileRecord { content_type: Some(content_type), .. }) = item {
        records.push(tarball::CONTENT_TYPE, content_type.as_bytes());
    }
    let Attributes { mode, mtime } = item.attributes();
    // Nobody asks for the mode of a link.
    let without_mode = mode.is_none() && !matches!(item, Item::Symlink(_));
    let unknown = [("mode", without_mode), ("mtime", mtime.is_none())];
    let unknown: Vec<&str> =
        unknown.into_iter().filter(|(_, unknown)| *unknown).map(|(name, _)| name).collect();
    if !unknown.is_empty() {
        records.push(tarball::UNKNOWN, unknown.join(" ").as_bytes());
    }
    records
}

/// Unpacks the body into the directory at `path`, as one commit.
pub async fn put(mut request: Request, query: PutQuery, path: Path) -> Answer {
    let mirror = query.mirror;
    let append_only = request.rights.append_only;
    if append_only && mirror {
        return Err(Problem::forbidden("this key may only append, and a mirror removes"));
    }
    let conditions = Conditions::of(&request);
    let (top, asked) = (path.clone(), conditions.clone());
    let check = move |head: &Head| {
        let found = head.item(&top)?;
        head.check(&asked, &top, found.as_ref())?;
        check_top(&top, found.as_ref(), mirror)
    };
    foresee(&request, check).await?;
    let file = spool::take(&request.app.clone(), request.incoming()).await?;
    let watch = Cancelled::default();
    let seen = watch.0.clone();
    let edit = request.app.writing(move |app| {
        let mut upload = Upload::new(app.database.clone());
        let items = unpack(&mut upload, file, &path, &seen)?;
        let placing = Placing { top: path, items, mirror, append_only, conditions };
        Ok(upload.into_edit("put", move |draft| placing.place(draft)))
    });
    let edit: Edit = edit.await?;
    let report = request.app.edit(edit).await.map_err(|problem| refused(problem, append_only))?;
    Ok(json_answer(StatusCode::OK, &EditReply::from(&report)))
}

/// Takes in the bytes of an archive's files; gives what stands where. Later entries of a path stand
/// in place of earlier ones.
fn unpack(
    upload: &mut Upload,
    file: File,
    top: &Path,
    watch: &Watch,
) -> std::result::Result<BTreeMap<Path, Item>, Problem> {
    let mut archive = Tarball::new(file)?;
    let mut items: BTreeMap<Path, Item> = BTreeMap::new();
    let (mut names_len, mut holes_len) = (0, 0);
    while let Some(entry) = archive.next_entry()? {
        watch.check()?;
        let path = below(top, &entry.path)?;
        holes_len = entry.holes_len().saturating_add(holes_len);
        within("bytes of holes in an archive", HOLES_LEN_MAX, holes_len)?;
        let attributes = entry.attributes.clone();
        let content_type = entry.content_type.as_ref().map_or(0, String::len);
        names_len += path.as_bytes().len() + entry.link.len() + content_type;
        let item = match entry.kind {
            EntryType::Regular | EntryType::Continuous => {
                let record = take(upload, &mut archive.contents(&entry), watch)?;
                let content_type = entry.content_type;
                Item::File(FileRecord { attributes, content_type, ..record })
            }
            EntryType::Directory => Item::Directory(Subdirectory::empty(attributes)),
            EntryType::Symlink => {
                let attributes = attributes.of_link();
                Item::Symlink(Symlink { target: entry.link, attributes })
            }
            // A hard link is the file that it names, which came before.
            EntryType::Link => {
                let linked = items.get(&below(top, &entry.link)?).cloned();
                linked
                    .ok_or_else(|| Error::invalid(format!("{path} links to what did not come")))?
            }
            _ => return Err(Problem::invalid(format!("{path} is no file, directory or link"))),
        };
        match item {
            Item::Directory(_) if path.is_root() => continue,
            _ => items.insert(path, item),
        };
        within("entries of an archive", ENTRIES_MAX as u64, items.len() as u64)?;
        within("bytes of names in an archive", NAMES_LEN_MAX as u64, names_len as u64)?;
    }
    Ok(items)
}

fn within(what: &str, limit: u64, found: u64) -> Result<()> {
    match found > limit {
        true => Err(Error::Limit { what: what.into(), limit, found }),
        false => Ok(()),
    }
}

fn take(upload: &mut Upload, contents: &mut impl Read, watch: &Watch) -> Result<FileRecord> {
    let mut piece = vec![0; PIECE_LEN];
    loop {
        watch.check()?;
        let read = contents.read(&mut piece).context(|| "reading an archive".into())?;
        if read == 0 {
            return upload.finish_file();
        }
        upload.write(piece.get(..read).unwrap_or_default())?;
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

/// What an archive puts where, and how.
struct Placing {
    top: Path,
    items: BTreeMap<Path, Item>,
    mirror: bool,
    append_only: bool,
    conditions: Conditions,
}

impl Placing {
    /// Puts the items of an archive. A directory that is there keeps what is in it, unless the
    /// archive is all that is to be left; a file keeps a content type that the archive does not
    /// say.
    fn place(&self, draft: &mut Draft<'_, '_>) -> Result<Totals> {
        let found = draft.item(&self.top)?;
        self.conditions.check(draft, &self.top, found.as_ref())?;
        check_top(&self.top, found.as_ref(), self.mirror)?;
        let mut kept = BTreeMap::new();
        if self.mirror {
            for path in self.items.keys() {
                if let Some(Item::File(record)) = draft.item(path)? {
                    kept.insert(path, record);
                }
            }
            self.empty(draft, found)?;
        }
        let mut placed = Totals::default();
        for (path, item) in &self.items {
            let found = draft.item(path)?;
            let before = match &found {
                Some(Item::File(record)) => Some(record),
                _ => kept.get(path),
            };
            let item = match (item, &found) {
                (Item::Directory(new), Some(Item::Directory(_))) => {
                    attribute(draft, path, new)?;
                    continue;
                }
                (Item::File(new), _) => Item::File(described(new, before)),
                (item, _) => item.clone(),
            };
            placed = sum(placed, item.totals())?;
            match found {
                Some(found) if found == item => continue,
                Some(_) if self.append_only => return Err(Error::Exists(path.to_string())),
                _ => draft.set(path, Some(item))?,
            }
        }
        Ok(placed)
    }

    /// Removes everything at the top, which keeps its attributes.
    fn empty(&self, draft: &mut Draft<'_, '_>, found: Option<Item>) -> Result<()> {
        let mut directory = empty_directory();
        if let Some(Item::Directory(old)) = found {
            directory.attributes = old.attributes;
        }
        draft.set(&self.top, (!self.top.is_root()).then_some(Item::Directory(directory)))
    }
}

/// Refuses to unpack over what is no directory, but for a mirror.
fn check_top(top: &Path, found: Option<&Item>, mirror: bool) -> Result<()> {
    match found {
        Some(Item::File(_) | Item::Symlink(_)) if !mirror => {
            Err(Error::invalid(format!("{top} is not a directory")))
        }
        _ => Ok(()),
    }
}

/// Gives a directory that is there the attributes of `new`.
fn attribute(draft: &mut Draft<'_, '_>, path: &Path, new: &Subdirectory) -> Result<()> {
    match draft.whole(path)? {
        Item::Directory(old) if old.attributes != new.attributes => {
            let attributes = new.attributes.clone();
            draft.set(path, Some(Item::Directory(Subdirectory { attributes, ..old })))
        }
        _ => Ok(()),
    }
}

/// A file as it is put over what is there.
fn described(new: &FileRecord, before: Option<&FileRecord>) -> FileRecord {
    let mut record = new.clone();
    if let Some(before) = before {
        record.content_type = record.content_type.or_else(|| before.content_type.clone());
        record.metadata = before.metadata.clone();
    }
    record
}
