//! The jobs of a restore: files are written, several jobs at a time.

use std::io::{Seek, SeekFrom, Write};
use std::sync::Arc;

use super::attributes::Lacks;
use super::place::NewFile;
use super::{Filling, Shared};
use crate::error::{Context, Error, Result};
use crate::limits::CHUNK_LEN_AVG;
use crate::object::{Attributes, FileRecord, Name, Path};

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

/// Restores one file. No file with half its bytes is left under its name.
pub fn restore(shared: &Shared, job: &Job) -> Result<()> {
    shared.check()?;
    let Job { filling, name, record, .. } = job;
    let mode = record.attributes.mode.unwrap_or(MODE_DEFAULT);
    let attributes = Attributes { mode: Some(mode), ..record.attributes };
    let mut file = filling.place.create(name, mode, shared.replace())?;
    fill(shared, job, &mut file)?;
    let mut lacks = Lacks::default();
    let extra = shared.sets.of(attributes.set.as_ref(), &mut lacks);
    file.keep(&attributes, &extra, shared.options.set_ids, &mut lacks)?;
    shared.lacking(&filling.place.path_of(name), &lacks);
    shared.done(record.size);
    Ok(())
}

fn fill(shared: &Shared, job: &Job, file: &mut NewFile<'_>) -> Result<()> {
    let Job { filling, name, path, record } = job;
    let what = || format!("writing {}", filling.place.path_of(name).display());
    let mut bytes = shared.reader.file(record);
    let mut ends_in_hole = false;
    loop {
        let part = bytes.next_bytes().map_err(|error| needed_by(path, error))?;
        if part.is_empty() {
            break;
        }
        ends_in_hole = part.len() >= CHUNK_LEN_AVG && part.iter().all(|byte| *byte == 0);
        if ends_in_hole {
            // Long runs of zeros need no space.
            let len = i64::try_from(part.len()).unwrap_or(i64::MAX);
            file.file().seek(SeekFrom::Current(len)).context(what)?;
        } else {
            file.file().write_all(&part).context(what)?;
        }
        shared.watch.advance(0, part.len() as u64);
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
