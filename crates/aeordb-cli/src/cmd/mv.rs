//! `mv FROM TO`

use crate::app::{App, Outcome};
use crate::args::Mv;
use crate::exit::{self, About, Subject};
use crate::location::{self, target};
use crate::render;

pub fn run(app: &mut App, args: &Mv) -> Outcome {
    let from = target(&args.from)?.path;
    let to = target(&args.to)?;
    let database = app.open_writer()?;
    let reader = database.reader().about(Subject::Database)?;
    let to = location::destination(&reader, &from, to)?;
    let report = database.rename(&from, &to, args.force).about(Subject::Path)?;
    database.close().about(Subject::Database)?;
    app.report(&render::edit("Moved.", &(&report).into()))?;
    Ok(exit::DONE)
}
