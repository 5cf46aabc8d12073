//! Directories that nothing names any more: what named them was in an entry that is lost. They are
//! kept in a snapshot of their own, each under the hash that it had.

use std::collections::BTreeMap;

use super::{LOST_MAX, Lost, Rescue, SalvageReport};
use crate::db::Snapshot;
use crate::error::{Error, Result};
use crate::graph;
use crate::hash::{DirectoryId, Hash, Kind, VersionId};
use crate::object::tree::{Builder, Directories};
use crate::object::{Attributes, Item, Name, Path, Subdirectory, Totals, Version};
use crate::salvage::trees;
use crate::store::Transaction;

/// The name of the snapshot, as file systems call it.
const NAME: &str = "lost+found";

/// What nothing named, and where it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Orphans {
    /// The snapshot.
    pub snapshot: String,
    /// Directories in it, each with what is below it.
    pub directories: u64,
    /// Files in them.
    pub files: u64,
}

impl Rescue<'_, '_, '_> {
    /// Keeps what is left of every directory that nothing names, and has files.
    pub(super) fn orphans(
        &mut self,
        taken: &[Snapshot],
        report: &mut SalvageReport,
    ) -> Result<Option<Snapshot>> {
        let mut found = BTreeMap::new();
        for top in self.unnamed_nodes()? {
            let left =
                self.trees.judge(&top, Totals::default(), &mut self.entries, self.monitor)?;
            if left.is_none() {
                continue;
            }
            // It may have been a part of a larger directory: written again it is one of its own.
            let (root, totals) = self.trees.rewrite(&top, &mut self.entries, self.monitor)?;
            let (root, attributes) = (DirectoryId(root), Attributes::default());
            let directory = Item::Directory(Subdirectory { root, totals, attributes });
            let alone = self.version_of([(&top, &directory)])?;
            if totals.files > 0 && self.is_proved(&alone)? {
                found.insert(top, directory);
            }
        }
        if found.is_empty() {
            return Ok(None);
        }
        let version = self.version_of(&found)?;
        let Some(version) = self.prove(&version.id(), &version)? else { return Ok(None) };
        for top in found.keys() {
            self.tell(&version, top, report)?;
        }
        let is_free = |name: &String| taken.iter().all(|snapshot| snapshot.name != *name);
        let others = (2_u64..).map(|number| format!("{NAME}-{number}"));
        let name = std::iter::once(NAME.to_owned()).chain(others).find(is_free).unwrap_or_default();
        report.orphans = Some(Orphans {
            snapshot: name.clone(),
            directories: found.len() as u64,
            files: found.values().map(|directory| directory.totals().files).sum(),
        });
        let created_at = self.entries.now();
        let metadata = BTreeMap::new();
        Ok(Some(Snapshot { name, version, created_at, metadata, held: false }))
    }

    /// Reports what is lost of a directory that is kept in `version` under its hash.
    fn tell(&self, version: &VersionId, top: &Hash, report: &mut SalvageReport) -> Result<()> {
        let (mut lost, room) = (Vec::new(), LOST_MAX.saturating_sub(report.lost.len()));
        report.more_lost |= self.trees.lost(top, room, &mut lost);
        let above = Path::root().join(&Name::new(top.to_string().as_bytes())?)?;
        for (below, part) in lost {
            let path = [above.as_bytes(), below.as_bytes()].concat();
            let path = Path::parse(&path).unwrap_or_else(|_| above.clone());
            report.lost.push(Lost { version: *version, path, part });
        }
        Ok(())
    }

    /// Nodes of directories that no version and no other node names.
    fn unnamed_nodes(&mut self) -> Result<Vec<Hash>> {
        let mut nodes = std::mem::take(&mut self.entries.nodes);
        nodes.sort_unstable();
        nodes.dedup();
        let mut named = vec![false; nodes.len()];
        let mut name = |hash: &Hash| {
            let at = nodes.binary_search(hash).ok();
            if let Some(named) = at.and_then(|at| named.get_mut(at)) {
                *named = true;
            }
        };
        for (_, version) in std::mem::take(&mut self.entries.versions) {
            let bytes = self.entries.get(Kind::Version, &version)?;
            if let Some(Ok(version)) = bytes.map(|bytes| Version::decode(&bytes)) {
                name(&version.root.0);
            }
        }
        for hash in &nodes {
            self.monitor.check()?;
            let Some(node) = trees::node(hash, &mut self.entries)? else { continue };
            node.children().for_each(|child| name(&child.hash));
            for (_, value) in node.values() {
                if let Ok(Item::Directory(directory)) = Item::decode(value) {
                    name(&directory.root.0);
                }
            }
        }
        let unnamed = nodes.into_iter().zip(named).filter(|(_, named)| !named);
        Ok(unnamed.map(|(hash, _)| hash).collect())
    }

    /// Writes a version with these directories in it, each called by its hash.
    fn version_of<'i>(
        &mut self,
        directories: impl IntoIterator<Item = (&'i Hash, &'i Item)>,
    ) -> Result<Version> {
        let appender = self.entries.appender();
        let mut builder = Builder::<Directories>::new();
        for (hash, directory) in directories {
            builder.push(appender, hash.to_string().as_bytes(), &directory.encode()?)?;
        }
        let built = builder.finish(appender)?;
        let (root, totals) = (DirectoryId(built.root), built.summary.totals.with_itself());
        let version = Version { root, totals, attributes: Attributes::default() };
        appender.append_hashed(Kind::Version, version.id().0, &version.encode())?;
        appender.flush()?;
        Ok(version)
    }

    /// Whether a version is complete, and its paths are not too long.
    fn is_proved(&mut self, version: &Version) -> Result<bool> {
        let (written, pool) = (self.entries.appender().written(), self.entries.pool());
        let (id, known) = (version.id(), self.proved.as_ref());
        let proved = graph::prove(&written, &id, known, pool, self.monitor);
        match proved.and_then(|proved| proved.check_paths(&id)) {
            Ok(()) => Ok(true),
            Err(Error::Damaged { .. } | Error::Incomplete { .. } | Error::NotFound(_)) => Ok(false),
            Err(Error::Limit { .. } | Error::Invalid(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl SalvageReport {
    /// Names are lost, so that there may be directories that nothing names.
    pub(super) fn has_lost_names(&self) -> bool {
        let by_part = self.lost.iter().any(|lost| lost.part.has_names());
        by_part || self.more_lost || self.names_lacking || !self.head_is_last
    }
}
