//! `rm PATH...`

use std::ffi::OsString;

use aeordb::Error;
use aeordb::object::Path;
use aeordb_api::item::{Item, PathEntry};
use clap::Args;

use crate::app::{App, Outcome};
use crate::args::{At, Null, With};
use crate::exit::{self, Attempt};
use crate::home::Home;
use crate::location;
use crate::out::Out;
use crate::render;
use crate::text;

const HELP: &str = "\
Earlier versions keep what is removed; `aeordb gc` gives space back once no kept version needs it.

Examples:
  aeordb rm /documents/draft.txt
  aeordb rm -r /old /older
  aeordb rm -r --dry-run /old        only lists what would go";

/// Remove files and directories from HEAD
#[derive(Args, Debug)]
#[command(after_help = HELP)]
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

pub fn run(app: &mut App, home: &dyn Home, args: &Rm) -> Outcome {
    app.out.null_terminated(args.null.null);
    let mut paths = Vec::with_capacity(args.paths.len());
    for path in &args.paths {
        paths.push(location::target(path)?.path);
    }
    if args.dry_run {
        list(app, home, &args.paths, args.recursive)?;
        return Ok(exit::DONE);
    }
    let report = home.remove(app, &paths, args.recursive)?;
    app.report(&render::edit("Removed.", &report))?;
    Ok(exit::DONE)
}

/// Lists what would be removed at and below paths, as `diff` would list it afterwards.
fn list(app: &mut App, home: &dyn Home, paths: &[OsString], recursive: bool) -> Attempt<()> {
    let as_json = app.global.json;
    let (places, reading) = home.reading(app, paths, &At::default(), &With::default())?;
    for place in &places {
        let found = reading.look(place)?.entry.item;
        if found.is_directory() {
            if !recursive {
                let path = text::printable_name(place.path.as_bytes());
                let why = format!("{path} is a directory, -r removes it");
                return Err(Error::invalid(why).into());
            }
            reading.walk(place, usize::MAX, &mut |path, item| {
                show(&mut app.out, path, item, as_json).map(|()| true)
            })?;
        }
        show(&mut app.out, &place.path, found, as_json)?;
    }
    Ok(())
}

/// One line of what would be removed.
fn show(out: &mut Out, path: &Path, item: Item, as_json: bool) -> aeordb::Result<()> {
    if as_json {
        return out.json(&PathEntry::new(path.as_bytes(), item));
    }
    out.bytes(b"D ")?;
    out.name(path.as_bytes())?;
    out.end()
}
