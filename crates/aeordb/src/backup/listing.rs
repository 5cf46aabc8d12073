//! The list of changes that a patch carries: made of two trees, held against two trees, and put
//! together of the lists of a chain.

use std::io::BufReader;
use std::path::Path as LocalPath;

use crate::backup::changes::{Renames, same_apart_from_below, steps};
use crate::error::{Error, Result};
use crate::format::change_list::{ChangeListWriter, ChangeRecord, MARK_LEN, Mark, Sort};
use crate::format::seal::Closing;
use crate::hash::VersionId;
use crate::log::sealed::SealedWriter;
use crate::log::stream::{Part, StreamReader};
use crate::media::{self, open_read};
use crate::monitor::Monitor;
use crate::object::{Item, Path, Subdirectory};
use crate::store::ReadEntries;

/// What a path's change is recorded as; `None` if only what is below it changed.
pub fn record(
    path: &Path,
    before: Option<&Item>,
    after: Option<&Item>,
) -> Result<Option<ChangeRecord>> {
    if before.zip(after).is_some_and(|(before, after)| same_apart_from_below(before, after)) {
        return Ok(None);
    }
    let mark = add(mark(before)?, mark(after)?);
    let (before, after) = (sort(before), sort(after));
    Ok(Some(ChangeRecord { path: path.as_bytes().to_vec(), before, after, mark }))
}

fn sort(item: Option<&Item>) -> Sort {
    match item {
        None => Sort::Nothing,
        Some(Item::File(_) | Item::Symlink(_) | Item::Special(_)) => Sort::File,
        Some(Item::Directory(_)) => Sort::Directory,
    }
}

/// A truncated hash of what an item is itself, without what is below it.
fn mark(item: Option<&Item>) -> Result<Mark> {
    let encoding = match item {
        None => return Ok([0; MARK_LEN]),
        Some(Item::Directory(directory)) => {
            Item::Directory(Subdirectory::empty(directory.attributes)).encode()?
        }
        Some(item) => item.encode()?,
    };
    Ok(blake3::hash(&encoding).as_bytes().first_chunk().copied().unwrap_or_default())
}

fn add(mut a: Mark, b: Mark) -> Mark {
    for (a, b) in a.iter_mut().zip(b) {
        *a ^= b;
    }
    a
}

/// What changes come to: their counts, and a hash that no other list has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sum {
    /// Files that are only in the target.
    pub added: u64,
    /// Files that differ.
    pub modified: u64,
    /// Files that are only in the base.
    pub deleted: u64,
    /// Directories of the target whose entries differ.
    pub directories: u64,
    /// All of them.
    pub changes: u64,
    hash: [u8; 32],
}

impl Sum {
    /// Writes the counts into a patch's closing superblock.
    pub fn fill(&self, closing: &mut Closing) {
        closing.files = (self.added + self.modified).into();
        closing.directories = self.directories.into();
        closing.files_added = self.added.into();
        closing.files_modified = self.modified.into();
        closing.files_deleted = self.deleted.into();
    }

    /// The counts of a closing superblock that are not these: what, promised, found.
    pub fn contradiction(&self, closing: &Closing) -> Option<(&'static str, u64, u64)> {
        let mut own = Closing::default();
        self.fill(&mut own);
        let counts = |closing: &Closing| {
            [
                ("added files", closing.files_added.get()),
                ("modified files", closing.files_modified.get()),
                ("deleted files", closing.files_deleted.get()),
                ("files", closing.files.get()),
                ("changed directories", closing.directories.get()),
            ]
        };
        let pairs = counts(closing).into_iter().zip(counts(&own));
        let differs = pairs.map(|((what, promised), (_, found))| (what, promised, found));
        differs.into_iter().find(|(_, promised, found)| promised != found)
    }
}

/// A directory on the way to the last change.
struct Open {
    path: Path,
    /// It is a directory of the target.
    is_there: bool,
    counted: bool,
}

/// Sums up changes one by one, in the order of their paths.
pub struct Tally {
    sum: Sum,
    hasher: blake3::Hasher,
    last: Option<Path>,
    open: Vec<Open>,
}

impl Default for Tally {
    fn default() -> Self {
        let (sum, hasher) = (Sum::default(), blake3::Hasher::new());
        Tally { sum, hasher, last: None, open: Vec::new() }
    }
}

impl Tally {
    /// Adds a change. [`Error::Invalid`] if its path is none, or not above the one before.
    pub fn add(&mut self, change: &ChangeRecord) -> Result<()> {
        let path = Path::parse(&change.path)?;
        if path.as_bytes() != change.path || path.is_root() {
            return Err(Error::invalid(format!(
                "{path} is not written as the path of a change is"
            )));
        }
        if self.last.as_ref().is_some_and(|last| *last >= path) {
            return Err(Error::invalid(format!("{path} is not above the path before")));
        }
        self.hasher.update(&(change.path.len() as u64).to_le_bytes());
        self.hasher.update(&change.path);
        self.hasher.update(&[change.before as u8, change.after as u8]);
        self.hasher.update(&change.mark);
        self.sum.changes += 1;
        match (change.before == Sort::File, change.after == Sort::File) {
            (false, true) => self.sum.added += 1,
            (true, true) => self.sum.modified += 1,
            (true, false) => self.sum.deleted += 1,
            (false, false) => {}
        }
        self.directories(&path, change);
        self.last = Some(path);
        Ok(())
    }

    /// The directories that hold a changed path have changed, as far as they are there.
    fn directories(&mut self, path: &Path, change: &ChangeRecord) {
        while self.open.last().is_some_and(|open| !open.path.contains(path)) {
            self.open.pop();
        }
        // Those that are not open have no change of their own: they are in both versions.
        let mut ancestors = Vec::new();
        let mut next = path.parent();
        while let Some(ancestor) = next {
            if self.open.last().is_some_and(|open| open.path == ancestor) {
                break;
            }
            next = ancestor.parent();
            ancestors.push(Open { path: ancestor, is_there: true, counted: false });
        }
        self.open.extend(ancestors.into_iter().rev());
        for open in self.open.iter_mut().filter(|open| open.is_there && !open.counted) {
            open.counted = true;
            self.sum.directories += 1;
        }
        let is_there = change.after == Sort::Directory;
        let counted = is_there && change.before != Sort::Directory;
        self.sum.directories += u64::from(counted);
        if change.before == Sort::Directory || is_there {
            self.open.push(Open { path: path.clone(), is_there, counted });
        }
    }

    /// What all of them come to.
    pub fn finish(self) -> Sum {
        Sum { hash: *self.hasher.finalize().as_bytes(), ..self.sum }
    }
}

/// What the changes from one version to another come to. A tree may unfold to more paths than
/// anybody can go through, so it ends after one more than `limit` changes.
pub fn sum_of<S: ReadEntries>(
    store: &S,
    from: &VersionId,
    to: &VersionId,
    limit: u64,
) -> Result<Sum> {
    let mut tally = Tally::default();
    for step in steps(store, from, to)? {
        let (path, before, after) = step?;
        if let Some(change) = record(&path, before.as_ref(), after.as_ref())? {
            tally.add(&change)?;
        }
        if tally.sum.changes > limit {
            break;
        }
    }
    Ok(tally.finish())
}

/// Writes the list of the changes from one version to another, and says what they come to.
pub fn write<S: ReadEntries>(
    store: &S,
    from: &VersionId,
    to: &VersionId,
    out: &mut SealedWriter<'_>,
) -> Result<Sum> {
    let (mut list, mut tally) = (ChangeListWriter::default(), Tally::default());
    for step in steps(store, from, to)? {
        let (path, before, after) = step?;
        if let Some(change) = record(&path, before.as_ref(), after.as_ref())? {
            tally.add(&change)?;
            list.push(&change)?.map_or(Ok(()), |frame| out.push_changes(&frame))?;
        }
    }
    list.finish()?.map_or(Ok(()), |frame| out.push_changes(&frame))?;
    Ok(tally.finish())
}

/// One change out of the changes of one path in each patch of a chain, in order; `None` if the
/// last undoes the first. [`Error::Invalid`] if they cannot follow each other.
pub fn composed(changes: &[ChangeRecord]) -> Result<Option<ChangeRecord>> {
    let Some((first, rest)) = changes.split_first() else { return Ok(None) };
    let mut whole = first.clone();
    for next in rest {
        if next.before != whole.after {
            let path = String::from_utf8_lossy(&next.path);
            return Err(Error::invalid(format!("the changes of {path} do not follow each other")));
        }
        whole.after = next.after;
        whole.mark = add(whole.mark, next.mark);
    }
    let unchanged = whole.before == whole.after && whole.mark == [0; MARK_LEN];
    Ok((!unchanged).then_some(whole))
}

/// A change as a patch's list has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListedChange {
    /// `A` added, `M` modified, `D` deleted, `R` renamed.
    pub letter: char,
    /// The path; of what was renamed the new one.
    pub path: Path,
    /// The old path of what was renamed.
    pub from: Option<Path>,
}

/// What a patch says that it changes, in the order of paths, without its base: the whole file is
/// read and held against its seal. Files that were moved and are otherwise the same are renamed.
pub fn listed_changes(path: &LocalPath, monitor: &Monitor) -> Result<Vec<ListedChange>> {
    let name = path.display().to_string();
    let mut input = BufReader::with_capacity(64 * 1024, media::stream(open_read(path)?));
    let mut stream = StreamReader::new(&mut input, name.clone())?;
    let (mut tally, mut changes) = (Tally::default(), Vec::new());
    loop {
        monitor.check()?;
        match stream.next_part()? {
            Part::Changes(part) => {
                for change in part {
                    let change = change.map_err(|error| error.in_file(&name))?;
                    tally.add(&change)?;
                    changes.push((Path::parse(&change.path)?, change));
                }
            }
            Part::End(_) => break,
            _ => {}
        }
    }
    let mut renames = Renames::default();
    renames.pair_all(changes.iter().filter_map(|(path, change)| {
        match (change.before, change.after) {
            (Sort::File, Sort::Nothing) => Some((change.mark, path.clone(), false)),
            (Sort::Nothing, Sort::File) => Some((change.mark, path.clone(), true)),
            _ => None,
        }
    }));
    changes.retain(|(path, change)| change.letter() != 'D' || !renames.sources.contains(path));
    let listed = changes.into_iter().map(|(path, change)| {
        let from = renames.source_of.remove(&path).filter(|_| change.letter() == 'A');
        let letter = if from.is_some() { 'R' } else { change.letter() };
        ListedChange { letter, path, from }
    });
    Ok(listed.collect())
}
