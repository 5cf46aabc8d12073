//! `parity [FILE] [--share PERCENT]`

use std::path::{Path, PathBuf};

use aeordb::backup::Share;
use aeordb::parity::{self, HealReport};
use aeordb::{Database, Error};
use aeordb_api::command::{HealedPieces, Parity as Made};
use clap::Args;

use crate::app::{App, Outcome};
use crate::args::local_file;
use crate::exit::{self, About, Attempt, Subject};
use crate::render;
use clap::builder::{OsStringValueParser, TypedValueParser};

const HELP: &str = "\
Writes FILE.parity, from which `aeordb repair` heals damage of FILE up to that share: a region of the disk \
that is gone, an end that is cut off, or scattered bad sectors. It is for exports, patches and databases; \
what a database gets later has none until it is made anew, as a nightly job may do, and so after \
a compaction. Parity that is there is replaced.

Examples:
  aeordb parity backup.aeordb --share 10%
  aeordb parity --database data.aeordb
  aeordb export --output backup.aeordb --parity 5%";

/// Make a file beside another that heals damage of it
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub struct Parity {
    /// The file; the database if none is given
    #[arg(value_name = "FILE")]
    #[arg(value_parser = OsStringValueParser::new().try_map(local_file))]
    pub file: Option<PathBuf>,
    /// How much of it can be healed
    #[arg(long, value_name = "PERCENT", default_value = "5%")]
    pub share: Share,
}

pub fn run(app: &mut App, args: &Parity) -> Outcome {
    if app.global.server.is_some() && args.file.is_none() {
        let why = "parity is made beside a file of this machine: name it";
        return Err(Error::invalid(why).into());
    }
    let path = args.file.clone().unwrap_or_else(|| app.path().to_owned());
    let made = make(app, &path, args.share)?;
    app.report(&render::parity(&made))?;
    Ok(exit::DONE)
}

/// Makes the parity of a file.
pub fn make(app: &mut App, path: &Path, share: Share) -> Attempt<Made> {
    app.watched(|_, monitor| {
        let report = parity::create(path, share.ratio(), monitor).about(Subject::Backup)?;
        Ok(Made::new(&report, &parity::beside(path).to_string_lossy(), &share.to_string()))
    })
}

/// A copy of a damaged database that its parity has healed, for as long as it is open, to take from; and
/// what was healed. `None` if there is no parity, or none that helps.
pub fn healed(
    path: &Path,
    options: &aeordb::Options,
    monitor: &aeordb::Monitor,
) -> aeordb::Result<Option<(Database, HealReport)>> {
    let Some(parity) = parity::open(path)? else { return Ok(None) };
    let damaged = aeordb::media::open_read(path)?;
    let directory = path.parent().unwrap_or(Path::new("."));
    let name = directory.join(format!(".aeordb-{}", std::process::id()));
    let copy = std::sync::Arc::new(aeordb::media::FileMedia::create(name)?);
    let told = path.display().to_string();
    let healed = match parity::heal(&*damaged, &told, &*parity, &*copy, monitor) {
        Ok(healed) => healed,
        Err(error @ Error::Interrupted) => return Err(error),
        Err(error) => {
            monitor.warn(format!("the parity is of no use: {error}"));
            return Ok(None);
        }
    };
    if healed.healed == 0 {
        return Ok(None);
    }
    let options = aeordb::Options { doubtful: true, ..options.clone() };
    Ok(Some((Database::open_media(copy, &parity::beside(path), &options)?, healed)))
}

/// Heals an export or a patch in place.
pub fn heal_sealed(app: &mut App, path: &Path) -> Outcome {
    let healed =
        app.watched(|_, monitor| parity::heal_sealed(path, monitor).about(Subject::Backup))?;
    app.report(&render::healed(&HealedPieces::from(&healed)))?;
    Ok(if healed.is_whole { exit::DONE } else { exit::DAMAGED })
}
