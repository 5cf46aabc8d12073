//! Where a database is: a file of this machine, or a server. A verb is the same over both, and so
//! are its reports, its errors and its exit codes.

mod file;
pub mod key;
mod server;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::path::{Path as LocalPath, PathBuf};

use aeordb::Error;
use aeordb::Result;
use aeordb::backup::{self, VerifyReport};
use aeordb::files::{Part, PutReport};
use aeordb::hash::VersionId;
use aeordb::object::Path;
use aeordb_api::backups::{Export, Import, Patch};
use aeordb_api::files::Edit;
use aeordb_api::item::{Item, Stat};
use aeordb_api::jobs::{Collection, Forget, Forgotten};
use aeordb_api::keys::{CreatedKey, Key, NewKey};
use aeordb_api::retention::{Keep, Kept, Policies, Policy};
use aeordb_api::space::Space;
use aeordb_api::versions::{
    Change, EditSnapshot, HistoryEntry, NewSnapshot, PathVersion, Promotion, Snapshot,
};

pub use self::file::File;
pub use self::key::{client, key};
pub use self::server::{Server, create};
use crate::app::{App, Opened};
use crate::args;
use crate::args::{At, With};
use crate::cmd::put::Plan;
use crate::exit::Attempt;
use crate::location::{Location, Target};

/// Sees one after the other, and may print it, until it returns false.
pub type Each<'e, T> = &'e mut dyn FnMut(&mut App, T) -> Result<bool>;
/// Sees paths and what is there, until it returns false.
pub type EachItem<'e> = &'e mut dyn FnMut(&Path, Item) -> Result<bool>;

/// What is read of a database, with patches on top where they were given.
pub trait Reading {
    /// What is recorded of what is at a place.
    fn look(&self, place: &Location) -> Attempt<Stat>;
    /// What is directly in a directory, by name: at most `limit`, after the name `after`.
    fn list(
        &self,
        place: &Location,
        after: Option<&[u8]>,
        limit: usize,
        each: EachItem<'_>,
    ) -> Attempt<()>;
    /// Everything below a directory: at most `limit`.
    fn walk(&self, place: &Location, limit: usize, each: EachItem<'_>) -> Attempt<()>;
    /// The bytes of a file, if there are at most so many.
    fn bytes(&self, place: &Location, most: u64) -> Attempt<Option<Vec<u8>>>;
    /// Writes the bytes of files to standard output.
    fn print(&self, app: &mut App, places: &[Location]) -> Attempt<()>;
}

/// What is at some places of one version.
pub struct Trees {
    pub parts: Vec<Part>,
    /// The version, as it is known where the database is.
    pub version: VersionId,
    /// Kept open as long as the parts.
    _opened: Vec<Opened>,
}

/// What trees are for.
#[derive(Clone, Copy)]
pub enum Into<'i> {
    /// They are restored there.
    Tree(&'i LocalPath),
    /// They are compared: the bytes of files are not needed.
    Comparison,
}

impl Into<'_> {
    /// Where they are restored.
    fn local(&self) -> Option<&LocalPath> {
        match self {
            Into::Tree(local) => Some(local),
            Into::Comparison => None,
        }
    }
}

/// The error that places are not all of one version.
fn of_two_versions() -> Error {
    Error::invalid("the paths are of two versions: one of them at a time")
}

/// A database, wherever it is.
pub trait Home {
    /// Opens what is to be read at these places.
    fn reading<'h>(
        &'h self,
        app: &mut App,
        places: &[OsString],
        at: &At,
        with: &With,
    ) -> Attempt<(Vec<Location>, Box<dyn Reading + 'h>)>;

    /// What is at a path of HEAD, for a put that is only foreseen; and what a cache knows the
    /// database by.
    fn outline(&self, app: &mut App, plan: Plan) -> Attempt<(Plan, Opened, Vec<u8>)>;
    /// Puts files.
    fn put(&self, app: &mut App, args: &args::Put, plan: Plan) -> Attempt<PutReport>;
    /// What is at these places, all of one version.
    fn trees(
        &self,
        app: &mut App,
        places: &[OsString],
        at: &At,
        with: &With,
        into: Into<'_>,
    ) -> Attempt<Trees>;
    /// Removes what is at these paths.
    fn remove(&self, app: &App, paths: &[Path], recursive: bool) -> Attempt<Edit>;
    /// Moves what is at a path.
    fn rename(&self, app: &App, from: &Path, to: Target, force: bool) -> Attempt<Edit>;
    /// Copies what is at a place.
    fn copy(
        &self,
        app: &App,
        from: &Location,
        at: Option<&str>,
        to: Target,
        force: bool,
    ) -> Attempt<Edit>;

    /// Names a version; true if it had that name before.
    fn create_snapshot(&self, app: &App, new: NewSnapshot) -> Attempt<(Snapshot, bool)>;
    /// The snapshot of exactly this name.
    fn snapshot(&self, app: &App, name: &str) -> Attempt<Snapshot>;
    /// Renames a snapshot, changes its metadata, holds or releases it.
    fn edit_snapshot(&self, app: &App, name: &str, edit: EditSnapshot) -> Attempt<Snapshot>;
    /// All names of versions.
    fn snapshots(&self, app: &mut App, each: Each<'_, Snapshot>) -> Attempt<()>;
    /// Takes a name away.
    fn delete_snapshot(&self, app: &App, name: &str) -> Attempt<Snapshot>;
    /// The history, newest first: at most `limit`.
    fn history(&self, app: &mut App, limit: usize, each: Each<'_, HistoryEntry>) -> Attempt<()>;
    /// The versions that changed what is at a path, newest first: at most `limit`.
    fn trace(
        &self,
        app: &mut App,
        path: &Path,
        limit: usize,
        each: Each<'_, PathVersion>,
    ) -> Attempt<()>;
    /// Makes a version HEAD, if HEAD is what is expected.
    fn promote(&self, app: &App, version: &str, expect: Option<&str>) -> Attempt<Promotion>;

    /// Writes a version to where it is asked for.
    fn export(&self, app: &mut App, args: &args::Export) -> Attempt<Export>;
    /// Writes the difference of two versions to `output`.
    fn patch(&self, app: &mut App, args: &args::Diff, output: &LocalPath) -> Attempt<Patch>;
    /// The changes between two versions.
    fn changes(&self, app: &mut App, args: &args::Diff, each: Each<'_, Change>) -> Attempt<()>;
    /// Takes exports and patches in.
    fn import(&self, app: &mut App, args: &args::Import) -> Attempt<Import>;

    /// What the database is, and what it is called.
    fn info(&self, app: &App) -> Attempt<(PathBuf, backup::Info)>;
    /// Checks it for damage.
    fn verify(&self, app: &mut App, args: &args::Verify) -> Attempt<VerifyReport>;
    /// Removes the snapshots that rules do not keep, or says which those are.
    fn keep(&self, app: &mut App, keep: Keep) -> Attempt<Kept>;
    /// The rules that are stored in the database.
    fn policies(&self, app: &App) -> Attempt<Policies>;
    /// Stores rules, in the place of those for the same names.
    fn set_policy(&self, app: &App, policy: Policy) -> Attempt<Policies>;
    /// Removes stored rules.
    fn remove_policy(&self, app: &App, name: Option<&str>) -> Attempt<Policies>;
    /// Drops versions, or says which would be.
    fn forget(&self, app: &mut App, forget: Forget) -> Attempt<Forgotten>;
    /// Collects what no kept version needs, or says what would be.
    fn collect(&self, app: &mut App, dry_run: bool) -> Attempt<Collection>;
    /// What takes the space of the database.
    fn space(&self, app: &mut App) -> Attempt<Space>;

    /// Makes a key.
    fn create_key(&self, app: &App, new: NewKey) -> Attempt<CreatedKey>;
    /// All keys.
    fn keys(&self, app: &App) -> Attempt<Vec<Key>>;
    /// Makes a key open nothing.
    fn revoke_key(&self, app: &App, id: &str) -> Attempt<Key>;
}
