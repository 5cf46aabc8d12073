//! Reading a full export or a database with patches on top, without importing them anywhere.

use std::path::{Path as LocalPath, PathBuf};

use crate::backup::import::chain::{Head, Input, look_ahead};
use crate::backup::import::{ImportOptions, import};
use crate::db::{Database, FileKind, Options, Reader};
use crate::error::{BrokenChain, Error, Result};
use crate::graph;
use crate::hash::VersionId;
use crate::monitor::Monitor;

/// Opens `file`, a full export or a database, with `patches` on top, in order: a database whose
/// HEAD is the version that the last patch leads to, and whose history leads back through them. The
/// first may start from any version that the
/// file holds. The patches are proved as an import proves them; what they bring goes to a file
/// without a name in `scratch`. The file itself is only read.
pub fn open_with(
    file: &LocalPath,
    patches: &[PathBuf],
    scratch: &LocalPath,
    options: &Options,
    monitor: &Monitor,
) -> Result<Database> {
    let database = Database::open(file, options)?;
    if database.kind() == FileKind::Patch {
        let detail = format!("{} is a patch: give the file that it is for first", file.display());
        return Err(Error::invalid(detail));
    }
    let reader = database.reader()?;
    let first = patches.first().map(|patch| Head::read(patch)).transpose()?.flatten();
    let over = begin_over(&reader, &file.display().to_string(), first, scratch, options, monitor)?;
    let inputs: Vec<Input> = patches.iter().cloned().map(Input::File).collect();
    look_ahead(&inputs)?;
    // One by one, so that history leads back through them.
    for input in inputs {
        let promote = ImportOptions { promote: true, ..ImportOptions::default() };
        import(&over, vec![input], &promote, monitor)?;
    }
    Ok(over)
}

/// Begins a database that lies on what `reader` sees, called `file` in errors, and into which a
/// patch with the head `first` can be imported: its HEAD is the version that the patch starts from.
pub fn begin_over(
    reader: &Reader,
    file: &str,
    first: Option<Head>,
    scratch: &LocalPath,
    options: &Options,
    monitor: &Monitor,
) -> Result<Database> {
    let start = start(reader, file, first, monitor)?;
    let over = Database::over(reader, start, Some(scratch), options)?;
    let mut writer = over.writer()?;
    writer.set_head(start, "open")?;
    writer.commit()?;
    Ok(over)
}

/// The version of `file` that the first patch starts from.
fn start(reader: &Reader, file: &str, first: Option<Head>, monitor: &Monitor) -> Result<VersionId> {
    let head = reader.head();
    // What is no patch is refused where it is imported.
    let Some(Head { name, base: Some(base), .. }) = first else { return Ok(head) };
    let missing = match graph::missing(reader.view(), &base, Some(&head), monitor) {
        _ if base == head => 0,
        Err(Error::NotFound(_)) => 1,
        missing => missing?,
    };
    if missing > 0 {
        let after = file.to_owned();
        let (file, found) = (name, head);
        return Err(BrokenChain { file, base, after, found, misplaced: None }.into());
    }
    Ok(base)
}
