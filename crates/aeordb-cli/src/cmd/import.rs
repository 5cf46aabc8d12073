//! `import --file F...`

use aeordb::Error;
use aeordb::backup::{self, ImportOptions, Input, OnConflict};

use crate::app::{App, Outcome};
use crate::args::Import;
use crate::exit::{self, About, Subject};
use crate::interrupt::Stdin;
use crate::output::is_standard;
use crate::render;

pub fn run(app: &mut App, args: Import) -> Outcome {
    if args.file.iter().filter(|file| is_standard(file)).count() > 1 {
        return Err(Error::invalid("standard input can be imported only once").into());
    }
    if let Some(file) = args.file.iter().find(|file| app.is_database(file)) {
        let file = file.display();
        return Err(Error::invalid(format!("{file} is the database to import into")).into());
    }
    if let Some(undo) = args.undo.as_deref().filter(|undo| is_standard(undo)) {
        let detail = format!("--undo {} is no file", undo.display());
        return Err(Error::invalid(detail).into());
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
        let mut inputs = Vec::with_capacity(args.file.len());
        for file in args.file {
            inputs.push(match is_standard(&file) {
                true => Input::Stream(Box::new(Stdin::open(watch)?)),
                false => Input::File(file),
            });
        }
        backup::import(&database, inputs, &options, watch).about(Subject::Backup)
    })?;
    database.close().about(Subject::Database)?;
    app.report(&render::import(&report))?;
    Ok(if report.has_open_conflicts() { exit::UNREADABLE } else { exit::DONE })
}
