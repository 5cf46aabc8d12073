//! `import FILE...`

use std::path::PathBuf;
use std::sync::Arc;

use aeordb::backup::Input;
use aeordb::watch::Watch;
use aeordb::{Error, Result};

use crate::app::{App, Outcome};
use crate::args::Import;
use crate::exit;
use crate::home::Home;
use crate::interrupt::Pipe;
use crate::output::is_standard;
use crate::render;

impl Import {
    /// The files, however they were given.
    pub fn given(&self) -> &[PathBuf] {
        if self.files.is_empty() { &self.file } else { &self.files }
    }
}

pub fn run(app: &mut App, home: &dyn Home, args: &Import) -> Outcome {
    check(args)?;
    let report = home.import(app, args)?;
    app.report(&render::import(&report))?;
    Ok(if report.has_open_conflicts() { exit::UNREADABLE } else { exit::DONE })
}

/// What can be said of the arguments before anything is opened.
fn check(args: &Import) -> Result<()> {
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
