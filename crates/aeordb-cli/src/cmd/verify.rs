//! `verify [--deep]`

use aeordb::backup;

use crate::app::{App, Outcome};
use crate::args::Verify;
use crate::exit::{self, About, Subject};
use crate::render;

pub fn run(app: &mut App, args: &Verify) -> Outcome {
    let path = app.path().to_owned();
    let report =
        app.watched(|_, watch| backup::verify(&path, args.deep, watch).about(Subject::Database))?;
    app.report(&render::verify(&report))?;
    Ok(if report.damages.is_empty() { exit::DONE } else { exit::DAMAGED })
}
