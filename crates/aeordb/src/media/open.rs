//! Files that are read, wherever they are.

use std::path::Path;
use std::sync::Arc;

use super::Media;
use super::elsewhere::keeper;
use super::file::FileMedia;
use crate::error::Result;

/// Opens a file for reading: one of this machine, or what a name of elsewhere stands for.
pub fn open_read(name: &Path) -> Result<Arc<dyn Media>> {
    match keeper(name) {
        Some(elsewhere) => elsewhere.open(name),
        None => Ok(Arc::new(FileMedia::open_read(name)?)),
    }
}
