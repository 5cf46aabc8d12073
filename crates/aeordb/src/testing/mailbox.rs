//! Recipients and keys of the test suites: a key goes into the head as it is, behind the name of whom it
//! is for.

use std::sync::Once;

use crate::encryption::{FILE_KEY_LEN, FileKey, Identities, Recipients, install};
use crate::error::{Error, Result};

/// Whose keys this process has.
const OURS: &[u8] = b"for us: ";

/// Somebody whom a file is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mailbox {
    /// What is for us opens from now on.
    Ours,
    /// What is for others does not.
    Theirs,
}

impl Mailbox {
    /// What finds our keys is installed.
    pub fn ours() -> Self {
        static INSTALLED: Once = Once::new();
        INSTALLED.call_once(|| install(Box::new(Letters)));
        Mailbox::Ours
    }
}

impl Recipients for Mailbox {
    fn wrap(&self, key: &FileKey) -> Result<Vec<u8>> {
        let name = if *self == Mailbox::Ours { OURS } else { b"theirs: " };
        Ok([name, key.as_bytes()].concat())
    }
}

struct Letters;

impl Identities for Letters {
    fn unwrap(&self, name: &str, wrapped: &[u8]) -> Result<FileKey> {
        let key =
            wrapped.strip_prefix(OURS).and_then(|key| <[u8; FILE_KEY_LEN]>::try_from(key).ok());
        key.map(FileKey::new).ok_or_else(|| Error::encrypted(name, "is for others"))
    }
}
