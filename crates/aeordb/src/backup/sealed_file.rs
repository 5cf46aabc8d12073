//! Sealed files as they are opened.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path as LocalPath;

use nix::libc;

use crate::error::{Context, Error, Result};

/// Opens a sealed file to be read from front to back.
pub fn open(path: &LocalPath) -> Result<(File, String)> {
    let name = path.display().to_string();
    // A FIFO must not be waited for: it is refused.
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC;
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(path);
    let file = opened.map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::not_found(name.clone()),
        _ => Error::Io { what: format!("opening {name}"), source: error },
    })?;
    let metadata = file.metadata().context(|| format!("looking at {name}"))?;
    if !metadata.is_file() {
        return Err(Error::Foreign { what: name, detail: "is not a regular file".into() });
    }
    Ok((file, name))
}
