//! Whole trees as tar archives: in as one commit, out as they are read.

use std::fs::File;
use std::io::{Read, Write};

use aeordb::db::{BulkLoad, Draft, Placing, Reader, Replacing};
use aeordb::error::Context;
use aeordb::files::{MaxDelete, Replaced};
use aeordb::hash::VersionId;
use aeordb::object::{
    Attributes, FileRecord, Item, Name, Path, SpecialKind, Subdirectory, Symlink,
};
use aeordb::watch::Watch;
use aeordb::{Error, Result};
use aeordb_api::files::Edit as EditReply;
use aeordb_api::parameter::Deletions;
use aeordb_api::table::{PutQuery, ReadQuery};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::Response;
use tar::EntryType;

use super::admin::Cancelled;
use super::files::{Conditions, insert_version, version_of};
use super::streams::piped;
use super::upload::{Head, foresee, refused};
use super::{Leaves, json_answer};
use crate::outgoing::unmeasured;
use crate::problem::{Answer, Problem};
use crate::request::Request;
use crate::spool;
use crate::tarball::{self, Member, Records, Tarball, Writer};

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
    let (link, size): (&[u8], u64) = match item {
        Item::Symlink(link) => (&link.target, 0),
        Item::File(file) => (&[], file.size),
        Item::Directory(_) | Item::Special(_) => (&[], 0),
    };
    let member = Member {
        kind,
        path: &path,
        link,
        size,
        device: device.unwrap_or_default(),
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
    let Attributes { mode, mtime, .. } = item.attributes();
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
    let bound = Bound::of(&query);
    let conditions = Conditions::of(&request);
    let (top, asked) = (path.clone(), conditions.clone());
    let check = move |head: &Head| {
        let found = head.item(&top)?;
        head.check(&asked, &top, found.as_ref())?;
        check_top(&top, found.as_ref(), mirror)
    };
    foresee(&request, check).await?;
    let app = request.app.clone();
    let file = spool::take(&app, request.incoming()).await?;
    let place = app.place(&app.archives, &request.caller.key, 1).await?;
    app.check_file()?;
    let watch = Cancelled::default();
    let seen = watch.0.clone();
    let edit = app.blocking(move |app| {
        let _place = place;
        let shared = app.clone();
        let mut load = BulkLoad::new(app.database.clone(), move || shared.backups.spool());
        unpack(&mut load, file, &path, &seen)?;
        let shown = path.to_string();
        let placing = Placing { top: path.clone(), mirror, only_adds: append_only };
        let check = move |draft: &mut Draft<'_, '_>, found: Option<&Item>| {
            conditions.check(draft, &path, found)
        };
        let allow = move |replacing: &Replacing| bound.check(&shown, replacing);
        load.into_edit("put", placing, check, allow, &seen).map_err(Problem::from)
    });
    let edit = edit.await.map_err(|problem| refused(problem, append_only))?;
    let report = app.edit(edit).await.map_err(|problem| refused(problem, append_only))?;
    Ok(json_answer(StatusCode::OK, &EditReply::from(&report)))
}

/// How much an archive may take away.
struct Bound {
    max_delete: MaxDelete,
    allow_empty: bool,
}

impl Bound {
    fn of(query: &PutQuery) -> Self {
        let max_delete = match query.max_delete {
            None => MaxDelete::Usual,
            Some(Deletions::Files(files)) => MaxDelete::Files(files),
            Some(Deletions::Percent(percent)) => MaxDelete::Percent(percent),
        };
        Bound { max_delete, allow_empty: query.allow_empty }
    }

    fn check(&self, path: &str, replacing: &Replacing) -> Result<()> {
        let Replacing { put, deleted, files } = *replacing;
        let replaced = Replaced { source: "the archive", path, put, deleted, files };
        replaced.check(self.max_delete, self.allow_empty)
    }
}

/// Takes in the bytes of an archive's files, and what stands where. Later entries of a path stand
/// in place of earlier ones.
fn unpack(
    load: &mut BulkLoad,
    file: File,
    top: &Path,
    watch: &Watch,
) -> std::result::Result<(), Problem> {
    let mut archive = Tarball::new(file)?;
    let mut piece = vec![0; PIECE_LEN];
    let mut holes_len = 0;
    while let Some(entry) = archive.next_entry()? {
        watch.check()?;
        let path = below(top, &entry.path)?;
        holes_len = entry.holes_len().saturating_add(holes_len);
        if holes_len > HOLES_LEN_MAX {
            let what = "bytes of holes in an archive".into();
            return Err(Error::Limit { what, limit: HOLES_LEN_MAX, found: holes_len }.into());
        }
        let attributes = entry.attributes;
        let item = match entry.kind {
            EntryType::Regular | EntryType::Continuous => {
                let record = take(load, &mut archive.contents(&entry), &mut piece, watch)?;
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
                load.link(&path, below(top, &entry.link)?)?;
                continue;
            }
            _ => return Err(Problem::invalid(format!("{path} is no file, directory or link"))),
        };
        match item {
            Item::Directory(_) if path.is_root() => {}
            item => load.put(path, &item)?,
        }
    }
    Ok(())
}

fn take(
    load: &mut BulkLoad,
    contents: &mut impl Read,
    piece: &mut [u8],
    watch: &Watch,
) -> Result<FileRecord> {
    loop {
        watch.check()?;
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
