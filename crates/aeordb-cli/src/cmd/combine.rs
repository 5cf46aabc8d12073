//! `combine --output F [--base F] FILE...`

use aeordb::backup::{self, Combined};
use aeordb::db::Options;
use aeordb_api::backups::{Export, Patch};

use crate::app::{App, Outcome};
use crate::args::Combine;
use crate::exit;
use crate::output;
use crate::render;

pub fn run(app: &mut App, args: &Combine) -> Outcome {
    let scratch = std::env::temp_dir();
    let made = output::write_from(app, &args.output, exit::Subject::Backup, |out, watch| {
        let base = args.base.as_deref();
        backup::combine(&args.files, base, out, &scratch, &Options::default(), watch)
    })?;
    let name = args.output.to_string_lossy();
    let report = match &made {
        Combined::Export(made) => render::export(&Export::new(made, &name)),
        Combined::Patch(made) => render::patch(&Patch::new(made, &name)),
    };
    output::report(app, &args.output, &report)?;
    Ok(exit::DONE)
}
