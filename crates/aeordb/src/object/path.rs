//! Absolute paths in a tree.

use std::cmp::Ordering;
use std::fmt;

use crate::error::{Error, Result};
use crate::limits::PATH_LEN_MAX;
use crate::object::name::{self, Name};

/// A normalised absolute path: `/`, or `/name/name`, at most `PATH_LEN_MAX` bytes.
///
/// Ordered by components, each by its bytes: `/a` < `/a/b` < `/a.b`, so that a directory comes
/// right before everything below it and nothing else comes between. That is the order of the
/// bytes with the slash below all others.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Path(Box<[u8]>);

impl Path {
    /// The root directory.
    pub fn root() -> Path {
        Path(Box::from(*b"/"))
    }

    /// The path with these bytes. The leading slash may be missing and a trailing one is dropped;
    /// empty, `.` and `..` components, NUL and overlong names are `Invalid`.
    pub fn parse(bytes: &[u8]) -> Result<Path> {
        Ok(Path::parse_with_slash(bytes)?.0)
    }

    /// As [`Path::parse`], with whether a slash ended it: that asks for a directory. The root
    /// always does.
    pub fn parse_with_slash(bytes: &[u8]) -> Result<(Path, bool)> {
        let inner = bytes.strip_prefix(b"/").unwrap_or(bytes);
        if inner.is_empty() {
            if bytes.is_empty() {
                return Err(Error::invalid("path '' is empty"));
            }
            return Ok((Path::root(), true));
        }
        let (inner, slash) = match inner.strip_suffix(b"/") {
            Some(inner) => (inner, true),
            None => (inner, false),
        };
        check_len(bytes, inner.len() + 1)?;
        let mut path = Vec::with_capacity(inner.len() + 1);
        for component in inner.split(|byte| *byte == b'/') {
            name::check(component).map_err(|error| refuse(bytes, &error.to_string()))?;
            path.push(b'/');
            path.extend_from_slice(component);
        }
        Ok((Path(path.into()), slash))
    }

    /// The bytes, with the leading slash and without a trailing one.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// True for `/`.
    pub fn is_root(&self) -> bool {
        self.0.len() == 1
    }

    /// The names from the root down; none for the root.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        // The root's one slash leaves an empty piece on both sides; other paths on the left only.
        self.0.split(|byte| *byte == b'/').filter(|component| !component.is_empty())
    }

    /// The directory that holds it; `None` for the root.
    pub fn parent(&self) -> Option<Path> {
        let slash = self.last_slash()?;
        Some(Path(self.0.get(..slash.max(1))?.into()))
    }

    /// The last component; `None` for the root.
    pub fn name(&self) -> Option<&[u8]> {
        self.0.get(self.last_slash()? + 1..)
    }

    /// The path of the entry `name` of this directory; `Invalid` if it gets too long.
    pub fn join(&self, name: &Name) -> Result<Path> {
        let mut path = Vec::with_capacity(self.0.len() + 1 + name.as_bytes().len());
        if !self.is_root() {
            path.extend_from_slice(&self.0);
        }
        path.push(b'/');
        path.extend_from_slice(name.as_bytes());
        check_len(&path, path.len())?;
        Ok(Path(path.into()))
    }

    /// The path that these names lead to from here; `Invalid` if it gets too long.
    pub fn join_all<'n>(&self, names: impl IntoIterator<Item = &'n Name>) -> Result<Path> {
        let mut path = if self.is_root() { Vec::new() } else { self.0.to_vec() };
        for name in names {
            path.push(b'/');
            path.extend_from_slice(name.as_bytes());
        }
        if path.is_empty() {
            return Ok(Path::root());
        }
        check_len(&path, path.len())?;
        Ok(Path(path.into()))
    }

    /// True if `other` is this path or below it.
    pub fn contains(&self, other: &Path) -> bool {
        match other.0.strip_prefix(&*self.0) {
            Some(rest) => self.is_root() || rest.first().is_none_or(|byte| *byte == b'/'),
            None => false,
        }
    }

    fn last_slash(&self) -> Option<usize> {
        if self.is_root() {
            return None;
        }
        self.0.iter().rposition(|byte| *byte == b'/')
    }
}

fn check_len(shown: &[u8], len: usize) -> Result<()> {
    if len > PATH_LEN_MAX {
        return Err(refuse(shown, &format!("has {len} bytes, the limit is {PATH_LEN_MAX}")));
    }
    Ok(())
}

#[cold]
fn refuse(path: &[u8], why: &str) -> Error {
    const SHOWN_LEN_MAX: usize = 256;
    let (shown, dots) = match path.get(..SHOWN_LEN_MAX) {
        Some(start) => (start, "..."),
        None => (path, ""),
    };
    let shown = String::from_utf8_lossy(shown);
    Error::invalid(format!("path '{}{dots}': {why}", shown.escape_debug()))
}

impl Ord for Path {
    fn cmp(&self, other: &Path) -> Ordering {
        let differs = self.0.iter().zip(&other.0).find(|(a, b)| a != b);
        match differs {
            // NUL is in no path, so a slash in its place is below every byte of a name.
            Some((b'/', _)) => Ordering::Less,
            Some((_, b'/')) => Ordering::Greater,
            Some((a, b)) => a.cmp(b),
            None => self.0.len().cmp(&other.0.len()),
        }
    }
}

impl PartialOrd for Path {
    fn partial_cmp(&self, other: &Path) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The path as text; what is not UTF-8 is replaced.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.0))
    }
}

impl std::str::FromStr for Path {
    type Err = Error;

    fn from_str(text: &str) -> Result<Path> {
        Path::parse(text.as_bytes())
    }
}

#[cfg(test)]
mod tests;
