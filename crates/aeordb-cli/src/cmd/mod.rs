//! One file per verb: what was typed becomes one call of the library, its answer a report.

use crate::app::{App, Outcome};
use crate::args::{Key, Snapshot, Verb};
use crate::home::{self, File, Home, Server};

pub mod cat;
pub mod check;
pub mod combine;
pub mod compact;
pub mod completions;
pub mod cp;
pub mod diff;
pub mod du;
pub mod export;
pub mod find;
pub mod forget;
pub mod gc;
pub mod get;
pub mod import;
pub mod info;
pub mod keep;
pub mod key;
pub mod log;
pub mod ls;
pub mod man;
pub mod mv;
pub mod parity;
pub mod promote;
pub mod put;
pub mod repair;
pub mod rm;
pub mod run;
pub mod salvage;
pub mod serve;
pub mod snapshot;
pub mod stat;
pub mod verify;

/// Runs a verb.
pub fn run(app: &mut App, verb: Verb) -> Outcome {
    let elsewhere = app.global.server.is_some() && !is_local(&verb);
    match &verb {
        Verb::Export(export::Export { level, .. }) | Verb::Import(import::Import { level, .. })
            if elsewhere =>
        {
            level.refuse(name(&verb))?;
        }
        Verb::Put(put::Put { level, .. })
        | Verb::Export(export::Export { level, .. })
        | Verb::Import(import::Import { level, .. })
        | Verb::Compact(compact::Compact { level, .. }) => level.set(&mut app.global)?,
        _ => {}
    }
    match app.global.server.take().filter(|_| !is_local(&verb)) {
        None => run_in(app, &File, verb),
        Some(url) => {
            let server = home::key::key().and_then(|key| Server::new(&url, key, &app.global));
            app.global.server = Some(url);
            run_in(app, &server?, verb)
        }
    }
}

fn run_in(app: &mut App, home: &dyn Home, verb: Verb) -> Outcome {
    match verb {
        Verb::Put(args) => put::run(app, home, &args),
        Verb::Get(args) => get::run(app, home, &args),
        Verb::Ls(args) => ls::run(app, home, &args),
        Verb::Cat(args) => cat::run(app, home, &args.paths, &args.at, &args.with),
        Verb::Rm(args) => rm::run(app, home, &args),
        Verb::Mv(args) => mv::run(app, home, &args),
        Verb::Cp(args) => cp::run(app, home, &args),
        Verb::Stat(args) => stat::run(app, home, &args),
        Verb::Du(args) => du::run(app, home, &args),
        Verb::Find(args) => find::run(app, home, &args),
        Verb::Snapshot(args) => snapshot::run(app, home, args),
        Verb::Log(args) => log::run(app, home, &args),
        Verb::Export(args) => export::run(app, home, &args),
        Verb::Diff(args) => diff::run(app, home, &args),
        Verb::Import(args) => import::run(app, home, &args),
        Verb::Promote(args) => promote::run(app, home, &args),
        Verb::Info(args) => info::run(app, home, args),
        Verb::Verify(args) => verify::run(app, home, &args),
        Verb::Keep(args) => keep::run(app, home, args),
        Verb::Forget(args) => forget::run(app, home, args),
        Verb::Gc(args) => gc::run(app, home, &args),
        Verb::Key(args) => key::run(app, home, args),
        // What works on files of this machine alone.
        Verb::Combine(args) => combine::run(app, &args),
        Verb::Salvage(args) => salvage::run(app, &args),
        Verb::Repair(args) => repair::run(app, &args),
        Verb::Parity(args) => parity::run(app, &args),
        Verb::Compact(args) => compact::run(app, &args),
        Verb::Run(args) => run::run(app, &args),
        Verb::Check(args) => check::run(app, &args),
        Verb::Serve(args) => serve::run(app, args),
        Verb::Completions(args) => completions::run(app, &args),
        Verb::Man(args) => man::run(app, &args),
    }
}

/// True of what has nothing to do with a database, or is a server itself.
fn is_local(verb: &Verb) -> bool {
    match verb {
        Verb::Combine(_) | Verb::Serve(_) | Verb::Completions(_) | Verb::Man(_) => true,
        Verb::Parity(_) => true,
        // The profile says which.
        Verb::Run(_) | Verb::Check(_) => true,
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
        Verb::Snapshot(Snapshot::List { .. }) => "snapshot list",
        Verb::Snapshot(Snapshot::Show { .. }) => "snapshot show",
        Verb::Snapshot(Snapshot::Rename { .. }) => "snapshot rename",
        Verb::Snapshot(Snapshot::Edit { .. }) => "snapshot edit",
        Verb::Snapshot(Snapshot::Hold { .. }) => "snapshot hold",
        Verb::Snapshot(Snapshot::Release { .. }) => "snapshot release",
        Verb::Snapshot(Snapshot::Delete { .. }) => "snapshot delete",
        Verb::Find(_) => "find",
        Verb::Log(_) => "log",
        Verb::Export(_) => "export",
        Verb::Diff(_) => "diff",
        Verb::Import(_) => "import",
        Verb::Combine(_) => "combine",
        Verb::Promote(_) => "promote",
        Verb::Info(_) => "info",
        Verb::Verify(_) => "verify",
        Verb::Salvage(_) => "salvage",
        Verb::Repair(_) => "repair",
        Verb::Parity(_) => "parity",
        Verb::Keep(_) => "keep",
        Verb::Forget(_) => "forget",
        Verb::Gc(_) => "gc",
        Verb::Compact(_) => "compact",
        Verb::Run(_) => "run",
        Verb::Check(_) => "check",
        Verb::Serve(_) => "serve",
        Verb::Key(Key::Create { .. }) => "key create",
        Verb::Key(Key::List) => "key list",
        Verb::Key(Key::Revoke { .. }) => "key revoke",
        Verb::Completions(_) => "completions",
        Verb::Man(_) => "man",
    }
}
