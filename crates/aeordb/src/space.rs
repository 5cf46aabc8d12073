//! What takes the space of a database: what lives and what does not, by kind, and what each snapshot alone
//! holds, which is what removing its name would free.

use std::collections::{BTreeMap, BTreeSet};

use crate::db::roots::Roots;
use crate::db::{Database, Extent, FileKind, Snapshot};
use crate::error::{Error, Result};
use crate::format::superblock::DATABASE_START;
use crate::graph::{Holder, Holders};
use crate::hash::{Kind, VersionId};
use crate::log::View;
use crate::log::space::len_of;
use crate::monitor::Monitor;
use crate::store::ReadEntries;

/// Entries of one kind, or of one holder.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Amount {
    /// How many.
    pub entries: u64,
    /// Bytes of their encodings.
    pub raw_bytes: u64,
    /// Bytes of the file that account for them: blocks are compressed as wholes.
    pub stored_bytes: u64,
}

impl Amount {
    fn add(&mut self, raw: u64, stored: u64) {
        self.entries += 1;
        self.raw_bytes += raw;
        self.stored_bytes += stored;
    }
}

/// What takes the space of a database.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SpaceReport {
    /// Length of the file.
    pub file_bytes: u64,
    /// What it takes on the disk.
    pub allocated_bytes: u64,
    /// Entries that something reaches.
    pub live: Amount,
    /// Entries in blocks that nothing reaches: a collection makes voids of them.
    pub dead: Amount,
    /// Bytes of voids, which a collection has made.
    pub void_bytes: u64,
    /// Those of them that still take space, which the next collection releases.
    pub releasable_bytes: u64,
    /// What lives, by kind.
    pub kinds: Vec<(Kind, Amount)>,
    /// What each snapshot alone holds: what would be free without it. What several hold, or history or
    /// HEAD, counts for none.
    pub snapshots: Vec<(Snapshot, Amount)>,
}

/// Goes through all versions and all blocks, once. Nothing is written, and a database that was opened for
/// reading will do. Progress counts the bytes of blocks.
pub fn space(database: &Database, monitor: &Monitor) -> Result<SpaceReport> {
    if database.kind() != FileKind::Database {
        let what = database.path().display().to_string();
        return Err(Error::invalid(format!("{what} is no database: `info` says what is in it")));
    }
    let Extent { reader, end, voids } = database.extent()?;
    let view = reader.view();
    let roots = Roots::of_reader(&reader)?;
    let snapshots = reader.snapshots()?;
    let holders = holders(&roots, &snapshots);
    let owners = owned(&roots, &holders, database, view, monitor)?;
    let mut space = SpaceReport {
        file_bytes: view.source().file_len()?,
        allocated_bytes: database.log().allocated()?,
        void_bytes: len_of(&voids),
        releasable_bytes: database.log().held_bytes(&voids, end)?,
        ..SpaceReport::default()
    };
    monitor.expect_more(end.saturating_sub(DATABASE_START).saturating_sub(space.void_bytes));
    let alone = measure(view, &owners, holders.len(), &mut space, monitor)?;
    let amount = |version: &VersionId| {
        let holder = holders.get(version).and_then(|holder| alone.get(*holder));
        holder.copied().unwrap_or_default()
    };
    space.snapshots =
        snapshots.iter().map(|snapshot| (snapshot.clone(), amount(&snapshot.version))).collect();
    Ok(space)
}

/// Versions that one snapshot holds and nothing else, with a number for each.
fn holders(roots: &Roots, snapshots: &[Snapshot]) -> BTreeMap<VersionId, usize> {
    let mut named: BTreeMap<VersionId, usize> = BTreeMap::new();
    for snapshot in snapshots {
        *named.entry(snapshot.version).or_default() += 1;
    }
    let mut kept: BTreeSet<VersionId> = roots.history().iter().map(|entry| entry.version).collect();
    kept.insert(roots.head());
    let alone = named.into_iter().filter(|(version, count)| *count == 1 && !kept.contains(version));
    alone.zip(0..).map(|((version, _), number)| (version, number)).collect()
}

/// Who reaches which entry: what is not one holder's is several's.
fn owned<'a>(
    roots: &Roots,
    holders: &BTreeMap<VersionId, usize>,
    database: &Database,
    view: &'a View,
    monitor: &'a Monitor,
) -> Result<Holders<'a, View>> {
    let shared =
        roots.mark_but(view, database.path(), monitor, |version| !holders.contains_key(version))?;
    let mut owners = Holders::new(view, monitor);
    (0..view.number_limit()).filter(|number| shared.contains(*number)).for_each(|number| {
        owners.share(number);
    });
    for (version, number) in holders {
        owners.version(*number, version)?;
    }
    Ok(owners)
}

/// Goes through the blocks, and adds up what lives in them. Returns what each holder alone holds.
fn measure(
    view: &View,
    owners: &Holders<'_, View>,
    holders: usize,
    space: &mut SpaceReport,
    monitor: &Monitor,
) -> Result<Vec<Amount>> {
    let mut alone = vec![Amount::default(); holders];
    let mut kinds: BTreeMap<u8, Amount> = BTreeMap::new();
    let mut blocks = BTreeSet::new();
    for record in view.index().all_records() {
        monitor.check()?;
        blocks.insert(record?.block_offset());
    }
    let source = view.source();
    for at in blocks {
        monitor.check()?;
        let header = source.header(at)?;
        let header =
            header.ok_or_else(|| source.damaged(at, "expected a block, found no frame"))?;
        let table = source.table(at, &header)?;
        monitor.advance(0, header.frame_len());
        let raw_len = u64::from(header.raw_len.get()).max(1);
        for (entry, ordinal) in table.entries.iter().zip(0u16..) {
            let raw = u64::from(entry.len);
            let stored = u64::try_from(
                u128::from(raw) * u128::from(header.frame_len()) / u128::from(raw_len),
            );
            let stored = stored.unwrap_or(u64::MAX);
            let place = view.locate(&entry.hash)?;
            let place = place.filter(|place| (place.block, place.ordinal) == (at, ordinal));
            let owner = place.map_or(Holder::Nobody, |place| owners.of(place.number));
            if owner == Holder::Nobody {
                space.dead.add(raw, stored);
                continue;
            }
            space.live.add(raw, stored);
            kinds.entry(entry.kind as u8).or_default().add(raw, stored);
            if let Holder::One(holder) = owner
                && let Some(amount) = alone.get_mut(holder)
            {
                amount.add(raw, stored);
            }
        }
    }
    let of_kind = |kind: Kind| Some((kind, kinds.get(&(kind as u8)).copied()?));
    space.kinds = Kind::ALL.into_iter().filter_map(of_kind).collect();
    Ok(alone)
}
