//! Reading through a server: `get`, `cat`, `ls`, `stat` and `du`.

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use aeordb::db::{Database, Options};
use aeordb::files::{self, GetReport};
use aeordb::media::{FileMedia, Media};
use aeordb::object::Item;
use aeordb_server::percent_encoded;
use ureq::http::Method;

use super::client::{self, Client, Payload};
use super::parse;
use super::place::Place;
use crate::app::{App, Outcome};
use crate::args::{Du, Get, Ls, Stat};
use crate::cmd;
use crate::exit::{self, About, Attempt, Subject};
use crate::output::is_standard;

/// What is at the path comes as an export of it alone, so that it is restored, and proved, as out
/// of a file.
pub fn get(app: &mut App, client: &Client, args: &Get, with: &str) -> Outcome {
    let at = args.at.at.as_deref();
    if is_standard(&args.local) {
        return cat(app, client, std::slice::from_ref(&args.path), at, with);
    }
    let place = Place::new(&args.path, at, with)?;
    let (_, found) = place.look(client)?;
    let version = parse::version(&found, "version")?;
    let options = cmd::get::options(args);
    let report = app.watched(|_, watch| {
        let url = place.url("archive=aeordb");
        let reply = client.send(Method::GET, &url, &[], Payload::Empty).about(Subject::Path)?;
        let mut scratch = Scratch::new()?;
        client::copy(reply, &mut scratch, watch)?;
        let (media, name) = (scratch.media.clone(), scratch.media.path());
        let database = Database::open_media(media, name, &Options::default())?;
        let reader = database.reader()?;
        files::get(&reader, &reader.head(), &place.path, &args.local, &options, watch)
            .about(Subject::Local)
    })?;
    // What came is a version of its own.
    cmd::get::shown(app, &GetReport { version, ..report })
}

/// A file without a name that goes with whoever holds it.
struct Scratch {
    media: Arc<FileMedia>,
    len: u64,
}

impl Scratch {
    fn new() -> Attempt<Self> {
        let name = format!("aeordb-{}.aeordb", std::process::id());
        let media = FileMedia::create(std::env::temp_dir().join(name));
        Ok(Scratch { media: Arc::new(media.about(Subject::Local)?), len: 0 })
    }
}

impl Write for Scratch {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.media.write_at(bytes, self.len)?;
        self.len += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub fn cat(
    app: &mut App,
    client: &Client,
    paths: &[OsString],
    at: Option<&str>,
    with: &str,
) -> Outcome {
    let mut places = Vec::with_capacity(paths.len());
    for path in paths {
        let place = Place::new(path, at, with)?;
        match place.look(client)? {
            (Item::File(_), _) => places.push(place),
            (other, _) => return Err(cmd::cat::not_a_file(&place.path, &other).into()),
        }
    }
    app.watched(|out, watch| {
        for place in places {
            let reply = client.send(Method::GET, &place.url(""), &[], Payload::Empty);
            client::copy(reply.about(Subject::Path)?, out.data(), watch)?;
        }
        Ok(exit::DONE)
    })
}

pub fn ls(app: &mut App, client: &Client, args: &Ls, with: &str) -> Outcome {
    let place = Place::new(&args.path, args.at.at.as_deref(), with)?;
    let (item, _) = place.look(client)?;
    let lister = cmd::ls::Lister { long: args.long, json: app.global.json };
    if !matches!(item, Item::Directory(_)) {
        lister.show(&mut app.out, place.path.as_bytes(), &place.path, &item)?;
        return Ok(exit::DONE);
    }
    let mut left = args.limit.unwrap_or(usize::MAX);
    if left == 0 {
        return Ok(exit::DONE);
    }
    let out = &mut app.out;
    if args.recursive {
        place.walk(client, left, |path, item| {
            lister.show(out, path.as_bytes(), path, item)?;
            left -= 1;
            Ok(left > 0)
        })?;
    } else {
        let after = args.after.as_ref().map(|name| percent_encoded(name.as_bytes()));
        let after = after.map_or_else(String::new, |name| format!("&after={name}"));
        place.list(client, &after, left, |path, item| {
            lister.show(out, path.name().unwrap_or_default(), path, item)?;
            left -= 1;
            Ok(left > 0)
        })?;
    }
    Ok(exit::DONE)
}

pub fn stat(app: &mut App, client: &Client, args: &Stat, with: &str) -> Outcome {
    for path in &args.paths {
        let place = Place::new(path, args.at.at.as_deref(), with)?;
        let (item, found) = place.look(client)?;
        let version = parse::version(&found, "version")?;
        cmd::stat::show(app, &place.path, &version, &item)?;
    }
    Ok(exit::DONE)
}

pub fn du(app: &mut App, client: &Client, args: &Du, with: &str) -> Outcome {
    let style = cmd::du::Style { json: app.global.json, human: args.human_readable };
    for path in &args.paths {
        let place = Place::new(path, args.at.at.as_deref(), with)?;
        let (item, _) = place.look(client)?;
        if matches!(item, Item::Directory(_)) && !args.summarize {
            place.list(client, "", usize::MAX, |path, item| {
                if args.all || matches!(item, Item::Directory(_)) {
                    style.show(&mut app.out, path, item)?;
                }
                Ok(true)
            })?;
        }
        style.show(&mut app.out, &place.path, &item)?;
    }
    Ok(exit::DONE)
}
