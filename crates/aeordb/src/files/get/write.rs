//! The jobs of a restore: files are written, several jobs at a time.

use std::io::{Seek, SeekFrom, Write};
use std::sync::Arc;

use super::attributes::Lacks;
use super::place::{NewFile, Place};
use super::present::Decision;
use super::shared::{Filling, Shared};
use crate::error::{Context, Error, Result};
use crate::limits::CHUNK_LEN_AVG;
use crate::object::chunker::ZEROS;
use crate::object::{Attributes, FileRecord, Item, Name, Path};

/// Bytes and files of one job.
pub const BATCH_LEN_TARGET: u64 = 2 * 1024 * 1024;
pub const BATCH_FILES_MAX: usize = 256;

const MODE_DEFAULT: u32 = 0o644;

/// A file that is to be written.
pub struct Job {
    pub filling: Arc<Filling>,
    pub name: Name,
    pub path: Path,
    pub record: FileRecord,
    /// It gets more paths.
    pub linked: bool,
}

/// Restores files; those that cannot be restored are noted.
pub fn restore_all(shared: &Shared, jobs: Vec<Job>) -> Result<()> {
    for job in jobs {
        if let Err(error) = restore(shared, &job) {
            shared.failed(&job.filling.place.path_of(&job.name), error)?;
        }
    }
    Ok(())
}

/// Restores one file, and says what was decided. No file with half its bytes is left under its name.
pub fn restore(shared: &Shared, job: &Job) -> Result<Decision> {
    shared.check()?;
    let Job { filling, name, record, .. } = job;
    let item = Item::File(record.clone());
    let decision = shared.decide(&filling.place, name, &item)?;
    if skip(shared, decision, record.size) {
        return Ok(decision);
    }
    remove(shared, &filling.place, name, decision)?;
    let mode = record.attributes.mode.unwrap_or(MODE_DEFAULT);
    let attributes = Attributes { mode: Some(mode), ..record.attributes };
    let mut file = filling.place.create(name, mode, shared.replace())?;
    fill(shared, job, &mut file)?;
    if shared.options.verify {
        verify(shared, job, &mut file)?;
    }
    let mut lacks = Lacks::default();
    let extra = shared.sets.of(attributes.set.as_ref(), &mut lacks);
    let extra = if job.linked { extra.linkable() } else { extra };
    file.keep(&attributes, &extra, shared.options.set_ids, &mut lacks)?;
    shared.lacking(&filling.place.path_of(name), &lacks);
    shared.done(record.size);
    Ok(decision)
}

/// Restores what has no bytes of its own, and says what was decided.
pub fn make(shared: &Shared, place: &Place, name: &Name, item: &Item) -> Result<Decision> {
    let decision = shared.decide(place, name, item)?;
    if skip(shared, decision, 0) {
        return Ok(decision);
    }
    remove(shared, place, name, decision)?;
    match item {
        Item::Symlink(link) => shared.link(place, name, link)?,
        Item::Special(special) => shared.special(place, name, special)?,
        Item::File(_) | Item::Directory(_) => {}
    }
    Ok(decision)
}

/// Removes the directory that is in the way of what is none.
pub fn clear(shared: &Shared, place: &Place, name: &Name, item: &Item) -> Result<()> {
    let decision = shared.decide(place, name, item)?;
    remove(shared, place, name, decision)
}

fn remove(shared: &Shared, place: &Place, name: &Name, decision: Decision) -> Result<()> {
    match decision {
        Decision::ReplaceDirectory => shared.remove_directory(place, name, &mut |_| Ok(())),
        _ => Ok(()),
    }
}

/// True if nothing is to be done, which is counted.
fn skip(shared: &Shared, decision: Decision, len: u64) -> bool {
    match decision {
        Decision::Unchanged => shared.unchanged(len),
        Decision::Keep => shared.kept(len),
        _ => return false,
    }
    true
}

/// Reads what was written, from the disk where the system lets go of it, and compares.
fn verify(shared: &Shared, job: &Job, file: &mut NewFile<'_>) -> Result<()> {
    let Job { filling, name, record, .. } = job;
    let what = || format!("reading {} again", filling.place.path_of(name).display());
    let file = file.file();
    file.sync_data().context(what)?;
    // What cannot be let go of is read from memory.
    let _ = rustix::fs::fadvise(&*file, 0, None, rustix::fs::Advice::DontNeed);
    file.seek(SeekFrom::Start(0)).context(what)?;
    let found = shared.hash(file, what)?;
    if found == record.content_hash {
        return Ok(());
    }
    let wanted = record.content_hash;
    let error =
        format!("it was written, and reads as {found} instead of {wanted}: is the disk sound?");
    Err(Error::invalid(error))
}

fn fill(shared: &Shared, job: &Job, file: &mut NewFile<'_>) -> Result<()> {
    let Job { filling, name, path, record, .. } = job;
    let what = || format!("writing {}", filling.place.path_of(name).display());
    let mut bytes = shared.reader.file(record);
    let mut ends_in_hole = false;
    loop {
        let part = bytes.next_bytes().map_err(|error| needed_by(path, error))?;
        if part.is_empty() {
            break;
        }
        ends_in_hole = part.len() >= CHUNK_LEN_AVG && ZEROS.get(..part.len()) == Some(&part);
        if ends_in_hole {
            // Long runs of zeros need no space.
            let len = i64::try_from(part.len()).unwrap_or(i64::MAX);
            file.file().seek(SeekFrom::Current(len)).context(what)?;
        } else {
            file.file().write_all(&part).context(what)?;
        }
        shared.monitor.advance(0, part.len() as u64);
        shared.check()?;
    }
    if ends_in_hole {
        file.file().set_len(record.size).context(what)?;
    }
    Ok(())
}

fn needed_by(path: &Path, error: Error) -> Error {
    match error {
        Error::Damaged { what, offset, detail } => {
            Error::Damaged { what, offset, detail: format!("{detail}, which {path} needs") }
        }
        other => other,
    }
}
