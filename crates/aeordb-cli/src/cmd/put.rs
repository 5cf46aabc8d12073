//! `put LOCAL... PATH`

use aeordb::Error;
use aeordb::files::{self, PutOptions, Source};

use crate::app::{App, Outcome, cache_directory};
use crate::args::Put;
use crate::exit::{self, About, Subject};
use crate::interrupt::Stdin;
use crate::location;
use crate::output::is_standard;
use crate::render;

pub fn run(app: &mut App, args: Put) -> Outcome {
    let target = location::target(&args.path)?;
    check(&args)?;
    let options = PutOptions {
        mirror: args.mirror,
        rehash: args.rehash,
        content_type: args.content_type,
        cache: cache_directory(),
        identity: None,
    };
    let database = app.open_or_create()?;
    let report = app.watched(|_, watch| {
        let mut sources = Vec::with_capacity(args.locals.len());
        for local in args.locals {
            sources.push(match is_standard(&local) {
                true => Source::Stream(Box::new(Stdin::open(watch)?)),
                false => Source::Path(local),
            });
        }
        files::put(&database, sources, &target.path, target.is_directory, &options, watch)
            .about(Subject::Local)
    })?;
    database.close().about(Subject::Database)?;
    app.report(&render::put(&report))?;
    Ok(if report.unreadable > 0 { exit::UNREADABLE } else { exit::DONE })
}

/// What can be said of the arguments before anything is opened.
fn check(args: &Put) -> aeordb::Result<()> {
    let streams = args.locals.iter().filter(|local| is_standard(local)).count();
    if streams > 1 {
        return Err(Error::invalid("standard input can be put only once"));
    }
    if args.mirror && (args.locals.len() > 1 || streams > 0) {
        return Err(Error::invalid("--mirror takes exactly one LOCAL, a directory"));
    }
    Ok(())
}
