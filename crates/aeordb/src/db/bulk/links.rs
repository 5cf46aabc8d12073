//! Links to what came before, which stand for what they name. They are resolved by sorting: what
//! is wanted of a path stands in the order behind what came there.

use super::sort::{Record, Sorted, Sorter, Spool};
use crate::error::{Error, Result};
use crate::object::Path;
use crate::watch::Watch;

/// What is wanted of a path: the value is the path of the link.
pub const WANTED: u8 = 0;
/// The place of a link that is not resolved.
pub const PLACE: u8 = 1;
/// An item.
pub const ITEM: u8 = 2;
/// Most links that lead to one another, each to the next: writers of archives have one.
const CHAIN_MAX: u64 = 16;

/// The items, with those that links stand for. [`Error::Invalid`] if a link leads to nothing that
/// came before it.
pub fn resolve(items: Sorted, links: Sorted, spool: &Spool, watch: &Watch) -> Result<Vec<Sorted>> {
    let mut found = vec![items];
    let mut wanted = links;
    for _ in 0..CHAIN_MAX {
        if wanted.is_empty() {
            return Ok(found);
        }
        let (mut resolved, mut waiting) = (Sorter::new(spool), Sorter::new(spool));
        let mut last: Option<Record> = None;
        for record in Sorted::merged(found.iter().chain([&wanted]))? {
            watch.check()?;
            let record = record?;
            if record.rank != WANTED {
                last = Some(record);
                continue;
            }
            match last.as_ref().filter(|last| last.path == record.path) {
                Some(Record { rank: ITEM, value, .. }) => {
                    let (path, value) = (Path::parse(&record.value)?, value.clone());
                    resolved.push(Record { path, number: record.number, rank: ITEM, value })?;
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
