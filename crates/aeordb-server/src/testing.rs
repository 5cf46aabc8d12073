//! What unit tests of the server share.

use std::sync::Arc;

use aeordb::db::{Database, Options};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::app::{App, Deadlines};
use crate::log::Level;
use crate::service::backups::BackupDirectory;

/// An app with an empty database in a directory of its own, and what runs its work.
pub fn app() -> (TempDir, Runtime, Arc<App>) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data.aeordb");
    let database = Database::open_or_create(&path, &Options::default()).unwrap();
    let backups = BackupDirectory::open(
        &directory.path().join("backups"),
        &directory.path().join("data.aeordb"),
    )
    .unwrap();
    let app = App::new(Arc::new(database), backups, Deadlines::default(), Level::Errors).unwrap();
    (directory, Runtime::new().unwrap(), app)
}
