//! `export [VERSION] --output F [--snapshot NAME | --hash VERSION]`

use crate::app::{App, Outcome};
use crate::args::Export;
use crate::exit;
use crate::home::Home;
use crate::output;
use crate::render;

impl Export {
    /// The version, if one was given other than as the name of a snapshot.
    pub fn given(&self) -> Option<&str> {
        self.version.as_deref().or(self.hash.as_deref())
    }
}

pub fn run(app: &mut App, home: &dyn Home, args: &Export) -> Outcome {
    let report = render::export(&home.export(app, args)?);
    output::report(app, &args.output, &report)?;
    Ok(exit::DONE)
}
