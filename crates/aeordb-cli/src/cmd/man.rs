//! `man [COMMAND]`, `man --directory DIRECTORY`

use std::fs;
use std::path::{Path, PathBuf};

use aeordb::Error;
use aeordb::error::{Context, Result};
use clap::{Args, Command, CommandFactory};

use crate::app::{App, Outcome};
use crate::args::Cli;
use crate::exit;

const HELP: &str = "\
Examples:
  aeordb man | man -l -
  aeordb man snapshot create > aeordb-snapshot-create.1
  aeordb man --directory /usr/local/share/man/man1";

/// Print a manual page
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub struct Man {
    /// The command to describe; the program itself if none is given
    #[arg(value_name = "COMMAND")]
    pub command: Vec<String>,

    /// Write the pages of all commands into this directory
    #[arg(long, value_name = "DIRECTORY", conflicts_with = "command")]
    pub directory: Option<PathBuf>,
}

/// The day of this version, which a page tells in its footer: the same pages from every build.
const RELEASED: &str = "2026-11-29";

pub fn run(app: &mut App, args: &Man) -> Outcome {
    let mut program = Cli::command();
    program.build();
    if let Some(directory) = &args.directory {
        write_all(&program, directory)?;
        return Ok(exit::DONE);
    }
    let mut command = &program;
    for name in &args.command {
        command = command
            .find_subcommand(name)
            .ok_or_else(|| Error::invalid(format!("there is no command '{name}'")))?;
    }
    app.out.bytes(&page(command)?)?;
    Ok(exit::DONE)
}

/// The page of a command and those of all that stand below it; `help` has none, as a page is that.
fn write_all(command: &Command, directory: &Path) -> Result<()> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    let path = directory.join(format!("{name}.1"));
    fs::write(&path, page(command)?).context(|| format!("writing {}", path.display()))?;
    let below = command.get_subcommands().filter(|below| below.get_name() != "help");
    below.into_iter().try_for_each(|below| write_all(below, directory))
}

fn page(command: &Command) -> Result<Vec<u8>> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone())
        .date(RELEASED)
        .source(concat!("aeordb ", env!("CARGO_PKG_VERSION")))
        .manual("User Commands")
        .render(&mut page)
        .context(|| "cannot make the page".into())?;
    Ok(page)
}
