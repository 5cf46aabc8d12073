//! Those who may read what is made.

use std::path::Path;

use aeordb::encryption::{FileKey, Recipients};
use aeordb::{Error, Result};

use crate::age::{self, Recipient};
use crate::{WORK_FACTOR, keys, passphrase_of, text_of};

/// Recipients, or whoever knows a passphrase: what age writes is for one or the other.
pub struct Readers(Vec<Recipient>);

impl Readers {
    /// Those that texts name: a recipient of age (`age1…`), a public key of SSH (`ssh-ed25519 …`), or a
    /// file with some of either, one a line.
    pub fn parse<'t>(texts: impl IntoIterator<Item = &'t str>) -> Result<Self> {
        let mut recipients = Vec::new();
        for text in texts {
            if let Some(recipient) = recipient(text)? {
                recipients.push(recipient);
                continue;
            }
            let before = recipients.len();
            for (line, number) in text_of(Path::new(text))?.lines().zip(1..) {
                let line = line.trim();
                if line.is_empty() || line.starts_with('#') {
                    continue;
                }
                let found = recipient(line).ok().flatten().ok_or_else(|| {
                    let what =
                        match line.starts_with("AGE-SECRET-KEY-") || line.starts_with("-----") {
                            true => "a secret key: name the file with the public one",
                            false => "no recipient: age1…, or ssh-ed25519 and a key",
                        };
                    Error::invalid(format!("line {number} of {text} is {what}"))
                })?;
                recipients.push(found);
            }
            if recipients.len() == before {
                return Err(Error::invalid(format!("{text} names no recipient")));
            }
        }
        match recipients.is_empty() {
            true => Err(Error::invalid("there is no recipient")),
            false => Ok(Readers(recipients)),
        }
    }

    /// Those that texts name, none of which is a file: who wrote them may not read ours.
    pub fn named<'t>(texts: impl IntoIterator<Item = &'t str>) -> Result<Self> {
        let none = |text| {
            Error::invalid(format!("{text:?} is no recipient: age1…, or ssh-ed25519 and a key"))
        };
        let one = |text| recipient(text)?.ok_or_else(|| none(text));
        texts.into_iter().map(one).collect::<Result<Vec<_>>>().map(Readers)
    }

    /// Whoever knows the passphrase that is the first line of a file.
    pub fn with_passphrase(file: &Path) -> Result<Self> {
        Ok(Readers(vec![Recipient::Passphrase(passphrase_of(file)?, WORK_FACTOR)]))
    }
}

/// The recipient that a text is; `None` if it is the name of a file.
fn recipient(text: &str) -> Result<Option<Recipient>> {
    let (found, expected) = match text {
        _ if text.starts_with("age1") => (keys::age_recipient(text), "a letter of it is wrong"),
        _ if text.starts_with("ssh-") => {
            (keys::ssh_recipient(text), "of SSH, keys of the type ssh-ed25519 are taken")
        }
        _ => return Ok(None),
    };
    found.map(Some).ok_or_else(|| Error::invalid(format!("{text:?} is no recipient: {expected}")))
}

impl Recipients for Readers {
    fn wrap(&self, key: &FileKey) -> Result<Vec<u8>> {
        age::seal(&self.0, key.as_bytes()).map_err(|_| Error::Io {
            what: "encrypting the key of the output".into(),
            source: std::io::Error::other("no random bytes, or a recipient's key that is none"),
        })
    }
}
