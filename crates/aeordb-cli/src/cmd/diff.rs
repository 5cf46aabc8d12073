//! `diff V1 [V2] [--output F]`

use std::ffi::OsString;
use std::path::PathBuf;

use aeordb::{Error, Result};
use aeordb_api::versions::{Change, ChangeKind};
use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser};

use crate::app::{App, Outcome};
use crate::args::{Null, With, local_file};
use crate::exit;
use crate::home::Home;
use crate::out::Out;
use crate::output;
use crate::render;

const HELP: &str = "\
Without --output the changes are listed, one a line: A (added), M (modified), D (deleted) and the \
path, or R (renamed), the old path, a tab and the new path. With --output they become a patch \
that `aeordb import` applies wherever HEAD is the version it starts from.

With --path only what is at that path counts: the patch leads from that part of one version to that \
part of the other, as `aeordb export --path` gives them.

Examples:
  aeordb diff v1                                          what changed since v1
  aeordb diff v1..v2                                      as --from v1 --to v2
  aeordb diff --from v1 --to v2 --output patch-v1-v2.aeordb
  aeordb diff --from v1 --output - | ssh host aeordb import --file - --promote
  aeordb diff --from v1 --path /documents --output documents-patch.aeordb
  aeordb diff --from HEAD~1 -d full.aeordb --with p1.aeordb     what the patch changes";

/// List the changes between two versions, or write them to a patch file
#[derive(Args, Debug)]
#[command(after_help = HELP)]
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

impl Diff {
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
    match &args.output {
        None => home.changes(app, args, &mut |app, change| show(app, &change).map(|()| true))?,
        Some(output) => {
            let report = render::patch(&home.patch(app, args, output)?);
            output::report(app, output, &report)?;
        }
    }
    Ok(exit::DONE)
}

/// One change.
pub fn show(app: &mut App, change: &Change) -> Result<()> {
    match app.global.json {
        true => app.out.json(change),
        false => line(&mut app.out, change),
    }
}

/// A letter, a space and the path; a rename has the old path, a tab and the new one.
fn line(out: &mut Out, change: &Change) -> Result<()> {
    let letter = match change.change {
        ChangeKind::Added => "A ",
        ChangeKind::Modified => "M ",
        ChangeKind::Deleted => "D ",
        ChangeKind::Renamed => "R ",
    };
    out.bytes(letter.as_bytes())?;
    if let Some(from) = change.old_path()? {
        out.name(&from)?;
        out.between_names()?;
    }
    out.name(&change.path()?)?;
    out.end()
}
