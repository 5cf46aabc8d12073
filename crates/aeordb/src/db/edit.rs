//! Changes of paths within the database: putting, removing, renaming, copying, alone or many as
//! one commit.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::db::batches::{Entry, Uploaded};
use crate::db::{Database, Draft, Purpose};
use crate::error::{Error, Result};
use crate::hash::VersionId;
use crate::monitor::Monitor;
use crate::object::{AsPath, Item, Path, Totals};
use crate::store::Transaction;

/// What a change of paths did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EditReport {
    /// HEAD now.
    pub version: VersionId,
    /// HEAD before.
    pub previous: VersionId,
    /// Files that were put, removed, moved or copied.
    pub files: u64,
    /// Directories that were put, removed, moved or copied.
    pub directories: u64,
    /// Bytes of those files.
    pub bytes: u64,
}

/// Changes a draft and says what was touched. It may be called again, from the start.
pub type Plan = dyn Fn(&mut Draft<'_, '_>) -> Result<Totals> + Send;

/// One change of HEAD, all or nothing, that may share its commit with others.
pub struct Edit {
    what: &'static str,
    plan: Box<Plan>,
    /// Entries that the change needs.
    pub(super) entries: Vec<Entry>,
    /// What it needs space for.
    purpose: Purpose,
    /// What was written for it before.
    pub(super) uploaded: Option<Uploaded>,
}

impl Edit {
    /// A change that history shows as `what`, of entries that are in the database.
    pub fn new(
        what: &'static str,
        plan: impl Fn(&mut Draft<'_, '_>) -> Result<Totals> + Send + 'static,
    ) -> Self {
        let plan = Box::new(plan);
        Edit { what, plan, entries: Vec::new(), purpose: Purpose::Growth, uploaded: None }
    }

    /// A change that only takes away: a full disk does not refuse it.
    pub fn removal(
        what: &'static str,
        plan: impl Fn(&mut Draft<'_, '_>) -> Result<Totals> + Send + 'static,
    ) -> Self {
        Edit { purpose: Purpose::Removal, ..Edit::new(what, plan) }
    }

    /// Bytes of the entries that come with it.
    pub(super) fn len(&self) -> usize {
        self.entries.iter().map(|(_, _, bytes)| bytes.len()).sum()
    }
}

/// Puts `item` at `path` in place of whatever is there.
pub fn put(draft: &mut Draft<'_, '_>, path: &Path, item: Item) -> Result<Totals> {
    let totals = item.totals();
    draft.set(path, Some(item))?;
    Ok(totals)
}

/// Removes paths. A directory goes only with `recursive`.
pub fn remove(draft: &mut Draft<'_, '_>, paths: &[Path], recursive: bool) -> Result<Totals> {
    let mut gone = BTreeMap::new();
    for path in paths {
        let item = draft.whole(path)?;
        if matches!(item, Item::Directory(_)) && !recursive {
            return Err(Error::invalid(format!("{path} is a directory")));
        }
        gone.insert(path, item);
    }
    let mut removed = Totals::default();
    let mut last: Option<&Path> = None;
    for (path, item) in gone {
        // What goes with a directory that goes is counted with it.
        if last.is_none_or(|last| !last.contains(path)) {
            draft.set(path, None)?;
            removed = sum(removed, item.totals())?;
            last = Some(path);
        }
    }
    Ok(removed)
}

/// Moves what is at `from` to `to`; with `force` a file that is there is replaced.
pub fn rename(draft: &mut Draft<'_, '_>, from: &Path, to: &Path, force: bool) -> Result<Totals> {
    let item = draft.whole(from)?;
    if from == to {
        return Err(same(from));
    }
    if from.contains(to) {
        return Err(Error::invalid(format!("{to} lies within {from}")));
    }
    free(draft, to, force)?;
    let totals = item.totals();
    draft.set(from, None)?;
    draft.set(to, Some(item))?;
    Ok(totals)
}

/// Copies what is at `from`, in HEAD or another version, to `to`; with `force` a file that is
/// there is replaced. Content is shared, not copied.
pub fn copy(
    draft: &mut Draft<'_, '_>,
    version: Option<&VersionId>,
    from: &Path,
    to: &Path,
    force: bool,
) -> Result<Totals> {
    let item = match version {
        Some(version) => draft.item_of(version, from)?,
        None => draft.whole(from)?,
    };
    if from == to && (version.is_none() || version == Some(&draft.version()?)) {
        return Err(same(from));
    }
    free(draft, to, force)?;
    put(draft, to, item)
}

fn free(draft: &Draft<'_, '_>, to: &Path, force: bool) -> Result<()> {
    match draft.item(to)? {
        None => Ok(()),
        Some(Item::File(_) | Item::Symlink(_) | Item::Special(_)) if force => Ok(()),
        Some(_) => Err(Error::Exists(to.to_string())),
    }
}

/// The totals of several changes.
pub fn sum(a: Totals, b: Totals) -> Result<Totals> {
    let limit = u64::MAX;
    a.checked_add(b).ok_or_else(|| Error::Limit { what: "a change".into(), limit, found: limit })
}

impl Database {
    /// Removes paths. A directory goes only with `recursive`.
    pub fn remove(&self, paths: &[impl AsPath], recursive: bool) -> Result<EditReport> {
        let paths = paths.iter().map(owned).collect::<Result<Vec<Path>>>()?;
        self.edit(&Edit::removal("rm", move |draft| remove(draft, &paths, recursive)))
    }

    /// Moves what is at `from` to `to`; with `force` a file that is there is replaced.
    pub fn rename(&self, from: impl AsPath, to: impl AsPath, force: bool) -> Result<EditReport> {
        let (from, to) = (owned(from)?, owned(to)?);
        self.edit(&Edit::new("mv", move |draft| rename(draft, &from, &to, force)))
    }

    /// Copies what is at `from` in a version to `to` in HEAD; with `force` a file that is there is
    /// replaced. Content is shared, not copied.
    pub fn copy(
        &self,
        from_version: &VersionId,
        from: impl AsPath,
        to: impl AsPath,
        force: bool,
    ) -> Result<EditReport> {
        let (version, from, to) = (*from_version, owned(from)?, owned(to)?);
        self.edit(&Edit::new("cp", move |draft| copy(draft, Some(&version), &from, &to, force)))
    }

    /// Makes one change, durable when this returns.
    pub fn edit(&self, edit: &Edit) -> Result<EditReport> {
        let mut outcomes = self.commit_together(std::slice::from_ref(edit), self.usual_wait())?;
        outcomes.pop().unwrap_or(Err(Error::Interrupted))
    }

    /// Makes many changes, each all or nothing, with one commit, one version and one entry of
    /// history. If that fails, each is tried alone, so that none pays for another.
    pub fn edit_all(&self, edits: &[Edit]) -> Vec<Result<EditReport>> {
        self.edit_all_until(edits, self.usual_wait())
    }

    /// The same, with [`Error::Busy`] for each if others write until then.
    pub(super) fn edit_all_until(
        &self,
        edits: &[Edit],
        until: Option<Instant>,
    ) -> Vec<Result<EditReport>> {
        match self.commit_together(edits, until) {
            Ok(outcomes) => outcomes,
            Err(error) if edits.len() == 1 => vec![Err(error)],
            Err(Error::Busy(why)) => edits.iter().map(|_| Err(Error::Busy(why.clone()))).collect(),
            Err(_) => edits.iter().map(|edit| self.edit(edit)).collect(),
        }
    }

    fn commit_together(
        &self,
        edits: &[Edit],
        until: Option<Instant>,
    ) -> Result<Vec<Result<EditReport>>> {
        let purpose = edits.iter().map(|edit| edit.purpose).min().unwrap_or_default();
        let mut writer = self.writer_until(purpose, until)?;
        let previous = writer.head();
        for uploaded in edits.iter().filter_map(|edit| edit.uploaded.as_ref()) {
            uploaded.check(&writer, writer.root().epoch, &Monitor::new())?;
        }
        let mut draft = Draft::new(&mut writer)?;
        let mut touched = Vec::with_capacity(edits.len());
        for edit in edits {
            touched.push(draft.attempt(&edit.plan));
        }
        let version = draft.finish()?;
        for (edit, _) in edits.iter().zip(&touched).filter(|(_, done)| done.is_ok()) {
            for (kind, hash, bytes) in &edit.entries {
                writer.entries().append_hashed(*kind, *hash, bytes)?;
            }
        }
        let version = writer.add_version(&version)?;
        if version != previous {
            writer.set_head(version, &name_of_all(edits))?;
            writer.commit()?;
        }
        let report = |Totals { files, directories, bytes }| EditReport {
            version,
            previous,
            files,
            directories,
            bytes,
        };
        Ok(touched.into_iter().map(|done| done.map(report)).collect())
    }
}

fn owned(path: impl AsPath) -> Result<Path> {
    Ok(path.as_path()?.into_owned())
}

fn same(path: &Path) -> Error {
    Error::invalid(format!("{path} and {path} are the same"))
}

/// What history says of a commit: the verb, and of how many edits, if of more than one.
fn name_of_all(edits: &[Edit]) -> String {
    let mut words: Vec<&str> = edits.iter().map(|edit| edit.what).collect();
    words.sort_unstable();
    words.dedup();
    match edits.len() {
        1 => words.concat(),
        many => format!("{} ({many} edits)", words.join(", ")),
    }
}
