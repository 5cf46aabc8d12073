//! Where a database is: a file of this machine, or a server. A verb is the same over both, and so
//! are its reports, its errors and its exit codes.

mod file;
mod key;
mod server;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::path::{Path as LocalPath, PathBuf};

use aeordb::Result;
use aeordb::backup::{self, VerifyReport};
use aeordb::files::{GetReport, PutReport};
use aeordb::object::Path;
use aeordb_api::backups::{Export, Import, Patch};
use aeordb_api::files::Edit;
use aeordb_api::item::{Item, Stat};
use aeordb_api::jobs::Collection;
use aeordb_api::keys::{CreatedKey, Key, NewKey};
use aeordb_api::versions::{Change, HistoryEntry, NewSnapshot, Promotion, Snapshot};

pub use self::file::File;
pub use self::server::Server;
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
    /// Writes the bytes of files to standard output.
    fn print(&self, app: &mut App, places: &[Location]) -> Attempt<()>;
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
    /// Restores files.
    fn get(&self, app: &mut App, args: &args::Get) -> Attempt<GetReport>;
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
    /// All names of versions.
    fn snapshots(&self, app: &mut App, each: Each<'_, Snapshot>) -> Attempt<()>;
    /// Takes a name away.
    fn delete_snapshot(&self, app: &mut App, name: &str) -> Attempt<Snapshot>;
    /// The history, newest first: at most `limit`.
    fn history(&self, app: &mut App, limit: usize, each: Each<'_, HistoryEntry>) -> Attempt<()>;
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
    /// Collects what no kept version needs, or says what would be.
    fn collect(&self, app: &mut App, dry_run: bool) -> Attempt<Collection>;

    /// Makes a key.
    fn create_key(&self, app: &App, new: NewKey) -> Attempt<CreatedKey>;
    /// All keys.
    fn keys(&self, app: &App) -> Attempt<Vec<Key>>;
    /// Makes a key open nothing.
    fn revoke_key(&self, app: &App, id: &str) -> Attempt<Key>;
}
