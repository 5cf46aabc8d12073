//! Where a database is: a file of this machine, or a server. What is asked of either is the same.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;

use aeordb::error::Context;
use aeordb::object::Path;
use aeordb::{Monitor, Result};
use aeordb_api::backups::{Export, Import, Info, Patch};
use aeordb_api::command::{Get, Put};
use aeordb_api::files::Edit;
use aeordb_api::item::{PathEntry, Stat};
use aeordb_api::jobs::{Collection, Verification};
use aeordb_api::versions::{Change, HistoryEntry, PathVersion, Promotion, Snapshot};
use serde::Serialize;

use crate::content::Content;
use crate::pages::Showing;
use crate::wishes::{GetWish, ImportWish, PutWish};

/// Two versions, and a path if only what is there counts.
pub struct Between {
    pub from: String,
    pub to: String,
    pub path: Option<Path>,
}

/// A database, wherever it is.
pub trait Home: Send + Sync {
    /// The version that is called so.
    fn resolve(&self, name: &str) -> Result<String>;
    /// What is recorded of what is at a path.
    fn stat(&self, path: &Path, version: &str) -> Result<Stat>;
    /// The bytes of a file.
    fn open(&self, path: &Path, version: &str) -> Result<Content>;
    /// What is in a directory; with `recursive`, everything below it.
    fn entries(&self, path: Path, version: &str, recursive: bool) -> Result<Showing<PathEntry>>;

    /// Puts bytes at a path, and gives the version.
    fn write(
        &self,
        path: &Path,
        bytes: Box<dyn Read + Send>,
        content_type: Option<String>,
    ) -> Result<String>;
    /// Puts local files.
    fn put(
        &self,
        locals: Vec<PathBuf>,
        to: Path,
        inside: bool,
        wish: &PutWish,
        monitor: &Arc<Monitor>,
    ) -> Result<Put>;
    /// Restores what is at a path.
    fn get(
        &self,
        path: Path,
        version: &str,
        local: PathBuf,
        wish: &GetWish,
        monitor: &Arc<Monitor>,
    ) -> Result<Get>;
    /// Removes what is at these paths.
    fn remove(&self, paths: &[Path], recursive: bool) -> Result<Edit>;
    /// Moves what is at a path.
    fn rename(&self, from: &Path, to: &Path, force: bool) -> Result<Edit>;
    /// Copies what is at a path of a version.
    fn copy(&self, from: &Path, version: &str, to: &Path, force: bool) -> Result<Edit>;

    /// All names of versions.
    fn snapshots(&self) -> Result<Showing<Snapshot>>;
    /// Names a version.
    fn snapshot(
        &self,
        name: &str,
        version: &str,
        metadata: BTreeMap<String, String>,
    ) -> Result<Snapshot>;
    /// Takes a name away.
    fn delete_snapshot(&self, name: &str) -> Result<()>;
    /// What HEAD was, newest first.
    fn history(&self) -> Result<Showing<HistoryEntry>>;
    /// The versions that changed a path, newest first.
    fn log(&self, path: Path) -> Result<Showing<PathVersion>>;
    /// What changed between two versions.
    fn changes(&self, between: Between) -> Result<Showing<Change>>;

    /// Writes a version to a file.
    fn export(
        &self,
        version: &str,
        path: Option<&Path>,
        output: &std::path::Path,
        monitor: &Arc<Monitor>,
    ) -> Result<Export>;
    /// Writes the difference of two versions to a file.
    fn patch(
        &self,
        between: &Between,
        output: &std::path::Path,
        monitor: &Arc<Monitor>,
    ) -> Result<Patch>;
    /// Takes exports and patches in.
    fn import(
        &self,
        files: Vec<PathBuf>,
        wish: &ImportWish,
        monitor: &Arc<Monitor>,
    ) -> Result<Import>;
    /// Makes a version HEAD, if HEAD is what is expected.
    fn promote(&self, version: &str, expect: Option<&str>) -> Result<Promotion>;

    /// What the database is.
    fn info(&self) -> Result<Info>;
    /// Checks it for damage.
    fn verify(&self, deep: bool, monitor: &Arc<Monitor>) -> Result<Verification>;
    /// Collects what no kept version needs.
    fn collect(&self, dry_run: bool, monitor: &Arc<Monitor>) -> Result<Collection>;
    /// Gives it back.
    fn close(self: Box<Self>) -> Result<()>;
}

/// A value as it travels.
pub fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(io::Error::other).context(|| "writing JSON".into())
}
