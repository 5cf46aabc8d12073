//! `put LOCAL... PATH` and `put --from-command PATH -- COMMAND...`

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aeordb::Error;
use aeordb::backup::Comparison;
use aeordb::db::{Database, Options};
use aeordb::files::{self, MaxDelete, PutOptions, PutReport, Source};
use aeordb::object::Path as DatabasePath;
use aeordb::watch::Watch;
use clap::Args;

use crate::app::{App, Outcome, cache_directory};
use crate::args::{Keep, Null};
use crate::cmd::diff;
use crate::exit::{self, About, Attempt, Subject};
use crate::home::Home;
use crate::interrupt::Pipe;
use crate::location::{Target, check_no_version, target};
use crate::output::is_standard;
use crate::render;
use crate::text;

mod command;

const HELP: &str = "\
One directory's content lands under PATH. One file lands at PATH, or inside it when PATH is a \
directory or ends with a slash. Several land inside PATH under their own names. Everything is one \
commit: all of it or nothing.

What is surely unchanged since the last put is not read again; what a put saw is remembered in \
$XDG_CACHE_HOME/aeordb or ~/.cache/aeordb. --rehash reads everything.

--mirror removes what LOCAL does not have. A LOCAL without files, as a mount point whose file system \
is not there, and a mirror that would delete more than half of ten or more files are refused \
(exit code 17) unless --max-delete allows it, for instance 500 or 80%. --dry-run lists what would \
happen, as `aeordb diff` does, and changes nothing.

--from-command stores what a command prints, and nothing if it fails. What is empty does not replace \
a file that is not, unless --allow-empty says so; of what is piped to `aeordb put -` nobody knows \
whether its command failed.

Examples:
  aeordb put ~/documents /documents
  aeordb put --mirror ~/documents /documents    also removes what is gone
  aeordb put report.pdf notes.txt /documents/
  aeordb put --mirror --dry-run ~/documents /documents
  aeordb put --from-command /dumps/shop.sql -- pg_dump shop
  pg_dump shop | aeordb put - /dumps/shop.sql --content-type application/sql";

const USAGE: &str = "\
aeordb put [OPTIONS] <LOCAL>... <PATH>
       aeordb put [OPTIONS] --from-command <PATH> -- <COMMAND> [ARGUMENT]...";

/// Put files and directories into the database, as one commit
#[derive(Args, Debug)]
#[command(after_help = HELP, override_usage = USAGE)]
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
    #[command(flatten)]
    pub keep: Keep,
}

/// What is put, and where.
pub struct Plan {
    pub from: From,
    pub target: Target,
    /// The path at and below which something changes.
    pub changes: DatabasePath,
}

/// What is put.
pub enum From {
    /// Files and directories, or standard input.
    Locals(Vec<PathBuf>),
    /// What this command prints.
    Command(Vec<OsString>),
}

impl Plan {
    /// What was typed; what can be said of it before anything is opened.
    pub fn of(args: &Put) -> aeordb::Result<Plan> {
        if let Some(path) = &args.from_command {
            let target = absolute(path, |path| format!("aeordb put --from-command {path} -- ..."))?;
            return Ok(Plan::at(From::Command(args.words.clone()), target));
        }
        let (path, locals) = args.words.split_last().ok_or_else(|| Error::invalid("no PATH"))?;
        let target = absolute(path, |path| meant(locals, args.words.last(), path))?;
        let locals: Vec<PathBuf> = locals.iter().map(PathBuf::from).collect();
        let streams = locals.iter().filter(|local| is_standard(local)).count();
        if streams > 1 {
            return Err(Error::invalid("standard input can be put only once"));
        }
        if args.mirror && (locals.len() > 1 || streams > 0) {
            return Err(Error::invalid("--mirror takes exactly one LOCAL, a directory"));
        }
        Ok(Plan::at(From::Locals(locals), target))
    }

    fn at(from: From, target: Target) -> Plan {
        let changes = target.path.clone();
        Plan { from, target, changes }
    }

    /// False of what was read from a pipe.
    pub fn can_be_read_again(&self) -> bool {
        match &self.from {
            From::Locals(locals) => !locals.iter().any(|local| is_standard(local)),
            From::Command(_) => false,
        }
    }

    /// The only file or directory that is put, if it is one.
    pub fn only_local(&self) -> Option<&Path> {
        match &self.from {
            From::Locals(locals) => match locals.as_slice() {
                [local] if !is_standard(local) => Some(local),
                _ => None,
            },
            From::Command(_) => None,
        }
    }

    fn sources(&self, watch: &Arc<Watch>) -> aeordb::Result<Vec<Source>> {
        let locals = match &self.from {
            From::Locals(locals) => locals,
            From::Command(words) => {
                let printed = command::Printed::new(words.clone(), watch);
                return Ok(vec![Source::Stream(Box::new(printed))]);
            }
        };
        let mut sources = Vec::with_capacity(locals.len());
        for local in locals {
            sources.push(match is_standard(local) {
                true => Source::Stream(Box::new(Pipe::stdin(watch)?)),
                false => Source::Path(local.clone()),
            });
        }
        Ok(sources)
    }
}

/// A place in the database begins with a slash: what does not is most likely one more thing to put.
fn absolute(path: &OsStr, meant: impl FnOnce(&str) -> String) -> aeordb::Result<Target> {
    if path.as_bytes().starts_with(b"/") {
        return target(path);
    }
    check_no_version(path.as_bytes())?;
    let path = path.to_string_lossy();
    let name = path.strip_prefix("./").unwrap_or(&path);
    let meant = meant(&text::shell(&format!("/{name}")));
    let path = text::printable_name(path.as_bytes());
    Err(Error::invalid(format!("{path} is no PATH, which begins with /; was this meant: {meant}")))
}

/// The command that was probably meant by one without a PATH.
fn meant(locals: &[OsString], last: Option<&OsString>, path: &str) -> String {
    let is_stream = locals.iter().any(|local| is_standard(Path::new(local)));
    let exists = last.is_some_and(|last| fs::symlink_metadata(last).is_ok());
    let (end, path) = match exists && !is_stream {
        true => (last, "/"),
        false => (None, path),
    };
    let words = locals.iter().chain(end).map(|word| text::shell(&word.to_string_lossy()));
    format!("aeordb put {} {path}", words.collect::<Vec<_>>().join(" "))
}

pub fn run(app: &mut App, home: &dyn Home, args: &Put) -> Outcome {
    let plan = Plan::of(args)?;
    if args.dry_run {
        return dry_run(app, home, args, plan);
    }
    let report = home.put(app, args, plan)?;
    app.report(&render::put(&(&report).into()))?;
    Ok(code(&report))
}

/// How files are put; the cache knows the database by `identity`, or by its file.
pub fn options(args: &Put, identity: Option<Vec<u8>>) -> PutOptions {
    PutOptions {
        mirror: args.mirror,
        max_delete: args.max_delete.unwrap_or_default(),
        allow_empty: args.allow_empty,
        outline: args.dry_run,
        keep: args.keep.options(),
        rehash: args.rehash,
        content_type: args.content_type.clone(),
        cache: cache_directory(),
        identity,
    }
}

/// Puts what was asked for.
pub fn load(
    plan: &Plan,
    database: &Database,
    options: &PutOptions,
    watch: &Arc<Watch>,
) -> Attempt<PutReport> {
    let Target { path, is_directory } = &plan.target;
    files::put(database, plan.sources(watch)?, path, *is_directory, options, watch)
        .about(Subject::Local)
}

/// Lists what a put would change of HEAD: it is made beside the database, without the bytes of
/// files.
fn dry_run(app: &mut App, home: &dyn Home, args: &Put, plan: Plan) -> Outcome {
    app.out.null_terminated(args.null.null);
    let (plan, opened, identity) = home.outline(app, plan)?;
    let (reader, scratch) = (&opened.reader, std::env::temp_dir());
    let head = reader.head();
    let over = Database::over(reader, head, Some(&scratch), &Options::default())?;
    let options = options(args, Some(identity));
    let report = app.watched(|_, watch| load(&plan, &over, &options, watch))?;
    let put = over.reader()?;
    let comparison = Comparison::of_paths(&head, &report.version);
    for change in comparison.changes(&put, None, &Watch::new())? {
        diff::show(app, &(&change?).into())?;
    }
    match report.refused {
        Some(refused) => Err(refused.into()),
        None => Ok(code(&report)),
    }
}

fn code(report: &PutReport) -> u8 {
    if report.unreadable + report.unsettled > 0 { exit::UNREADABLE } else { exit::DONE }
}
