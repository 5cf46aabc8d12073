//! Which trees are whole, and what is left of those that are not.
//!
//! A directory is judged when everything below it has been: once, in however many versions it is.
//! One with losses below it is written again without them.

use std::collections::{HashMap, HashSet};

use crate::error::{Error, Result};
use crate::format::superblock::EXTENDED;
use crate::hash::{DirectoryId, Hash, Kind};
use crate::limits::DEPTH_MAX;
use crate::monitor::Monitor;
use crate::object::list::ListNode;
use crate::object::tree::{self, Builder, Directories, Node};
use crate::object::{AttributeSet, ChunkRef, Content, Item, Name, Path, Subdirectory, Totals};
use crate::salvage::broken::{LOST_MAX, Part};
use crate::salvage::entries::Entries;
use crate::store::Transaction;

/// What is left of a directory that is not whole.
struct Rest {
    /// The directory that was written without the losses; `None` if there is nothing of it.
    left: Option<(Hash, Totals)>,
    lost: Vec<Loss>,
    /// More is lost than `lost` says.
    more: bool,
}

/// What a directory has lost.
enum Loss {
    /// A file.
    File(Vec<u8>),
    /// A subdirectory, wholly or in parts: its root.
    Below(Vec<u8>, Hash),
    /// A node: names that nobody knows.
    Names,
    /// The attribute set of what has this name.
    Attributes(Vec<u8>),
}

/// Trees that were judged.
#[derive(Default)]
pub struct Trees {
    whole: HashSet<Hash>,
    broken: HashMap<Hash, Rest>,
    /// Lists whose chunks were looked for, and whether all are there.
    lists: HashMap<Hash, bool>,
    /// Attribute sets that were looked for, and whether all of them is there.
    sets: HashMap<Hash, bool>,
    /// Losses that are remembered.
    losses: usize,
    /// What has losses is not written again.
    judging: bool,
}

/// A directory that is being read.
struct Open {
    root: Hash,
    /// The nodes from the root down, and which entry is next.
    nodes: Vec<(Node, usize)>,
    lost: Vec<Loss>,
    /// More is lost than `lost` says.
    more: bool,
    /// The root itself is missing.
    gone: bool,
    /// The name of the subdirectory that is read now.
    name: Vec<u8>,
}

#[expect(clippy::large_enum_variant, reason = "one is alive at a time, and most are items")]
enum Step {
    Entry(Vec<u8>, Item),
    Unreadable(Vec<u8>),
    End,
}

impl Trees {
    /// Trees that are only judged.
    pub fn judging() -> Self {
        Trees { judging: true, ..Trees::default() }
    }

    /// Judges the directory below `root`. What is left of it: itself if it is whole, `None` if
    /// there is nothing.
    pub fn judge(
        &mut self,
        root: &Hash,
        totals: Totals,
        entries: &mut Entries<'_, '_>,
        monitor: &Monitor,
    ) -> Result<Option<(Hash, Totals)>> {
        let mut stack = Vec::new();
        if !self.is_judged(root) {
            stack.push(Open::new(root, entries)?);
        }
        while let Some(depth) = stack.len().checked_sub(1)
            && let Some(open) = stack.last_mut()
        {
            monitor.check()?;
            let step = open.next(entries)?;
            if matches!(step, Step::Entry(_, Item::Special(_))) {
                entries.appender().require(EXTENDED);
            }
            if let Step::Entry(name, item) = &step
                && !has_set(&mut self.sets, item, entries)?
            {
                open.lose(Loss::Attributes(name.clone()));
            }
            match step {
                Step::Unreadable(name) => open.lose(Loss::File(name)),
                Step::Entry(_, Item::Symlink(_) | Item::Special(_)) => {}
                Step::Entry(name, Item::File(record)) => {
                    if !self.is_file_whole(&record.content, entries, monitor)? {
                        open.lose(Loss::File(name));
                    }
                }
                Step::Entry(name, Item::Directory(directory)) => {
                    let below = directory.root.0;
                    if !self.is_judged(&below) && depth < DEPTH_MAX {
                        open.name = name;
                        stack.push(Open::new(&below, entries)?);
                    } else if !self.is_whole(&below) {
                        open.lose(Loss::Below(name, below));
                    }
                }
                Step::End => {
                    let Some(done) = stack.pop() else { break };
                    let (root, whole) = (done.root, self.close(done, entries, monitor)?);
                    if let Some(above) = stack.last_mut()
                        && !whole
                    {
                        let name = std::mem::take(&mut above.name);
                        above.lose(Loss::Below(name, root));
                    }
                }
            }
        }
        Ok(match self.broken.get(root) {
            Some(rest) => rest.left,
            None => Some((*root, totals)),
        })
    }

    /// Whether the attribute set of an item, if it has one, can be had whole.
    pub fn has_set(&mut self, item: &Item, entries: &mut Entries<'_, '_>) -> Result<bool> {
        has_set(&mut self.sets, item, entries)
    }

    fn is_judged(&self, root: &Hash) -> bool {
        self.is_whole(root) || self.broken.contains_key(root)
    }

    fn is_whole(&self, root: &Hash) -> bool {
        self.whole.contains(root) || *root == tree::empty_root(Kind::Directory)
    }

    /// Notes what became of a directory; writes it again if it has losses. True if it is whole.
    fn close(
        &mut self,
        done: Open,
        entries: &mut Entries<'_, '_>,
        monitor: &Monitor,
    ) -> Result<bool> {
        if done.lost.is_empty() && !done.gone {
            self.whole.insert(done.root);
            return Ok(true);
        }
        let left = match done.gone {
            true => None,
            false if self.judging => Some((done.root, Totals::default())),
            false => Some(self.rewrite(&done.root, entries, monitor)?),
        };
        let Open { root, mut lost, mut more, .. } = done;
        let room = LOST_MAX.saturating_sub(self.losses);
        more |= lost.len() > room;
        lost.truncate(room);
        self.losses += lost.len();
        self.broken.insert(root, Rest { left, lost, more });
        Ok(false)
    }

    /// The directory without what it has lost.
    pub fn rewrite(
        &mut self,
        root: &Hash,
        entries: &mut Entries<'_, '_>,
        monitor: &Monitor,
    ) -> Result<(Hash, Totals)> {
        let mut builder = Builder::<Directories>::new();
        let mut open = Open::new(root, entries)?;
        loop {
            monitor.check()?;
            let (name, item) = match open.next(entries)? {
                Step::Entry(name, item) if has_set(&mut self.sets, &item, entries)? => (name, item),
                Step::Entry(name, item) => (name, item.without_set()),
                Step::Unreadable(_) => continue,
                Step::End => break,
            };
            let item = match item {
                Item::Symlink(_) | Item::Special(_) => Some(item),
                Item::File(record) => self
                    .is_file_whole(&record.content, entries, monitor)?
                    .then_some(Item::File(record)),
                Item::Directory(directory) if self.is_whole(&directory.root.0) => {
                    Some(Item::Directory(directory))
                }
                Item::Directory(directory) => {
                    let left = self.broken.get(&directory.root.0).and_then(|rest| rest.left);
                    left.map(|(root, totals)| {
                        let root = DirectoryId(root);
                        Item::Directory(Subdirectory { root, totals, ..directory })
                    })
                }
            };
            if let Some(item) = item {
                builder.push(entries.appender(), &name, &item.encode()?)?;
            }
        }
        let built = builder.finish(entries.appender())?;
        Ok((built.root, built.summary.totals.with_itself()))
    }

    /// Whether all chunks of a file, and the lists that name them, can be had.
    fn is_file_whole(
        &mut self,
        content: &Content,
        entries: &mut Entries<'_, '_>,
        monitor: &Monitor,
    ) -> Result<bool> {
        let root = match content {
            Content::Inline(chunks) => return have_all(chunks, entries),
            Content::List { root, .. } => root.0,
        };
        if let Some(whole) = self.lists.get(&root) {
            return Ok(*whole);
        }
        let (mut whole, mut seen, mut waiting) = (true, HashSet::new(), vec![root]);
        while let Some(list) = waiting.pop().filter(|_| whole) {
            monitor.check()?;
            match self.lists.get(&list) {
                Some(known) => whole = *known,
                None if seen.insert(list) => {
                    whole = match list_node(&list, entries)? {
                        Some(ListNode::Leaf(chunks)) => have_all(&chunks, entries)?,
                        Some(ListNode::Inner { children, .. }) => {
                            waiting.extend(children.into_iter().map(|child| child.id.0));
                            true
                        }
                        None => false,
                    };
                }
                None => {}
            }
        }
        match whole {
            true => self.lists.extend(seen.into_iter().map(|list| (list, true))),
            false => drop(self.lists.insert(root, false)),
        }
        Ok(whole)
    }

    /// The paths that are lost below a root, up to so many; true if there are more.
    pub fn lost(&self, root: &Hash, room: usize, lost: &mut Vec<(Path, Part)>) -> bool {
        let broken = self.broken.contains_key(root);
        let mut waiting: Vec<_> = broken.then(|| (Path::root(), *root)).into_iter().collect();
        let limit = lost.len().saturating_add(room.min(LOST_MAX));
        while let Some((path, root)) = waiting.pop() {
            let Some(rest) = self.broken.get(&root) else {
                // Directories are not looked at below a depth that no path has.
                lost.push((path, Part::Directory));
                continue;
            };
            if rest.more {
                return true;
            }
            if rest.left.is_none() {
                lost.push((path.clone(), Part::Directory));
            }
            for loss in &rest.lost {
                if lost.len() >= limit {
                    return true;
                }
                let (name, below) = match loss {
                    Loss::Names => {
                        lost.push((path.clone(), Part::Names));
                        continue;
                    }
                    Loss::Attributes(name) => {
                        let at = Name::new(name).and_then(|name| path.join(&name));
                        lost.push((at.unwrap_or_else(|_| path.clone()), Part::Attributes));
                        continue;
                    }
                    Loss::File(name) => (name, None),
                    Loss::Below(name, below) => (name, Some(*below)),
                };
                // A path that is too long is shown as what it is in.
                let joined = Name::new(name).and_then(|name| path.join(&name));
                match (joined, below) {
                    (Ok(at), Some(below)) => waiting.push((at, below)),
                    (Ok(at), None) => lost.push((at, Part::File)),
                    (Err(_), _) => lost.push((path.clone(), Part::Names)),
                }
            }
        }
        false
    }
}

impl Open {
    fn new(root: &Hash, entries: &mut Entries<'_, '_>) -> Result<Open> {
        let node = node(root, entries)?;
        let gone = node.is_none();
        let nodes = node.into_iter().map(|node| (node, 0)).collect();
        Ok(Open { root: *root, nodes, lost: Vec::new(), more: false, gone, name: Vec::new() })
    }

    fn lose(&mut self, loss: Loss) {
        match self.lost.len() < LOST_MAX {
            true => self.lost.push(loss),
            false => self.more = true,
        }
    }

    /// The next entry. Nodes that are missing are noted and passed over.
    fn next(&mut self, entries: &mut Entries<'_, '_>) -> Result<Step> {
        while let Some((found, index)) = self.nodes.last_mut() {
            let at = *index;
            *index += 1;
            if at >= found.len() {
                self.nodes.pop();
            } else if let Some(child) = found.child(at).copied() {
                // Levels that do not descend would never end.
                let level = found.level();
                match node(&child.hash, entries)?.filter(|below| below.level() < level) {
                    Some(below) => self.nodes.push((below, 0)),
                    None => self.lose(Loss::Names),
                }
            } else if let Some((name, value)) = found.key(at).zip(found.value(at)) {
                let name = name.to_vec();
                return match Item::decode(value) {
                    Ok(item) => Ok(Step::Entry(name, item)),
                    Err(error @ Error::Newer { .. }) => Err(error),
                    Err(_) => Ok(Step::Unreadable(name)),
                };
            }
        }
        Ok(Step::End)
    }
}

/// Whether all of these can be had.
fn have_all(chunks: &[ChunkRef], entries: &mut Entries<'_, '_>) -> Result<bool> {
    for chunk in chunks {
        if !entries.has_chunk(&chunk.id.0)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether the attribute set of an item, if it has one, and the chunks that it names can be had.
fn has_set(
    known: &mut HashMap<Hash, bool>,
    item: &Item,
    entries: &mut Entries<'_, '_>,
) -> Result<bool> {
    let Some(set) = item.attributes().set else { return Ok(true) };
    if let Some(known) = known.get(set.hash()) {
        return Ok(*known);
    }
    let bytes = entries.get(Kind::Attributes, set.hash())?;
    let has = match bytes.map(|bytes| AttributeSet::decode(&bytes)).transpose() {
        Ok(Some(set)) => have_all(&set.chunks().collect::<Vec<_>>(), entries)?,
        Ok(None) => false,
        Err(error @ Error::Newer { .. }) => return Err(error),
        Err(_) => false,
    };
    known.insert(*set.hash(), has);
    Ok(has)
}

/// A node of a list; `None` if it cannot be had.
fn list_node(list: &Hash, entries: &mut Entries<'_, '_>) -> Result<Option<ListNode>> {
    let bytes = entries.get(Kind::List, list)?;
    match bytes.map(|bytes| ListNode::decode(&bytes)).transpose() {
        Ok(node) => Ok(node),
        Err(error @ Error::Newer { .. }) => Err(error),
        Err(_) => Ok(None),
    }
}

/// A node of a directory; `None` if it cannot be had.
pub fn node(hash: &Hash, entries: &mut Entries<'_, '_>) -> Result<Option<Node>> {
    let empty = *hash == tree::empty_root(Kind::Directory);
    let bytes = match empty {
        true => Some(vec![0].into()),
        false => entries.get(Kind::Directory, hash)?,
    };
    match bytes.map(Node::decode::<Directories>).transpose() {
        Ok(node) => Ok(node),
        Err(error @ Error::Newer { .. }) => Err(error),
        Err(_) => Ok(None),
    }
}
