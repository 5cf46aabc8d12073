//! `promote VERSION [--expect V]`

use crate::app::{App, Outcome, version};
use crate::args::Promote;
use crate::exit::{self, About, Subject};
use crate::render;

impl Promote {
    /// The version, however it was given.
    pub fn given(&self) -> &str {
        self.version.as_deref().or(self.hash.as_deref()).unwrap_or_default()
    }
}

pub fn run(app: &mut App, args: &Promote) -> Outcome {
    let database = app.open_writer()?;
    let reader = database.reader().about(Subject::Database)?;
    let head = version(&reader, args.given())?;
    let expect = args.expect.as_deref().map(|name| version(&reader, name)).transpose()?;
    let promotion = database.promote(&head, expect.as_ref()).about(Subject::Version)?;
    database.close().about(Subject::Database)?;
    app.report(&render::promotion(&(&promotion).into()))?;
    Ok(exit::DONE)
}
