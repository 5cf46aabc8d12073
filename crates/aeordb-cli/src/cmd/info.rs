//! `info [FILE]... [--with F...] [--changes]`

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use aeordb::backup::{self, ChainLink, Info as Facts};
use aeordb::db::FileKind;
use aeordb_api::command::ListedChange;
use clap::Args;

use crate::app::{App, Outcome};
use crate::args::With;
use crate::exit::{self, About, Attempt, Subject};
use crate::home::Home;
use crate::render;
use crate::text;

const HELP: &str = "\
Of several files it also draws which follows which, and where a patch has nothing to stand on. \
--changes lists what a patch does to which path, without its base. --space goes through all versions of \
a database and says what takes its space.

Examples:
  aeordb info backups/*.aeordb
  aeordb info patch.aeordb --json | jq -r .base
  aeordb info --changes patch.aeordb
  aeordb info --space --database data.aeordb";

/// Say what files are: databases, exports or patches, of which version, how large
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub struct Info {
    /// The files; the database if none is given
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Also list what a patch changes
    #[arg(long)]
    pub changes: bool,
    /// Say what takes the space of the database: what lives, what does not, by kind
    #[arg(long, conflicts_with_all = ["files", "changes", "patches"])]
    pub space: bool,
    #[command(flatten)]
    pub with: With,
}

/// Shows the files, or the database if none is given.
pub fn run(app: &mut App, home: &dyn Home, args: Info) -> Outcome {
    if args.space {
        let found = home.space(app)?;
        app.report(&render::space(&found))?;
        return Ok(exit::DONE);
    }
    let mut looked = Vec::with_capacity(args.files.len() + args.with.patches.len());
    if args.files.is_empty() {
        looked.push(home.info(app));
    }
    for file in args.files.into_iter().chain(args.with.patches) {
        looked.push(backup::info(&file).about(Subject::Backup).map(|info| (file, info)));
    }
    let many = looked.len() > 1;
    let mut code = exit::DONE;
    let mut known: Vec<(PathBuf, Facts)> = Vec::with_capacity(looked.len());
    for file in looked {
        // One file that cannot be read hides nothing about the others.
        match file {
            Ok(file) => known.push(file),
            Err(failure) => {
                app.out.flush()?;
                let failed = app.fail(failure);
                code = if code == exit::DONE { failed } else { code };
            }
        }
    }
    let infos: Vec<Facts> = known.iter().map(|(_, info)| info.clone()).collect();
    let chain = if many { backup::chain(&infos) } else { Vec::new() };
    for (number, (file, info)) in known.iter().enumerate() {
        let link = chain.iter().find(|link| link.file == number);
        let follows = link.and_then(|link| link.follows).and_then(|before| known.get(before));
        describe(app, file, info, link.map(|_| follows.map(|(file, _)| file.as_path())))?;
        if args.changes && info.kind == FileKind::Patch {
            changes(app, file)?;
        }
    }
    if !chain.is_empty() && !app.global.json {
        draw(app, &known, &chain)?;
    }
    Ok(code)
}

fn describe(
    app: &mut App,
    file: &Path,
    info: &Facts,
    follows: Option<Option<&Path>>,
) -> Attempt<()> {
    let follows = follows.map(|before| before.map(|before| before.as_os_str().as_bytes()));
    let report = render::info(file.as_os_str().as_bytes(), &info.into(), follows);
    if app.global.json {
        return Ok(app.out.json(&report.json)?);
    }
    Ok(app.out.bytes(report.text().as_bytes())?)
}

/// The changes that a patch lists, as `diff` shows them.
fn changes(app: &mut App, file: &Path) -> Attempt<()> {
    let listed =
        app.watched(|_, monitor| backup::listed_changes(file, monitor).about(Subject::Backup))?;
    for change in listed {
        if app.global.json {
            app.out.json(&ListedChange::new(file.as_os_str().as_bytes(), &change))?;
            continue;
        }
        app.out.bytes(format!("    {} ", change.letter).as_bytes())?;
        if let Some(from) = &change.from {
            app.out.name(from.as_bytes())?;
            app.out.bytes(b"\t")?;
        }
        app.out.name(change.path.as_bytes())?;
        app.out.bytes(b"\n")?;
    }
    Ok(())
}

/// A line for each file, further in than the one that it stands on.
fn draw(app: &mut App, files: &[(PathBuf, Facts)], chain: &[ChainLink]) -> Attempt<()> {
    app.out.line("Chain")?;
    for link in chain {
        let Some((file, info)) = files.get(link.file) else { continue };
        let name = text::printable_name(file.as_os_str().as_bytes());
        let indent = "  ".repeat(link.depth + 1);
        let target = short(info.version);
        let line = match (info.base, link.follows) {
            (None, _) => format!("{name}: {} of {target}", info.kind.name()),
            (Some(base), Some(_)) => format!("{name}: {} to {target}", short(base)),
            (Some(base), None) => format!(
                "{name}: {} to {target} -- BROKEN: no file here leads to version {base}",
                short(base)
            ),
        };
        app.out.line(&format!("{indent}{line}"))?;
    }
    Ok(())
}

/// The digits of a version that tell it apart for a person, and that every command takes.
fn short(version: aeordb::hash::VersionId) -> String {
    version.to_string().chars().take(12).collect()
}
