//! What the versions of a damaged database are called: HEAD, snapshots, history.
//!
//! The newest commit says it, if it is sound, can be followed, and nothing was written after it.
//! Otherwise the leaves of the maps say it that are left: an entry of history never changes, and of
//! two snapshots of one name the later one counts.

use std::collections::{BTreeMap, HashSet};

use crate::db::{HistoryEntry, Snapshot, could_be_snapshot_name, is_made_key, is_unfinished_key};
use crate::error::{Error, Result};
use crate::format::commit::Commit;
use crate::hash::{Hash, Kind, VersionId};
use crate::object::tree::{self, Node, SystemMap};
use crate::salvage::entries::Entries;
use crate::salvage::scan::Scan;

/// What names versions.
#[derive(Default)]
pub struct Roots {
    /// HEAD, and what may stand in for it, the best first.
    pub heads: Vec<VersionId>,
    /// By name.
    pub snapshots: BTreeMap<String, Snapshot>,
    /// By number.
    pub history: BTreeMap<u64, HistoryEntry>,
    /// Versions that nothing names any more.
    pub unnamed: Vec<VersionId>,
    /// The map of system data, if it is known and whole.
    pub system: Option<Hash>,
    /// There may have been system data.
    pub had_system: bool,
    /// It is exactly what the last commit said.
    pub certain: bool,
    /// Number of the newest commit or entry.
    pub sequence: u64,
}

/// Puts together what can be known.
pub fn find(scan: &Scan, entries: &mut Entries<'_, '_>) -> Result<Roots> {
    let mut roots = Roots::default();
    let newest = scan.newest.as_ref();
    let end = newest.map_or(0, |commit| commit.offset.get());
    let written = entries.versions.iter().chain(&entries.maps).any(|(at, _)| *at > end);
    // A commit can also stand where bytes are broken.
    let followed = written || scan.behind || scan.last_broken > end;
    let mut whole = false;
    roots.had_system = scan.lacks;
    if let Some(commit) = newest {
        whole = roots.of_commit(commit, entries)?;
        let system = Hash::new(commit.system);
        let mut matters = false;
        let there =
            system.is_zero() || leaves(entries, &system, |node| matters |= is_missed(node))?;
        roots.system = (there && !followed).then_some(system);
        roots.had_system |= matters || !there;
    }
    roots.certain = newest.is_some() && whole && !followed;
    if !roots.certain {
        let from = if whole { end } else { 0 };
        roots.of_leaves(entries, from, end)?;
    }
    roots.choose_heads(newest, scan, entries);
    Ok(roots)
}

impl Roots {
    /// What the maps of a commit say; false if a part of them is missing.
    fn of_commit(&mut self, commit: &Commit, entries: &mut Entries<'_, '_>) -> Result<bool> {
        let mut whole = true;
        for map in [commit.snapshots, commit.history].map(Hash::new) {
            if !map.is_zero() {
                whole &= leaves(entries, &map, |node| self.add(node, false))?;
            }
        }
        Ok(whole)
    }

    /// What leaves say that stand after `from`. Those after `end`, where the newest commit stands,
    /// are newer than what is known already.
    fn of_leaves(&mut self, entries: &mut Entries<'_, '_>, from: u64, end: u64) -> Result<()> {
        let maps: Vec<(u64, Hash)> =
            entries.maps.iter().filter(|(at, _)| *at > from).copied().collect();
        let (older, newer): (Vec<_>, Vec<_>) = maps.into_iter().partition(|(at, _)| *at <= end);
        let in_order = older.into_iter().rev().map(|(_, hash)| (hash, false));
        for (hash, newer) in in_order.chain(newer.into_iter().map(|(_, hash)| (hash, true))) {
            if let Some(node) = node(entries, &hash)? {
                self.add(&node, newer);
            }
        }
        Ok(())
    }

    /// Adds the entries of a leaf of either map; a leaf of system data is neither.
    fn add(&mut self, node: &Node, newer: bool) {
        for (key, value) in node.values() {
            if let Some(entry) = history_entry(key, value) {
                self.history.entry(entry.sequence).or_insert(entry);
            } else if let Some(snapshot) = snapshot(key, value) {
                let name = snapshot.name.clone();
                if newer {
                    self.snapshots.insert(name, snapshot);
                } else {
                    self.snapshots.entry(name).or_insert(snapshot);
                }
            }
        }
        self.had_system |= is_missed(node);
    }

    fn choose_heads(&mut self, newest: Option<&Commit>, scan: &Scan, entries: &Entries<'_, '_>) {
        let commit = newest.map_or(0, |commit| commit.sequence.get());
        let last = self.history.last_key_value().map_or(0, |(number, _)| *number);
        self.sequence = commit.max(last);
        let promoted = self.history.values().rev().filter(|entry| entry.promoted);
        let of_history = promoted.map(|entry| (entry.sequence, entry.version));
        let of_commit = newest.map(|one| (commit, VersionId(Hash::new(one.head))));
        let mut heads: Vec<(u64, VersionId)> = of_commit.into_iter().chain(of_history).collect();
        // What the commit says comes before the entry of the same number, and of all if it is sure.
        if !self.certain {
            heads.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
        }
        self.heads = heads.into_iter().map(|(_, version)| version).collect();
        self.heads.extend(scan.target.map(VersionId));
        if self.certain {
            return;
        }
        let named: HashSet<VersionId> = self
            .heads
            .iter()
            .copied()
            .chain(self.snapshots.values().map(|snapshot| snapshot.version))
            .chain(self.history.values().map(|entry| entry.version))
            .collect();
        let versions = entries.versions.iter().map(|(_, hash)| VersionId(*hash));
        let mut seen = named;
        self.unnamed = versions.filter(|version| seen.insert(*version)).collect();
        self.heads.extend(self.unnamed.iter().rev());
    }
}

/// True of a leaf of system data that somebody would miss: keys, policies. In what order snapshots
/// were made, their times tell as well, and a put that has not come to its end begins anew.
fn is_missed(node: &Node) -> bool {
    node.values().any(|(key, value)| {
        let is_missed = !is_made_key(key) && !is_unfinished_key(key);
        is_missed && history_entry(key, value).is_none() && snapshot(key, value).is_none()
    })
}

fn history_entry(key: &[u8], value: &[u8]) -> Option<HistoryEntry> {
    HistoryEntry::decode(key, value).ok()
}

fn snapshot(key: &[u8], value: &[u8]) -> Option<Snapshot> {
    Snapshot::decode(key, value).ok().filter(|one| could_be_snapshot_name(&one.name))
}

/// A node of a system map; `None` if it cannot be had.
fn node(entries: &mut Entries<'_, '_>, hash: &Hash) -> Result<Option<Node>> {
    let bytes = match *hash == tree::empty_root(Kind::System) {
        true => Some(vec![0].into()),
        false => entries.get(Kind::System, hash)?,
    };
    let Some(bytes) = bytes else { return Ok(None) };
    match Node::decode::<SystemMap>(bytes) {
        Ok(node) => Ok(Some(node)),
        Err(error @ Error::Newer { .. }) => Err(error),
        Err(_) => Ok(None),
    }
}

/// Gives the leaves of a map that can be had to `take`; false if one cannot.
fn leaves(entries: &mut Entries<'_, '_>, root: &Hash, mut take: impl FnMut(&Node)) -> Result<bool> {
    let (mut whole, mut seen, mut waiting) = (true, HashSet::new(), vec![*root]);
    while let Some(hash) = waiting.pop() {
        if !seen.insert(hash) {
            continue;
        }
        match node(entries, &hash)? {
            Some(node) if node.level() == 0 => take(&node),
            Some(node) => waiting.extend(node.children().map(|child| child.hash)),
            None => whole = false,
        }
    }
    Ok(whole)
}
