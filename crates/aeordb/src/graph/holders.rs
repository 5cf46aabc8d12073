//! Which entries one owner alone reaches. Holders are walked one after another; what a second one reaches
//! as well belongs to nobody from then on, with all below it. So every node is gone through twice at
//! most, however many owners there are.

use crate::error::{Error, Result};
use crate::graph::reach::references;
use crate::hash::{DirectoryId, Hash, Kind, VersionId};
use crate::monitor::Monitor;
use crate::object::tree::{self, Directories, Node};
use crate::object::{Item, Version};
use crate::store::ReadEntries;

/// Nobody has reached it.
const NOBODY: u32 = 0;
/// Several have.
const SEVERAL: u32 = u32::MAX;

/// Who reaches what.
pub struct Holders<'a, S> {
    store: &'a S,
    monitor: &'a Monitor,
    /// By the numbers of entries.
    owners: Vec<u32>,
}

impl<'a, S: ReadEntries> Holders<'a, S> {
    /// Nobody has reached anything.
    pub fn new(store: &'a S, monitor: &'a Monitor) -> Self {
        // Four bytes for each entry of an index that was read.
        let len = usize::try_from(store.number_limit()).unwrap_or(usize::MAX);
        Holders { store, monitor, owners: vec![NOBODY; len] }
    }

    /// Says that several reach an entry.
    pub fn share(&mut self, number: u64) {
        if let Some(owner) = self.of_mut(number) {
            *owner = SEVERAL;
        }
    }

    /// The one that alone reaches an entry, or whether several do.
    pub fn of(&self, number: u64) -> Holder {
        let index = usize::try_from(number).unwrap_or(usize::MAX);
        match self.owners.get(index).copied() {
            None | Some(NOBODY) => Holder::Nobody,
            Some(SEVERAL) => Holder::Several,
            Some(owner) => Holder::One(owner as usize - 1),
        }
    }

    fn of_mut(&mut self, number: u64) -> Option<&mut u32> {
        self.owners.get_mut(usize::try_from(number).ok()?)
    }

    /// What a version reaches is of `owner`, or of several.
    pub fn version(&mut self, owner: usize, id: &VersionId) -> Result<()> {
        let owner = u32::try_from(owner + 1).unwrap_or(SEVERAL - 1).min(SEVERAL - 1);
        let version = Version::read(self.store, id)?;
        if *id != Version::empty().id() && !self.meet(owner, Kind::Version, &id.0)? {
            return Ok(());
        }
        let mut waiting = Vec::new();
        self.item(owner, &Item::Directory(version.root_directory()), &mut waiting)?;
        while let Some(node) = waiting.pop() {
            self.monitor.check()?;
            self.node(owner, &node, &mut waiting)?;
        }
        Ok(())
    }

    /// True if what an entry leads to is to be gone through.
    fn meet(&mut self, owner: u32, kind: Kind, hash: &Hash) -> Result<bool> {
        let Some(place) = self.store.locate(hash)? else {
            return Err(Error::not_found(format!("{} {hash}", kind.name())));
        };
        let Some(before) = self.of_mut(place.number) else { return Ok(false) };
        match *before {
            NOBODY => *before = owner,
            SEVERAL => return Ok(false),
            same if same == owner => return Ok(false),
            _ => *before = SEVERAL,
        }
        Ok(true)
    }

    fn node(&mut self, owner: u32, hash: &Hash, waiting: &mut Vec<Hash>) -> Result<()> {
        if *hash == tree::empty_root(Kind::Directory) || !self.meet(owner, Kind::Directory, hash)? {
            return Ok(());
        }
        let node = Node::decode::<Directories>(self.store.read(Kind::Directory, hash)?)?;
        waiting.extend(node.children().map(|child| child.hash));
        for (_, value) in node.values() {
            self.item(owner, &Item::decode(value)?, waiting)?;
        }
        Ok(())
    }

    fn item(&mut self, owner: u32, item: &Item, waiting: &mut Vec<Hash>) -> Result<()> {
        let store = self.store;
        references(store, item, |reference| {
            let (kind, hash) = reference.entry();
            self.meet(owner, kind, hash)
        })?;
        if let Item::Directory(directory) = item {
            let DirectoryId(root) = directory.root;
            waiting.push(root);
        }
        Ok(())
    }
}

/// Who reaches an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Holder {
    /// Nobody.
    Nobody,
    /// This one alone.
    One(usize),
    /// Several.
    Several,
}
