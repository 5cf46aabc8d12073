//! `verify [FILE] [--deep] [--with F...]`

use crate::app::{App, Outcome};
use crate::args::Verify;
use crate::exit;
use crate::home::Home;
use crate::render;

pub fn run(app: &mut App, home: &dyn Home, args: &Verify) -> Outcome {
    if let Some(file) = &args.file {
        app.global.database.clone_from(file);
    }
    let report = home.verify(app, args)?;
    app.report(&render::verify(&(&report).into()))?;
    Ok(match (report.damages.is_empty(), report.newer.is_empty()) {
        (true, true) => exit::DONE,
        (true, false) => exit::NEWER,
        (false, _) => exit::DAMAGED,
    })
}
