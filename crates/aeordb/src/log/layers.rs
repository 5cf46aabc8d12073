//! A log on top of another: what it does not have itself is read from the one below. So a full
//! export with patches on top is read like one file.

use std::sync::Arc;

use crate::error::Result;
use crate::hash::{Hash, Kind};
use crate::log::View;
use crate::log::index::Index;
use crate::log::source::Source;
use crate::store::{Place, ReadEntries};

/// What a log lies on.
#[derive(Clone)]
pub struct Below {
    view: Arc<View>,
    /// Layers below: the number of the layer that lies on them.
    layers: u8,
    /// The numbers of the entries above start here.
    numbers: u64,
}

impl Below {
    /// A view to lie on. What is added to its file later has no number here; nothing that its
    /// commit reaches is among that.
    pub fn new(view: View) -> Self {
        let layers = view.below.as_ref().map_or(0, |below| below.layers) + 1;
        let numbers = view.number_limit();
        Below { view: Arc::new(view), layers, numbers }
    }

    /// What is below.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// True if the place is in the file that lies on this.
    pub fn carries(&self, place: &Place) -> bool {
        place.layer == self.layers
    }
}

/// Where the entry is: in the file with this index, or below it.
pub fn locate(index: &Index, below: Option<&Below>, hash: &Hash) -> Result<Option<Place>> {
    let own = index.locate(hash)?;
    match (own, below) {
        (Some(place), Some(below)) => {
            let number = place.number + below.numbers;
            Ok(Some(Place { layer: below.layers, number, ..place }))
        }
        (None, Some(below)) => below.view.locate(hash),
        (own, None) => Ok(own),
    }
}

/// Every dense number of the file with this index, and of those below it, is below this.
pub fn number_limit(index: &Index, below: Option<&Below>) -> u64 {
    index.number_limit() + below.map_or(0, |below| below.numbers)
}

/// The length of the entry at `place`, in the file that is read from `source` or below it.
pub fn len_of(
    source: &Source,
    below: Option<&Below>,
    place: &Place,
    kind: Kind,
    hash: &Hash,
) -> Result<u64> {
    match below {
        Some(below) if !below.carries(place) => below.view.len_of(place, kind, hash),
        _ => source.len_of(place, kind, hash),
    }
}
