//! `ls [PATH]`

use std::cmp::Reverse;
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

Owner and group are names, or numbers where the system that was put had no names. A + behind the mode \
says that there is an access control list; a device has its two numbers where others have a size.

Examples:
  aeordb ls /documents
  aeordb ls -l v1:/documents
  aeordb ls -lt /logs                what changed last comes first
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
    /// Also kind, mode, owner, group, size, time and content type
    #[arg(long, short)]
    pub long: bool,
    /// Sort by time, newest first
    #[arg(short = 't', long, conflicts_with = "after")]
    pub time: bool,
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
    let (out, most) = (&mut app.out, args.limit.unwrap_or(usize::MAX));
    let limit = if args.time { usize::MAX } else { most };
    let mut held = Vec::new();
    let mut show = |shown: &[u8], path: &Path, item: Item| {
        match args.time {
            true => held.push((shown.to_vec(), path.clone(), item)),
            false => lister.show(out, shown, path, item)?,
        }
        Ok(true)
    };
    if !item.is_directory() {
        show(path.as_bytes(), path, item)?;
    } else if args.recursive {
        reading.walk(place, limit, &mut |path, item| show(path.as_bytes(), path, item))?;
    } else {
        let after = args.after.as_ref().map(|name| name.as_bytes());
        reading.list(place, after, limit, &mut |path, item| {
            show(path.name().unwrap_or_default(), path, item)
        })?;
    }
    // Those of one time stay in the order of names.
    held.sort_by_key(|(_, _, item)| Reverse(item.modified));
    for (shown, path, item) in held.into_iter().take(most) {
        lister.show(&mut app.out, &shown, &path, item)?;
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
    let mode = text::mode(kind, item.mode.map(|mode| mode.0));
    let list = if item.has_list() { "+" } else { "" };
    let size = match (item.major, item.minor) {
        (Some(major), Some(minor)) => format!("{major}, {minor}"),
        _ if human => text::size(item.size),
        _ => item.size.to_string(),
    };
    format!(
        "{kind:<9}  {:<11}  {:<8}  {:<8}  {size:>12}  {}  {:<24}  ",
        mode + list,
        owner(item.user.as_deref(), item.uid, item),
        owner(item.group.as_deref(), item.gid, item),
        item.modified.map_or_else(|| format!("{:<20}", "-"), |time| text::time(time.0)),
        item.content_type.as_deref().map_or_else(|| "-".to_owned(), text::printable),
    )
}

/// A user or a group: the name, the number if there is none, `?` if that cannot be read.
fn owner(name: Option<&str>, number: Option<u32>, item: &Item) -> String {
    let name = name.map(|name| text::printable_name(name.as_bytes()));
    let unknown = if item.unread.is_some() { "?" } else { "-" };
    name.or_else(|| number.map(|number| number.to_string())).unwrap_or_else(|| unknown.to_owned())
}
