//! `completions SHELL`

use aeordb::error::Context;
use clap::Args;
use clap_complete::env::Shells;

use crate::app::{App, Outcome};
use crate::exit;

const HELP: &str = "\
The script asks `aeordb` itself what may come next: flags and verbs, the names of snapshots, and paths \
of the database that --database, --server or the environment name.

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
    let mut script = Vec::new();
    let shells = Shells::builtins();
    let name = args.shell.to_string();
    if let Some(shell) = shells.completer(&name) {
        let written =
            shell.write_registration("COMPLETE", "aeordb", "aeordb", "aeordb", &mut script);
        written.context(|| "making the script".into())?;
    }
    app.out.bytes(&script)?;
    Ok(exit::DONE)
}
