//! Files that are called by a name which is no path of this machine. The library knows no network: who
//! does says once which names those are and opens them. They are only read.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use super::Media;
use crate::error::{Error, Result};

/// Opens what is elsewhere.
pub trait Elsewhere: Send + Sync {
    /// True if the name is one of a place elsewhere, well formed or not.
    fn names(&self, name: &Path) -> bool;

    /// Opens what is there for reading.
    fn open(&self, name: &Path) -> Result<Arc<dyn Media>>;
}

static ELSEWHERE: OnceLock<Box<dyn Elsewhere>> = OnceLock::new();

/// Has names of places elsewhere opened by this, for as long as the process runs. The first counts.
pub fn install(elsewhere: Box<dyn Elsewhere>) {
    let _ = ELSEWHERE.set(elsewhere);
}

/// Who opens this name, if it is one of a place elsewhere.
pub(super) fn keeper(name: &Path) -> Option<&'static dyn Elsewhere> {
    ELSEWHERE.get().map(Box::as_ref).filter(|elsewhere| elsewhere.names(name))
}

/// True if this is the name of a place elsewhere.
pub fn is_elsewhere(name: &Path) -> bool {
    keeper(name).is_some()
}

/// [`Error::ReadOnly`] for what is elsewhere: it is not written to in place.
pub fn check_here(name: &Path) -> Result<()> {
    if !is_elsewhere(name) {
        return Ok(());
    }
    let why = "it is no file of this machine, and is only read".into();
    Err(Error::ReadOnly { what: name.display().to_string(), why })
}
