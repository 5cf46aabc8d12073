//! Attributes as they come from a file system or an archive, before they are a set.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::{AttributeSet, Owner, XattrValue};
use crate::error::Result;
use crate::hash::AttributesId;
use crate::store::AppendEntries;

/// Sets that are remembered, so that they are not encoded again: a tree has few.
const SETS_MAX: usize = 1024;

/// Owner, flags and extended attributes.
#[derive(Clone, PartialEq, Eq, Hash, Default, Debug)]
pub struct Extended {
    /// Who owns it.
    pub owner: Option<Arc<Owner>>,
    /// Bits of [`flags`](super::flags).
    pub flags: u64,
    /// Extended attributes by name.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Extended {
    /// Stores it as a set; `None` if there is nothing to be kept.
    pub fn store<S: AppendEntries + ?Sized>(&self, store: &mut S) -> Result<Option<AttributesId>> {
        let mut xattrs = BTreeMap::new();
        for (name, value) in &self.xattrs {
            xattrs.insert(name.clone(), XattrValue::store(store, value)?);
        }
        let owner = self.owner.as_deref().cloned();
        AttributeSet { owner, flags: self.flags, xattrs }.store(store)
    }
}

/// The sets of what was stored.
#[derive(Default)]
pub struct StoredSets(HashMap<Extended, Option<AttributesId>>);

impl StoredSets {
    /// The set of these attributes, which is stored if it was not yet.
    pub fn of<S: AppendEntries + ?Sized>(
        &mut self,
        store: &mut S,
        extended: Extended,
    ) -> Result<Option<AttributesId>> {
        if let Some(set) = self.0.get(&extended) {
            return Ok(*set);
        }
        let set = extended.store(store)?;
        if self.0.len() >= SETS_MAX {
            self.0.clear();
        }
        self.0.insert(extended, set);
        Ok(set)
    }
}
