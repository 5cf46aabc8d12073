//! Who may read encrypted backup files: recipients and identities of age, SSH keys (Ed25519) and passphrases.
//!
//! Encrypted for them is one thing alone, the key of a file, which is new for each. What stands in the head
//! of the file is a file of age: its command line and its libraries read it.

mod age;
mod identities;
mod keys;
mod recipients;

use aeordb::Error;
pub use identities::{Ring, install};
pub use recipients::Readers;

/// A passphrase costs 64 MiB of memory and half a second, each time that it is tried.
const WORK_FACTOR: u8 = 16;
/// A head of anybody's may ask for no more than 256 MiB.
const WORK_FACTOR_MAX: u8 = 18;
/// Longest file of recipients, identities or a passphrase.
const TEXT_LEN_MAX: u64 = 1024 * 1024;

/// The text of a small file.
fn text_of(path: &std::path::Path) -> aeordb::Result<String> {
    use std::io::Read;
    let name = path.display();
    let failed = |source| Error::Io { what: format!("reading {name}"), source };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(TEXT_LEN_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > TEXT_LEN_MAX {
        return Err(Error::invalid(format!("{name} is too long to be a file of keys")));
    }
    // What is in it is secret: an error does not repeat it.
    String::from_utf8(bytes).map_err(|_| Error::invalid(format!("{name} is no text")))
}

/// The passphrase that is the first line of a file.
fn passphrase_of(path: &std::path::Path) -> aeordb::Result<Vec<u8>> {
    let text = text_of(path)?;
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(line.as_bytes().to_vec()),
        _ => Err(Error::invalid(format!("{} has no passphrase in its first line", path.display()))),
    }
}

#[cfg(test)]
mod tests;
