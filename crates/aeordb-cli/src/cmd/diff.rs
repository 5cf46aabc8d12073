//! `diff V1 [V2] [--output F]`

use aeordb::{Error, Result};
use aeordb_api::versions::{Change, ChangeKind};

use crate::app::{App, Outcome};
use crate::args::Diff;
use crate::exit;
use crate::home::Home;
use crate::out::Out;
use crate::output;
use crate::render;

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
