//! `man [COMMAND]`

use aeordb::Error;
use aeordb::error::Context;
use clap::Args;
use clap::CommandFactory;

use crate::app::{App, Outcome};
use crate::args::Cli;
use crate::exit;

const HELP: &str = "\
Examples:
  aeordb man | man -l -
  aeordb man snapshot create > aeordb-snapshot-create.1";

/// Print a manual page
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub struct Man {
    /// The command to describe; the program itself if none is given
    #[arg(value_name = "COMMAND")]
    pub command: Vec<String>,
}

/// The day of this version, which a page tells in its footer: the same pages from every build.
const RELEASED: &str = "2026-11-28";

pub fn run(app: &mut App, args: &Man) -> Outcome {
    let mut program = Cli::command();
    program.build();
    let mut command = &program;
    for name in &args.command {
        command = command
            .find_subcommand(name)
            .ok_or_else(|| Error::invalid(format!("there is no command '{name}'")))?;
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone())
        .date(RELEASED)
        .source(concat!("aeordb ", env!("CARGO_PKG_VERSION")))
        .manual("User Commands")
        .render(&mut page)
        .context(|| "cannot make the page".into())?;
    app.out.bytes(&page)?;
    Ok(exit::DONE)
}
