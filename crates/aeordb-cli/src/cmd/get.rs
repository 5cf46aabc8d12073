//! `get PATH LOCAL`

use std::slice;
use std::sync::Arc;

use aeordb::db::Reader;
use aeordb::files::{self, GetOptions, GetReport, Overwrite};
use aeordb::hash::VersionId;
use aeordb::object::Path;
use aeordb::watch::Watch;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::app::{App, Outcome};
use crate::args::Get;
use crate::exit::{self, About, Attempt, Subject};
use crate::home::Home;
use crate::output::is_standard;
use crate::render;

pub fn run(app: &mut App, home: &dyn Home, args: &Get) -> Outcome {
    if is_standard(&args.local) {
        let paths = slice::from_ref(&args.path);
        return super::cat::run(app, home, paths, &args.at, &args.with);
    }
    let report = home.get(app, args)?;
    app.report(&render::get(&(&report).into()))?;
    Ok(match report {
        GetReport { damaged: 1.., .. } => exit::DAMAGED,
        GetReport { newer: 1.., .. } => exit::NEWER,
        GetReport { failed: 1.., .. } | GetReport { lacking: 1.., .. } => exit::UNREADABLE,
        _ => exit::DONE,
    })
}

/// Restores what `path` is in `version` to where it was asked for.
pub fn restore(
    args: &Get,
    reader: &Reader,
    version: &VersionId,
    path: &Path,
    watch: &Arc<Watch>,
) -> Attempt<GetReport> {
    let overwrite = if args.force { Overwrite::Replace } else { Overwrite::Refuse };
    let options = GetOptions { overwrite, set_ids: args.set_ids };
    open_more_files();
    files::get(reader, version, path, &args.local, &options, watch).about(Subject::Local)
}

fn open_more_files() {
    if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // If this fails, very deep trees are not restored, and that is said.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, most, most);
    }
}
