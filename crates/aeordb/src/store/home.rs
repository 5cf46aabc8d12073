//! What the verbs need of a home.

use std::ops::DerefMut;

use super::{AppendEntries, Place, RawBlock, ReadEntries};
use crate::error::Result;
use crate::hash::{Hash, Kind, VersionId};

/// What a commit makes visible.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Root {
    /// Number of the commit; zero in a database that has none yet.
    pub sequence: u64,
    /// When it was made, in nanoseconds since 1970.
    pub time: i64,
    /// HEAD.
    pub head: Option<VersionId>,
    /// Root of the map of snapshots; zero if there are none.
    pub snapshots: Hash,
    /// Root of the map of history; zero if there is none.
    pub history: Hash,
    /// Root of the map of system data; zero if there is none.
    pub system: Hash,
    /// Counts the collections that released bytes.
    pub epoch: u64,
}

/// The entries of a home as of one commit.
pub trait ViewEntries: ReadEntries + Clone + Send + Sync + 'static {
    /// What the commit makes visible.
    fn root(&self) -> &Root;

    /// Features that whoever reads what the roots reach must know.
    fn required(&self) -> u64;

    /// The block at `place` as it is stored, checked by its hash.
    fn raw_block(&self, place: &Place) -> Result<RawBlock>;
}

/// Changes that become visible together, or not at all.
pub trait Transaction: AppendEntries {
    /// What is written, for whoever reads while this goes on.
    type Written: ReadEntries + Clone + Send + Sync + 'static;

    /// Adds an entry whose name is known. Returns whether it was new.
    fn append_hashed(&mut self, kind: Kind, hash: Hash, encoding: &[u8]) -> Result<bool>;

    /// Adds a block as it is. The caller has verified its entries, and that none is here yet.
    fn append_block(&mut self, block: &RawBlock) -> Result<()>;

    /// Says that what is appended uses these features: nobody who does not know them reads what is
    /// committed from then on.
    fn require(&mut self, features: u64);

    /// True if the entry is here, written or not.
    fn contains(&self, hash: &Hash) -> Result<bool>;

    /// Writes what is packed, so that a later commit has little left to do.
    fn flush(&mut self) -> Result<()>;

    /// What is written and found, as of now: nothing that is packed.
    fn written(&self) -> Self::Written;

    /// Bytes that the home takes, with what is appended and written. What is appended later comes
    /// after that.
    fn end(&self) -> u64;

    /// True if something was appended since the last commit.
    fn is_dirty(&self) -> bool;

    /// What the last commit made visible.
    fn root(&self) -> &Root;

    /// Makes everything appended so far, and these roots, durable and visible, if the last commit
    /// is still that of number `before`; [`Error::Busy`](crate::Error::Busy) if it is not. Returns
    /// the roots with number and time of the commit.
    fn commit(&mut self, before: u64, root: Root) -> Result<Root>;

    /// Takes back everything since the last commit.
    fn rollback(&mut self);
}

/// What a copy goes to. It takes what is not in it yet.
pub trait Receive {
    /// Takes an entry, whose name has been verified.
    fn receive(&mut self, kind: Kind, hash: Hash, encoding: &[u8]) -> Result<()>;

    /// Takes a block as it is.
    fn receive_block(&mut self, block: &RawBlock) -> Result<()>;
}

/// Where a database is.
pub trait Home {
    /// Its entries as of one commit.
    type View: ViewEntries;
    /// What changes it.
    type Changes: Transaction;
    /// Holds what changes it; dropped without a commit, it takes everything back.
    type Begun<'h>: DerefMut<Target = Self::Changes>
    where
        Self: 'h;

    /// A view of the last commit. What it reaches is not released while it is there.
    fn view(&self) -> Result<Self::View>;

    /// Begins to change it, after whoever is at it in this process.
    /// [`Error::ReadOnly`](crate::Error::ReadOnly) if it was opened for reading.
    fn begin(&self) -> Result<Self::Begun<'_>>;
}
