//! `completions SHELL`

use clap::CommandFactory;

use crate::app::{App, Outcome};
use crate::args::{Cli, Completions};
use crate::exit;

pub fn run(app: &mut App, args: &Completions) -> Outcome {
    // Into memory first: the generator gives up where a pipe is closed.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "aeordb", &mut script);
    app.out.bytes(&script)?;
    Ok(exit::DONE)
}
