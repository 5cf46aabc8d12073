//! Whole trees as tar archives: in as one commit, out as they are read.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufReader, Write};
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use aeordb::db::edit::sum;
use aeordb::db::{Draft, Edit, Reader, Upload};
use aeordb::error::Context;
use aeordb::hash::VersionId;
use aeordb::object::{FileRecord, Item, Name, Path, Symlink, Totals};
use aeordb::{Error, Result};
use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::response::Response;
use tar::{Archive, Builder, EntryType, Header};

use super::files::{insert_version, version_of};
use super::json_answer;
use super::streams::piped;
use super::upload::empty_directory;
use crate::json;
use crate::problem::{Answer, Problem};
use crate::request::Request;
use crate::spool;

/// Most entries of an archive that comes in: they are in memory until the commit.
const ENTRIES_MAX: usize = 1_000_000;
/// Bytes that are read at once.
const PIECE_LEN: usize = 256 * 1024;

/// Sends the directory at `path` as an archive.
pub async fn get(request: Request, path: Path) -> Answer {
    let reader = request.app.reader()?;
    let version = version_of(&request.app, &reader, &request).await?;
    let (looked_at, directory) = (reader.clone(), path.clone());
    request.app.blocking(move |_| Ok(looked_at.directory(&version, &directory)?)).await?;
    let body = match request.method {
        Method::HEAD => Body::empty(),
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
    Ok(response)
}

fn pack(reader: &Reader, version: &VersionId, top: &Path, out: &mut dyn Write) -> Result<()> {
    let writing = || "writing an archive".to_owned();
    let mut archive = Builder::new(out);
    let start = if top.is_root() { 1 } else { top.as_bytes().len() + 1 };
    for entry in reader.walk(version, top)? {
        let (path, item) = entry?;
        let name = OsStr::from_bytes(path.as_bytes().get(start..).unwrap_or_default());
        let mut header = Header::new_gnu();
        header.set_size(0);
        match item {
            Item::File(record) => {
                describe(
                    &mut header,
                    EntryType::Regular,
                    record.mode.unwrap_or(0o644),
                    record.mtime,
                );
                header.set_size(record.size);
                archive.append_data(&mut header, name, reader.file(&record))
            }
            Item::Directory(directory) => {
                let mode = directory.mode.unwrap_or(0o755);
                describe(&mut header, EntryType::Directory, mode, directory.mtime);
                archive.append_data(&mut header, name, std::io::empty())
            }
            Item::Symlink(link) => {
                describe(&mut header, EntryType::Symlink, 0o777, link.mtime);
                archive.append_link(&mut header, name, OsStr::from_bytes(&link.target))
            }
        }
        .context(writing)?;
    }
    archive.finish().context(writing)
}

fn describe(header: &mut Header, kind: EntryType, mode: u32, mtime: Option<i64>) {
    header.set_entry_type(kind);
    header.set_mode(mode);
    let seconds = mtime.unwrap_or_default().div_euclid(1_000_000_000);
    header.set_mtime(u64::try_from(seconds).unwrap_or(0));
}

/// Unpacks the body into the directory at `path`, as one commit.
pub async fn put(mut request: Request, path: Path) -> Answer {
    if request.rights.append_only {
        return Err(Problem::forbidden("this key may only append, file by file"));
    }
    let mirror = request.flag("mirror")?;
    let digest = request.headers.get(HeaderName::from_static("content-digest")).cloned();
    let file = spool::take(&request.app.clone(), request.incoming(), digest).await?;
    let edit = request.app.writing(move |app| {
        let upload = Upload::new(app.database.clone());
        unpack(upload, file, &path, mirror).map_err(|error| match error {
            Error::Io { source, .. } => Problem::damaged_upload(format!("the archive: {source}")),
            other => Problem::of_backup(other),
        })
    });
    let report = request.app.edit(edit.await?).await?;
    Ok(json_answer(StatusCode::OK, &json::edit(&report)))
}

fn unpack(mut upload: Upload, file: File, top: &Path, mirror: bool) -> Result<Edit> {
    let mut archive = Archive::new(BufReader::with_capacity(PIECE_LEN, file));
    let reading = || "reading an archive".to_owned();
    let mut items: BTreeMap<Path, Item> = BTreeMap::new();
    for entry in archive.entries().context(reading)? {
        let mut entry = entry.context(reading)?;
        let Some(path) = below(top, &entry.path_bytes())? else { continue };
        let header = entry.header();
        let mode = header.mode().ok().map(|mode| mode & 0o7777);
        let mtime = header.mtime().ok().and_then(|time| i64::try_from(time).ok());
        let mtime = mtime.and_then(|seconds| seconds.checked_mul(1_000_000_000));
        let target = entry.link_name_bytes().map(|target| target.into_owned());
        let item = match header.entry_type() {
            EntryType::Regular | EntryType::Continuous => {
                let record = take(&mut upload, &mut entry)?;
                Item::File(FileRecord { mode, mtime, ..record })
            }
            EntryType::Directory => {
                let mut directory = empty_directory();
                (directory.mode, directory.mtime) = (mode, mtime);
                Item::Directory(directory)
            }
            EntryType::Symlink => {
                Item::Symlink(Symlink { target: target.unwrap_or_default(), mtime })
            }
            // A hard link is the file that it names, which came before.
            EntryType::Link => {
                let linked = below(top, &target.unwrap_or_default())?;
                let linked = linked.and_then(|linked| items.get(&linked).cloned());
                linked
                    .ok_or_else(|| Error::invalid(format!("{path} links to what did not come")))?
            }
            _ => return Err(Error::invalid(format!("{path} is no file, directory or link"))),
        };
        items.insert(path, item);
        if items.len() > ENTRIES_MAX {
            let (limit, found) = (ENTRIES_MAX as u64, items.len() as u64);
            return Err(Error::Limit { what: "entries of an archive".into(), limit, found });
        }
    }
    let items = Arc::new(items);
    let top = top.clone();
    Ok(upload.into_edit("put", move |draft| {
        if mirror {
            let emptied = (!top.is_root()).then(|| Item::Directory(empty_directory()));
            draft.set(&top, emptied)?;
        }
        place(draft, &items)
    }))
}

fn take(upload: &mut Upload, entry: &mut impl std::io::Read) -> Result<FileRecord> {
    let mut piece = vec![0; PIECE_LEN];
    loop {
        let read = entry.read(&mut piece).context(|| "reading an archive".into())?;
        if read == 0 {
            return upload.finish_file();
        }
        upload.write(piece.get(..read).unwrap_or_default())?;
    }
}

/// Where an entry lands: never outside of `top`. `None` for `.`, which is `top` itself.
fn below(top: &Path, name: &[u8]) -> Result<Option<Path>> {
    let mut path = top.clone();
    for component in name.split(|byte| *byte == b'/') {
        if !matches!(component, b"" | b".") {
            path = path.join(&Name::new(component)?)?;
        }
    }
    Ok((path != *top).then_some(path))
}

/// Puts the items of an archive. A directory that is there keeps what is in it.
fn place(draft: &mut Draft<'_, '_>, items: &BTreeMap<Path, Item>) -> Result<Totals> {
    let mut placed = Totals::default();
    for (path, item) in items {
        let found = draft.item(path)?;
        match (item, found) {
            (Item::Directory(_), Some(Item::Directory(_))) => continue,
            (Item::Directory(_), Some(_)) | (_, Some(Item::Directory(_))) => {
                return Err(Error::Exists(path.to_string()));
            }
            _ => {}
        }
        placed = sum(placed, item.totals())?;
        draft.set(path, Some(item.clone()))?;
    }
    Ok(placed)
}
