//! Backup files where no file system is: object storage and web servers. Names are read in one place
//! (`place`); what is read is a [`aeordb::media::Media`] over ranges ([`Ranges`]), what is written
//! a stream of parts that appears complete or not at all ([`NewObject`]). The library and whoever
//! calls this stay without async: the runtime is here.

mod credentials;
mod place;
mod read;
mod store;
mod write;

use std::ffi::OsStr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use aeordb::Result;
use aeordb::media::elsewhere::{self, Elsewhere};
use aeordb::media::{FileMedia, Media};

pub use place::{Keeper, Named, Place, is_url, parse};
pub use read::Ranges;
pub use store::{Refused, requests, stop};
pub use write::NewObject;

/// Opens what URLs name, each once.
#[derive(Default)]
struct Opened {
    known: Mutex<Vec<(String, Arc<Ranges>)>>,
}

impl Elsewhere for Opened {
    fn names(&self, name: &Path) -> bool {
        is_url(name.as_os_str())
    }

    fn open(&self, name: &Path) -> Result<Arc<dyn Media>> {
        let place = match parse(name.as_os_str())? {
            Named::File(path) => return Ok(Arc::new(FileMedia::open_read(path)?)),
            Named::Object(place) => place,
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, ranges)) = known.iter().find(|(shown, _)| *shown == place.shown) {
            return Ok(ranges.clone());
        }
        let ranges = Arc::new(Ranges::open(&place)?);
        known.push((place.shown, ranges.clone()));
        Ok(ranges)
    }
}

/// From now on, the library reads what is called by a URL.
pub fn install() {
    elsewhere::install(Box::new(Opened::default()));
}

/// Begins what is to be at `output`; a file of this machine is not for here. What is written will
/// have about `expected` bytes at most, if that is known.
pub fn create(output: &OsStr, expected: Option<u64>) -> Result<NewObject> {
    match parse(output)? {
        Named::Object(place) => NewObject::create(place, expected),
        Named::File(path) => {
            Err(aeordb::Error::invalid(format!("{} is a file of this machine", path.display())))
        }
    }
}
