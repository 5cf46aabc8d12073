//! `get PATH LOCAL`

use aeordb::files::{self, GetOptions, GetReport, Overwrite};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::app::{App, Outcome};
use crate::args::Get;
use crate::exit::{self, About, Subject};
use crate::location::location;
use crate::output::is_standard;
use crate::render;

pub fn run(app: &mut App, args: &Get) -> Outcome {
    if is_standard(&args.local) {
        return super::cat::run(app, std::slice::from_ref(&args.path), &args.at, &args.with);
    }
    let location = location(&args.path)?;
    let opened = app.open_with(&args.with)?;
    let (version, _) = opened.item(&location, args.at.at.as_deref())?;
    let options = options(args);
    let report = app.watched(|_, watch| {
        files::get(&opened.reader, &version, &location.path, &args.local, &options, watch)
            .about(Subject::Local)
    })?;
    shown(app, &report)
}

/// How files are restored. A restore holds every directory open on the way to where it is, so this
/// asks for as many open files as there may be.
pub fn options(args: &Get) -> GetOptions {
    open_more_files();
    let overwrite = if args.force { Overwrite::Replace } else { Overwrite::Refuse };
    GetOptions { overwrite, set_ids: args.set_ids }
}

/// Shows what was restored.
pub fn shown(app: &mut App, report: &GetReport) -> Outcome {
    app.report(&render::get(report))?;
    Ok(match (report.damaged, report.failed) {
        (0, 0) => exit::DONE,
        (0, _) => exit::UNREADABLE,
        _ => exit::DAMAGED,
    })
}

fn open_more_files() {
    if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // If this fails, very deep trees are not restored, and that is said.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, most, most);
    }
}
