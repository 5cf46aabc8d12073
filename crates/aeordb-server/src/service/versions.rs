//! Versions: their names, the history of HEAD, what changed between two of them, and which is HEAD.

use std::fmt;
use std::sync::Arc;

use aeordb::db::{Reader, SnapshotEdit};
use aeordb::hash::VersionId;
use aeordb::object::Path;
use aeordb_api::Page;
use aeordb_api::library::Describe;
use aeordb_api::versions::{Changes, EditSnapshot, HistoryEntry, NewSnapshot, Snapshot};
use data_encoding::BASE64URL_NOPAD;

use super::problem::Problem;
use super::streams::part;
use super::{Cancelled, Service};

/// A page of what changed between two versions.
pub struct Comparing {
    /// The version before.
    pub from: String,
    /// The version after, else HEAD.
    pub to: Option<String>,
    /// Of what is at this path alone.
    pub path: Option<Path>,
    /// Where the page starts: the `next` of the one before.
    pub cursor: Option<String>,
    /// Most changes.
    pub limit: usize,
}

impl Service {
    /// A page of snapshots, by name, behind that of the name `after`.
    pub async fn snapshots(
        self: &Arc<Self>,
        after: Option<String>,
        limit: usize,
    ) -> Result<Page<Snapshot>, Problem> {
        self.blocking(move |service| {
            let found = service.reader()?.snapshots()?;
            let after = |name: &str| after.as_deref().is_none_or(|after| name > after);
            let mut found = found.into_iter().filter(|one| after(&one.name));
            let items: Vec<_> = found.by_ref().take(limit).collect();
            let more = found.next().is_some();
            let next = items.last().filter(|_| more).map(|one| one.name.clone());
            Ok(Page { items: items.iter().map(Snapshot::from).collect(), next })
        })
        .await
    }

    /// The snapshot of a name.
    pub async fn snapshot(self: &Arc<Self>, name: String) -> Result<Snapshot, Problem> {
        self.blocking(move |service| {
            let found = service.reader()?.snapshot(&name)?;
            let found = found.ok_or_else(|| Problem::not_found(format!("snapshot '{name}'")))?;
            Ok(Snapshot::from(&found))
        })
        .await
    }

    /// Names a version; true if the name was there already, for the same version.
    pub async fn create_snapshot(
        self: &Arc<Self>,
        new: NewSnapshot,
    ) -> Result<(Snapshot, bool), Problem> {
        let NewSnapshot { name, version, metadata } = new;
        self.writing(move |service| {
            let reader = service.database.reader()?;
            let version = reader.resolve(version.as_deref().unwrap_or("HEAD"))?;
            let was_there = reader.snapshot(&name)?.is_some();
            let made = service.database.create_snapshot(&name, &version, metadata)?;
            Ok((Snapshot::from(&made), was_there))
        })
        .await
    }

    /// Changes the name, the metadata or the hold of a snapshot.
    pub async fn edit_snapshot(
        self: &Arc<Self>,
        name: String,
        edit: EditSnapshot,
    ) -> Result<Snapshot, Problem> {
        let EditSnapshot { name: to, metadata, held } = edit;
        let edit = SnapshotEdit { name: to, metadata, held };
        self.writing(move |service| {
            let changed = service.database.edit_snapshot(&name, &edit)?;
            Ok(Snapshot::from(&changed))
        })
        .await
    }

    /// Takes a name away from its version.
    pub async fn delete_snapshot(self: &Arc<Self>, name: String) -> Result<(), Problem> {
        self.writing(move |service| {
            service.database.delete_snapshot(&name)?;
            Ok(())
        })
        .await
    }

    /// A page of the history of HEAD, newest first.
    pub async fn history(
        self: &Arc<Self>,
        cursor: Option<String>,
        limit: usize,
    ) -> Result<Page<HistoryEntry>, Problem> {
        let before = cursor.map(|cursor| {
            let bad = |_| Problem::invalid("the cursor is not the `next` of a page");
            cursor.parse::<u64>().map_err(bad)
        });
        let before = before.transpose()?;
        self.blocking(move |service| {
            let reader = service.reader()?;
            let mut items: Vec<HistoryEntry> = Vec::new();
            let mut last = None;
            for entry in reader.history_before(before)? {
                let entry = entry?;
                if items.len() == limit {
                    return Ok(Page { items, next: last });
                }
                last = Some(entry.sequence.to_string());
                items.push(HistoryEntry::from(&entry));
            }
            Ok(Page { items, next: None })
        })
        .await
    }

    /// A page of what changed between two versions.
    pub async fn changes(
        self: &Arc<Self>,
        reader: Arc<Reader>,
        comparing: Comparing,
    ) -> Result<Changes, Problem> {
        let Comparing { from, to, path, cursor, limit } = comparing;
        let cursor = cursor.map(|cursor| Cursor::parse(&cursor)).transpose()?;
        let cancelled = Cancelled::default();
        let monitor = cancelled.0.clone();
        self.blocking(move |service| {
            let (from, to, after) = match cursor {
                Some(Cursor { from, to, after }) => (from, to, Some(after)),
                None => {
                    let to = reader.resolve(to.as_deref().unwrap_or("HEAD"));
                    (reader.resolve(&from)?, to?, None)
                }
            };
            let (reader, [part_from, part_to]) = part(&reader, [from, to], path)?;
            let comparison = service.comparisons.get(&reader, &part_from, &part_to, &monitor)?;
            let mut found = comparison.changes(&reader, after.as_ref(), &monitor)?;
            let mut describe = Describe::new(&reader);
            let mut last = None;
            let mut items = Vec::new();
            for change in found.by_ref().take(limit) {
                let change = change?;
                items.push(describe.change(&change));
                last = Some(change.path().clone());
            }
            let is_more = found.next().transpose()?.is_some();
            let next = last.filter(|_| is_more).map(|after| Cursor { from, to, after }.to_string());
            Ok(Changes { from: from.into(), to: to.into(), items, next })
        })
        .await
    }

    /// Makes a version HEAD; with `expect` only if that still is.
    pub async fn promote(
        self: &Arc<Self>,
        name: String,
        expect: Option<VersionId>,
    ) -> Result<aeordb::db::Promotion, Problem> {
        self.writing(move |service| {
            let version = service.database.reader()?.resolve(&name)?;
            Ok(service.database.promote(&version, expect.as_ref())?)
        })
        .await
    }
}

/// Where a page of changes starts. It names the versions by their hashes: what is called HEAD may
/// be another version by then.
struct Cursor {
    from: VersionId,
    to: VersionId,
    after: Path,
}

impl Cursor {
    fn parse(text: &str) -> Result<Self, Problem> {
        Self::parts(text)
            .ok_or_else(|| Problem::invalid("the cursor is not the `next` of a page of changes"))
    }

    fn parts(text: &str) -> Option<Self> {
        let (from, rest) = text.split_once('.')?;
        let (to, after) = rest.split_once('.')?;
        let after = BASE64URL_NOPAD.decode(after.as_bytes()).ok()?;
        let after = Path::parse(&after).ok()?;
        Some(Cursor { from: from.parse().ok()?, to: to.parse().ok()?, after })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let after = BASE64URL_NOPAD.encode(self.after.as_bytes());
        write!(f, "{}.{}.{after}", self.from, self.to)
    }
}
