//! `diff V1 [V2] [--output F]`

mod contents;
mod lines;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use aeordb::files::{self, GetOptions, Wanted};
use aeordb::object::Path as DbPath;
use aeordb::{Error, Result};
use aeordb_api::versions::{Change, ChangeKind};
use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser};

use self::contents::{Ends, Total};
use crate::app::{App, Outcome};
use crate::args::{At, Null, Rights, With, backup_file};
use crate::cmd::get::{self, Select};
use crate::encryption::For;
use crate::exit::{self, About, Attempt, Subject};
use crate::home::{Home, Into};
use crate::location::Location;
use crate::out::Out;
use crate::output;
use crate::render;

const HELP: &str = "\
Without --output the changes are listed, one a line: A (added), M (modified), D (deleted) and the \
path, or R (renamed), the old path, a tab and the new path. A change of owner, mode, time or any \
attribute is M too; --long says behind a tab what it is. With --output they become a patch \
that `aeordb import` applies wherever HEAD is the version it starts from.

With --path only what is at that path counts: the patch leads from that part of one version to that \
part of the other, as `aeordb export --path` gives them.

With --local the version is compared with a directory of this machine: A is what only the directory \
has, D what it lacks. Files are the same if size, time and attributes are; --checksum reads them.

--stat counts the lines that came and went, --text shows them as `patch -p1` reads them. Files with a \
NUL byte near their start, or with more than 16 MiB, are binary: of them the sizes are told.

Examples:
  aeordb diff v1                                          what changed since v1
  aeordb diff v1..v2                                      as --from v1 --to v2
  aeordb diff --long v1                                   and what of each path changed
  aeordb diff --stat v1                                   and how many lines
  aeordb diff --text v1 --path /etc                       and which
  aeordb diff v1 --path /project --local ~/project        and what became of it here
  aeordb diff --from v1 --to v2 --output patch-v1-v2.aeordb
  aeordb diff --from v1 --output - | ssh host aeordb import --file - --promote
  aeordb diff --from v1 --path /documents --output documents-patch.aeordb
  aeordb diff --from HEAD~1 -d full.aeordb --with p1.aeordb     what the patch changes";

/// List the changes between two versions, or write them to a patch file
#[derive(Args, Debug, Default)]
#[command(after_help = HELP)]
pub struct Diff {
    /// The versions to start from and to arrive at: V1, V1 V2 or V1..V2
    #[arg(value_name = "VERSION", num_args = 0..=2, conflicts_with_all = ["from", "to"])]
    pub versions: Vec<String>,
    /// The version to start from
    #[arg(long, value_name = "VERSION")]
    #[arg(required_unless_present_any = ["versions", "local"])]
    pub from: Option<String>,
    /// The version to arrive at; HEAD if not given
    #[arg(long, value_name = "VERSION")]
    pub to: Option<String>,
    /// The patch file to create; - is standard output
    #[arg(long, short, value_name = "OUTPUT")]
    #[arg(value_parser = OsStringValueParser::new().try_map(backup_file))]
    pub output: Option<PathBuf>,
    /// Only what is at PATH and below it; it keeps its path
    #[arg(long, value_name = "PATH")]
    pub path: Option<OsString>,
    #[command(flatten)]
    pub shown: Shown,
    /// Compare the version with this directory of this machine
    #[arg(long, value_name = "DIRECTORY", conflicts_with_all = ["to", "output", "long", "stat", "text"])]
    pub local: Option<PathBuf>,
    /// With --local, read files to tell whether they are the same, whatever their size and time say
    #[arg(long, requires = "local")]
    pub checksum: bool,
    #[command(flatten)]
    pub readers: For,
    #[command(flatten)]
    pub null: Null,
    #[command(flatten)]
    pub with: With,
    #[command(flatten)]
    pub keep: Rights,
    #[command(flatten)]
    pub select: Select,
}

/// How changes are listed.
#[derive(Args, Debug, Default)]
#[group(multiple = false)]
pub struct Shown {
    /// Also what differs of each path that is M: mode, owner, group, time, content, xattr NAME, …
    #[arg(long, short, conflicts_with_all = ["output", "null"])]
    pub long: bool,
    /// Only the paths, without what became of them
    #[arg(long, conflicts_with = "output")]
    pub name_only: bool,
    /// Also how many lines of each file came and went, and the sum
    #[arg(long, conflicts_with_all = ["output", "null"])]
    pub stat: bool,
    /// Also the lines of each file that came and went
    #[arg(long, conflicts_with_all = ["output", "null", "json"])]
    pub text: bool,
}

impl Diff {
    /// The one version that is compared with a directory.
    fn one(&self) -> Result<&str> {
        match (self.versions.as_slice(), &self.from) {
            ([], from) => Ok(from.as_deref().unwrap_or("HEAD")),
            ([one], _) if !one.contains("..") => Ok(one),
            _ => Err(Error::invalid("--local compares one version with a directory")),
        }
    }

    /// The names of the versions, however they were given. `V1..` arrives at HEAD, `..V2` starts
    /// from it.
    pub fn between(&self) -> Result<(&str, &str)> {
        match self.versions.as_slice() {
            [] => {
                let from = self.from.as_deref().unwrap_or("HEAD");
                Ok((from, self.to.as_deref().unwrap_or("HEAD")))
            }
            [one] => {
                let (from, to) = one.split_once("..").unwrap_or((one, "HEAD"));
                Ok((or_head(from), or_head(to)))
            }
            [from, to] => Ok((from, to)),
            _ => Err(Error::invalid("a difference is one of two versions")),
        }
    }
}

/// What an end of `V1..V2` that is left out stands for.
fn or_head(name: &str) -> &str {
    if name.is_empty() { "HEAD" } else { name }
}

pub fn run(app: &mut App, home: &dyn Home, args: &Diff) -> Outcome {
    app.out.null_terminated(args.null.null);
    if let Some(directory) = &args.local {
        return local(app, home, args, directory);
    }
    match &args.output {
        None if args.shown.stat || args.shown.text => with_contents(app, home, args)?,
        None => home.changes(app, args, &mut |app, change| {
            show(&mut app.out, app.global.json, &change, &args.shown).map(|()| true)
        })?,
        Some(output) => {
            let report = render::patch(&home.patch(app, args, output)?);
            output::report(app, output, &report)?;
        }
    }
    Ok(exit::DONE)
}

/// Lists changes with what they are in the bytes of files.
fn with_contents(app: &mut App, home: &dyn Home, args: &Diff) -> Attempt<()> {
    let (from, to) = args.between()?;
    let (_, reading) = home.reading(app, &[], &At::default(), &args.with)?;
    let named = |name: &str| -> Attempt<String> {
        let root = Location { version: Some(name.to_owned()), path: DbPath::root() };
        Ok(reading.look(&root)?.version.to_string())
    };
    // By their hashes: a name may be given to another version meanwhile.
    let (from, to) = (named(from)?, named(to)?);
    let versions = vec![from.clone(), to.clone()];
    let ends = Ends { reading: &*reading, from, to };
    let changes = Diff {
        versions,
        path: args.path.clone(),
        with: With { patches: args.with.patches.clone() },
        ..Diff::default()
    };
    let mut total = Total::default();
    home.changes(app, &changes, &mut |app, change| {
        let said = ends.compare(&change).map_err(|failure| failure.error)?;
        match args.shown.text {
            true => contents::show(&mut app.out, &change, &said)?,
            false => contents::count(&mut app.out, app.global.json, &change, &said, &mut total)?,
        }
        Ok(true)
    })?;
    if args.shown.stat && !app.global.json {
        app.out.line(&total.line())?;
    }
    Ok(())
}

/// Lists what a directory of this machine has otherwise than a version.
fn local(app: &mut App, home: &dyn Home, args: &Diff, directory: &Path) -> Outcome {
    let at = At { at: Some(args.one()?.to_owned()) };
    let place = args.path.clone().unwrap_or_else(|| "/".into());
    let trees = home.trees(app, &[place], &at, &args.with, Into::Comparison)?;
    let wanted = Wanted { keep: args.keep.options(), ..Wanted::default() };
    let (checksum, patterns) = (args.checksum, args.select.patterns()?);
    let options = GetOptions { checksum, patterns, wanted, ..GetOptions::default() };
    let (json, name_only) = (app.global.json, args.shown.name_only);
    get::open_more_files();
    app.watched(|out, monitor| {
        let mut each = |foreseen| get::show(out, json, name_only, &foreseen);
        trees.parts.iter().try_for_each(|part| {
            files::compare(part, directory, &options, monitor, &mut each).about(Subject::Local)
        })
    })?;
    Ok(exit::DONE)
}

/// One change.
pub fn show(out: &mut Out, json: bool, change: &Change, shown: &Shown) -> Result<()> {
    if json {
        return out.json(change);
    }
    if shown.name_only {
        out.name(&change.path()?)?;
        return out.end();
    }
    line(out, change, shown.long)
}

/// A letter, a space and the path; what differs stands behind a tab.
fn line(out: &mut Out, change: &Change, long: bool) -> Result<()> {
    names(out, change)?;
    if long && !change.differs.is_empty() {
        out.between_names()?;
        out.bytes(change.differs.join(", ").as_bytes())?;
    }
    out.end()
}

/// A letter, a space and the path; a rename has the old path, a tab and the new one.
fn names(out: &mut Out, change: &Change) -> Result<()> {
    out.bytes(letter(change.change))?;
    if let Some(from) = change.old_path()? {
        out.name(&from)?;
        out.between_names()?;
    }
    out.name(&change.path()?)
}

/// What a line of a change begins with.
pub fn letter(change: ChangeKind) -> &'static [u8] {
    match change {
        ChangeKind::Added => b"A ",
        ChangeKind::Modified => b"M ",
        ChangeKind::Deleted => b"D ",
        ChangeKind::Renamed => b"R ",
    }
}
