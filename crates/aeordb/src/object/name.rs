//! Names of directory entries.

use std::fmt;

use crate::error::{Error, Result};
use crate::limits::NAME_LEN_MAX;

/// The name of a directory entry: 1 to `NAME_LEN_MAX` bytes without `/` and NUL, not `.` or `..`.
/// Bytes, not text: what the file system has is what is kept. Ordered by its bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Box<[u8]>);

impl Name {
    /// The name with these bytes; `Invalid` if they cannot be one.
    pub fn new(bytes: &[u8]) -> Result<Name> {
        check(bytes)?;
        Ok(Name(bytes.into()))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Whether `bytes` can be a name; `Invalid` that says why not.
pub fn check(bytes: &[u8]) -> Result<()> {
    let why = if bytes.is_empty() {
        "is empty"
    } else if bytes.len() > NAME_LEN_MAX {
        let shown = String::from_utf8_lossy(bytes.get(..32).unwrap_or(bytes));
        return Err(Error::invalid(format!(
            "name '{}...' has {} bytes, the limit is {NAME_LEN_MAX}",
            shown.escape_debug(),
            bytes.len()
        )));
    } else if bytes == b"." || bytes == b".." {
        "is not the name of an entry"
    } else if bytes.contains(&b'/') {
        "has a slash in it"
    } else if bytes.contains(&0) {
        "has a NUL byte in it"
    } else {
        return Ok(());
    };
    let shown = String::from_utf8_lossy(bytes);
    Err(Error::invalid(format!("name '{}' {why}", shown.escape_debug())))
}

impl AsRef<[u8]> for Name {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// The name as text; what is not UTF-8 is replaced.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.0))
    }
}

#[cfg(test)]
mod tests;
