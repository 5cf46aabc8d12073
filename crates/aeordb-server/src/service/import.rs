//! Import: files of the backup directory, or what is sent, which is one file or several one after
//! another, as one change.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use aeordb::Error;
use aeordb::backup::{self, ImportOptions, ImportReport, Input};

use super::problem::Problem;
use super::{Asker, Cancelled, Service};
use crate::keys::Scope;

/// Most files of one import by name: they are all open meanwhile.
const FILES_MAX: usize = 256;

/// The files of an import.
pub enum Files {
    /// Those of these names in the backup directory.
    Named(Vec<String>),
    /// One or several, one after the other.
    Sent(File),
}

impl Service {
    /// The place of a backup that is to undo an import.
    pub fn undo(&self, name: Option<&str>) -> Result<Option<PathBuf>, Problem> {
        name.map(|name| self.backups.place(name)).transpose()
    }

    /// Refuses an import that a key may not make: one that promotes moves HEAD, one that names a version
    /// makes a snapshot, and one that can be undone makes a backup.
    pub fn may_import(&self, asker: &Asker, options: &ImportOptions) -> Result<(), Problem> {
        if options.merge.is_some() && options.force {
            return Err(Problem::invalid("force and merge cannot go together"));
        }
        if options.promote {
            asker.need(Scope::Promote)?;
            if asker.rights.append_only {
                return Err(Problem::forbidden("this key may only append"));
            }
        }
        if options.snapshot.is_some() {
            asker.need(Scope::Snapshot)?;
        }
        if options.undo.is_some() {
            asker.need(Scope::Export)?;
        }
        Ok(())
    }

    /// Imports files, as one change.
    pub async fn import(
        self: &Arc<Self>,
        files: Files,
        options: ImportOptions,
    ) -> Result<ImportReport, Problem> {
        if let Files::Named(names) = &files
            && names.len() > FILES_MAX
        {
            let found = names.len();
            let detail = format!("one import takes at most {FILES_MAX} files, not {found}");
            return Err(Problem::invalid(detail));
        }
        let cancelled = Cancelled::default();
        let monitor = cancelled.0.clone();
        let imported = self.writing(move |service| {
            let inputs = service.inputs(files)?;
            let imported = backup::import(&service.database, inputs, &options, &monitor);
            imported.map_err(|error| match (error, &options.undo) {
                (Error::Exists(what), Some(undo)) if *what == *undo.to_string_lossy() => {
                    Problem::exists("the backup that undo= names")
                }
                (error, _) => Problem::of_backup(error),
            })
        });
        let imported = imported.await;
        self.counters.import(imported.is_ok());
        imported
    }

    fn inputs(&self, files: Files) -> Result<Vec<Input>, Problem> {
        let open = |name: &String| {
            Ok(Input::Opened(format!("backup '{name}'"), self.backups.open_file(name)?))
        };
        match files {
            Files::Named(names) => names.iter().map(open).collect(),
            Files::Sent(file) => Ok(vec![Input::Stream(Box::new(file))]),
        }
    }
}
