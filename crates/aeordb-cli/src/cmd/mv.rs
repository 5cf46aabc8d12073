//! `mv FROM TO`

use crate::app::{App, Outcome};
use crate::args::Mv;
use crate::exit;
use crate::home::Home;
use crate::location::target;
use crate::render;

pub fn run(app: &mut App, home: &dyn Home, args: &Mv) -> Outcome {
    let (from, to) = (target(&args.from)?.path, target(&args.to)?);
    let report = home.rename(app, &from, to, args.force)?;
    app.report(&render::edit("Moved.", &report))?;
    Ok(exit::DONE)
}
