//! Which files of a target stand on which, what comes next, and what can go. Nothing here touches a
//! disk.

use aeordb_api::Digest;
use jiff::Timestamp;

/// A backup file, as far as the chain goes by it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Link {
    /// When it was made.
    pub time: Timestamp,
    /// The version that it leads to.
    pub version: Digest,
    /// The version that it starts from, if it is a patch.
    pub base: Option<Digest>,
}

/// What comes next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// A full export.
    Full,
    /// A patch that starts from this file.
    Patch(usize),
}

/// For each file, in the order of time, the one that it stands on: the nearest before it that leads to
/// the version which it starts from. A patch without one is an orphan.
fn suppliers(links: &[Link]) -> Vec<Option<usize>> {
    let supplier = |(number, link): (usize, &Link)| {
        let base = link.base?;
        links.get(..number)?.iter().rposition(|before| before.version == base)
    };
    links.iter().enumerate().map(supplier).collect()
}

/// The files that a file stands on and itself, the full one first; `None` if one is missing.
pub fn stands_on(links: &[Link], file: usize) -> Option<Vec<usize>> {
    let suppliers = suppliers(links);
    let mut on = vec![file];
    let mut at = file;
    while links.get(at)?.base.is_some() {
        // Each is before the one that stands on it.
        at = (*suppliers.get(at)?)?;
        on.push(at);
    }
    on.reverse();
    Some(on)
}

/// The newest file from which everything can be restored.
pub fn newest(links: &[Link]) -> Option<usize> {
    (0..links.len()).rev().find(|file| stands_on(links, *file).is_some())
}

/// What comes next, where every `full_every`th file is a full one.
pub fn next(links: &[Link], full_every: usize) -> Next {
    let newest = newest(links);
    let chain = newest.and_then(|file| stands_on(links, file));
    match newest.zip(chain) {
        Some((file, chain)) if chain.len() < full_every => Next::Patch(file),
        _ => Next::Full,
    }
}

/// What can go so that `keep_fulls` full files stay with all that is newer: none that a file which
/// stays stands on. In an order in which the rest is whole whenever it ends.
pub fn prune(links: &[Link], keep_fulls: usize) -> Vec<usize> {
    let full = |file: &usize| links.get(*file).is_some_and(|link| link.base.is_none());
    let mut fulls = (0..links.len()).rev().filter(full);
    let Some(oldest) = fulls.nth(keep_fulls.max(1) - 1) else { return Vec::new() };
    let suppliers = suppliers(links);
    let mut needed = vec![false; links.len()];
    // Whoever stands on a file comes after it.
    for (file, supplier) in suppliers.iter().enumerate().rev() {
        let stays = file >= oldest || needed.get(file) == Some(&true);
        if let Some(needed) = supplier.filter(|_| stays).and_then(|on| needed.get_mut(on)) {
            *needed = true;
        }
    }
    (0..oldest).rev().filter(|file| needed.get(*file) == Some(&false)).collect()
}

#[cfg(test)]
mod tests;
