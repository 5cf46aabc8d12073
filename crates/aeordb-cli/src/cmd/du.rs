//! `du [PATH]...`

use std::ffi::OsString;

use aeordb::Result;
use aeordb::object::Path;
use aeordb_api::command::Usage;
use aeordb_api::item::{Item, PathEntry};
use clap::Args;

use crate::app::{App, Outcome};
use crate::args::{At, Human, Null, With};
use crate::exit;
use crate::home::Home;
use crate::out::Out;
use crate::text;

const HELP: &str = "\
Sizes are the bytes of the files as they were put, not what they take in the database.

Examples:
  aeordb du
  aeordb du -sh /documents /photos
  aeordb du --at v1 -a /documents";

/// Show how large directories are
#[derive(Args, Debug)]
#[command(after_help = HELP, disable_help_flag = true)]
pub struct Du {
    /// The directories: PATH or VERSION:PATH
    #[arg(value_name = "PATH", default_value = "/")]
    pub paths: Vec<OsString>,
    #[command(flatten)]
    pub at: At,
    #[command(flatten)]
    pub with: With,
    /// Only the sum of each PATH, not of the directories in it
    #[arg(long, short, conflicts_with = "all")]
    pub summarize: bool,
    /// Also the files directly in each PATH
    #[arg(long, short)]
    pub all: bool,
    #[command(flatten)]
    pub human: Human,
    #[command(flatten)]
    pub null: Null,
}

pub fn run(app: &mut App, home: &dyn Home, args: &Du) -> Outcome {
    let (places, reading) = home.reading(app, &args.paths, &args.at, &args.with)?;
    app.out.null_terminated(args.null.null);
    let style = Style { json: app.global.json, human: args.human.human_readable };
    for place in &places {
        let item = reading.look(place)?.entry.item;
        if item.is_directory() && !args.summarize {
            reading.list(place, None, usize::MAX, &mut |path, item| {
                if args.all || item.is_directory() {
                    style.show(&mut app.out, path, item)?;
                }
                Ok(true)
            })?;
        }
        style.show(&mut app.out, &place.path, item)?;
    }
    Ok(exit::DONE)
}

/// How sizes are shown.
struct Style {
    json: bool,
    human: bool,
}

impl Style {
    /// One line: the size, a tab, the path.
    fn show(&self, out: &mut Out, path: &Path, item: Item) -> Result<()> {
        if self.json {
            return out.json(&Usage::from(PathEntry::new(path.as_bytes(), item)));
        }
        let size = if self.human { text::size(item.size) } else { item.size.to_string() };
        out.bytes(size.as_bytes())?;
        out.bytes(b"\t")?;
        out.name(path.as_bytes())?;
        out.end()
    }
}
