//! Encrypted backup files: whom what is made is for, and the keys that open what is read.

use aeordb::encryption::Recipients;
use aeordb::{Error, Result};
use aeordb_age::Readers;
use clap::Args;

use crate::args::Global;

/// Has encrypted files opened with the keys that were named.
pub fn install(global: &Global) {
    aeordb_age::install(global.identity.clone(), global.passphrase_file.clone());
}

/// Whom what is made is for.
#[derive(Args, Debug, Clone, Default)]
pub struct For {
    /// Encrypt it for this key of age or of SSH (ssh-ed25519), or for those in a FILE; may be repeated
    #[arg(long, value_name = "RECIPIENT|FILE")]
    pub encrypt_to: Vec<String>,
}

impl For {
    /// The recipients, or whoever knows the passphrase that was given and opens what is read.
    pub fn of(&self, global: &Global) -> Result<Option<Readers>> {
        match (self.encrypt_to.as_slice(), global.passphrase_file.as_slice()) {
            ([], []) => Ok(None),
            ([], [file]) => Readers::with_passphrase(file).map(Some),
            ([], _) => Err(Error::invalid(
                "--passphrase-file: what is made has one passphrase, or is for --encrypt-to",
            )),
            (texts, _) => Readers::parse(texts.iter().map(String::as_str)).map(Some),
        }
    }

    /// A server does not encrypt what it sends.
    pub fn refuse(&self) -> Result<()> {
        match self.encrypt_to.is_empty() {
            true => Ok(()),
            false => Err(Error::invalid(
                "--encrypt-to: what a server sends is encrypted on the way alone; pipe it through \
                 age, or make the backup where the database is",
            )),
        }
    }
}

/// The recipients as the library knows them.
pub fn of(readers: Option<&Readers>) -> Option<&dyn Recipients> {
    readers.map(|readers| readers as &dyn Recipients)
}
