//! Verbs through a server: the same arguments, reports and exit codes as on a file.

mod client;
mod fetch;
mod files;
mod import;
mod jobs;
mod overlay;
mod place;
mod read;
#[cfg(test)]
mod tests;
mod trees;
mod versions;

pub use client::Client;

use std::path::PathBuf;

use aeordb::Error;
use aeordb::backup;
use aeordb_api::table::{GetInfo, NoQuery};

use self::overlay::Overlay;
use crate::app::{App, Outcome};
use crate::args::Verb;
use crate::exit::{About, Attempt, Subject};

/// Runs a verb through the server at `url`.
pub fn run(app: &mut App, url: &str, verb: Verb) -> Outcome {
    let client = Client::new(url)?;
    let overlay = Overlay::lay(app, &client, with(&verb))?;
    let with = overlay.parameter();
    match verb {
        Verb::Put(args) => trees::put(app, &client, &args),
        Verb::Get(args) => trees::get(app, &client, &args, with),
        Verb::Ls(args) => read::ls(app, &client, &args, with),
        Verb::Cat(args) => read::cat(app, &client, &args.paths, args.at.at.as_deref(), with),
        Verb::Rm(args) => files::rm(app, &client, &args),
        Verb::Mv(args) => files::mv(app, &client, &args),
        Verb::Cp(args) => files::cp(app, &client, &args),
        Verb::Stat(args) => read::stat(app, &client, &args, with),
        Verb::Du(args) => read::du(app, &client, &args, with),
        Verb::Snapshot(args) => versions::snapshot(app, &client, args),
        Verb::Log(args) => versions::log(app, &client, &args),
        Verb::Export(args) => versions::export(app, &client, &args, with),
        Verb::Diff(args) => versions::diff(app, &client, &args, with),
        Verb::Import(args) => import::import(app, &client, args),
        Verb::Promote(args) => versions::promote(app, &client, &args),
        Verb::Info(args) => crate::cmd::info::show(app, args, |app| info(app, &client)),
        Verb::Verify(args) => jobs::verify(app, &client, &args),
        Verb::Gc(args) => jobs::gc(app, &client, &args),
        Verb::Key(args) => crate::cmd::key::through(app, &client, args),
        Verb::Compact(_) => {
            let why = "compact puts another file in the place of the database: stop the server, \
                       then compact the file";
            Err(Error::invalid(why).into())
        }
        Verb::Salvage(_) => {
            let why = "salvage reads a file of this machine: name it with --database FILE";
            Err(Error::invalid(why).into())
        }
        Verb::Combine(_) | Verb::Serve(_) | Verb::Completions(_) | Verb::Man(_) => {
            let verb = crate::cmd::name(&verb);
            Err(Error::invalid(format!("{verb} needs no server")).into())
        }
    }
}

/// Patches on top of what is read.
fn with(verb: &Verb) -> &[PathBuf] {
    match verb {
        Verb::Get(args) => &args.with.patches,
        Verb::Ls(args) => &args.with.patches,
        Verb::Cat(args) => &args.with.patches,
        Verb::Stat(args) => &args.with.patches,
        Verb::Du(args) => &args.with.patches,
        Verb::Export(args) => &args.with.patches,
        Verb::Diff(args) => &args.with.patches,
        _ => &[],
    }
}

/// What the database of the server is, called by the URL of the server.
fn info(app: &App, client: &Client) -> Attempt<(PathBuf, backup::Info)> {
    let info = client.ask::<GetInfo>(b"", &NoQuery {}).about(Subject::Database)?;
    let name = app.global.server.clone().unwrap_or_default();
    Ok((name.into(), info.into()))
}
