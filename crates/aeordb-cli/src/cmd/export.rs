//! `export [VERSION] --output F [--snapshot NAME | --hash VERSION]`

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use aeordb::backup;
use aeordb::db::Reader;
use aeordb::hash::VersionId;
use aeordb::object::Path;
use aeordb_api::backups::Export as Made;

use crate::app::{App, Opened, Outcome};
use crate::args::Export;
use crate::exit::{self, About, Attempt, Subject};
use crate::output;
use crate::render;

impl Export {
    /// The version, if one was given other than as the name of a snapshot.
    pub fn given(&self) -> Option<&str> {
        self.version.as_deref().or(self.hash.as_deref())
    }
}

pub fn run(app: &mut App, args: &Export) -> Outcome {
    let opened = app.open_with(&args.with)?;
    let version = match (&args.snapshot, args.given()) {
        (Some(name), _) => super::snapshot::find(&opened, name)?.version,
        (None, Some(hash)) => opened.version(hash)?,
        (None, None) => opened.reader.head(),
    };
    let (reader, version) = match &args.path {
        None => (opened.reader.clone(), version),
        Some(path) => {
            let (reader, parts) = part(&opened, &[version], path)?;
            (reader, parts.first().copied().unwrap_or(version))
        }
    };
    let report = output::write(app, &args.output, |out, watch| {
        backup::export(&reader, &version, out, watch)
    })?;
    let report = render::export(&Made::new(&report, &args.output.to_string_lossy()));
    output::report(app, &args.output, &report)?;
    Ok(exit::DONE)
}

/// What is at a path in each of these versions, as versions of their own.
pub fn part(
    opened: &Opened,
    versions: &[VersionId],
    path: &OsStr,
) -> Attempt<(Reader, Vec<VersionId>)> {
    let path = Path::parse(path.as_bytes())?;
    backup::subtree(&opened.reader, versions, &path).about(Subject::Path)
}
