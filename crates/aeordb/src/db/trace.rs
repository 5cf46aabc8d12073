//! Which versions changed what is at a path. Directories that two versions share are looked into once,
//! so that the cost follows what changed on the way to the path.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{Reader, Snapshot};
use crate::error::Result;
use crate::hash::{DirectoryId, VersionId};
use crate::monitor::Monitor;
use crate::object::{self, Item, Name, Path};

/// A version that HEAD was, that was imported, or that has a name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Known {
    /// The version.
    pub version: VersionId,
    /// When that was, in nanoseconds since 1970, if it is known.
    pub time: Option<i64>,
    /// The verb that made it.
    pub what: String,
    /// Its names.
    pub snapshots: Vec<String>,
    /// HEAD came from it to the next one.
    on_the_way: bool,
}

/// A version in which something is another than in the one before.
#[derive(Clone, Debug)]
pub struct Traced {
    /// The version.
    pub known: Known,
    /// What was there before.
    pub before: Option<Item>,
    /// What is there.
    pub after: Option<Item>,
}

impl Reader {
    /// All versions that are known, oldest first. One that only a snapshot names stands where the
    /// name was given.
    pub fn known_versions(&self) -> Result<Vec<Known>> {
        let mut known: Vec<Known> = Vec::new();
        let mut names: BTreeMap<VersionId, Vec<String>> = BTreeMap::new();
        let snapshots = self.snapshots()?;
        for Snapshot { name, version, .. } in &snapshots {
            names.entry(*version).or_default().push(name.clone());
        }
        for entry in self.history()? {
            let entry = entry?;
            known.push(Known {
                version: entry.version,
                time: Some(entry.time),
                what: entry.what,
                snapshots: names.get(&entry.version).cloned().unwrap_or_default(),
                on_the_way: entry.promoted,
            });
        }
        known.reverse();
        let mut seen: HashSet<VersionId> = known.iter().map(|known| known.version).collect();
        let mut alone: Vec<&Snapshot> =
            snapshots.iter().filter(|snapshot| seen.insert(snapshot.version)).collect();
        alone.sort_by_key(|snapshot| snapshot.created_at);
        // Those that are older than the history were HEAD before it; others were never, or long ago.
        let (mut from, mut passed) = (0, 0);
        for snapshot in alone {
            let time = Some(snapshot.created_at);
            let later = known.get(from..).unwrap_or_default();
            let more = later.iter().take_while(|known| known.time <= time).count();
            (from, passed) = (from + more, passed + more);
            let on_the_way = passed == 0;
            let snapshots = names.get(&snapshot.version).cloned().unwrap_or_default();
            let (version, what) = (snapshot.version, "snapshot".into());
            known.insert(from, Known { version, time, what, snapshots, on_the_way });
            from += 1;
        }
        if !seen.contains(&self.head()) {
            let (version, what) = (self.head(), "HEAD".into());
            known.push(Known { version, time: None, what, snapshots: vec![], on_the_way: true });
        }
        Ok(known)
    }

    /// The versions that changed what is at `path`, newest first. What HEAD was is compared with what
    /// it was before; what only was imported or named, with what HEAD was then.
    pub fn trace(&self, path: &Path, monitor: &Monitor) -> Result<Vec<Traced>> {
        let names = path.components().map(Name::new).collect::<Result<Vec<_>>>()?;
        let (mut memo, mut traced, mut last) = (HashMap::new(), Vec::new(), None);
        for known in self.known_versions()? {
            monitor.check()?;
            let version = self.version(&known.version)?;
            let after = match names.is_empty() {
                true => Some(Item::Directory(version.root_directory())),
                false => self.at(&version.root, &names, &mut memo)?,
            };
            if after == last {
                continue;
            }
            let on_the_way = known.on_the_way;
            traced.push(Traced { known, before: last.clone(), after: after.clone() });
            if on_the_way {
                last = after;
            }
        }
        traced.reverse();
        Ok(traced)
    }

    /// What these names lead to from a directory; `memo` knows what they led to from others, by how
    /// many were left.
    fn at(
        &self,
        root: &DirectoryId,
        names: &[Name],
        memo: &mut HashMap<(usize, DirectoryId), Option<Item>>,
    ) -> Result<Option<Item>> {
        let (mut met, mut root, mut found) = (Vec::new(), *root, None);
        for (at, name) in names.iter().enumerate() {
            if let Some(known) = memo.get(&(at, root)) {
                found = known.clone();
                break;
            }
            met.push((at, root));
            found = object::resolve(self.view(), &root, &Path::root().join(name)?)?;
            match &found {
                Some(Item::Directory(below)) if at + 1 < names.len() => root = below.root,
                _ if at + 1 < names.len() => {
                    found = None;
                    break;
                }
                _ => {}
            }
        }
        met.into_iter().for_each(|key| drop(memo.insert(key, found.clone())));
        Ok(found)
    }
}
