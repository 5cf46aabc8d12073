//! What readers see of a log, and a log on top of another: what it does not have itself is read from
//! the one below. So a full export with patches on top is read like one file.

use std::sync::Arc;

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::hash::{Hash, Kind};
use crate::log::checked::Damage;
use crate::log::index::Index;
use crate::log::pins::Pin;
use crate::log::recover;
use crate::log::source::Source;
use crate::store::{Place, RawBlock, ReadEntries, Root, ViewEntries};

/// What readers see.
pub struct Published {
    /// The roots of the last commit.
    pub root: Root,
    /// The index that finds everything they reach.
    pub index: Arc<Index>,
    /// Features that whoever reads them must know.
    pub required: u64,
}

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

/// Reads the entries of one file as of one commit, and of the files below it if it lies on some.
#[derive(Clone)]
pub struct View {
    pub(super) source: Arc<Source>,
    pub(super) index: Arc<Index>,
    pub(super) root: Root,
    pub(super) required: u64,
    pub(super) damages: Arc<Vec<Damage>>,
    pub(super) below: Option<Below>,
    pub(super) _pin: Arc<Pin>,
}

impl View {
    /// The index as of the commit.
    pub fn index(&self) -> &Arc<Index> {
        &self.index
    }

    /// Where bytes are read from.
    pub fn source(&self) -> &Arc<Source> {
        &self.source
    }
}

impl ViewEntries for View {
    fn root(&self) -> &Root {
        &self.root
    }

    fn required(&self) -> u64 {
        self.required
    }

    fn raw_block(&self, place: &Place) -> Result<RawBlock> {
        match &self.below {
            Some(below) if !below.carries(place) => below.view().raw_block(place),
            _ => self.source.raw_block(place.block, Some(place.tag)),
        }
    }
}

/// Reads an entry through an index. What damage has hidden is not merely absent.
pub fn read(
    source: &Source,
    index: &Index,
    damages: &[Damage],
    below: Option<&Below>,
    kind: Kind,
    hash: &Hash,
) -> Result<Bytes> {
    match (index.locate(hash)?, below) {
        (Some(place), _) => source.entry(&place, kind, hash),
        (None, Some(below)) => below.view().read(kind, hash),
        (None, None) => {
            let name = kind.name();
            Err(match (damages.first(), index.damaged_at()) {
                (Some(Damage { offset, detail }), _) => {
                    source.damaged(*offset, format!("{detail} ({name} {hash} is missing)"))
                }
                (None, Some(offset)) => {
                    let detail = format!("the index is damaged and {name} {hash} is missing");
                    source.damaged(offset, detail)
                }
                (None, None) => Error::not_found(format!("{name} {hash}")),
            })
        }
    }
}

impl ReadEntries for View {
    fn locate(&self, hash: &Hash) -> Result<Option<Place>> {
        locate(&self.index, self.below.as_ref(), hash)
    }

    fn read(&self, kind: Kind, hash: &Hash) -> Result<Bytes> {
        let below = self.below.as_ref();
        read(&self.source, &self.index, &self.damages, below, kind, hash)
            .map_err(|error| self.collected_or(error))
    }

    fn len_of(&self, place: &Place, kind: Kind, hash: &Hash) -> Result<u64> {
        len_of(&self.source, self.below.as_ref(), place, kind, hash)
    }

    fn number_limit(&self) -> u64 {
        number_limit(&self.index, self.below.as_ref())
    }
}

impl View {
    /// What is missing or broken may have been collected: locks keep that from happening, but not
    /// every file system has them.
    fn collected_or(&self, error: Error) -> Error {
        let broken = matches!(error, Error::Damaged { .. } | Error::NotFound(_));
        match (self.root.head, broken.then(|| recover::newest_epoch(&self.source))) {
            (Some(head), Some(Ok(epoch))) if epoch > self.root.epoch => Error::Collected(head.0),
            _ => error,
        }
    }
}
