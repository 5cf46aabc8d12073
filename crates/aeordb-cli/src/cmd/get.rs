//! `get PATH... LOCAL`

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use aeordb::Error;
use aeordb::files::{
    Foreseen, Found, GetOptions, GetReport, Getting, MaxDelete, Overwrite, OwnerMap, Wanted,
};
use aeordb_api::command::LocalChange;
use aeordb_api::versions::ChangeKind;
use clap::{Args, ValueEnum};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::app::{App, Outcome};
use crate::args::{At, Null, Rights, With};
use crate::cmd::put::choose;
use crate::exit::{self, About, Attempt, Failure, Subject};
use crate::home::{Home, Into};
use crate::out::Out;
use crate::output::is_standard;
use crate::render;

const HELP: &str = "\
A directory's content lands in LOCAL, a file becomes LOCAL. Several land in the directory LOCAL under \
their own names. Bytes, modes, times, symbolic links and empty directories come back as they were. \
Nothing is written outside LOCAL, and nothing that is there is touched without --force, --overwrite or \
--mirror.

--overwrite says what happens to files that are there: if-changed replaces those that are not the same \
(by size, time and attributes; --checksum reads them), if-newer those that are older than what is \
stored, always all, never none. A restore that was cut off goes on with if-changed. --force is \
if-changed, and a directory that is in the place of a file, or the reverse, is replaced as well; \
together with --overwrite it adds just that.

--mirror makes LOCAL equal to the directory PATH: it is --force, and what the version does not have is \
deleted. If that is more than half of ten or more files, or all of them, it is refused (exit code 17) \
unless --max-delete allows it, for instance 500 or 80%. --dry-run lists what would happen, as \
`aeordb diff` does, and changes nothing.

--exclude and --include choose by the patterns of `aeordb put`, which begin at LOCAL. With --include \
alone only what it matches comes back. What is not chosen is not deleted either.

Examples:
  aeordb get /documents restored
  aeordb get --at v1 /documents/report.pdf report-v1.pdf
  aeordb get v1:/ everything-of-v1
  aeordb get /documents /pictures/2024 restored     as restored/documents and restored/2024
  aeordb get / restored --include '*.pdf'
  aeordb get --mirror --dry-run v1:/project project
  aeordb get / copy --database backup.aeordb    straight out of a backup
  aeordb get /x . --database full.aeordb --with p1.aeordb --with p2.aeordb";

const CHOOSING: &str = "Choosing";

/// Write files and directories of the database to the local disk
#[derive(Args, Debug)]
#[command(after_help = HELP, override_usage = "aeordb get [OPTIONS] <PATH>... <LOCAL>")]
pub struct Get {
    /// What to get, PATH or VERSION:PATH, then LOCAL, where to write it: - writes files to standard
    /// output
    // One list: of two, the parser takes the first to end where a flag stands.
    #[arg(required = true, num_args = 1.., value_names = ["PATH", "LOCAL"])]
    pub words: Vec<OsString>,
    #[command(flatten)]
    pub at: At,
    #[command(flatten)]
    pub with: With,
    /// Replace what exists and is not the same, of whatever kind it is
    #[arg(long, short)]
    pub force: bool,
    /// What happens to files that exist; without it, and without --force and --mirror, none may
    #[arg(long, value_name = "WHEN")]
    pub overwrite: Option<When>,
    /// Make LOCAL equal to the directory PATH: delete what the version does not have
    #[arg(long)]
    pub mirror: bool,
    /// How many of the files in LOCAL may be deleted; without it half, if there are ten or more
    #[arg(long, value_name = "N|N%", value_parser = str::parse::<MaxDelete>)]
    pub max_delete: Option<MaxDelete>,
    /// With --mirror, let a directory without files take the place of what is there
    #[arg(long, requires = "mirror")]
    pub allow_empty: bool,
    /// Read what exists to tell whether it is the same, whatever its size and time say
    #[arg(long)]
    pub checksum: bool,
    /// Read what was written once more, and compare
    #[arg(long)]
    pub verify: bool,
    /// Only list what would be added (A), modified (M) and deleted (D)
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub null: Null,
    /// Also restore setuid and setgid bits of files whose owner does not come back: they run with the
    /// rights of their new one
    #[arg(long)]
    pub set_ids: bool,
    #[command(flatten)]
    pub keep: Rights,
    /// Give what is FROM's, a user's name or number, to the user TO
    #[arg(long, value_name = "FROM:TO", conflicts_with = "no_owner")]
    #[arg(value_parser = str::parse::<OwnerMap>)]
    pub map_owner: Vec<OwnerMap>,
    /// Give what is the group FROM's to the group TO
    #[arg(long, value_name = "FROM:TO", conflicts_with = "no_owner")]
    #[arg(value_parser = str::parse::<OwnerMap>)]
    pub map_group: Vec<OwnerMap>,
    #[command(flatten)]
    pub select: Select,
}

/// Patterns.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = CHOOSING)]
pub struct Select {
    /// Leave out what matches, a pattern as in .gitignore; may be repeated
    #[arg(long, value_name = "GLOB")]
    pub exclude: Vec<OsString>,
    /// Leave out what matches a line of a file, as in .gitignore; may be repeated
    #[arg(long, value_name = "FILE")]
    pub exclude_from: Vec<PathBuf>,
    /// Take what matches although another pattern leaves it out, or, if none does, nothing else; may be
    /// repeated
    #[arg(long, value_name = "GLOB")]
    pub include: Vec<OsString>,
}

impl Select {
    /// The same for the library.
    pub fn patterns(&self) -> Attempt<aeordb::files::Patterns> {
        choose::patterns(&self.exclude_from, &self.exclude, &self.include).about(Subject::Local)
    }

    /// True if nothing is taken but what a pattern names.
    fn names_all(&self) -> bool {
        !self.include.is_empty() && self.exclude.is_empty() && self.exclude_from.is_empty()
    }
}

/// What happens to files that exist.
#[derive(ValueEnum, Clone, Copy, Debug)]
pub enum When {
    Always,
    IfChanged,
    IfNewer,
    Never,
}

impl Get {
    /// What to get, and where to write it.
    fn places(&self) -> aeordb::Result<(&[OsString], &Path)> {
        match self.words.split_last() {
            Some((local, paths)) if !paths.is_empty() => Ok((paths, Path::new(local))),
            _ => Err(Error::invalid("get takes PATH and LOCAL: `aeordb get PATH... LOCAL`")),
        }
    }

    /// How it is done.
    fn options(&self, app: &App) -> Attempt<GetOptions> {
        let overwrite = match self.overwrite {
            Some(When::Always) => Overwrite::Always,
            Some(When::IfChanged) => Overwrite::IfChanged,
            Some(When::IfNewer) => Overwrite::IfNewer,
            Some(When::Never) => Overwrite::Never,
            None if self.force || self.mirror => Overwrite::IfChanged,
            None => Overwrite::Refuse,
        };
        // What is read must not be what is written.
        let own = app.global.server.is_none().then(|| app.path().to_owned());
        let protected = own.iter().chain(&self.with.patches).filter_map(|file| {
            let found = fs::metadata(file).ok()?;
            Some((found.dev(), found.ino()))
        });
        let wanted = Wanted {
            keep: self.keep.options(),
            users: self.map_owner.clone(),
            groups: self.map_group.clone(),
        };
        Ok(GetOptions {
            overwrite,
            force: self.force,
            checksum: self.checksum,
            verify: self.verify,
            patterns: self.select.patterns()?,
            mirror: self.mirror,
            max_delete: self.max_delete.unwrap_or_default(),
            allow_empty: self.allow_empty,
            protected: protected.collect(),
            set_ids: self.set_ids,
            wanted,
        })
    }
}

pub fn run(app: &mut App, home: &dyn Home, args: &Get) -> Outcome {
    let (paths, local) = args.places()?;
    if is_standard(local) {
        return super::cat::run(app, home, paths, &args.at, &args.with);
    }
    app.out.null_terminated(args.null.null);
    let options = args.options(app)?;
    let into = match args.dry_run {
        true => Into::Comparison,
        false => Into::Tree(local),
    };
    let trees = home.trees(app, paths, &args.at, &args.with, into)?;
    let inside = trees.parts.len() > 1;
    let getting = Getting { parts: &trees.parts, inside, local, options: &options };
    open_more_files();
    let report = match args.dry_run {
        true => {
            let json = app.global.json;
            app.watched(|out, monitor| {
                let mut each = |foreseen| show(out, json, false, &foreseen);
                getting.foresee(monitor, &mut each).about(Subject::Local)
            })?
        }
        false => {
            let report = app.watched(|_, monitor| getting.run(monitor).about(Subject::Local))?;
            let report = GetReport { version: trees.version, ..report };
            app.report(&render::get(&(&report).into()))?;
            let GetReport { files, failed, damaged, newer, .. } = report;
            if args.select.names_all() && [files, failed, damaged, newer] == [0; 4] {
                // Who asked for it must hear that it is not there, as of a path.
                let error = Error::not_found("what --include is for");
                return Err(Failure { error, subject: Subject::Path });
            }
            report
        }
    };
    Ok(match report {
        GetReport { damaged: 1.., .. } => exit::DAMAGED,
        GetReport { newer: 1.., .. } => exit::NEWER,
        GetReport { failed: 1.., .. } | GetReport { lacking: 1.., .. } => exit::UNREADABLE,
        _ => exit::DONE,
    })
}

/// One line, or one object, for what would change.
pub fn show(out: &mut Out, json: bool, name_only: bool, foreseen: &Foreseen) -> aeordb::Result<()> {
    let change = match foreseen.found {
        Found::Added => ChangeKind::Added,
        Found::Modified => ChangeKind::Modified,
        Found::Deleted => ChangeKind::Deleted,
    };
    if json {
        return out.json(&LocalChange::new(&foreseen.path, change));
    }
    if !name_only {
        out.bytes(super::diff::letter(change))?;
    }
    out.name(&foreseen.path)?;
    out.end()
}

/// Directories on the way are open, and there may be many.
pub fn open_more_files() {
    if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // If this fails, very deep trees are not restored, and that is said.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, most, most);
    }
}
