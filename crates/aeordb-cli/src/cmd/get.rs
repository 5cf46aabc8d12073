//! `get PATH LOCAL`

use std::ffi::OsString;
use std::path::PathBuf;
use std::slice;
use std::sync::Arc;

use aeordb::db::Reader;
use aeordb::files::{self, GetOptions, GetReport, Overwrite, OwnerMap, Wanted};
use aeordb::hash::VersionId;
use aeordb::object::Path;
use aeordb::watch::Watch;
use clap::Args;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::app::{App, Outcome};
use crate::args::{At, Keep, With};
use crate::exit::{self, About, Attempt, Subject};
use crate::home::Home;
use crate::output::is_standard;
use crate::render;

const HELP: &str = "\
A directory's content lands in LOCAL, a file becomes LOCAL. Bytes, modes, times, symbolic links \
and empty directories come back as they were. Nothing is overwritten without --force, and nothing \
is written outside LOCAL.

Examples:
  aeordb get /documents restored
  aeordb get --at v1 /documents/report.pdf report-v1.pdf
  aeordb get v1:/ everything-of-v1
  aeordb get / copy --database backup.aeordb    straight out of a backup
  aeordb get /x . --database full.aeordb --with p1.aeordb --with p2.aeordb";

/// Write a file or a directory of the database to the local disk
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub struct Get {
    /// What to get: PATH or VERSION:PATH
    #[arg(value_name = "PATH")]
    pub path: OsString,
    /// Where to write it; - writes a file to standard output
    #[arg(value_name = "LOCAL")]
    pub local: PathBuf,
    #[command(flatten)]
    pub at: At,
    #[command(flatten)]
    pub with: With,
    /// Replace files that exist
    #[arg(long, short)]
    pub force: bool,
    /// Also restore setuid and setgid bits of files whose owner does not come back: they run with the
    /// rights of their new one
    #[arg(long)]
    pub set_ids: bool,
    #[command(flatten)]
    pub keep: Keep,
    /// Give what is FROM's, a user's name or number, to the user TO
    #[arg(long, value_name = "FROM:TO", conflicts_with = "no_owner")]
    #[arg(value_parser = str::parse::<OwnerMap>)]
    pub map_owner: Vec<OwnerMap>,
    /// Give what is the group FROM's to the group TO
    #[arg(long, value_name = "FROM:TO", conflicts_with = "no_owner")]
    #[arg(value_parser = str::parse::<OwnerMap>)]
    pub map_group: Vec<OwnerMap>,
}

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
    let wanted = Wanted {
        keep: args.keep.options(),
        users: args.map_owner.clone(),
        groups: args.map_group.clone(),
    };
    let options = GetOptions { overwrite, set_ids: args.set_ids, wanted };
    open_more_files();
    files::get(reader, version, path, &args.local, &options, watch).about(Subject::Local)
}

fn open_more_files() {
    if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // If this fails, very deep trees are not restored, and that is said.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, most, most);
    }
}
