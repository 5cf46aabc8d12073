//! Versions that are dropped now, before history would let go of them; and the mark that makes the
//! next collection give back at once what it frees. docs/design/0010 says why.

use std::collections::BTreeSet;

use crate::db::{Database, Purpose, Reader};
use crate::error::{Error, Result};
use crate::hash::VersionId;
use crate::moment;

/// The key of the mark in the system data.
pub(crate) const RELEASE: &[u8] = b"gc/release";

/// True if the next collection is to give back at once what it frees.
pub(crate) fn asks_for_release(reader: &Reader) -> Result<bool> {
    Ok(!reader.system(RELEASE)?.is_empty())
}

/// What is to be dropped.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Forget {
    /// Versions, by whatever they are called: out of history, and where it is a snapshot's name,
    /// that name.
    pub versions: Vec<String>,
    /// All of history but HEAD.
    pub history: bool,
    /// Of history only what is older than this duration.
    pub older: Option<String>,
}

/// What was dropped, or would be.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Forgotten {
    /// Names of versions.
    pub snapshots: Vec<String>,
    /// Entries of history, by number, ascending.
    pub history: Vec<u64>,
    /// Versions that nothing names any more.
    pub versions: Vec<VersionId>,
}

impl Database {
    /// Drops versions from history, and names that are given. HEAD stays, and what another snapshot
    /// names is refused.
    pub fn forget(&self, forget: &Forget, dry_run: bool) -> Result<Forgotten> {
        if dry_run {
            return plan(&self.reader()?, forget);
        }
        let mut writer = self.writer_for(Purpose::Removal)?;
        let forgotten = plan(&writer.reader()?, forget)?;
        if forgotten == Forgotten::default() {
            return Ok(forgotten);
        }
        for name in &forgotten.snapshots {
            writer.remove_snapshot(name)?;
        }
        if !forgotten.history.is_empty() {
            writer.forget_history(&forgotten.history)?;
        }
        writer.set_system(RELEASE, Some(Vec::new()))?;
        writer.commit()?;
        Ok(forgotten)
    }
}

/// What would be dropped.
fn plan(reader: &Reader, forget: &Forget) -> Result<Forgotten> {
    let head = reader.head();
    let mut names = BTreeSet::new();
    let mut versions = BTreeSet::new();
    for spec in &forget.versions {
        let version = reader.resolve(spec)?;
        if version == head {
            let why = "is HEAD, which stays: promote another version first";
            return Err(Error::invalid(format!("version '{spec}' {why}")));
        }
        if let Some(snapshot) = reader.snapshot(spec)? {
            if snapshot.held {
                return Err(Error::Held(snapshot.name));
            }
            names.insert(snapshot.name);
        }
        versions.insert(version);
    }
    let (goes, stays): (Vec<_>, Vec<_>) =
        reader.snapshots()?.into_iter().partition(|one| names.contains(&one.name));
    if let Some(other) = stays.iter().find(|one| versions.contains(&one.version)) {
        let (version, name) = (other.version, &other.name);
        return Err(Error::invalid(format!(
            "version {version} is snapshot '{name}': name that snapshot too if it is to go"
        )));
    }
    let entries = reader.history()?.collect::<Result<Vec<_>>>()?;
    let newest = entries.iter().find(|entry| entry.promoted && entry.version == head);
    let newest = newest.map(|entry| entry.sequence);
    let cut = match &forget.older {
        Some(older) => Some(moment::before(older, reader.now())?),
        None => None,
    };
    let mut forgotten =
        Forgotten { snapshots: names.into_iter().collect(), ..Forgotten::default() };
    // Oldest first: where one is too young, all that came after it are, whatever their clock.
    let mut is_old = forget.history;
    for entry in entries.iter().rev() {
        is_old = is_old && cut.is_none_or(|cut| entry.time <= cut);
        if Some(entry.sequence) != newest && (is_old || versions.contains(&entry.version)) {
            forgotten.history.push(entry.sequence);
        }
    }
    let gone = |sequence: &u64| forgotten.history.binary_search(sequence).is_ok();
    let mut named: BTreeSet<VersionId> = stays.iter().map(|one| one.version).collect();
    named.insert(head);
    named.extend(entries.iter().filter(|one| !gone(&one.sequence)).map(|one| one.version));
    let dropped = entries.iter().filter(|one| gone(&one.sequence)).map(|one| one.version);
    let dropped: BTreeSet<VersionId> = dropped.chain(goes.iter().map(|one| one.version)).collect();
    forgotten.versions = dropped.difference(&named).copied().collect();
    Ok(forgotten)
}
