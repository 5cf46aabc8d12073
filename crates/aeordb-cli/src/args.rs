//! What all verbs have in common on the command line, and the list of them. What one takes, its help
//! and what it does stand in its file in `cmd`.

use std::ffi::OsString;
use std::path::PathBuf;

use aeordb::files::KeepOptions;
use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgAction, Args, CommandFactory, FromArgMatches, Parser, Subcommand};

pub use crate::cmd::{
    cat::Cat, check::Check, combine::Combine, compact::Compact, completions::Completions, cp::Cp,
    diff::Diff, du::Du, export::Export, find::Find, forget::Forget, gc::Gc, get::Get,
    import::Import, info::Info, key::Key, log::Log, ls::Ls, man::Man, mv::Mv, parity::Parity,
    promote::Promote, put::Put, repair::Repair, rm::Rm, run::Run, salvage::Salvage, serve::Serve,
    snapshot::Snapshot, stat::Stat, verify::Verify,
};
use crate::help;
use crate::remote;
use crate::unattended::Unattended;

const GLOBAL: &str = "Options of every command";

/// A versioned file database in one file, made for backup and restore
#[derive(Parser, Debug)]
#[command(name = "aeordb", version, after_help = help::PROGRAM, arg_required_else_help = true)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub verb: Verb,
}

impl Cli {
    /// What was typed. A database that is named on the command line is the one that is meant,
    /// whatever server the environment names.
    pub fn understand(arguments: &[OsString]) -> Result<Self, clap::Error> {
        let mut command = Cli::command();
        let matches = command.try_get_matches_from_mut(arguments)?;
        let mut cli = Cli::from_arg_matches(&matches)?;
        let typed = |name| matches.value_source(name) == Some(ValueSource::CommandLine);
        if matches!(cli.verb, Verb::Run(_) | Verb::Check(_))
            && let Some(flag) = ["database", "server"].into_iter().find(|name| typed(name))
        {
            let why = format!("--{flag} cannot be given: the profile says where its database is\n");
            return Err(command.error(ErrorKind::ArgumentConflict, why));
        }
        match (typed("database"), typed("server")) {
            (true, true) => {
                let why = "--database is a file and --server a server: name one of them\n";
                return Err(command.error(ErrorKind::ArgumentConflict, why));
            }
            (true, false) => cli.global.server = None,
            (false, true) => {}
            // An empty variable is how shells take one away.
            (false, false) => cli.global.server = cli.global.server.filter(|url| !url.is_empty()),
        }
        if let Verb::Put(put) = &cli.verb
            && let [only] = put.words.as_slice()
            && put.from_command.is_none()
            && put.choose.files_from.is_none()
        {
            let why = format!("put has no <PATH>: aeordb put {} /\n", only.to_string_lossy());
            return Err(command.error(ErrorKind::MissingRequiredArgument, why));
        }
        Ok(cli)
    }
}

#[derive(Args, Debug, Clone)]
pub struct Global {
    /// The database file
    #[arg(short, long, value_name = "FILE", env = "AEORDB_DATABASE")]
    #[arg(value_parser = OsStringValueParser::new().try_map(local_database))]
    #[arg(default_value = "data.aeordb", global = true, help_heading = GLOBAL)]
    pub database: PathBuf,
    /// Work through this server instead of on a file; its key is in AEORDB_API_KEY
    #[arg(long, value_name = "URL", env = "AEORDB_SERVER")]
    #[arg(global = true, help_heading = GLOBAL)]
    pub server: Option<String>,
    /// Print JSON: one object, or one a line for listings
    #[arg(long, global = true, help_heading = GLOBAL)]
    pub json: bool,
    /// Print no report, only data, warnings and errors
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = GLOBAL)]
    pub quiet: bool,
    /// Also say how long it took
    #[arg(short, long, action = ArgAction::Count, global = true, help_heading = GLOBAL)]
    pub verbose: u8,
    /// Draw no progress bar (one is drawn only on a terminal)
    #[arg(long, global = true, help_heading = GLOBAL)]
    pub no_progress: bool,
    /// Open encrypted backups with the secret keys of this file, of age or SSH; may be repeated
    #[arg(long, value_name = "FILE", env = "AEORDB_IDENTITY")]
    #[arg(global = true, help_heading = GLOBAL)]
    pub identity: Vec<PathBuf>,
    /// Open encrypted backups with the passphrase in the first line of this file; may be repeated
    #[arg(long, value_name = "FILE", global = true, help_heading = GLOBAL)]
    pub passphrase_file: Vec<PathBuf>,
    #[command(flatten)]
    pub unattended: Unattended,
}

#[derive(Subcommand, Debug)]
pub enum Verb {
    Put(Put),
    Get(Get),
    Ls(Ls),
    Cat(Cat),
    Rm(Rm),
    Mv(Mv),
    Cp(Cp),
    Stat(Stat),
    Du(Du),
    Find(Find),
    /// Name versions, list the names, remove them
    #[command(subcommand, after_help = crate::cmd::snapshot::HELP)]
    Snapshot(Snapshot),
    Log(Log),
    Export(Export),
    Diff(Diff),
    Import(Import),
    Combine(Combine),
    Promote(Promote),
    Info(Info),
    Verify(Verify),
    Parity(Parity),
    Salvage(Salvage),
    Repair(Repair),
    Keep(crate::cmd::keep::Keep),
    Forget(Forget),
    Gc(Gc),
    Compact(Compact),
    Run(Run),
    Check(Check),
    Serve(Serve),
    /// Make, list and revoke the API keys of a server
    #[command(subcommand, after_help = crate::cmd::key::HELP)]
    Key(Key),
    Completions(Completions),
    Man(Man),
}

/// Where a reader looks.
#[derive(Args, Debug, Clone, Default)]
pub struct At {
    /// Read this version instead of HEAD
    #[arg(long, value_name = "VERSION")]
    pub at: Option<String>,
}

/// What lies on the file that is read.
#[derive(Args, Debug, Clone, Default)]
pub struct With {
    /// Read with this patch on top, without importing it; may be repeated, in order
    #[arg(long = "with", value_name = "PATCH")]
    pub patches: Vec<PathBuf>,
}

/// Sizes for people. `-h` is theirs where `ls` and `du` have it, so help is asked for in full.
#[derive(Args, Debug, Clone, Copy, Default)]
pub struct Human {
    /// Sizes such as 1.5 GiB instead of bytes
    #[arg(long, short = 'h', visible_short_alias = 'H')]
    pub human_readable: bool,
    /// Print help
    #[arg(long, action = ArgAction::Help)]
    help: Option<bool>,
}

/// What is left out of what is recorded or restored.
#[derive(Args, Debug, Default)]
pub struct Rights {
    /// Leave out who owns files
    #[arg(long)]
    pub no_owner: bool,
    /// Owners by number alone, without names
    #[arg(long, conflicts_with = "no_owner")]
    pub numeric_owner: bool,
    /// Leave out extended attributes, access control lists, capabilities and flags
    #[arg(long)]
    pub no_xattrs: bool,
}

impl Rights {
    /// The same for the library.
    pub fn options(&self) -> KeepOptions {
        KeepOptions { owner: !self.no_owner, numeric: self.numeric_owner, xattrs: !self.no_xattrs }
    }
}

/// Lines for programs.
#[derive(Args, Debug, Clone, Copy, Default)]
pub struct Null {
    /// End names with a NUL byte instead of a line break, and quote none
    #[arg(long, short = 'z', conflicts_with = "json")]
    pub null: bool,
}

/// The database: a file of this machine, or the URL of a backup that is read. Another name that other
/// programs take for a place elsewhere would make a file of that name here, which nobody looks for.
fn local_database(name: OsString) -> Result<PathBuf, String> {
    by_url(&name).unwrap_or_else(|| local(name, |start| start.contains(':')))
}

/// A file of this machine, as a database is. Its name may hold the time of day.
pub fn local_file(name: OsString) -> Result<PathBuf, String> {
    local(name, |start| start.ends_with(':'))
}

/// A backup file: of this machine, or a URL.
pub fn backup_file(name: OsString) -> Result<PathBuf, String> {
    match by_url(&name) {
        Some(found) => found,
        None => local_file(name),
    }
}

/// What a URL names. `file://` is a path; what is elsewhere stays as it is typed.
fn by_url(name: &OsString) -> Option<Result<PathBuf, String>> {
    let found = || remote::file(name).map_err(|error| error.to_string());
    remote::is_url(name).then(|| found().map(|path| path.unwrap_or_else(|| name.into())))
}

fn local(name: OsString, elsewhere: impl Fn(&str) -> bool) -> Result<PathBuf, String> {
    let text = name.to_string_lossy();
    // Without a slash the end of the name says nothing.
    let (start, _) = text.split_once('/').unwrap_or((text.trim_end_matches(':'), ""));
    if elsewhere(start) {
        return Err("a file of this machine is expected, and this looks like a URL or a file of \
                    another machine (a server is named with --server URL; a file that is called \
                    so is ./NAME)"
            .into());
    }
    Ok(name.into())
}

pub fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("'{text}' is not KEY=VALUE")),
    }
}

#[cfg(test)]
mod tests;
