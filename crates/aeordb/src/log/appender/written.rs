//! What is written and found, as of one moment, for whoever reads while the appender goes on.

use std::sync::Arc;

use bytes::Bytes;

use crate::error::Result;
use crate::hash::{Hash, Kind};
use crate::log::index::Index;
use crate::log::layers::{self, Below};
use crate::log::source::Source;
use crate::store::{Place, ReadEntries};

/// The entries that are written, as of one moment.
#[derive(Clone)]
pub struct Written {
    pub(super) source: Arc<Source>,
    pub(super) index: Arc<Index>,
    pub(super) below: Option<Below>,
}

impl Written {
    /// Where they are read from.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// The index that finds them.
    pub fn index(&self) -> &Index {
        &self.index
    }
}

impl ReadEntries for Written {
    fn locate(&self, hash: &Hash) -> Result<Option<Place>> {
        layers::locate(&self.index, self.below.as_ref(), hash)
    }

    fn read(&self, kind: Kind, hash: &Hash) -> Result<Bytes> {
        layers::read(&self.source, &self.index, &[], self.below.as_ref(), kind, hash)
    }

    fn len_of(&self, place: &Place, kind: Kind, hash: &Hash) -> Result<u64> {
        layers::len_of(&self.source, self.below.as_ref(), place, kind, hash)
    }

    fn number_limit(&self) -> u64 {
        layers::number_limit(&self.index, self.below.as_ref())
    }
}
