//! Snapshots and history: system maps beside the versions, never part of one.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::hash::{HASH_LEN, Hash, Kind, VersionId};
use crate::limits::METADATA_LEN_MAX;
use crate::object::encoding::{Decoder, Encoder};
use crate::object::tree;
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
    Ok(VersionId(Hash::new(decoder.array::<HASH_LEN>()?)))
}

fn text(decoder: &mut Decoder<'_>, max: usize) -> Result<String> {
    let offset = decoder.offset();
    String::from_utf8(decoder.bytes(max)?.to_vec())
        .map_err(|_| Error::damaged("a system map", offset, "expected UTF-8"))
}

impl Snapshot {
    /// The value in the map of snapshots; the key is the name.
    pub fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::new();
        encoder.raw(self.version.0.as_bytes());
        encoder.i64(self.created_at);
        encoder.varint(self.metadata.len() as u64);
        for (key, value) in &self.metadata {
            encoder.bytes(key.as_bytes());
            encoder.bytes(value.as_bytes());
        }
        encoder.finish()
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
        decoder.end()?;
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
        let mut encoder = Encoder::new();
        encoder.raw(self.version.0.as_bytes());
        encoder.i64(self.time);
        encoder.varint(u64::from(self.promoted));
        encoder.bytes(self.what.as_bytes());
        encoder.finish()
    }

    /// Reads a key and value of the map of history.
    pub fn decode(key: &[u8], value: &[u8]) -> Result<Self> {
        let sequence = <[u8; 8]>::try_from(key)
            .map(u64::from_be_bytes)
            .map_err(|_| Error::damaged("the map of history", 0, "expected a key of 8 bytes"))?;
        let mut decoder = Decoder::new("a history entry", value);
        let version = version_id(&mut decoder)?;
        let time = decoder.i64()?;
        let promoted = decoder.varint()? != 0;
        let what = text(&mut decoder, METADATA_LEN_MAX)?;
        decoder.end()?;
        Ok(HistoryEntry { sequence, time, version, what, promoted })
    }
}

/// The snapshot of this name.
pub fn snapshot(store: &dyn ReadEntries, root: &Hash, name: &str) -> Result<Option<Snapshot>> {
    if root.is_zero() || name.is_empty() || name.len() > crate::limits::SNAPSHOT_NAME_LEN_MAX {
        return Ok(None);
    }
    let value = tree::get(store, Kind::System, root, name.as_bytes())?;
    value.map(|value| Snapshot::decode(name.as_bytes(), &value)).transpose()
}

/// All snapshots, by name.
pub fn snapshots(store: &dyn ReadEntries, root: &Hash) -> Result<Vec<Snapshot>> {
    if root.is_zero() {
        return Ok(Vec::new());
    }
    tree::iterate(store, Kind::System, root, None)
        .map(|entry| entry.and_then(|(key, value)| Snapshot::decode(&key, &value)))
        .collect()
}

/// History from `sequence` on, oldest first.
pub fn history_from<'a>(
    store: &'a dyn ReadEntries,
    root: &Hash,
    sequence: u64,
) -> Box<dyn Iterator<Item = Result<HistoryEntry>> + 'a> {
    if root.is_zero() {
        return Box::new(std::iter::empty());
    }
    let after = sequence.checked_sub(1).map(history_key);
    let after = after.as_ref().map(|key| key.as_slice());
    Box::new(
        tree::iterate(store, Kind::System, root, after)
            .map(|entry| entry.and_then(|(key, value)| HistoryEntry::decode(&key, &value))),
    )
}

/// The number of the newest history entry.
pub fn last_sequence(store: &dyn ReadEntries, root: &Hash) -> Result<Option<u64>> {
    if root.is_zero() {
        return Ok(None);
    }
    let last = tree::last(store, Kind::System, root)?;
    Ok(last.and_then(|(key, _)| <[u8; 8]>::try_from(&key[..]).ok()).map(u64::from_be_bytes))
}
