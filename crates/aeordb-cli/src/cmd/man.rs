//! `man [COMMAND]`

use aeordb::Error;
use aeordb::error::Context;
use clap::CommandFactory;

use crate::app::{App, Outcome};
use crate::args::{Cli, Man};
use crate::exit;

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
        .render(&mut page)
        .context(|| "cannot make the page".into())?;
    app.out.bytes(&page)?;
    Ok(exit::DONE)
}
