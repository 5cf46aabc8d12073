//! `completions SHELL`

use clap::Args;
use clap::CommandFactory;

use crate::app::{App, Outcome};
use crate::args::Cli;
use crate::exit;

const HELP: &str = "\
Examples:
  aeordb completions bash > ~/.local/share/bash-completion/completions/aeordb
  aeordb completions zsh > ~/.zfunc/_aeordb
  aeordb completions fish > ~/.config/fish/completions/aeordb.fish";

/// Print the completion script of a shell
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub struct Completions {
    /// The shell
    pub shell: clap_complete::Shell,
}

pub fn run(app: &mut App, args: &Completions) -> Outcome {
    // Into memory first: the generator gives up where a pipe is closed.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "aeordb", &mut script);
    app.out.bytes(&script)?;
    Ok(exit::DONE)
}
