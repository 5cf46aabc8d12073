//! `cp FROM TO`

use crate::app::{App, Outcome, version};
use crate::args::Cp;
use crate::exit::{self, About, Subject};
use crate::location::{self, location, target};
use crate::render;

pub fn run(app: &mut App, args: &Cp) -> Outcome {
    let from = location(&args.from)?;
    let to = target(&args.to)?;
    let database = app.open_writer()?;
    let reader = database.reader().about(Subject::Database)?;
    let source = match from.version.as_deref().or(args.at.at.as_deref()) {
        Some(name) => version(&reader, name)?,
        None => reader.head(),
    };
    let to = location::destination(&reader, &from.path, to)?;
    let report = database.copy(&source, &from.path, &to, args.force).about(Subject::Path)?;
    database.close().about(Subject::Database)?;
    app.report(&render::edit("Copied.", &(&report).into()))?;
    Ok(exit::DONE)
}
