//! The whole command line as data. What a verb does stands in `cmd`, what its help shows by
//! example in `help`.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use aeordb::files::MaxDelete;
use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgAction, Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::help;

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
        {
            let why = format!("put has no <PATH>: aeordb put {} /\n", only.to_string_lossy());
            return Err(command.error(ErrorKind::MissingRequiredArgument, why));
        }
        Ok(cli)
    }
}

#[derive(Args, Debug)]
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
    /// Name versions, list the names, remove them
    #[command(subcommand, after_help = help::SNAPSHOT)]
    Snapshot(Snapshot),
    Log(Log),
    Export(Export),
    Diff(Diff),
    Import(Import),
    Combine(Combine),
    Promote(Promote),
    Info(Info),
    Verify(Verify),
    Salvage(Salvage),
    Gc(Gc),
    Compact(Compact),
    Serve(Serve),
    /// Make, list and revoke the API keys of a server
    #[command(subcommand, after_help = help::KEY)]
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

/// Lines for programs.
#[derive(Args, Debug, Clone, Copy, Default)]
pub struct Null {
    /// End names with a NUL byte instead of a line break, and quote none
    #[arg(long, short = 'z', conflicts_with = "json")]
    pub null: bool,
}

/// Put files and directories into the database, as one commit
#[derive(Args, Debug)]
#[command(after_help = help::PUT, override_usage = help::PUT_USAGE)]
pub struct Put {
    /// Files and directories to put (- is standard input), then PATH, where to put them: it begins
    /// with /. After --from-command, the command and its arguments
    #[arg(required = true, num_args = 1.., value_names = ["LOCAL", "PATH"])]
    pub words: Vec<OsString>,
    /// Make PATH equal to the directory LOCAL: remove what LOCAL does not have
    #[arg(long)]
    pub mirror: bool,
    /// How many of the files at PATH may be deleted; without it half, if there are ten or more
    #[arg(long, value_name = "N|N%", value_parser = str::parse::<MaxDelete>)]
    pub max_delete: Option<MaxDelete>,
    /// Let what is empty take the place of what is not
    #[arg(long)]
    pub allow_empty: bool,
    /// Put at PATH what a command prints, if it succeeds
    #[arg(long, value_name = "PATH", conflicts_with = "mirror")]
    pub from_command: Option<OsString>,
    /// Only list what would be added (A), modified (M) and deleted (D)
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub null: Null,
    /// Read every file, also those that are surely unchanged
    #[arg(long)]
    pub rehash: bool,
    /// The content type to record; without it a replaced file keeps its own
    #[arg(long, value_name = "TYPE")]
    pub content_type: Option<String>,
}

/// Write a file or a directory of the database to the local disk
#[derive(Args, Debug)]
#[command(after_help = help::GET)]
pub struct Get {
    /// What to get: PATH or VERSION:PATH
    #[arg(value_name = "PATH")]
    pub path: OsString,
    /// Where to write it; - writes a file to standard output
    #[arg(value_name = "LOCAL")]
    pub local: PathBuf,
    #[command(flatten)]
    pub at: At,
    #[command(flatten)]
    pub with: With,
    /// Replace files that exist
    #[arg(long, short)]
    pub force: bool,
    /// Also restore setuid and setgid bits of files: they run with the rights of their new owner
    #[arg(long)]
    pub set_ids: bool,
}

/// List a directory
#[derive(Args, Debug)]
#[command(after_help = help::LS, disable_help_flag = true)]
pub struct Ls {
    /// A directory or file: PATH or VERSION:PATH
    #[arg(value_name = "PATH", default_value = "/")]
    pub path: OsString,
    #[command(flatten)]
    pub at: At,
    #[command(flatten)]
    pub with: With,
    /// Everything below PATH, with absolute paths
    #[arg(long, short)]
    pub recursive: bool,
    /// Also kind, mode, size, time and content type
    #[arg(long, short)]
    pub long: bool,
    #[command(flatten)]
    pub human: Human,
    #[command(flatten)]
    pub null: Null,
    /// Show no more than this many
    #[arg(long, short = 'n', value_name = "COUNT")]
    pub limit: Option<usize>,
    /// Begin after this name: the last one of the page before
    #[arg(long, value_name = "NAME", conflicts_with = "recursive")]
    pub after: Option<OsString>,
}

/// Write the bytes of files to standard output
#[derive(Args, Debug)]
#[command(after_help = help::CAT)]
pub struct Cat {
    /// The files: PATH or VERSION:PATH
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<OsString>,
    #[command(flatten)]
    pub at: At,
    #[command(flatten)]
    pub with: With,
}

/// Remove files and directories from HEAD
#[derive(Args, Debug)]
#[command(after_help = help::RM)]
pub struct Rm {
    /// What to remove
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<OsString>,
    /// Also remove directories and everything in them
    #[arg(long, short)]
    pub recursive: bool,
    /// Only list what would be removed
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub null: Null,
}

/// Move or rename a file or directory
#[derive(Args, Debug)]
#[command(after_help = help::MV)]
pub struct Mv {
    /// What to move
    #[arg(value_name = "FROM")]
    pub from: OsString,
    /// Its new path, or a directory to move it into
    #[arg(value_name = "TO")]
    pub to: OsString,
    /// Replace a file that is there
    #[arg(long, short)]
    pub force: bool,
}

/// Copy a file or directory, also out of an earlier version
#[derive(Args, Debug)]
#[command(after_help = help::CP)]
pub struct Cp {
    /// What to copy: PATH or VERSION:PATH
    #[arg(value_name = "FROM")]
    pub from: OsString,
    /// The path of the copy, or a directory to copy into
    #[arg(value_name = "TO")]
    pub to: OsString,
    #[command(flatten)]
    pub at: At,
    /// Replace a file that is there
    #[arg(long, short)]
    pub force: bool,
}

/// Show all that is recorded about files and directories
#[derive(Args, Debug)]
#[command(after_help = help::STAT)]
pub struct Stat {
    /// What to look at: PATH or VERSION:PATH
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<OsString>,
    #[command(flatten)]
    pub at: At,
    #[command(flatten)]
    pub with: With,
}

/// Show how large directories are
#[derive(Args, Debug)]
#[command(after_help = help::DU, disable_help_flag = true)]
pub struct Du {
    /// The directories: PATH or VERSION:PATH
    #[arg(value_name = "PATH", default_value = "/")]
    pub paths: Vec<OsString>,
    #[command(flatten)]
    pub at: At,
    #[command(flatten)]
    pub with: With,
    /// Only the sum of each PATH, not of the directories in it
    #[arg(long, short, conflicts_with = "all")]
    pub summarize: bool,
    /// Also the files directly in each PATH
    #[arg(long, short)]
    pub all: bool,
    #[command(flatten)]
    pub human: Human,
    #[command(flatten)]
    pub null: Null,
}

#[derive(Subcommand, Debug)]
pub enum Snapshot {
    /// Give a version a name
    #[command(after_help = help::SNAPSHOT_CREATE)]
    Create {
        /// The name
        name: String,
        #[command(flatten)]
        at: At,
        /// Metadata to keep with the name; may be repeated
        #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
        meta: Vec<(String, String)>,
    },
    /// List all snapshots
    #[command(visible_alias = "ls", after_help = help::SNAPSHOT_LIST)]
    List,
    /// Remove a name
    #[command(visible_alias = "rm", after_help = help::SNAPSHOT_DELETE)]
    Delete {
        /// The name
        name: String,
        /// Only show what would be removed
        #[arg(long)]
        dry_run: bool,
    },
}

/// Show what HEAD was, newest first, and what was imported
#[derive(Args, Debug)]
#[command(after_help = help::LOG)]
pub struct Log {
    /// Show no more than this many
    #[arg(long, short = 'n', value_name = "COUNT")]
    pub max_count: Option<usize>,
}

/// Write one version to a self-contained backup file
#[derive(Args, Debug)]
#[command(after_help = help::EXPORT)]
pub struct Export {
    /// Export this version instead of HEAD
    #[arg(value_name = "VERSION", conflicts_with_all = ["snapshot", "hash"])]
    pub version: Option<String>,
    /// The file to create; - is standard output
    #[arg(long, short, value_name = "OUTPUT")]
    #[arg(value_parser = OsStringValueParser::new().try_map(local_file))]
    pub output: PathBuf,
    /// Export this snapshot instead of HEAD
    #[arg(long, value_name = "NAME", conflicts_with = "hash")]
    pub snapshot: Option<String>,
    /// Export this version instead of HEAD
    #[arg(long, value_name = "VERSION")]
    pub hash: Option<String>,
    /// Only what is at PATH and below it; it keeps its path
    #[arg(long, value_name = "PATH")]
    pub path: Option<OsString>,
    #[command(flatten)]
    pub with: With,
}

/// List the changes between two versions, or write them to a patch file
#[derive(Args, Debug)]
#[command(after_help = help::DIFF)]
pub struct Diff {
    /// The versions to start from and to arrive at: V1, V1 V2 or V1..V2
    #[arg(value_name = "VERSION", num_args = 0..=2, conflicts_with_all = ["from", "to"])]
    pub versions: Vec<String>,
    /// The version to start from
    #[arg(long, value_name = "VERSION", required_unless_present = "versions")]
    pub from: Option<String>,
    /// The version to arrive at; HEAD if not given
    #[arg(long, value_name = "VERSION")]
    pub to: Option<String>,
    /// The patch file to create; - is standard output
    #[arg(long, short, value_name = "OUTPUT")]
    #[arg(value_parser = OsStringValueParser::new().try_map(local_file))]
    pub output: Option<PathBuf>,
    /// Only what is at PATH and below it; it keeps its path
    #[arg(long, value_name = "PATH")]
    pub path: Option<OsString>,
    #[command(flatten)]
    pub null: Null,
    #[command(flatten)]
    pub with: With,
}

/// Apply an export or patches to a database
#[derive(Args, Debug)]
#[command(after_help = help::IMPORT)]
pub struct Import {
    /// Exports or patches, in order; - is standard input, a FIFO is read as it comes
    #[arg(value_name = "FILE", conflicts_with = "file", required_unless_present = "file")]
    pub files: Vec<PathBuf>,
    /// The same, as a flag; may be repeated
    #[arg(long, short, num_args = 1.., value_name = "FILE")]
    pub file: Vec<PathBuf>,
    /// Make the imported version HEAD
    #[arg(long)]
    pub promote: bool,
    /// Apply a patch whatever HEAD is (hashes and completeness are checked all the same)
    #[arg(long)]
    pub force: bool,
    /// Also give the imported version this name
    #[arg(long, value_name = "NAME")]
    pub snapshot: Option<String>,
    /// Apply the changes of a patch to HEAD, whatever HEAD is; what both changed is left out
    #[arg(long, conflicts_with = "force")]
    pub merge: bool,
    /// What both changed becomes what the patch says
    #[arg(long, requires = "merge", conflicts_with = "ours")]
    pub theirs: bool,
    /// What both changed stays what HEAD has
    #[arg(long, requires = "merge")]
    pub ours: bool,
    /// Also make a patch that leads from the new HEAD back to the old one
    #[arg(long, value_name = "OUTPUT", requires = "promote")]
    #[arg(value_parser = OsStringValueParser::new().try_map(local_file))]
    pub undo: Option<PathBuf>,
}

/// Make one backup file of several: of a full export and its patches, or of patches
#[derive(Args, Debug)]
#[command(after_help = help::COMBINE)]
pub struct Combine {
    /// The file to create; - is standard output
    #[arg(long, short, value_name = "OUTPUT")]
    #[arg(value_parser = OsStringValueParser::new().try_map(local_file))]
    pub output: PathBuf,
    /// A full export and patches, or patches alone, in order
    #[arg(required = true, num_args = 1.., value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// What the patches are for: makes the smallest patch of them
    #[arg(long, value_name = "FILE")]
    pub base: Option<PathBuf>,
}

/// Make a version HEAD
#[derive(Args, Debug)]
#[command(after_help = help::PROMOTE)]
pub struct Promote {
    /// The version
    #[arg(value_name = "VERSION", conflicts_with = "hash", required_unless_present = "hash")]
    pub version: Option<String>,
    /// The same, as a flag
    #[arg(long, value_name = "VERSION")]
    pub hash: Option<String>,
    /// Only if HEAD is still this version
    #[arg(long, value_name = "VERSION")]
    pub expect: Option<String>,
}

/// Say what files are: databases, exports or patches, of which version, how large
#[derive(Args, Debug)]
#[command(after_help = help::INFO)]
pub struct Info {
    /// The files; the database if none is given
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Also list what a patch changes
    #[arg(long)]
    pub changes: bool,
    #[command(flatten)]
    pub with: With,
}

/// Check a database, an export or a patch for damage
#[derive(Args, Debug)]
#[command(after_help = help::VERIFY)]
pub struct Verify {
    /// The file; the database if none is given
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Hash every entry and prove every version complete
    #[arg(long)]
    pub deep: bool,
    /// What a patch is for, or the patches of a full export; may be repeated, in order
    #[arg(long = "with", value_name = "FILE")]
    pub with: Vec<PathBuf>,
}

/// Make a new database of what is sound in a damaged one
#[derive(Args, Debug)]
#[command(after_help = help::SALVAGE)]
pub struct Salvage {
    /// The database to create
    #[arg(long, short, value_name = "OUTPUT")]
    #[arg(value_parser = OsStringValueParser::new().try_map(local_file))]
    pub output: PathBuf,
    /// A full export or another database that may have what is missing; may be repeated
    #[arg(long = "from", num_args = 1.., value_name = "FILE")]
    pub others: Vec<PathBuf>,
}

/// Give the space back that no kept version needs
#[derive(Args, Debug)]
#[command(after_help = help::GC)]
pub struct Gc {
    /// Only say what would be collected
    #[arg(long)]
    pub dry_run: bool,
}

/// Make the database file as small as it can be, in a new file that takes its place
#[derive(Args, Debug)]
#[command(after_help = help::COMPACT)]
pub struct Compact {
    /// Only say how large the new file would be, about
    #[arg(long)]
    pub dry_run: bool,
}

/// Serve the database over HTTP
#[derive(Args, Debug)]
#[command(after_help = help::SERVE)]
pub struct Serve {
    /// The address to listen on
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:3000",
        value_parser = crate::cmd::serve::address)]
    pub listen: SocketAddr,
    /// The directory of backups; `backups` beside the database if not given
    #[arg(long, value_name = "DIRECTORY")]
    pub backup_dir: Option<PathBuf>,
    /// The chain of certificates, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// The private key of the certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Listen without TLS where others than this machine can hear it
    #[arg(long)]
    pub allow_plaintext: bool,
    /// Write the first key to this new file, readable by its owner alone, instead of showing it
    #[arg(long, value_name = "FILE")]
    pub first_key_file: Option<PathBuf>,
    /// Connections that are open at once; one address of another machine has a quarter of them
    #[arg(long, value_name = "COUNT", default_value = "8192",
        value_parser = clap::value_parser!(u32).range(4..=1_000_000))]
    pub max_connections: u32,
    /// What is logged to standard error, as JSON lines
    #[arg(long, value_enum, default_value = "changes")]
    pub log: LogLevel,
}

/// What a server logs.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogLevel {
    /// Only what the server failed at
    Errors,
    /// Also every request that changes something or fails
    Changes,
    /// Every request
    Requests,
}

#[derive(Subcommand, Debug)]
pub enum Key {
    /// Make a key and print it, this once
    #[command(after_help = help::KEY_CREATE)]
    Create {
        /// What the key is called
        #[arg(long)]
        name: String,
        /// What it may do: scopes and presets, separated by commas
        #[arg(long, required = true, value_delimiter = ',', value_name = "SCOPE")]
        scope: Vec<String>,
        /// When it stops to open anything: 90d, 12h, or a time
        #[arg(long, value_name = "WHEN")]
        expires: Option<String>,
    },
    /// List all keys, without their secrets
    #[command(after_help = help::KEY_LIST)]
    List,
    /// Make a key open nothing from now on
    #[command(after_help = help::KEY_REVOKE)]
    Revoke {
        /// The public id: the middle part of the key
        id: String,
    },
}

/// Print the completion script of a shell
#[derive(Args, Debug)]
#[command(after_help = help::COMPLETIONS)]
pub struct Completions {
    /// The shell
    pub shell: clap_complete::Shell,
}

/// Print a manual page
#[derive(Args, Debug)]
#[command(after_help = help::MAN)]
pub struct Man {
    /// The command to describe; the program itself if none is given
    #[arg(value_name = "COMMAND")]
    pub command: Vec<String>,
}

/// The database: a file of this machine. A name that other programs take for a place elsewhere would
/// make a file of that name here, which nobody looks for.
fn local_database(name: OsString) -> Result<PathBuf, String> {
    local(name, |start| start.contains(':'))
}

/// A file of this machine, as a database is. Its name may hold the time of day.
fn local_file(name: OsString) -> Result<PathBuf, String> {
    local(name, |start| start.ends_with(':'))
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

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("'{text}' is not KEY=VALUE")),
    }
}

#[cfg(test)]
mod tests;
