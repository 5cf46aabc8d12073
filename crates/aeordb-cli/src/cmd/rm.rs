//! `rm PATH...`

use aeordb::Error;
use aeordb::object::{Item, Path};
use aeordb_api::item::{Item as Shown, PathEntry};

use crate::app::{App, Opened, Outcome, item};
use crate::args::Rm;
use crate::exit::{self, About, Attempt, Subject};
use crate::location;
use crate::out::Out;
use crate::render;
use crate::text;

pub fn run(app: &mut App, args: &Rm) -> Outcome {
    app.out.null_terminated(args.null.null);
    let mut paths = Vec::with_capacity(args.paths.len());
    for path in &args.paths {
        paths.push(location::target(path)?.path);
    }
    if args.dry_run {
        let opened = app.open()?;
        let json = app.global.json;
        for path in &paths {
            list(&mut app.out, &opened, path, args.recursive, json)?;
        }
        return Ok(exit::DONE);
    }
    let database = app.open_writer()?;
    let report = database.remove(&paths, args.recursive).about(Subject::Path)?;
    database.close().about(Subject::Database)?;
    app.report(&render::edit("Removed.", &(&report).into()))?;
    Ok(exit::DONE)
}

/// Lists what would be removed at and below `path`, as `diff` would list it afterwards.
fn list(
    out: &mut Out,
    opened: &Opened,
    path: &Path,
    recursive: bool,
    as_json: bool,
) -> Attempt<()> {
    let head = opened.reader.head();
    let found = item(&opened.reader, &head, path)?;
    if let Item::Directory(_) = &found {
        if !recursive {
            return Err(is_directory(path).into());
        }
        for below in opened.reader.walk(&head, path).about(Subject::Database)? {
            let (path, item) = below.about(Subject::Database)?;
            show(out, &path, (&item).into(), as_json)?;
        }
    }
    Ok(show(out, path, (&found).into(), as_json)?)
}

/// A directory is removed with everything in it, or not at all.
pub fn is_directory(path: &Path) -> Error {
    let path = text::printable_name(path.as_bytes());
    Error::invalid(format!("{path} is a directory, -r removes it"))
}

/// One line of what would be removed.
pub fn show(out: &mut Out, path: &Path, item: Shown, as_json: bool) -> aeordb::Result<()> {
    if as_json {
        return out.json(&PathEntry::new(path.as_bytes(), item));
    }
    out.bytes(b"D ")?;
    out.name(path.as_bytes())?;
    out.end()
}
