//! `put LOCAL... PATH` and `put --from-command PATH -- COMMAND...`

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aeordb::Error;
use aeordb::backup::Comparison;
use aeordb::db::{Database, Reader};
use aeordb::files::{self, Choice, Ignored, MaxDelete, PutOptions, PutReport, Source, Told};
use aeordb::monitor::Monitor;
use aeordb::object::Path as DatabasePath;
use aeordb_api::command as shown;
use aeordb_api::library::Describe;
use clap::Args;

use crate::app::{App, Outcome, cache_directory};
use crate::args::Rights;
use crate::cmd::diff::{self, Shown};
use crate::exit::{self, About, Attempt, Failure, Subject};
use crate::home::Home;
use crate::interrupt::Pipe;
use crate::location::{Target, check_no_version, target};
use crate::out::Out;
use crate::output::is_standard;
use crate::render;
use crate::text;
use crate::unattended::Level;

pub mod choose;
mod command;
mod name;

use self::choose::Choose;
use self::name::Called;

const HELP: &str = "\
One directory's content lands under PATH. One file lands at PATH, or inside it when PATH is a \
directory or ends with a slash. Several land inside PATH under their own names. Everything is one \
commit: all of it or nothing.

What is surely unchanged since the last put is not read again; what a put saw is remembered in \
$XDG_CACHE_HOME/aeordb or ~/.cache/aeordb. --rehash reads everything.

--mirror removes what LOCAL does not have. A LOCAL without files, as a mount point whose file system \
is not there, and a mirror that would delete more than half of ten or more files are refused \
(exit code 17) unless --max-delete allows it, for instance 500 or 80%. --dry-run lists what would \
happen, as `aeordb diff` does, and changes nothing; -v lists it as it happens.

--exclude, --include and the others choose what of LOCAL is put; --include wins over --exclude, that \
over --exclude-from, and all three over an --ignore-file. With --mirror what is left out leaves the new \
version, and counts for --max-delete, unless --keep-excluded is given.

--from-command stores what a command prints, and nothing if it fails. What is empty does not replace \
a file that is not, unless --allow-empty says so; of what is piped to `aeordb put -` nobody knows \
whether its command failed.

Examples:
  aeordb put ~/documents /documents
  aeordb put --mirror ~/documents /documents    also removes what is gone
  aeordb put ~ /home --exclude-caches --exclude node_modules -x
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
    #[arg(long, value_name = "PATH", conflicts_with_all = ["mirror", "Choose"])]
    pub from_command: Option<OsString>,
    /// Only list what would be added (A), modified (M) and deleted (D)
    #[arg(long)]
    pub dry_run: bool,
    /// Names end with a NUL byte instead of a line break: those that are listed here, which are not
    /// quoted then, and those of --files-from
    #[arg(long, short = '0', visible_short_alias = 'z')]
    pub null: bool,
    /// Read every file, also those that are surely unchanged
    #[arg(long)]
    pub rehash: bool,
    /// Take a file for unchanged although it is on another device, as in a snapshot of its file system
    #[arg(long)]
    pub ignore_device: bool,
    /// The same although its inode has another number or another time of change
    #[arg(long)]
    pub ignore_inode: bool,
    /// The same although its inode has another time of change, as a copy has
    #[arg(long)]
    pub ignore_ctime: bool,
    /// The content type to record; without it a replaced file keeps its own
    #[arg(long, value_name = "TYPE")]
    pub content_type: Option<String>,
    /// Keep what was stored each time that so much was read, such as 64M, so that a put that is
    /// interrupted goes on when it is run again
    #[arg(long, value_name = "SIZE", value_parser = text::parse_size, default_value = "32M")]
    pub checkpoint: u64,
    #[command(flatten)]
    pub level: Level,
    #[command(flatten)]
    pub keep: Rights,
    #[command(flatten)]
    pub choose: Choose,
    #[command(flatten)]
    pub called: Called,
}

/// What is put, and where.
pub struct Plan {
    pub from: From,
    pub target: Target,
    /// What of it is put.
    pub choice: Arc<Choice>,
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
    /// What was typed; what can be said of it before anything is opened. A list is read.
    pub fn of(app: &mut App, args: &Put) -> Attempt<Plan> {
        if let Some(path) = &args.from_command {
            let target = absolute(path, |path| format!("aeordb put --from-command {path} -- ..."))?;
            return Ok(Plan::at(From::Command(args.words.clone()), target, Arc::default()));
        }
        let (path, locals) = args.words.split_last().ok_or_else(|| Error::invalid("no PATH"))?;
        let target = absolute(path, |path| meant(locals, args.words.last(), path))?;
        let mut locals: Vec<PathBuf> = locals.iter().map(PathBuf::from).collect();
        let streams = locals.iter().filter(|local| is_standard(local)).count();
        if streams > 1 {
            return Err(Error::invalid("standard input can be put only once").into());
        }
        if args.mirror && (locals.len() > 1 || streams > 0) {
            return Err(Error::invalid("--mirror takes exactly one LOCAL, a directory").into());
        }
        let choice = args.choose.choice(None).about(Subject::Local)?;
        let Some(file) = &args.choose.files_from else {
            return Ok(Plan::at(From::Locals(locals), target, choice));
        };
        if locals.len() > 1 || streams > 0 {
            return Err(Error::invalid("--files-from takes one LOCAL at most, a directory").into());
        }
        let local = locals.pop();
        let (local, listed) = app.watched(|_, monitor| {
            choose::listed(file, args.null, local.as_deref(), monitor).about(Subject::Local)
        })?;
        let choice = Choice { listed: Some(listed), ..Arc::unwrap_or_clone(choice) };
        Ok(Plan::at(From::Locals(vec![local]), target, Arc::new(choice)))
    }

    fn at(from: From, target: Target, choice: Arc<Choice>) -> Plan {
        let changes = target.path.clone();
        Plan { from, target, choice, changes }
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

    fn sources(&self, monitor: &Arc<Monitor>) -> aeordb::Result<Vec<Source>> {
        let locals = match &self.from {
            From::Locals(locals) => locals,
            From::Command(words) => {
                let printed = command::Printed::new(words.clone(), monitor);
                return Ok(vec![Source::Stream(Box::new(printed))]);
            }
        };
        let mut sources = Vec::with_capacity(locals.len());
        for local in locals {
            sources.push(match is_standard(local) {
                true => Source::Stream(Box::new(Pipe::stdin(monitor)?)),
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
    let plan = Plan::of(app, args)?;
    if args.dry_run {
        return dry_run(app, home, args, plan);
    }
    app.out.null_terminated(args.null);
    let report = home.put(app, args, plan)?;
    let report_of = shown::Put { snapshot: args.called.snapshot.clone(), ..(&report).into() };
    app.report(&render::put(&report_of))?;
    Ok(code(&report))
}

/// How files are put; the cache knows the database by `identity`, or by its file.
pub fn options(args: &Put, plan: &Plan, identity: Option<Vec<u8>>) -> PutOptions {
    PutOptions {
        choice: plan.choice.clone(),
        mirror: args.mirror,
        max_delete: args.max_delete.unwrap_or_default(),
        allow_empty: args.allow_empty,
        outline: args.dry_run,
        keep: args.keep.options(),
        rehash: args.rehash,
        ignored: Ignored {
            device: args.ignore_device,
            inode: args.ignore_inode,
            ctime: args.ignore_ctime || args.ignore_inode,
        },
        snapshot: args.called.naming(),
        content_type: args.content_type.clone(),
        // What lies on a server's database ends with this process.
        checkpoint: identity.is_none().then_some(args.checkpoint),
        cache: cache_directory(),
        identity,
    }
}

/// Puts what was asked for, and shows `out`, in JSON or not, what becomes of what.
pub fn load(
    plan: &Plan,
    database: &Database,
    options: &PutOptions,
    monitor: &Arc<Monitor>,
    out: Option<(&mut Out, bool)>,
) -> Attempt<PutReport> {
    let (Target { path, is_directory }, sources) = (&plan.target, plan.sources(monitor)?);
    let put = match out {
        None => files::put(database, sources, path, *is_directory, options, monitor),
        Some((out, json)) => {
            let mut tell = |told: Told<'_>| tell(out, json, &told);
            let tell: files::Tell<'_> = Some(&mut tell);
            files::put_telling(database, sources, path, *is_directory, options, monitor, tell)
        }
    };
    put.map_err(|error| {
        let subject = match &error {
            Error::Exists(what) if what.starts_with("snapshot ") => Subject::Snapshot,
            _ => Subject::Local,
        };
        Failure { error, subject }
    })
}

/// What is shown as it goes leaves at once.
fn tell(out: &mut Out, json: bool, told: &Told<'_>) -> aeordb::Result<()> {
    let doing = shown::Doing::from(told);
    if json {
        out.json(&doing)?;
    } else {
        out.bytes(diff::letter(doing.change))?;
        out.name(told.path.as_bytes())?;
        out.end()?;
    }
    out.flush()
}

/// [`Error::Exists`] if a version has this name already.
pub fn check_name(app: &mut App, home: &dyn Home, name: &str) -> Attempt<()> {
    match home.snapshot(app, name) {
        Ok(there) => {
            Err(Error::Exists(format!("snapshot {}", there.name))).about(Subject::Snapshot)
        }
        Err(Failure { error: Error::NotFound(_), .. }) => Ok(()),
        // Whoever may name a version and see none is told when it is named.
        Err(Failure { error, .. }) if exit::is_denied(&error) => Ok(()),
        Err(failure) => Err(failure),
    }
}

/// Lists what a put would change of HEAD.
fn dry_run(app: &mut App, home: &dyn Home, args: &Put, plan: Plan) -> Outcome {
    app.out.null_terminated(args.null);
    let report = foresee(app, home, args, plan, |app, put, head_and_put| {
        let mut describe = Describe::new(put);
        for change in head_and_put.changes(put, None, &Monitor::new())? {
            diff::show(
                &mut app.out,
                app.global.json,
                &describe.change(&change?),
                &Shown::default(),
            )?;
        }
        Ok(())
    })?;
    match report.refused {
        Some(refused) => Err(refused.into()),
        None => Ok(code(&report)),
    }
}

/// Makes a put beside the database, without the bytes of files, and shows what it would change.
pub fn foresee(
    app: &mut App,
    home: &dyn Home,
    args: &Put,
    plan: Plan,
    show: impl FnOnce(&mut App, &Reader, &Comparison) -> Attempt<()>,
) -> Attempt<PutReport> {
    if let Some(name) = &args.called.snapshot {
        check_name(app, home, name)?;
    }
    let (plan, opened, identity) = home.outline(app, plan)?;
    let (reader, scratch) = (&opened.reader, std::env::temp_dir());
    let head = reader.head();
    let over = Database::over(reader, head, Some(&scratch), &app.global.options(None))?;
    let options = options(args, &plan, Some(identity));
    let report = app.watched(|_, monitor| load(&plan, &over, &options, monitor, None))?;
    show(app, &over.reader()?, &Comparison::of_paths(&head, &report.version))?;
    Ok(report)
}

fn code(report: &PutReport) -> u8 {
    if report.unreadable + report.unsettled > 0 { exit::UNREADABLE } else { exit::DONE }
}
