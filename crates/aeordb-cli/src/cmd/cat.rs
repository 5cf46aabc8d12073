//! `cat PATH...`

use std::ffi::OsString;

use aeordb::object::Path;
use aeordb::{Error, Result};
use aeordb_api::item::{Item, Kind};
use clap::Args;

use crate::app::{App, Outcome};
use crate::args::{At, With};
use crate::exit;
use crate::home::Home;
use crate::text;

const HELP: &str = "\
All paths are looked up before the first byte is written.

Examples:
  aeordb cat /documents/notes.txt
  aeordb cat v1:/documents/notes.txt | diff - notes.txt
  aeordb cat /logs/1.gz /logs/2.gz > logs.gz";

/// Write the bytes of files to standard output
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub struct Cat {
    /// The files: PATH or VERSION:PATH
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<OsString>,
    #[command(flatten)]
    pub at: At,
    #[command(flatten)]
    pub with: With,
}

pub fn run(app: &mut App, home: &dyn Home, paths: &[OsString], at: &At, with: &With) -> Outcome {
    let (places, reading) = home.reading(app, paths, at, with)?;
    for place in &places {
        let item = reading.look(place)?.entry.item;
        if item.kind != Kind::File {
            return Err(not_a_file(&place.path, &item)?.into());
        }
    }
    reading.print(app, &places)?;
    Ok(exit::DONE)
}

/// What is no file has no bytes to show.
fn not_a_file(path: &Path, item: &Item) -> Result<Error> {
    let path = text::printable_name(path.as_bytes());
    Ok(Error::invalid(match item.target()? {
        Some(target) => {
            format!("{path} is a symbolic link to {}", text::printable_name(&target))
        }
        None => format!("{path} is a {}, not a file", item.kind.name()),
    }))
}
