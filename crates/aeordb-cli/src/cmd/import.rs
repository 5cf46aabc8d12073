//! `import FILE...`

use std::path::PathBuf;
use std::sync::Arc;

use aeordb::backup::{self, ImportOptions, Input, OnConflict};
use aeordb::watch::Watch;
use aeordb::{Error, Result};
use aeordb_api::backups::Import as Imported;

use crate::app::{App, Outcome};
use crate::args::Import;
use crate::exit::{self, About, Subject};
use crate::interrupt::Pipe;
use crate::output::is_standard;
use crate::render;

impl Import {
    /// The files, however they were given.
    pub fn given(&self) -> &[PathBuf] {
        if self.files.is_empty() { &self.file } else { &self.files }
    }
}

pub fn run(app: &mut App, args: Import) -> Outcome {
    check(&args)?;
    let files = args.given().to_vec();
    if let Some(file) = files.iter().find(|file| app.is_database(file)) {
        let file = file.display();
        return Err(Error::invalid(format!("{file} is the database to import into")).into());
    }
    let options = ImportOptions {
        promote: args.promote,
        force: args.force,
        expect: None,
        snapshot: args.snapshot,
        merge: args.merge.then_some(match (args.theirs, args.ours) {
            (true, _) => OnConflict::Theirs,
            (_, true) => OnConflict::Ours,
            _ => OnConflict::LeaveOut,
        }),
        undo: args.undo,
    };
    let database = app.open_or_create()?;
    let report = app.watched(|_, watch| {
        let inputs = inputs(files, watch)?;
        backup::import(&database, inputs, &options, watch).about(Subject::Backup)
    })?;
    database.close().about(Subject::Database)?;
    shown(app, &(&report).into())
}

/// What can be said of the arguments before anything is opened.
pub fn check(args: &Import) -> Result<()> {
    if args.given().iter().filter(|file| is_standard(file)).count() > 1 {
        return Err(Error::invalid("standard input can be imported only once"));
    }
    if let Some(undo) = args.undo.as_deref().filter(|undo| is_standard(undo)) {
        return Err(Error::invalid(format!("--undo {} is no file", undo.display())));
    }
    Ok(())
}

/// What is imported, in order.
pub fn inputs(files: Vec<PathBuf>, watch: &Arc<Watch>) -> Result<Vec<Input>> {
    let input = |file: PathBuf| {
        if is_standard(&file) {
            return Ok(Input::Stream(Box::new(Pipe::stdin(watch)?)));
        }
        Ok(match Pipe::fifo(&file, watch)? {
            Some(fifo) => Input::Stream(Box::new(fifo)),
            None => Input::File(file),
        })
    };
    files.into_iter().map(input).collect()
}

/// Shows what was imported.
pub fn shown(app: &mut App, report: &Imported) -> Outcome {
    app.report(&render::import(report))?;
    Ok(if report.has_open_conflicts() { exit::UNREADABLE } else { exit::DONE })
}
