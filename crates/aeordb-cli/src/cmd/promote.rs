//! `promote VERSION [--expect V]`

use crate::app::{App, Outcome};
use crate::args::Promote;
use crate::exit;
use crate::home::Home;
use crate::render;

impl Promote {
    /// The version, however it was given.
    pub fn given(&self) -> &str {
        self.version.as_deref().or(self.hash.as_deref()).unwrap_or_default()
    }
}

pub fn run(app: &mut App, home: &dyn Home, args: &Promote) -> Outcome {
    let promotion = home.promote(app, args.given(), args.expect.as_deref())?;
    app.report(&render::promotion(&promotion))?;
    Ok(exit::DONE)
}
