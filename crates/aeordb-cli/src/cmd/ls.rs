//! `ls [PATH]`

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::slice;

use aeordb::Result;
use aeordb::object::Path;
use aeordb_api::command::Listed;
use aeordb_api::item::Item;
use clap::Args;

use crate::app::{App, Outcome};
use crate::args::{At, Human, Null, With};
use crate::exit;
use crate::home::Home;
use crate::out::Out;
use crate::text;

const HELP: &str = "\
A name with control characters stands in double quotes with the escapes of C, so that every line is \
one name; -z gives names as they are.

Examples:
  aeordb ls /documents
  aeordb ls -l v1:/documents
  aeordb ls -r                       everything, with absolute paths
  aeordb ls --limit 100 /photos      a page of a large directory
  aeordb ls --limit 100 --after img-0099.jpg /photos     and the next one
  aeordb ls -r --json | jq .size";

/// List a directory
#[derive(Args, Debug)]
#[command(after_help = HELP, disable_help_flag = true)]
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

pub fn run(app: &mut App, home: &dyn Home, args: &Ls) -> Outcome {
    let places = slice::from_ref(&args.path);
    let (places, reading) = home.reading(app, places, &args.at, &args.with)?;
    let Some(place) = places.first() else { return Ok(exit::DONE) };
    let item = reading.look(place)?.entry.item;
    let (lister, path) = (Lister::new(app, args), &place.path);
    let (out, limit) = (&mut app.out, args.limit.unwrap_or(usize::MAX));
    if !item.is_directory() {
        lister.show(out, path.as_bytes(), path, item)?;
    } else if args.recursive {
        reading.walk(place, limit, &mut |path, item| {
            lister.show(out, path.as_bytes(), path, item).map(|()| true)
        })?;
    } else {
        let after = args.after.as_ref().map(|name| name.as_bytes());
        reading.list(place, after, limit, &mut |path, item| {
            lister.show(out, path.name().unwrap_or_default(), path, item).map(|()| true)
        })?;
    }
    Ok(exit::DONE)
}

/// Shows what is listed.
struct Lister {
    long: bool,
    human: bool,
    json: bool,
}

impl Lister {
    /// What was asked for.
    fn new(app: &mut App, args: &Ls) -> Self {
        app.out.null_terminated(args.null.null);
        Lister { long: args.long, human: args.human.human_readable, json: app.global.json }
    }

    /// One line; `shown` is what stands for `path` in it.
    fn show(&self, out: &mut Out, shown: &[u8], path: &Path, item: Item) -> Result<()> {
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
fn columns(item: &Item, human: bool) -> String {
    let kind = item.kind.name();
    format!(
        "{kind:<9}  {:<10}  {:>12}  {}  {:<24}  ",
        text::mode(kind, item.mode.map(|mode| mode.0)),
        if human { text::size(item.size) } else { item.size.to_string() },
        item.modified.map_or_else(|| format!("{:<20}", "-"), |time| text::time(time.0)),
        item.content_type.as_deref().map_or_else(|| "-".to_owned(), text::printable),
    )
}
