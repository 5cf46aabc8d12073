//! `ls [PATH]`

use std::os::unix::ffi::OsStrExt;
use std::slice;

use aeordb::Result;
use aeordb::object::{Item, Path};
use aeordb_api::command::Listed;
use aeordb_api::item::Item as Shown;

use crate::app::{App, Outcome};
use crate::args::Ls;
use crate::exit::{self, About, Subject};
use crate::out::Out;
use crate::text;

pub fn run(app: &mut App, args: &Ls) -> Outcome {
    let (opened, places) = app.open_for(slice::from_ref(&args.path), &args.at, &args.with)?;
    let Some(location) = places.first() else { return Ok(exit::DONE) };
    let (version, item) = opened.item(location, args.at.at.as_deref())?;
    let lister = Lister::new(app, args);
    let (reader, path) = (&opened.reader, &location.path);
    let limit = args.limit.unwrap_or(usize::MAX);
    let after = args.after.as_ref().map(|name| name.as_bytes());
    if !matches!(item, Item::Directory(_)) {
        lister.show(&mut app.out, path.as_bytes(), path, (&item).into())?;
    } else if args.recursive {
        for found in reader.walk(&version, path).about(Subject::Database)?.take(limit) {
            let (path, item) = found.about(Subject::Database)?;
            lister.show(&mut app.out, path.as_bytes(), &path, (&item).into())?;
        }
    } else {
        for found in reader.list(&version, path, after).about(Subject::Database)?.take(limit) {
            let (name, item) = found.about(Subject::Database)?;
            let path = path.join(&name)?;
            lister.show(&mut app.out, name.as_bytes(), &path, (&item).into())?;
        }
    }
    Ok(exit::DONE)
}

/// Shows what is listed.
pub struct Lister {
    long: bool,
    human: bool,
    json: bool,
}

impl Lister {
    /// What was asked for.
    pub fn new(app: &mut App, args: &Ls) -> Self {
        app.out.null_terminated(args.null.null);
        Lister { long: args.long, human: args.human.human_readable, json: app.global.json }
    }

    /// One line; `shown` is what stands for `path` in it.
    pub fn show(&self, out: &mut Out, shown: &[u8], path: &Path, item: Shown) -> Result<()> {
        if self.json {
            let name = path.name().unwrap_or_default();
            return out.json(&Listed::new(path.as_bytes(), name, item));
        }
        if self.long {
            out.bytes(columns(&item, self.human).as_bytes())?;
        }
        out.name(shown)?;
        if let Some(target) = item.target()?.filter(|_| self.long) {
            out.bytes(b" -> ")?;
            out.name(&target)?;
        }
        out.end()
    }
}

/// The columns of a long listing, before the name.
fn columns(item: &Shown, human: bool) -> String {
    let kind = item.kind.name();
    format!(
        "{kind:<9}  {:<10}  {:>12}  {}  {:<24}  ",
        text::mode(kind, item.mode.map(|mode| mode.0)),
        if human { text::size(item.size) } else { item.size.to_string() },
        item.modified.map_or_else(|| format!("{:<20}", "-"), |time| text::time(time.0)),
        item.content_type.as_deref().map_or_else(|| "-".to_owned(), text::printable),
    )
}
