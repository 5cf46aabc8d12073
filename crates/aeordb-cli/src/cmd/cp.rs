//! `cp FROM TO`

use crate::app::{App, Outcome};
use crate::args::Cp;
use crate::exit;
use crate::home::Home;
use crate::location::{location, target};
use crate::render;

pub fn run(app: &mut App, home: &dyn Home, args: &Cp) -> Outcome {
    let (from, to) = (location(&args.from)?, target(&args.to)?);
    let report = home.copy(app, &from, args.at.at.as_deref(), to, args.force)?;
    app.report(&render::edit("Copied.", &report))?;
    Ok(exit::DONE)
}
