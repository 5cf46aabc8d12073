//! The keys that one has, which find those of files.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use aeordb::encryption::{self, FILE_KEY_LEN, FileKey, Identities};
use aeordb::{Error, Result};

use crate::age::{Failed, Identity, Sealed};
use crate::keys::{self, NoIdentity};
use crate::{WORK_FACTOR_MAX, passphrase_of, text_of};

/// Keys of files that are remembered: to try a passphrase is slow on purpose.
const REMEMBERED_MAX: usize = 64;
/// Where a file has its key.
const HEAD: u64 = 256;

/// Has the keys of encrypted files found with what these files hold. They are read when the first of
/// them is needed.
pub fn install(identities: Vec<PathBuf>, passphrases: Vec<PathBuf>) {
    encryption::install(Box::new(Ring::new(identities, passphrases)));
}

/// Secret keys and passphrases, in files.
pub struct Ring {
    identities: Vec<PathBuf>,
    passphrases: Vec<PathBuf>,
    /// What heads were found to hold.
    known: Mutex<Vec<(Vec<u8>, FileKey)>>,
}

impl Ring {
    /// Of these files.
    pub fn new(identities: Vec<PathBuf>, passphrases: Vec<PathBuf>) -> Self {
        Ring { identities, passphrases, known: Mutex::default() }
    }

    fn find(&self, name: &str, wrapped: &[u8]) -> Result<FileKey> {
        let unread = |failed| match failed {
            Failed::Newer => Error::newer(name, "another version of age for its key"),
            Failed::TooCostly => Error::newer(name, "more memory for its passphrase"),
            _ => Error::damaged(name, HEAD, "the file's key is none that age wrote"),
        };
        let sealed = Sealed::parse(wrapped).map_err(unread)?;
        let by_passphrase = sealed.is_by_passphrase();
        let mut identities = Vec::new();
        if by_passphrase {
            for file in &self.passphrases {
                identities.push(Identity::Passphrase(passphrase_of(file)?, WORK_FACTOR_MAX));
            }
        } else {
            for file in &self.identities {
                identities.extend(keys_in(file)?);
            }
        }
        let key = sealed.open(&identities).map_err(|failed| match failed {
            Failed::ForOthers => Error::encrypted(name, self.why_not(by_passphrase)),
            failed => unread(failed),
        })?;
        let key = <[u8; FILE_KEY_LEN]>::try_from(key);
        key.map(FileKey::new).map_err(|_| unread(Failed::Malformed))
    }

    fn why_not(&self, by_passphrase: bool) -> &'static str {
        match (by_passphrase, self.identities.is_empty(), self.passphrases.is_empty()) {
            (true, _, true) => "opens with a passphrase, which was not given",
            (true, _, false) => "has another passphrase than the one that was given",
            (false, true, _) => "no key of those that it is for was given",
            (false, false, _) => "is for other keys than those that were given",
        }
    }
}

impl Identities for Ring {
    fn unwrap(&self, name: &str, wrapped: &[u8]) -> Result<FileKey> {
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, key)) = known().iter().find(|(one, _)| one == wrapped) {
            return Ok(key.clone());
        }
        let key = self.find(name, wrapped)?;
        let mut known = known();
        known.truncate(REMEMBERED_MAX - 1);
        known.insert(0, (wrapped.to_vec(), key.clone()));
        Ok(key)
    }
}

/// The secret keys of a file: of age, one a line, or one of SSH.
fn keys_in(file: &Path) -> Result<Vec<Identity>> {
    let (text, name) = (text_of(file)?, file.display());
    let wrong = |why: &str| Error::invalid(format!("{name} holds no secret key: {why}"));
    if text.starts_with("-----BEGIN") {
        return keys::ssh_identity(&text).map(|key| vec![key]).map_err(|why| match why {
            NoIdentity::Protected => {
                wrong("it is protected by a passphrase; `ssh-keygen -p` makes a copy without one")
            }
            NoIdentity::Unknown => wrong("of SSH, keys of the type ssh-ed25519 are taken"),
        });
    }
    let mut found = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        // The line may be a secret that was spelt wrongly: it is not repeated.
        let key = keys::age_identity(line);
        let none = || wrong(&format!("line {number} is none (AGE-SECRET-KEY-1…)"));
        found.push(key.ok_or_else(none)?);
    }
    match found.is_empty() {
        true => Err(wrong("it is empty")),
        false => Ok(found),
    }
}
