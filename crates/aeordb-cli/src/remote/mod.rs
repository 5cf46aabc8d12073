//! Verbs through a server: the same arguments, reports and exit codes as on a file.

mod client;
mod files;
mod jobs;
pub mod parse;
mod versions;

pub use client::{Client, Payload, encoded};
pub use ureq::http::Method;

use aeordb::Error;

use crate::app::{App, Outcome};
use crate::args::Verb;

/// Runs a verb through the server at `url`.
pub fn run(app: &mut App, url: &str, verb: Verb) -> Outcome {
    let client = Client::new(url)?;
    match verb {
        Verb::Put(args) => files::put(app, &client, args),
        Verb::Get(args) => files::get(app, &client, &args),
        Verb::Ls(args) => files::ls(app, &client, &args),
        Verb::Cat(args) => files::cat(app, &client, &args.paths, args.at.at.as_deref()),
        Verb::Rm(args) => files::rm(app, &client, &args),
        Verb::Mv(args) => files::mv(app, &client, &args),
        Verb::Cp(args) => files::cp(app, &client, &args),
        Verb::Stat(args) => files::stat(app, &client, &args),
        Verb::Snapshot(args) => versions::snapshot(app, &client, args),
        Verb::Log(args) => versions::log(app, &client, &args),
        Verb::Export(args) => versions::export(app, &client, &args),
        Verb::Diff(args) => versions::diff(app, &client, &args),
        Verb::Import(args) => versions::import(app, &client, args),
        Verb::Promote(args) => versions::promote(app, &client, &args),
        Verb::Verify(args) => jobs::verify(app, &client, &args),
        Verb::Gc(args) => jobs::gc(app, &client, &args),
        Verb::Key(args) => crate::cmd::key::through(app, &client, args),
        other => {
            let verb = crate::cmd::name(&other);
            Err(Error::invalid(format!("{verb} works on a file, not through --server")).into())
        }
    }
}
