//! `ls [PATH]`

use std::os::unix::ffi::OsStrExt;
use std::slice;

use aeordb::Result;
use aeordb::object::{Item, Path};
use aeordb_server::json;
use serde_json::Value;

use crate::app::{App, Outcome};
use crate::args::Ls;
use crate::exit::{self, About, Subject};
use crate::out::Out;
use crate::view::View;

pub fn run(app: &mut App, args: &Ls) -> Outcome {
    let (opened, places) = app.open_for(slice::from_ref(&args.path), &args.at, &args.with)?;
    let Some(location) = places.first() else { return Ok(exit::DONE) };
    let (version, item) = opened.item(location, args.at.at.as_deref())?;
    let lister = Lister::new(app, args);
    let (reader, path) = (&opened.reader, &location.path);
    let limit = args.limit.unwrap_or(usize::MAX);
    let after = args.after.as_ref().map(|name| name.as_bytes());
    if !matches!(item, Item::Directory(_)) {
        lister.show(&mut app.out, path.as_bytes(), path, &item)?;
    } else if args.recursive {
        for found in reader.walk(&version, path).about(Subject::Database)?.take(limit) {
            let (path, item) = found.about(Subject::Database)?;
            lister.show(&mut app.out, path.as_bytes(), &path, &item)?;
        }
    } else {
        for found in reader.list(&version, path, after).about(Subject::Database)?.take(limit) {
            let (name, item) = found.about(Subject::Database)?;
            let path = path.join(&name)?;
            lister.show(&mut app.out, name.as_bytes(), &path, &item)?;
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
    pub fn show(&self, out: &mut Out, shown: &[u8], path: &Path, item: &Item) -> Result<()> {
        if self.json {
            let mut object = json::named("path", path.as_bytes());
            json::insert_name(&mut object, "name", path.name().unwrap_or_default());
            json::insert_item(&mut object, item);
            return out.json(&Value::Object(object));
        }
        let view = View::of(item);
        if self.long {
            out.bytes(view.columns(self.human).as_bytes())?;
        }
        out.name(shown)?;
        if let Some(target) = view.target.filter(|_| self.long) {
            out.bytes(b" -> ")?;
            out.name(target)?;
        }
        out.end()
    }
}
