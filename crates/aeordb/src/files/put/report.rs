//! What a put did, and tells as it goes.

use crate::error::{Error, Result};
use crate::files::walk::PassedOver;
use crate::hash::VersionId;
use crate::object::{Item, Path};

/// The result of a put.
#[derive(Debug)]
pub struct PutReport {
    /// HEAD now.
    pub version: VersionId,
    /// HEAD before.
    pub previous: VersionId,
    /// Files looked at, symbolic links included.
    pub files: u64,
    /// Directories looked at.
    pub directories: u64,
    /// Bytes of those files.
    pub bytes: u64,
    /// Files that the database did not have at their path.
    pub files_new: u64,
    /// Files that differ from those of the database.
    pub files_changed: u64,
    /// Files that do not.
    pub files_unchanged: u64,
    /// Files that went: mirroring deleted them, or a file and a directory changed places.
    pub files_deleted: u64,
    /// Those of them that went because they were not chosen.
    pub files_left_out: u64,
    /// Bytes by which the database grew.
    pub new_bytes: u64,
    /// Names that cannot be kept, our own files, the database itself: one warning each.
    pub skipped: u64,
    /// Files and directories that could not be read: one warning each. Those of the database stay in
    /// their place.
    pub unreadable: u64,
    /// Entries that were left out because they were not chosen; a directory counts once, without its
    /// contents.
    pub excluded: u64,
    /// Directories that other file systems are mounted at, which were not entered. Their contents in
    /// the database stay.
    pub mounts: u64,
    /// Files that changed while they were read, so that the stored bytes may be neither the old nor
    /// the new: one warning each.
    pub unsettled: u64,
    /// Why this would not be put, where only an outline of it was made.
    pub refused: Option<Error>,
}

impl PutReport {
    pub(super) fn new(head: VersionId) -> Self {
        PutReport {
            version: head,
            previous: head,
            files: 0,
            directories: 0,
            bytes: 0,
            files_new: 0,
            files_changed: 0,
            files_unchanged: 0,
            files_deleted: 0,
            files_left_out: 0,
            new_bytes: 0,
            skipped: 0,
            unreadable: 0,
            excluded: 0,
            mounts: 0,
            unsettled: 0,
            refused: None,
        }
    }

    /// Counts what a walk passed over.
    pub(in crate::files) fn pass_over(&mut self, passed: &PassedOver) {
        self.skipped += passed.skipped;
        self.unreadable += passed.unreadable;
        self.excluded += passed.left_out;
        self.mounts += passed.mounts;
        self.files_left_out += passed.files_left_out;
    }

    /// Counts a file or link by what the database has at its place.
    pub(in crate::files) fn count(&mut self, old: Option<&Item>, new: &Item) {
        match old {
            None => self.files_new += 1,
            Some(Item::Directory(directory)) => {
                self.files_new += 1;
                self.files_deleted += directory.totals.files;
            }
            Some(old) if old == new => self.files_unchanged += 1,
            Some(_) => self.files_changed += 1,
        }
    }
}

/// What becomes of something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Did {
    /// The database did not have it.
    Added,
    /// The database has another at its path, or it has other attributes.
    Modified,
    /// It goes.
    Deleted,
}

impl Did {
    /// What becomes of `old` where `new` takes its place; of a directory what is in it does not count.
    pub(in crate::files) fn of(old: Option<&Item>, new: &Item) -> Option<Did> {
        match (old, new) {
            (None, _) => Some(Did::Added),
            (Some(Item::Directory(old)), Item::Directory(new)) => {
                (old.attributes != new.attributes).then_some(Did::Modified)
            }
            (Some(old), new) => (old != new).then_some(Did::Modified),
        }
    }
}

/// A change that a put makes, told as it goes.
#[derive(Debug)]
pub struct Told<'t> {
    /// What becomes of it.
    pub did: Did,
    /// Where.
    pub path: &'t Path,
    /// What it is, or was.
    pub item: &'t Item,
}

/// Whoever is told.
pub type Tell<'t> = Option<&'t mut dyn FnMut(Told<'_>) -> Result<()>>;
