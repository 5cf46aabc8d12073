//! One file per verb: what was typed becomes one call of the library, its answer a report.

use crate::app::{App, Outcome};
use crate::args::{Key, Snapshot, Verb};

pub mod cat;
mod combine;
mod compact;
mod completions;
mod cp;
pub mod diff;
pub mod du;
mod export;
mod gc;
pub mod get;
pub mod import;
pub mod info;
pub mod key;
pub mod log;
pub mod ls;
mod man;
mod mv;
mod promote;
pub mod put;
pub mod rm;
mod salvage;
pub mod serve;
pub mod snapshot;
pub mod stat;
pub mod verify;

/// Runs a verb.
pub fn run(app: &mut App, verb: Verb) -> Outcome {
    if let Some(url) = app.global.server.clone().filter(|_| !is_local(&verb)) {
        return crate::remote::run(app, &url, verb);
    }
    app.global.server = None;
    match verb {
        Verb::Put(args) => put::run(app, &args),
        Verb::Get(args) => get::run(app, &args),
        Verb::Ls(args) => ls::run(app, &args),
        Verb::Cat(args) => cat::run(app, &args.paths, &args.at, &args.with),
        Verb::Rm(args) => rm::run(app, &args),
        Verb::Mv(args) => mv::run(app, &args),
        Verb::Cp(args) => cp::run(app, &args),
        Verb::Stat(args) => stat::run(app, &args),
        Verb::Du(args) => du::run(app, &args),
        Verb::Snapshot(args) => snapshot::run(app, args),
        Verb::Log(args) => log::run(app, &args),
        Verb::Export(args) => export::run(app, &args),
        Verb::Diff(args) => diff::run(app, &args),
        Verb::Import(args) => import::run(app, args),
        Verb::Combine(args) => combine::run(app, &args),
        Verb::Promote(args) => promote::run(app, &args),
        Verb::Info(args) => info::run(app, args),
        Verb::Verify(args) => verify::run(app, &args),
        Verb::Salvage(args) => salvage::run(app, &args),
        Verb::Gc(args) => gc::run(app, &args),
        Verb::Compact(args) => compact::run(app, &args),
        Verb::Serve(args) => serve::run(app, args),
        Verb::Key(args) => key::run(app, args),
        Verb::Completions(args) => completions::run(app, &args),
        Verb::Man(args) => man::run(app, &args),
    }
}

/// True of what has nothing to do with a database, or is a server itself.
fn is_local(verb: &Verb) -> bool {
    match verb {
        Verb::Combine(_) | Verb::Serve(_) | Verb::Completions(_) | Verb::Man(_) => true,
        Verb::Info(args) => !args.files.is_empty(),
        Verb::Verify(args) => args.file.is_some(),
        _ => false,
    }
}

/// A verb as it is typed.
pub fn name(verb: &Verb) -> &'static str {
    match verb {
        Verb::Put(_) => "put",
        Verb::Get(_) => "get",
        Verb::Ls(_) => "ls",
        Verb::Cat(_) => "cat",
        Verb::Rm(_) => "rm",
        Verb::Mv(_) => "mv",
        Verb::Cp(_) => "cp",
        Verb::Stat(_) => "stat",
        Verb::Du(_) => "du",
        Verb::Snapshot(Snapshot::Create { .. }) => "snapshot create",
        Verb::Snapshot(Snapshot::List) => "snapshot list",
        Verb::Snapshot(Snapshot::Delete { .. }) => "snapshot delete",
        Verb::Log(_) => "log",
        Verb::Export(_) => "export",
        Verb::Diff(_) => "diff",
        Verb::Import(_) => "import",
        Verb::Combine(_) => "combine",
        Verb::Promote(_) => "promote",
        Verb::Info(_) => "info",
        Verb::Verify(_) => "verify",
        Verb::Salvage(_) => "salvage",
        Verb::Gc(_) => "gc",
        Verb::Compact(_) => "compact",
        Verb::Serve(_) => "serve",
        Verb::Key(Key::Create { .. }) => "key create",
        Verb::Key(Key::List) => "key list",
        Verb::Key(Key::Revoke { .. }) => "key revoke",
        Verb::Completions(_) => "completions",
        Verb::Man(_) => "man",
    }
}
