//! A directory with the backup files of a profile. Whatever in it is not called as they are, or is no
//! such file, is not touched.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use aeordb::backup::{self, Info};
use aeordb::db::FileKind;
use aeordb::error::Context;
use aeordb::{Error, Result};
use jiff::Timestamp;

use super::chain::Link;
use super::pattern::Pattern;

const FULL: &str = "-full.aeordb";
const PATCH: &str = "-patch.aeordb";

/// The backup files of a profile in a directory, by time.
pub struct Files {
    pub names: Vec<String>,
    /// What the chain goes by, in the same order.
    pub links: Vec<Link>,
    /// What is called as they are and cannot be read.
    pub broken: Vec<Error>,
}

impl Files {
    /// Looks at a directory.
    pub fn list(directory: &Path, pattern: &Pattern) -> Result<Self> {
        let what = || format!("listing {}", directory.display());
        let mut found: Vec<(Link, String)> = Vec::new();
        let mut broken = Vec::new();
        for entry in fs::read_dir(directory).context(what)? {
            let entry = entry.context(what)?;
            let name = entry.file_name();
            let Some((time, kind)) =
                std::str::from_utf8(name.as_bytes()).ok().and_then(|name| time_of(name, pattern))
            else {
                continue;
            };
            let path = entry.path();
            if !entry.file_type().context(what)?.is_file() {
                continue;
            }
            match backup::info(&path) {
                Ok(info) if info.kind == kind => {
                    found.push((link(time, &info), name.to_string_lossy().into_owned()));
                }
                // Somebody else's, whatever it is called.
                Ok(_) | Err(Error::Foreign { .. }) => {}
                Err(error) => broken.push(error),
            }
        }
        found.sort_by(|(one, its), (other, others)| (one.time, its).cmp(&(other.time, others)));
        let (links, names) = found.into_iter().unzip();
        Ok(Files { names, links, broken })
    }

    /// The paths of some of them.
    pub fn paths(&self, directory: &Path, files: &[usize]) -> Vec<PathBuf> {
        files.iter().filter_map(|file| Some(directory.join(self.names.get(*file)?))).collect()
    }
}

fn link(time: Timestamp, info: &Info) -> Link {
    Link { time, version: info.version.into(), base: info.base.map(Into::into) }
}

/// When a file that is called so was made, and what it is.
fn time_of(name: &str, pattern: &Pattern) -> Option<(Timestamp, FileKind)> {
    let ends = [(FULL, FileKind::Export), (PATCH, FileKind::Patch)];
    ends.into_iter().find_map(|(end, kind)| Some((pattern.time(name.strip_suffix(end)?)?, kind)))
}

/// What a file of this kind is called.
pub fn name(pattern: &Pattern, time: Timestamp, kind: FileKind) -> String {
    let end = if kind == FileKind::Patch { PATCH } else { FULL };
    format!("{}{end}", pattern.name(time))
}

/// True if something is called as a file of that time would be.
pub fn is_taken(directory: &Path, pattern: &Pattern, time: Timestamp) -> bool {
    let taken = |kind| fs::symlink_metadata(directory.join(name(pattern, time, kind))).is_ok();
    taken(FileKind::Export) || taken(FileKind::Patch)
}
