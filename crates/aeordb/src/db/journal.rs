//! Snapshots and history: system maps beside the versions, never part of one. A sealed file has
//! none: their roots are zero there.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::hash::{Hash, VersionId};
use crate::limits::METADATA_LEN_MAX;
use crate::object::encoding::{Decoder, Encoder};
use crate::object::tree::{self, SystemMap};
use crate::store::ReadEntries;

/// A name for a version.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Snapshot {
    /// The name.
    pub name: String,
    /// The version.
    pub version: VersionId,
    /// When the name was given, in nanoseconds since 1970.
    pub created_at: i64,
    /// What the user says of it.
    pub metadata: BTreeMap<String, String>,
}

impl Snapshot {
    /// True if `other` gives the same version this name, whenever it did.
    pub fn says_the_same(&self, other: &Snapshot) -> bool {
        (&self.name, self.version, &self.metadata) == (&other.name, other.version, &other.metadata)
    }
}

/// What HEAD was, or a version that was imported and not promoted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HistoryEntry {
    /// Its number; history is ordered by it, never by time.
    pub sequence: u64,
    /// When it was made, in nanoseconds since 1970.
    pub time: i64,
    /// The version.
    pub version: VersionId,
    /// The verb that made it.
    pub what: String,
    /// False if HEAD was not moved to it.
    pub promoted: bool,
}

fn version_id(decoder: &mut Decoder<'_>) -> Result<VersionId> {
    Ok(VersionId(decoder.hash()?))
}

fn text(decoder: &mut Decoder<'_>, max: usize) -> Result<String> {
    let bytes = decoder.bytes_in("text", 0, max)?;
    String::from_utf8(bytes.to_vec()).map_err(|_| decoder.error("expected UTF-8"))
}

impl Snapshot {
    /// The value in the map of snapshots; the key is the name.
    pub fn encode(&self) -> Vec<u8> {
        let mut value = Vec::new();
        let mut encoder = Encoder::new(&mut value);
        encoder.hash(&self.version.0);
        encoder.i64(self.created_at);
        encoder.varint(self.metadata.len() as u64);
        for (key, value) in &self.metadata {
            encoder.bytes(key.as_bytes());
            encoder.bytes(value.as_bytes());
        }
        value
    }

    /// Reads a key and value of the map of snapshots.
    pub fn decode(key: &[u8], value: &[u8]) -> Result<Self> {
        let name = String::from_utf8(key.to_vec())
            .map_err(|_| Error::damaged("the map of snapshots", 0, "expected UTF-8"))?;
        let mut decoder = Decoder::new("a snapshot", value);
        let version = version_id(&mut decoder)?;
        let created_at = decoder.i64()?;
        let mut metadata = BTreeMap::new();
        for _ in 0..decoder.varint()? {
            let key = text(&mut decoder, METADATA_LEN_MAX)?;
            metadata.insert(key, text(&mut decoder, METADATA_LEN_MAX)?);
        }
        decoder.finish()?;
        Ok(Snapshot { name, version, created_at, metadata })
    }
}

/// The key of a history entry: sorts as its number does.
pub fn history_key(sequence: u64) -> [u8; 8] {
    sequence.to_be_bytes()
}

impl HistoryEntry {
    /// The value in the map of history.
    pub fn encode(&self) -> Vec<u8> {
        let mut value = Vec::new();
        let mut encoder = Encoder::new(&mut value);
        encoder.hash(&self.version.0);
        encoder.i64(self.time);
        encoder.varint(u64::from(self.promoted));
        encoder.bytes(self.what.as_bytes());
        value
    }

    /// Reads a key and value of the map of history.
    pub fn decode(key: &[u8], value: &[u8]) -> Result<Self> {
        let sequence = <[u8; 8]>::try_from(key)
            .map(u64::from_be_bytes)
            .map_err(|_| Error::damaged("the map of history", 0, "expected a key of 8 bytes"))?;
        let mut decoder = Decoder::new("a history entry", value);
        let version = version_id(&mut decoder)?;
        let time = decoder.i64()?;
        let promoted = match decoder.varint()? {
            0 => false,
            1 => true,
            other => return Err(decoder.newer(format!("history entries of sort {other}"))),
        };
        let what = text(&mut decoder, METADATA_LEN_MAX)?;
        decoder.finish()?;
        Ok(HistoryEntry { sequence, time, version, what, promoted })
    }
}

/// The snapshot of this name.
pub fn snapshot(store: &dyn ReadEntries, root: &Hash, name: &str) -> Result<Option<Snapshot>> {
    if root.is_zero() || name.is_empty() || name.len() > crate::limits::SNAPSHOT_NAME_LEN_MAX {
        return Ok(None);
    }
    let value = tree::get::<SystemMap, _>(store, root, name.as_bytes())?;
    value.map(|value| Snapshot::decode(name.as_bytes(), &value)).transpose()
}

/// All snapshots, by name.
pub fn snapshots(store: &dyn ReadEntries, root: &Hash) -> Result<Vec<Snapshot>> {
    if root.is_zero() {
        return Ok(Vec::new());
    }
    tree::iterate::<SystemMap, _>(store, root, None)?
        .map(|entry| entry.and_then(|(key, value)| Snapshot::decode(&key, &value)))
        .collect()
}

/// The system data whose keys start with `prefix`, in the order of keys.
pub fn system(store: &dyn ReadEntries, root: &Hash, prefix: &[u8]) -> Result<Vec<(Bytes, Bytes)>> {
    if root.is_zero() {
        return Ok(Vec::new());
    }
    // A prefix is below everything that it starts, so only itself is passed over.
    tree::iterate::<SystemMap, _>(store, root, Some(prefix))?
        .take_while(|entry| entry.as_ref().map_or(true, |(key, _)| key.starts_with(prefix)))
        .collect()
}

/// Number of entries of a map: one node is read.
pub fn len(store: &dyn ReadEntries, root: &Hash) -> Result<u64> {
    if root.is_zero() {
        return Ok(0);
    }
    Ok(tree::summary::<SystemMap, _>(store, root)?.entries)
}

/// The history entries whose numbers lie in `range`, oldest first.
pub fn history(
    store: &dyn ReadEntries,
    root: &Hash,
    range: std::ops::Range<u64>,
) -> Result<Vec<HistoryEntry>> {
    if root.is_zero() {
        return Ok(Vec::new());
    }
    let after = range.start.checked_sub(1).map(history_key);
    let after = after.as_ref().map(|key| key.as_slice());
    tree::iterate::<SystemMap, _>(store, root, after)?
        .map(|entry| entry.and_then(|(key, value)| HistoryEntry::decode(&key, &value)))
        .take_while(|entry| entry.as_ref().map_or(true, |entry| entry.sequence < range.end))
        .collect()
}
