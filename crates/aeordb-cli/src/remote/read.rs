//! Looking through a server: `cat`, `ls`, `stat` and `du`.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use aeordb::object::Item;
use aeordb_server::percent_encoded;
use ureq::http::Method;

use super::client::{self, Client, Payload};
use super::parse;
use super::place::Place;
use crate::app::{App, Outcome};
use crate::args::{Du, Ls, Stat};
use crate::cmd;
use crate::exit::{self, About, Subject};

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
    let lister = cmd::ls::Lister::new(app, args);
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
    app.out.null_terminated(args.null.null);
    let style = cmd::du::Style { json: app.global.json, human: args.human.human_readable };
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
