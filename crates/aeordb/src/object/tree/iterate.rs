//! Iterating: the entries in order, nodes read as they are reached.

use std::marker::PhantomData;

use bytes::Bytes;

use super::Map;
use super::cursor::{Cursor, Head};
use crate::error::Result;
use crate::hash::Hash;
use crate::store::ReadEntries;

/// An iterator over the entries of a tree: `Result<(key, value)>`. Holds one node for each level;
/// ends after an error.
pub struct Iterate<'s, M: Map, S: ReadEntries + ?Sized> {
    store: &'s S,
    cursor: Cursor,
    map: PhantomData<M>,
}

impl<'s, M: Map, S: ReadEntries + ?Sized> Iterate<'s, M, S> {
    pub(super) fn new(store: &'s S, root: &Hash, after: Option<&[u8]>) -> Result<Self> {
        let mut cursor = Cursor::new::<M, S>(store, root)?;
        if let Some(after) = after {
            cursor.seek_after::<M, S>(store, after)?;
        }
        Ok(Iterate { store, cursor, map: PhantomData })
    }

    fn advance(&mut self) -> Result<Option<(Bytes, Bytes)>> {
        // At most one turn for each level.
        loop {
            match self.cursor.head() {
                Head::End => return Ok(None),
                Head::Node { .. } => self.cursor.descend::<M, S>(self.store)?,
                Head::Entry { .. } => {
                    let entry = self.cursor.frames.last().and_then(|frame| {
                        let key = frame.node.key_bytes(frame.index)?;
                        Some((key, frame.node.value_bytes(frame.index)?))
                    });
                    self.cursor.advance();
                    return Ok(entry);
                }
            }
        }
    }
}

impl<M: Map, S: ReadEntries + ?Sized> Iterator for Iterate<'_, M, S> {
    type Item = Result<(Bytes, Bytes)>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.advance();
        if next.is_err() {
            self.cursor = Cursor::end();
        }
        next.transpose()
    }
}
