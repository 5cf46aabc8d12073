//! What a person types for a place in the database: a path, or a path in a version.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use aeordb::db::Reader;
use aeordb::object::{Item, Name, Path};
use aeordb::{Error, Result};

/// A path, and the version to look for it if one was named.
#[derive(Debug, PartialEq, Eq)]
pub struct Location {
    pub version: Option<String>,
    pub path: Path,
}

impl Location {
    /// What might have been meant as the name of a version: a path of one name, without one.
    pub fn maybe_version(&self) -> Option<&str> {
        let only = self.path.as_bytes().strip_prefix(b"/")?;
        let only = std::str::from_utf8(only).ok()?;
        (self.version.is_none() && !only.is_empty() && !only.contains('/')).then_some(only)
    }
}

/// A path in HEAD that something is written to.
#[derive(Debug, PartialEq, Eq)]
pub struct Target {
    pub path: Path,
    /// It ended with a slash: a directory is meant, whatever is there.
    pub is_directory: bool,
}

/// Reads `PATH` or `VERSION:PATH`. What starts with `/` is a path, colons and all.
pub fn location(argument: &OsStr) -> Result<Location> {
    let bytes = argument.as_bytes();
    let Some((version, rest)) = split(bytes) else {
        return Ok(Location { version: None, path: Path::parse(bytes)? });
    };
    let version = std::str::from_utf8(version)
        .map_err(|_| Error::invalid(format!("{} does not start with a version", shown(bytes))))?;
    Ok(Location { version: Some(version.to_owned()), path: Path::parse(path_or_root(rest))? })
}

/// Reads the path of something that is written, which is always in HEAD.
pub fn target(argument: &OsStr) -> Result<Target> {
    let bytes = argument.as_bytes();
    check_no_version(bytes)?;
    let (path, is_directory) = Path::parse_with_slash(bytes)?;
    Ok(Target { path, is_directory })
}

/// An error if this names a version, where only HEAD can be meant.
pub fn check_no_version(bytes: &[u8]) -> Result<()> {
    if split(bytes).is_none() {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "{} names a version, but only HEAD can be written to; a path with a colon must start \
         with /",
        shown(bytes)
    )))
}

/// Splits at the first `:/`, which is in no version's name; at a colon at the end; or at the first
/// colon that no slash stands before. So behind a name that has `/` or `:` itself the path begins
/// with `/`. A time in `@{…}` may hold anything.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    if bytes.starts_with(b"/") {
        return None;
    }
    let start = after_time(bytes);
    let rest = bytes.get(start..)?;
    let colon = match rest.windows(2).position(|pair| pair == b":/") {
        Some(at) => at,
        None if rest.ends_with(b":") => rest.len() - 1,
        None => {
            let before_slash = rest.split(|byte| *byte == b'/').next()?;
            before_slash.iter().position(|byte| *byte == b':')?
        }
    };
    let colon = start + colon;
    if colon == 0 {
        return None;
    }
    Some((bytes.get(..colon)?, bytes.get(colon + 1..)?))
}

/// Where the time that a version is named by ends; 0 if it is named otherwise.
fn after_time(bytes: &[u8]) -> usize {
    let is_time = bytes.starts_with(b"@{") || bytes.starts_with(b"HEAD@{");
    let end = bytes.iter().position(|byte| *byte == b'}').filter(|_| is_time);
    end.map_or(0, |end| end + 1)
}

fn path_or_root(bytes: &[u8]) -> &[u8] {
    if bytes.is_empty() { b"/" } else { bytes }
}

/// Where something called as `from` lands: at `to`, or inside it if that is a directory.
pub fn destination(reader: &Reader, from: &Path, to: Target) -> Result<Path> {
    let inside = to.is_directory
        || matches!(reader.item(&reader.head(), &to.path)?, Some(Item::Directory(_)));
    match from.name() {
        Some(name) if inside => to.path.join(&Name::new(name)?),
        // The root has no name to land under.
        _ => Ok(to.path),
    }
}

fn shown(bytes: &[u8]) -> String {
    crate::text::printable_name(bytes)
}

#[cfg(test)]
mod tests;
