//! What the database has in a directory, read beside the local one: both are in the order of their
//! names, and a page at a time is held.

use std::collections::VecDeque;

use crate::error::Result;
use crate::graph;
use crate::hash::DirectoryId;
use crate::object::tree::{self, Directories};
use crate::object::{Item, Name};
use crate::store::ReadEntries;

/// Entries of a page.
const PAGE: usize = 256;

/// The entries of a directory of the database that were not asked for yet.
pub struct OldEntries {
    root: DirectoryId,
    page: VecDeque<(Name, Item)>,
    /// Up to here everything was read.
    read_to: Option<Vec<u8>>,
    ended: bool,
}

impl OldEntries {
    /// All entries of the directory with this root; without one there are none.
    pub fn new(root: Option<DirectoryId>) -> Self {
        let ended = root.is_none();
        let root = root.unwrap_or(DirectoryId(tree::empty_root(crate::hash::Kind::Directory)));
        OldEntries { root, page: VecDeque::new(), read_to: None, ended }
    }

    /// The next entry below `name`; of all that is left without one.
    pub fn next_below<S: ReadEntries + ?Sized>(
        &mut self,
        store: &S,
        name: Option<&[u8]>,
    ) -> Result<Option<(Name, Item)>> {
        self.fill(store)?;
        let below = |found: &Name| name.is_none_or(|name| found.as_bytes() < name);
        Ok(self.page.pop_front_if(|(found, _)| below(found)))
    }

    /// The entry called `name`, which is above those that were asked for before. What is between
    /// is passed over, without being read where it is much.
    pub fn find<S: ReadEntries + ?Sized>(
        &mut self,
        store: &S,
        name: &[u8],
    ) -> Result<Option<Item>> {
        if self.read_to.is_none() {
            self.fill(store)?;
        }
        while self.page.pop_front_if(|(found, _)| found.as_bytes() < name).is_some() {}
        if self.page.is_empty() && !self.ended {
            let value = tree::get::<Directories, S>(store, self.root.hash(), name)?;
            self.read_to = Some(name.to_vec());
            self.fill(store)?;
            return value.map(|value| Item::decode(&value)).transpose();
        }
        Ok(self.page.pop_front_if(|(found, _)| found.as_bytes() == name).map(|(_, item)| item))
    }

    fn fill<S: ReadEntries + ?Sized>(&mut self, store: &S) -> Result<()> {
        if !self.page.is_empty() || self.ended {
            return Ok(());
        }
        let entries = graph::entries(store, &self.root, self.read_to.as_deref())?;
        for entry in entries.take(PAGE) {
            self.page.push_back(entry?);
        }
        self.ended = self.page.len() < PAGE;
        self.read_to = self.page.back().map(|(name, _)| name.as_bytes().to_vec());
        Ok(())
    }
}
