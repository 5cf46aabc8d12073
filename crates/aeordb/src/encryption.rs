//! Whose backups are whose: the key of an encrypted file, and who puts it there and gets it back. The
//! library knows no recipients. It makes a new key for each file and has it wrapped; whoever reads such a
//! file finds the key through what was installed here once.

use std::sync::OnceLock;

use crate::error::{Error, Result};
use crate::random;

/// Bytes of a file's key.
pub const FILE_KEY_LEN: usize = 32;

/// The secret that everything of one file is encrypted with.
#[derive(Clone)]
pub struct FileKey([u8; FILE_KEY_LEN]);

impl FileKey {
    /// A key that nobody has had before.
    pub(crate) fn random() -> Result<Self> {
        random::bytes().map(FileKey)
    }

    /// A key that was unwrapped.
    pub fn new(key: [u8; FILE_KEY_LEN]) -> Self {
        FileKey(key)
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8; FILE_KEY_LEN] {
        &self.0
    }
}

impl std::fmt::Debug for FileKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FileKey")
    }
}

/// Those who may read a file that is made.
pub trait Recipients: Send + Sync {
    /// The key of a file as it stands in its head, where they alone find it.
    fn wrap(&self, key: &FileKey) -> Result<Vec<u8>>;
}

/// What finds the keys of files that are read.
pub trait Identities: Send + Sync {
    /// The key of the file called `name`, out of what its head has. [`Error::Encrypted`] if it is for
    /// others.
    fn unwrap(&self, name: &str, wrapped: &[u8]) -> Result<FileKey>;
}

static IDENTITIES: OnceLock<Box<dyn Identities>> = OnceLock::new();

/// Has the keys of encrypted files found by this, for as long as the process runs. The first counts.
pub fn install(identities: Box<dyn Identities>) {
    let _ = IDENTITIES.set(identities);
}

/// The key of the file called `name`.
pub(crate) fn unwrap(name: &str, wrapped: &[u8]) -> Result<FileKey> {
    match IDENTITIES.get() {
        Some(identities) => identities.unwrap(name, wrapped),
        None => Err(Error::encrypted(name, "no key was given")),
    }
}
