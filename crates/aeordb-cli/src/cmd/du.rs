//! `du [PATH]...`

use aeordb::Result;
use aeordb::object::Path;
use aeordb_api::command::Usage;
use aeordb_api::item::{Item, PathEntry};

use crate::app::{App, Outcome};
use crate::args::Du;
use crate::exit;
use crate::home::Home;
use crate::out::Out;
use crate::text;

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
