//! `verify [FILE] [--deep] [--with F...]`

use aeordb::backup::{self, VerifyReport};

use crate::app::{App, Outcome};
use crate::args::Verify;
use crate::exit::{self, About, Subject};
use crate::render;

pub fn run(app: &mut App, args: &Verify) -> Outcome {
    if let Some(file) = &args.file {
        app.global.database.clone_from(file);
    }
    let path = app.path().to_owned();
    let scratch = std::env::temp_dir();
    let report = app.watched(|_, watch| {
        let verified = match args.with.as_slice() {
            [] => backup::verify(&path, args.deep, watch),
            with => backup::verify_with(&path, with, args.deep, &scratch, watch),
        };
        verified.about(Subject::Database)
    })?;
    app.report(&render::verify(&(&report).into()))?;
    Ok(code(&report))
}

/// How a verification ends.
pub fn code(report: &VerifyReport) -> u8 {
    match (report.damages.is_empty(), report.newer.is_empty()) {
        (true, true) => exit::DONE,
        (true, false) => exit::NEWER,
        (false, _) => exit::DAMAGED,
    }
}
