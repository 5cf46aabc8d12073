//! Verbs through a server: the same arguments, reports and exit codes as on a file.

mod client;
mod files;
mod jobs;
pub mod parse;
mod trees;
mod versions;

pub use client::{Client, Payload, encoded};
pub use ureq::http::Method;

use aeordb::Error;

use crate::app::{App, Outcome};
use crate::args::Verb;

/// Runs a verb through the server at `url`.
pub fn run(app: &mut App, url: &str, verb: Verb) -> Outcome {
    if let Some(option) = local_option(&verb) {
        let verb = crate::cmd::name(&verb);
        let detail = format!("{verb} {option} works on a file, not through --server");
        return Err(Error::invalid(detail).into());
    }
    let client = Client::new(url)?;
    match verb {
        Verb::Put(args) => trees::put(app, &client, &args),
        Verb::Get(args) => trees::get(app, &client, &args),
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

/// An option that was given and that only a file can have.
fn local_option(verb: &Verb) -> Option<&'static str> {
    let given: &[(bool, &'static str)] = match verb {
        Verb::Get(args) => &[(!args.with.patches.is_empty(), "--with")],
        Verb::Ls(args) => &[
            (!args.with.patches.is_empty(), "--with"),
            (args.limit.is_some(), "--limit"),
            (args.after.is_some(), "--after"),
        ],
        Verb::Cat(args) => &[(!args.with.patches.is_empty(), "--with")],
        Verb::Stat(args) => &[(!args.with.patches.is_empty(), "--with")],
        Verb::Export(args) => {
            &[(!args.with.patches.is_empty(), "--with"), (args.path.is_some(), "--path")]
        }
        Verb::Diff(args) => {
            &[(!args.with.patches.is_empty(), "--with"), (args.path.is_some(), "--path")]
        }
        Verb::Import(args) => &[(args.merge, "--merge"), (args.undo.is_some(), "--undo")],
        Verb::Verify(args) => &[(!args.with.is_empty(), "--with")],
        _ => &[],
    };
    given.iter().find(|(given, _)| *given).map(|(_, option)| *option)
}
