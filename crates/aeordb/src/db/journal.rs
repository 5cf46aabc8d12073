//! Snapshots and history: system maps beside the versions, never part of one. A sealed file has
//! none: their roots are zero there.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::hash::{Hash, VersionId};
use crate::limits::METADATA_LEN_MAX;
use crate::object::encoding::{Decoder, Encoder};
use crate::object::tree::{self, SystemMap};
use crate::store::{ReadEntries, Root};

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
    /// It stays until it is released: it is not removed, whoever asks. Kept beside the map of
    /// snapshots.
    pub held: bool,
}

/// A name for what is about to be committed.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Naming {
    /// The name.
    pub name: String,
    /// What the user says of it.
    pub metadata: BTreeMap<String, String>,
}

impl Naming {
    /// The name of this version.
    pub fn of(&self, version: VersionId, created_at: i64) -> Snapshot {
        let Naming { name, metadata } = self.clone();
        Snapshot { name, version, created_at, metadata, held: false }
    }
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
        Ok(Snapshot { name, version, created_at, metadata, held: false })
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

/// What the keys of holds begin with in the system data.
const HOLD: &[u8] = b"hold/";

/// Where the hold of a name is kept: as long as any, whatever the name.
pub fn hold_key(name: &str) -> Vec<u8> {
    [HOLD, blake3::hash(name.as_bytes()).as_bytes()].concat()
}

/// What the keys of the numbers of snapshots begin with in the system data.
const MADE: &[u8] = b"made/";

/// Where the number of the commit that made a snapshot is kept.
pub fn made_key(name: &str) -> Vec<u8> {
    [MADE, blake3::hash(name.as_bytes()).as_bytes()].concat()
}

/// True of the key under which such a number is kept.
pub fn is_made_key(key: &[u8]) -> bool {
    key.starts_with(MADE)
}

/// The number of the commit and the name, as they are kept.
pub fn made_value(sequence: u64, name: &str) -> Vec<u8> {
    [&sequence.to_be_bytes(), name.as_bytes()].concat()
}

/// The numbers of the commits that made snapshots, by name, where they are known.
pub fn made(store: &dyn ReadEntries, root: &Root) -> Result<BTreeMap<String, u64>> {
    let mut made = BTreeMap::new();
    for (_, value) in system(store, &root.system, MADE)? {
        let split = value.split_first_chunk::<8>();
        let name = split.and_then(|(_, name)| std::str::from_utf8(name).ok());
        let (Some((sequence, _)), Some(name)) = (split, name) else {
            return Err(Error::damaged("the system data", 0, "expected a number and a name"));
        };
        made.insert(name.to_owned(), u64::from_be_bytes(*sequence));
    }
    Ok(made)
}

/// The snapshot of this name.
pub fn snapshot(store: &dyn ReadEntries, root: &Root, name: &str) -> Result<Option<Snapshot>> {
    let map = &root.snapshots;
    if map.is_zero() || name.is_empty() || name.len() > crate::limits::SNAPSHOT_NAME_LEN_MAX {
        return Ok(None);
    }
    let Some(value) = tree::get::<SystemMap, _>(store, map, name.as_bytes())? else {
        return Ok(None);
    };
    let mut snapshot = Snapshot::decode(name.as_bytes(), &value)?;
    if !root.system.is_zero() {
        let held = tree::get::<SystemMap, _>(store, &root.system, &hold_key(name))?;
        snapshot.held = held.is_some();
    }
    Ok(Some(snapshot))
}

/// All snapshots, by name.
pub fn snapshots(store: &dyn ReadEntries, root: &Root) -> Result<Vec<Snapshot>> {
    if root.snapshots.is_zero() {
        return Ok(Vec::new());
    }
    let held = system(store, &root.system, HOLD)?;
    let held: BTreeSet<Bytes> = held.into_iter().map(|(_, name)| name).collect();
    tree::iterate::<SystemMap, _>(store, &root.snapshots, None)?
        .map(|entry| {
            let (key, value) = entry?;
            let snapshot = Snapshot::decode(&key, &value)?;
            Ok(Snapshot { held: held.contains(snapshot.name.as_bytes()), ..snapshot })
        })
        .collect()
}

/// The system data whose keys start with `prefix`, in the order of keys.
pub fn system(store: &dyn ReadEntries, root: &Hash, prefix: &[u8]) -> Result<Vec<(Bytes, Bytes)>> {
    if root.is_zero() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    // A prefix is below everything that it starts: what comes after it lacks only itself.
    let itself = match prefix {
        [] => None,
        key => tree::get::<SystemMap, _>(store, root, key)?,
    };
    found.extend(itself.map(|value| (Bytes::copy_from_slice(prefix), value)));
    let after = tree::iterate::<SystemMap, _>(store, root, Some(prefix))?;
    for entry in
        after.take_while(|entry| entry.as_ref().map_or(true, |(key, _)| key.starts_with(prefix)))
    {
        found.push(entry?);
    }
    Ok(found)
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
