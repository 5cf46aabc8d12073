//! Sets that were read already: a tree has few of them, and many files that name them.

use std::collections::HashMap;
use std::sync::Arc;

use super::AttributeSet;
use crate::error::Result;
use crate::hash::AttributesId;
use crate::store::ReadEntries;

/// Sets that are kept; whoever has more reads some of them again.
const KNOWN_MAX: usize = 1024;

/// The sets of a store, each read once.
pub struct KnownSets<'s, S: ReadEntries + ?Sized> {
    store: &'s S,
    known: HashMap<AttributesId, Arc<AttributeSet>>,
}

impl<'s, S: ReadEntries + ?Sized> KnownSets<'s, S> {
    /// Nothing is known yet.
    pub fn new(store: &'s S) -> Self {
        KnownSets { store, known: HashMap::new() }
    }

    /// Where they are.
    pub fn store(&self) -> &'s S {
        self.store
    }

    /// What this set says; without one, nothing.
    pub fn of(&mut self, id: Option<&AttributesId>) -> Result<Arc<AttributeSet>> {
        let Some(id) = id else { return Ok(Arc::default()) };
        if let Some(set) = self.known.get(id) {
            return Ok(set.clone());
        }
        let set = Arc::new(AttributeSet::read(self.store, id)?);
        if self.known.len() >= KNOWN_MAX {
            self.known.clear();
        }
        self.known.insert(*id, set.clone());
        Ok(set)
    }
}
