//! `cat PATH...`

use std::ffi::OsString;

use aeordb::object::{Item, Path};
use aeordb::{Error, Result};
use aeordb_api::item::Item as Shown;

use crate::app::{App, Outcome};
use crate::args::{At, With};
use crate::exit::{self, About, Subject};
use crate::text;

pub fn run(app: &mut App, paths: &[OsString], at: &At, with: &With) -> Outcome {
    let (opened, places) = app.open_for(paths, at, with)?;
    let mut files = Vec::with_capacity(places.len());
    for location in places {
        let (_, item) = opened.item(&location, at.at.as_deref())?;
        let file = match &item {
            Item::File(record) => opened.reader.file(record),
            other => return Err(not_a_file(&location.path, &other.into())?.into()),
        };
        files.push(file);
    }
    for mut file in files {
        loop {
            let bytes = file.next_bytes().about(Subject::Database)?;
            if bytes.is_empty() {
                break;
            }
            app.out.bytes(&bytes)?;
        }
    }
    Ok(exit::DONE)
}

/// What is no file has no bytes to show.
pub fn not_a_file(path: &Path, item: &Shown) -> Result<Error> {
    let path = text::printable_name(path.as_bytes());
    Ok(Error::invalid(match item.target()? {
        Some(target) => {
            format!("{path} is a symbolic link to {}", text::printable_name(&target))
        }
        None => format!("{path} is a directory, not a file"),
    }))
}
