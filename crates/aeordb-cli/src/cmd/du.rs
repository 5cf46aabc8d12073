//! `du [PATH]...`

use aeordb::Result;
use aeordb::object::{Item, Path};
use aeordb_api::command::Usage;
use aeordb_api::item::{Item as Shown, PathEntry};

use crate::app::{App, Outcome};
use crate::args::Du;
use crate::exit::{self, About, Subject};
use crate::out::Out;
use crate::text;

pub fn run(app: &mut App, args: &Du) -> Outcome {
    let (opened, places) = app.open_for(&args.paths, &args.at, &args.with)?;
    app.out.null_terminated(args.null.null);
    let style = Style { json: app.global.json, human: args.human.human_readable };
    for location in places {
        let (version, item) = opened.item(&location, args.at.at.as_deref())?;
        if matches!(item, Item::Directory(_)) && !args.summarize {
            let children = opened.reader.list(&version, &location.path, None);
            for child in children.about(Subject::Database)? {
                let (name, item) = child.about(Subject::Database)?;
                if args.all || matches!(item, Item::Directory(_)) {
                    let path = location.path.join(&name)?;
                    style.show(&mut app.out, &path, (&item).into())?;
                }
            }
        }
        style.show(&mut app.out, &location.path, (&item).into())?;
    }
    Ok(exit::DONE)
}

/// How sizes are shown.
pub struct Style {
    pub json: bool,
    pub human: bool,
}

impl Style {
    /// One line: the size, a tab, the path.
    pub fn show(&self, out: &mut Out, path: &Path, item: Shown) -> Result<()> {
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
