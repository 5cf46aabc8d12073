//! Looking through a server: `cat`, `ls`, `stat` and `du`.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use aeordb_api::item::Kind;
use aeordb_api::parameter::{NameBytes, Token};
use aeordb_api::table::ReadFiles;

use super::client::{self, Client, Payload};
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
    with: Option<&Token>,
) -> Outcome {
    let mut places = Vec::with_capacity(paths.len());
    for path in paths {
        let place = Place::new(path, at, with)?;
        let item = place.look(client)?.entry.item;
        match item.kind {
            Kind::File => places.push(place),
            _ => return Err(cmd::cat::not_a_file(&place.path, &item)?.into()),
        }
    }
    app.watched(|out, watch| {
        for place in places {
            let query = place.query.clone();
            let reply = client.open::<ReadFiles>(&place.bytes(), &query, &[], Payload::Empty);
            client::copy(reply.about(Subject::Path)?, out.data(), watch)?;
        }
        Ok(exit::DONE)
    })
}

pub fn ls(app: &mut App, client: &Client, args: &Ls, with: Option<&Token>) -> Outcome {
    let place = Place::new(&args.path, args.at.at.as_deref(), with)?;
    let item = place.look(client)?.entry.item;
    let lister = cmd::ls::Lister::new(app, args);
    if !item.is_directory() {
        lister.show(&mut app.out, place.path.as_bytes(), &place.path, item)?;
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
        let after = args.after.as_ref().map(|name| NameBytes(name.as_bytes().to_vec()));
        place.list(client, after, left, |path, item| {
            lister.show(out, path.name().unwrap_or_default(), path, item)?;
            left -= 1;
            Ok(left > 0)
        })?;
    }
    Ok(exit::DONE)
}

pub fn stat(app: &mut App, client: &Client, args: &Stat, with: Option<&Token>) -> Outcome {
    for path in &args.paths {
        let place = Place::new(path, args.at.at.as_deref(), with)?;
        cmd::stat::show(app, &place.path, &place.look(client)?)?;
    }
    Ok(exit::DONE)
}

pub fn du(app: &mut App, client: &Client, args: &Du, with: Option<&Token>) -> Outcome {
    app.out.null_terminated(args.null.null);
    let style = cmd::du::Style { json: app.global.json, human: args.human.human_readable };
    for path in &args.paths {
        let place = Place::new(path, args.at.at.as_deref(), with)?;
        let item = place.look(client)?.entry.item;
        if item.is_directory() && !args.summarize {
            place.list(client, None, usize::MAX, |path, item| {
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
