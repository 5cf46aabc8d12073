//! `repair [--from F...] [--from-server URL]`

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use aeordb::db::{Database, FileKind};
use aeordb::monitor::Monitor;
use aeordb::salvage::repair::{RepairReport, repair};
use aeordb::salvage::{LOST_MAX, Lost};
use aeordb::{Error, Result};
use aeordb_api::command::Repair as Shown;
use aeordb_api::parameter::{PathBytes, Word};
use aeordb_api::table::{ExportQuery, StreamExport};
use aeordb_client::Client;
use aeordb_client::stream::fetch;
use clap::Args;

use crate::app::{App, Outcome};
use crate::cmd::parity;
use crate::exit::{self, Failure, Subject};
use crate::home;
use crate::render;

const HELP: &str = "\
Looks for every entry that is missing or damaged, and takes exactly those from other files, each \
proved by its name. If there is parity beside the file (`aeordb parity`), that is one of them, \
and an export or a patch is healed by it alone. They may be exports, patches, databases, and \
damaged themselves. From a server only what is lost is fetched, with a key that may export. What \
is healed is listed, a line each: HEALED, the version, and the path; what is still lost: LOST. \
Versions keep their names, also those that are still not whole.

The healed file takes the place of the damaged one in one step, as with compact: until then \
nothing is changed, and the disk needs room for both. Where nothing is healed the file stays as \
it was.

The exit code is 0 if nothing is lost any more, 3 if something is healed and something still \
lost, 14 if nothing could be healed. A file of which the last commit is lost cannot be repaired; \
`aeordb salvage` puts together what is left of it.

Examples:
  aeordb repair --database data.aeordb --from full.aeordb patch-v1-v2.aeordb
  aeordb repair --database data.aeordb --from-server https://backup.example.org";

/// Paths of a version that are fetched one by one; of more, the whole version.
const PATHS_MAX: usize = 50;

/// Take what a damaged database has lost from other files
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub struct Repair {
    /// An export, a patch or a database that may have what is missing; may be repeated
    #[arg(long = "from", num_args = 1.., value_name = "FILE")]
    pub others: Vec<PathBuf>,
    /// A server that may have it; its key is in AEORDB_API_KEY
    #[arg(long, value_name = "URL")]
    pub from_server: Option<String>,
}

pub fn run(app: &mut App, args: &Repair) -> Outcome {
    if app.global.server.is_some() {
        let why = "repair mends a file of this machine: name it with --database FILE, and a server \
                   to take from with --from-server URL";
        return Err(Error::invalid(why).into());
    }
    if let Some(same) = args.others.iter().find(|other| app.is_database(other)) {
        let same = same.display();
        return Err(Error::invalid(format!("{same} is the database to repair")).into());
    }
    let (path, global) = (app.path().to_owned(), app.global.clone());
    let has_parity = aeordb::parity::beside(&path).exists();
    if args.others.is_empty() && args.from_server.is_none() {
        if !has_parity {
            let why = "there is nothing to take from: name files with --from, or a server with \
                       --from-server, or make parity while the file is sound";
            return Err(Error::invalid(why).into());
        }
        if is_sealed(&path) {
            return parity::heal_sealed(app, &path);
        }
    }
    let mut by_parity = None;
    let supplier = args
        .from_server
        .as_deref()
        .map(|url| home::client(url, home::key()?, &global))
        .transpose()?;
    let report = app.watched(|_, monitor| {
        let options = global.options(Some(monitor));
        let mut more = |lost: &[Lost]| {
            let mut all = Vec::new();
            if let Some((copy, healed)) = parity::healed(&path, &options, monitor)? {
                all.push(copy);
                by_parity = Some(healed);
            }
            if let Some(client) = &supplier {
                all.extend(ask(client, lost, monitor)?);
            }
            Ok(all)
        };
        repair(&path, &args.others, &mut more, &options, monitor)
            .map_err(|error| Failure { error, subject: Subject::Database })
    })?;
    let parity = by_parity.as_ref().map(Into::into);
    app.report(&render::repair(&Shown { parity, ..Shown::from(&report) }))?;
    if !app.global.json {
        list(app, "HEALED", &report.healed)?;
        list(app, "LOST", &report.lost)?;
    }
    if report.more_lost {
        app.warn(&format!("more is lost than the {LOST_MAX} paths that are listed"));
    }
    Ok(code(&report))
}

/// True of an export or a patch, damaged or not.
fn is_sealed(path: &Path) -> bool {
    let opened = Database::open(path, &aeordb::Options { doubtful: true, ..Default::default() });
    // One that is cut off does not open, and a database without its end does with `doubtful`.
    opened.map_or(true, |database| database.kind() != FileKind::Database)
}

fn code(report: &RepairReport) -> u8 {
    match (report.is_complete(), report.changed) {
        (true, _) => exit::DONE,
        (false, true) => exit::UNREADABLE,
        (false, false) => exit::DAMAGED,
    }
}

/// Lists paths with their versions.
fn list(app: &mut App, what: &str, lost: &[Lost]) -> Result<()> {
    for lost in lost {
        app.out.bytes(format!("{what} {} ", lost.version).as_bytes())?;
        app.out.name(lost.path.as_bytes())?;
        app.out.end()?;
    }
    Ok(())
}

/// Asks a server for what is lost. A version that it does not have is not there.
fn ask(client: &Client, lost: &[Lost], monitor: &Monitor) -> Result<Vec<Database>> {
    let mut wanted: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
    for lost in lost {
        let paths = wanted.entry(lost.version.to_string()).or_default();
        paths.push(lost.path.as_bytes().to_vec());
    }
    let mut given = Vec::new();
    for (version, mut paths) in wanted {
        paths.dedup();
        let whole = paths.len() > PATHS_MAX || paths.iter().any(|path| path == b"/");
        let paths = if whole { vec![None] } else { paths.into_iter().map(Some).collect() };
        for path in paths {
            let hash = Some(Word(version.clone()));
            let query = ExportQuery { hash, path: path.map(PathBytes), ..ExportQuery::default() };
            let mut file = home::create(&[std::env::temp_dir()])?;
            match fetch::<StreamExport>(client, &query, &mut file, monitor) {
                Ok(_) => {}
                Err(Error::NotFound(_)) => continue,
                Err(error) => return Err(error),
            }
            let media = std::sync::Arc::new(file.into_media()?);
            let name = std::path::Path::new(client.base());
            given.push(Database::open_media(media, name, client.options())?);
        }
    }
    Ok(given)
}
