//! `export --output F [--snapshot NAME | --hash VERSION]`

use aeordb::backup;

use crate::app::{App, Outcome};
use crate::args::Export;
use crate::exit;
use crate::output;
use crate::render;

pub fn run(app: &mut App, args: &Export) -> Outcome {
    let opened = app.open()?;
    let version = match (&args.snapshot, &args.hash) {
        (Some(name), _) => super::snapshot::find(&opened, name)?.version,
        (None, Some(hash)) => opened.version(hash)?,
        (None, None) => opened.reader.head(),
    };
    let report = output::write(app, &args.output, |out, watch| {
        backup::export(&opened.reader, &version, out, watch)
    })?;
    let report = render::export(&report, &args.output.to_string_lossy());
    output::report(app, &args.output, &report)?;
    Ok(exit::DONE)
}
