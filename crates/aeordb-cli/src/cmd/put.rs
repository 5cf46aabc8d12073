//! `put LOCAL... PATH`

use std::sync::Arc;

use aeordb::Error;
use aeordb::db::Database;
use aeordb::files::{self, PutOptions, PutReport, Source};
use aeordb::watch::Watch;

use crate::app::{App, Outcome, cache_directory};
use crate::args::Put;
use crate::exit::{self, About, Attempt, Subject};
use crate::interrupt::Stdin;
use crate::location::{Target, target};
use crate::output::is_standard;
use crate::render;

pub fn run(app: &mut App, args: &Put) -> Outcome {
    let target = target(&args.path)?;
    check(args)?;
    let database = app.open_or_create()?;
    let report = app.watched(|_, watch| load(args, &target, &database, None, watch))?;
    database.close().about(Subject::Database)?;
    ended(app, &report)
}

/// Puts what was named at `target`; the cache knows the database by `identity`, or by its file.
pub fn load(
    args: &Put,
    target: &Target,
    database: &Database,
    identity: Option<String>,
    watch: &Arc<Watch>,
) -> Attempt<PutReport> {
    let options = PutOptions {
        mirror: args.mirror,
        rehash: args.rehash,
        content_type: args.content_type.clone(),
        cache: cache_directory(),
        identity,
    };
    let mut sources = Vec::with_capacity(args.locals.len());
    for local in &args.locals {
        sources.push(match is_standard(local) {
            true => Source::Stream(Box::new(Stdin::open(watch)?)),
            false => Source::Path(local.clone()),
        });
    }
    files::put(database, sources, &target.path, target.is_directory, &options, watch)
        .about(Subject::Local)
}

/// Says what was put, and how the program ends.
pub fn ended(app: &mut App, report: &PutReport) -> Outcome {
    app.report(&render::put(report))?;
    Ok(if report.unreadable > 0 { exit::UNREADABLE } else { exit::DONE })
}

/// What can be said of the arguments before anything is opened.
pub fn check(args: &Put) -> aeordb::Result<()> {
    let streams = args.locals.iter().filter(|local| is_standard(local)).count();
    if streams > 1 {
        return Err(Error::invalid("standard input can be put only once"));
    }
    if args.mirror && (args.locals.len() > 1 || streams > 0) {
        return Err(Error::invalid("--mirror takes exactly one LOCAL, a directory"));
    }
    Ok(())
}
