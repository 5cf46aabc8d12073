//! The key of a server, from the environment or from the file that it names.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use aeordb::error::Context;
use aeordb::{Error, Result};
use aeordb_client::{Client, denied};

use crate::args::Global;

/// Longest file with a key, in bytes.
const KEY_LEN_MAX: u64 = 4096;

/// The server at `url`, asked and waited for as all verbs are.
pub fn client(url: &str, key: String, global: &Global) -> Result<Client> {
    let client = Client::new(url, key)?.opening(global.options(None));
    Ok(client.sending(global.unattended.limit_upload))
}

/// The key.
pub fn key() -> Result<String> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(key) = variable("AEORDB_API_KEY") {
        return key.into_string().map_err(|_| Error::invalid("AEORDB_API_KEY is not text"));
    }
    let Some(path) = variable("AEORDB_API_KEY_FILE") else {
        let why = "AEORDB_API_KEY is not set, nor AEORDB_API_KEY_FILE: a server asks for a key";
        return Err(denied(why));
    };
    key_in(path.as_ref())
}

/// The key in a file.
pub fn key_in(path: &Path) -> Result<String> {
    let what = || format!("reading the key in {}", path.display());
    let mut text = String::new();
    let file = File::open(path).context(what)?;
    file.take(KEY_LEN_MAX).read_to_string(&mut text).context(what)?;
    match text.trim() {
        "" => Err(denied(&format!("there is no key in {}", path.display()))),
        key => Ok(key.to_owned()),
    }
}
