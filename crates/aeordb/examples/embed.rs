//! Keeps versions of a directory in a program of one's own: each call puts what is there, says what
//! changed since the call before, and names the version.
//!
//! ```text
//! cargo run --example embed -- notes notes.aeordb monday
//! ```

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program of the terminal")]

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Read;
use std::path::Path as LocalPath;

use aeordb::backup::{self, Change};
use aeordb::files::{self, PutOptions};
use aeordb::{Database, Monitor, Options};

/// Puts `directory` as the whole of HEAD, names the version, and gives a line for each path that
/// changed.
pub fn keep(
    directory: &LocalPath,
    database: &LocalPath,
    name: &str,
) -> Result<Vec<String>, Box<dyn Error>> {
    let monitor = Monitor::new();
    let database = Database::open_or_create(database, &Options::default())?;
    // What the directory has no more goes from the database, too.
    let options = PutOptions { mirror: true, ..PutOptions::default() };
    let put = files::put(&database, [directory], "/", false, &options, &monitor)?;
    database.create_snapshot(name, &put.version, BTreeMap::new())?;
    for warning in monitor.take_warnings() {
        eprintln!("{warning}");
    }

    let reader = database.reader()?;
    let mut said = Vec::new();
    backup::changes(&reader, &put.previous, &put.version, &mut |change| {
        let sign = match &change {
            Change::Added { .. } => '+',
            Change::Deleted { .. } => '-',
            Change::Modified { .. } | Change::Renamed { .. } => '~',
        };
        said.push(format!("{sign} {}", change.path()));
        Ok(())
    })?;
    drop(reader);
    database.close()?;
    Ok(said)
}

/// The first `len` bytes of a file, as they were in the version of that name.
pub fn read(
    database: &LocalPath,
    name: &str,
    path: &str,
    len: u64,
) -> Result<Vec<u8>, Box<dyn Error>> {
    let reader = Database::open(database, &Options::default())?.reader()?;
    let mut bytes = Vec::new();
    reader.open(&reader.resolve(name)?, path)?.take(len).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [directory, database, name] = arguments.as_slice() else {
        return Err("usage: embed DIRECTORY DATABASE NAME".into());
    };
    for line in keep(directory.as_ref(), database.as_ref(), name)? {
        println!("{line}");
    }
    Ok(())
}
