//! Verbs through a server: the same arguments, reports and exit codes as on a file.

mod client;
mod fetch;
mod files;
mod import;
mod jobs;
pub mod parse;
mod place;
mod read;
mod versions;

pub use client::{Client, Payload, encoded};
pub use ureq::http::Method;

use std::path::PathBuf;

use aeordb::Error;
use aeordb::backup;

use crate::app::{App, Outcome};
use crate::args::Verb;
use crate::exit::{About, Attempt, Subject};

/// Runs a verb through the server at `url`.
pub fn run(app: &mut App, url: &str, verb: Verb) -> Outcome {
    if !with(&verb).is_empty() {
        let verb = crate::cmd::name(&verb);
        let detail = format!("{verb} --with works on a file, not through --server");
        return Err(Error::invalid(detail).into());
    }
    let client = Client::new(url)?;
    match verb {
        Verb::Put(args) => files::put(app, &client, args),
        Verb::Get(args) => read::get(app, &client, &args),
        Verb::Ls(args) => read::ls(app, &client, &args),
        Verb::Cat(args) => read::cat(app, &client, &args.paths, args.at.at.as_deref()),
        Verb::Rm(args) => files::rm(app, &client, &args),
        Verb::Mv(args) => files::mv(app, &client, &args),
        Verb::Cp(args) => files::cp(app, &client, &args),
        Verb::Stat(args) => read::stat(app, &client, &args),
        Verb::Du(args) => read::du(app, &client, &args),
        Verb::Snapshot(args) => versions::snapshot(app, &client, args),
        Verb::Log(args) => versions::log(app, &client, &args),
        Verb::Export(args) => versions::export(app, &client, &args),
        Verb::Diff(args) => versions::diff(app, &client, &args),
        Verb::Import(args) => import::import(app, &client, args),
        Verb::Promote(args) => versions::promote(app, &client, &args),
        Verb::Info(args) => crate::cmd::info::show(app, args, |app| info(app, &client)),
        Verb::Verify(args) => jobs::verify(app, &client, &args),
        Verb::Gc(args) => jobs::gc(app, &client, &args),
        Verb::Key(args) => crate::cmd::key::through(app, &client, args),
        Verb::Combine(_) | Verb::Serve(_) | Verb::Completions(_) | Verb::Man(_) => {
            let verb = crate::cmd::name(&verb);
            Err(Error::invalid(format!("{verb} needs no server")).into())
        }
    }
}

/// Patches on top of what is read, which only a file can have.
fn with(verb: &Verb) -> &[PathBuf] {
    match verb {
        Verb::Get(args) => &args.with.patches,
        Verb::Ls(args) => &args.with.patches,
        Verb::Cat(args) => &args.with.patches,
        Verb::Stat(args) => &args.with.patches,
        Verb::Du(args) => &args.with.patches,
        Verb::Export(args) => &args.with.patches,
        Verb::Diff(args) => &args.with.patches,
        Verb::Verify(args) => &args.with,
        _ => &[],
    }
}

/// What the database of the server is, called by the URL of the server.
fn info(app: &App, client: &Client) -> Attempt<(PathBuf, backup::Info)> {
    let info = client.get("/admin/info").about(Subject::Database)?;
    let name = app.global.server.clone().unwrap_or_default();
    Ok((name.into(), parse::info(&info)?))
}
