//! Links to what came before, which are one file with what they name. They are resolved by sorting: what
//! is wanted of a path stands in the order behind what came there.

use super::sort::{Record, Sorted, Sorter, Spool};
use crate::error::{Error, Result};
use crate::monitor::Monitor;
use crate::object::hard_link::Group;
use crate::object::{HardLink, Item, Path};

/// What is wanted of a path: the value is the path of the link.
pub const WANTED: u8 = 0;
/// The place of a link that is not resolved.
pub const PLACE: u8 = 1;
/// An item.
pub const ITEM: u8 = 2;
/// What is recorded of an item that is one path of several.
pub const LINK: u8 = 3;
/// Most links that lead to one another, each to the next: writers of archives have one.
const CHAIN_MAX: u64 = 16;

/// The items, with those that links stand for. [`Error::Invalid`] if a link leads to nothing that
/// came before it.
pub fn resolve(
    items: Sorted,
    links: Sorted,
    spool: &Spool,
    monitor: &Monitor,
) -> Result<Vec<Sorted>> {
    let mut found = vec![items];
    let mut wanted = links;
    for _ in 0..CHAIN_MAX {
        if wanted.is_empty() {
            return Ok(found);
        }
        let (mut resolved, mut waiting) = (Sorter::new(spool), Sorter::new(spool));
        let mut last: Option<Record> = None;
        for record in Sorted::merged(found.iter().chain([&wanted]))? {
            monitor.check()?;
            let record = record?;
            if record.rank != WANTED {
                last = Some(record);
                continue;
            }
            match last.as_ref().filter(|last| last.path == record.path) {
                Some(Record { rank: ITEM, origin, value, .. }) => {
                    let (path, number) = (Path::parse(&record.value)?, record.number);
                    if matches!(Item::decode(value)?, Item::Directory(_)) {
                        let target = &record.path;
                        let why = format!("{path} links to {target}, which is a directory");
                        return Err(Error::invalid(why));
                    }
                    let (origin, value) = (*origin, value.clone());
                    resolved.push(Record { path, number, rank: ITEM, origin, value })?;
                }
                Some(_) => waiting.push(record)?,
                None => {
                    let link = Path::parse(&record.value)?;
                    return Err(Error::invalid(format!("{link} links to what did not come")));
                }
            }
        }
        found.push(resolved.finish()?);
        wanted = waiting.finish()?;
    }
    if wanted.is_empty() {
        return Ok(found);
    }
    let what = "links of an archive that lead to links, one behind the other".into();
    Err(Error::Limit { what, limit: CHAIN_MAX, found: CHAIN_MAX + 1 })
}

/// What is recorded at the paths that are one file in the end, by path.
pub fn groups(found: &[Sorted], spool: &Spool, monitor: &Monitor) -> Result<Sorted> {
    let mut by_file = Sorter::new(spool);
    let mut number = 0;
    let mut push = |last: Record| -> Result<()> {
        number += 1;
        // What is one file is one place, in which its paths are in order.
        let path = Path::parse(format!("/{:016x}", last.origin).as_bytes())?;
        let (origin, value) = (last.origin, last.path.as_bytes().to_vec());
        by_file.push(Record { path, number, rank: ITEM, origin, value })
    };
    let mut last: Option<Record> = None;
    for record in Sorted::merged(found)? {
        monitor.check()?;
        let record = record?;
        if let Some(last) = last.take().filter(|last| last.path != record.path) {
            push(last)?;
        }
        last = Some(record);
    }
    last.map_or(Ok(()), push)?;
    let by_file = by_file.finish()?;
    // One goes ahead to see how far a group reaches, the other goes through it.
    let mut ahead = Sorted::merged([&by_file])?.peekable();
    let mut behind = Sorted::merged([&by_file])?;
    let mut links = Sorter::new(spool);
    while let Some(first) = ahead.next().transpose()? {
        monitor.check()?;
        let (mut group, mut paths) = (Group::new(Path::parse(&first.value)?), 1_u64);
        let is_one =
            |next: &Result<Record>| next.as_ref().is_ok_and(|next| next.path == first.path);
        while let Some(next) = ahead.next_if(is_one).transpose()? {
            group.add(&Path::parse(&next.value)?);
            paths += 1;
        }
        for _ in 0..paths {
            let Some(record) = behind.next().transpose()? else { break };
            let path = Path::parse(&record.value)?;
            if let Some(HardLink { up, group }) = group.link(&path) {
                let value = [&up.to_le_bytes()[..], &group].concat();
                let (number, rank, origin) = (u64::MAX, LINK, record.origin);
                links.push(Record { path, number, rank, origin, value })?;
            }
        }
    }
    links.finish()
}

/// What such a record says.
pub fn link(value: &[u8]) -> Option<HardLink> {
    let (up, group) = value.split_first_chunk()?;
    Some(HardLink { up: u16::from_le_bytes(*up), group: group.try_into().ok()? })
}
