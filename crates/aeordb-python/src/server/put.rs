//! Local files into a server's database: the put is made here, over the outline of what is there, and
//! what it comes to is sent.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;

use aeordb::files::{self, PutOptions};
use aeordb::media::NewFile;
use aeordb::object::{Name, Path};
use aeordb::{Database, Error, Monitor, Result};
use aeordb_api::command::Put;
use aeordb_api::table::{CreateSnapshot, ReadQuery};
use aeordb_api::versions::NewSnapshot;
use aeordb_client::{Client, place, tree};

use crate::wishes::PutWish;

/// How often a put is made when others change the same place meanwhile.
const ATTEMPTS: usize = 5;

/// Puts local files at a path of a server.
pub fn put(
    client: &Client,
    locals: &[PathBuf],
    to: &Path,
    inside: bool,
    wish: &PutWish,
    monitor: &Arc<Monitor>,
) -> Result<Put> {
    let identity = Some(client.base().as_bytes().to_vec());
    let options = PutOptions { identity, ..wish.options()? };
    let (to, inside) = land(client, locals, to, inside)?;
    for _ in 1..ATTEMPTS {
        match attempt(client, locals, (&to, inside), &options, monitor) {
            Err(Error::Changed { .. }) => {}
            done => return done,
        }
    }
    attempt(client, locals, (&to, inside), &options, monitor)
}

/// One file that goes into a directory changes its own path alone: the outline of the directory is not
/// asked for.
fn land(client: &Client, locals: &[PathBuf], to: &Path, inside: bool) -> Result<(Path, bool)> {
    let [local] = locals else { return Ok((to.clone(), inside)) };
    if std::fs::metadata(local).is_ok_and(|found| found.is_dir()) {
        return Ok((to.clone(), inside));
    }
    let there = || match place::stat(client, to, &ReadQuery::default()) {
        Ok(found) => Ok(found.entry.item.is_directory()),
        Err(Error::NotFound(_)) => Ok(false),
        Err(error) => Err(error),
    };
    if inside || there()? {
        let name = local.file_name().map(OsStr::as_bytes).unwrap_or_default();
        return Ok((to.join(&Name::new(name)?)?, false));
    }
    Ok((to.clone(), false))
}

fn attempt(
    client: &Client,
    locals: &[PathBuf],
    (to, inside): (&Path, bool),
    options: &PutOptions,
    monitor: &Arc<Monitor>,
) -> Result<Put> {
    let scratch = std::env::temp_dir();
    let outline = tree::outline(client, to, &ReadQuery::default())?;
    let head = outline.from;
    let file = NewFile::create(scratch.join(format!(".aeordb-{}", std::process::id())))?;
    let opened = outline.open(client, file, monitor)?;
    let reader = opened.reader()?;
    let from = reader.head();
    let over = Database::over(&reader, from, Some(&scratch), client.options())?;
    let report = files::put(&over, locals.to_vec(), to, inside, options, monitor)?;
    let snapshot = options.snapshot.as_ref();
    let mut put = Put { snapshot: snapshot.map(|naming| naming.name.clone()), ..(&report).into() };
    if report.version == from {
        (put.version, put.previous, put.new_bytes) = (head.into(), head.into(), 0);
        if let Some(naming) = snapshot.cloned() {
            let (name, metadata) = (naming.name, naming.metadata);
            let new = NewSnapshot { name, version: Some(head.to_string()), metadata };
            client.call::<CreateSnapshot>(&new, &[])?;
        }
        return Ok(put);
    }
    let ends = (from, report.version);
    let stored = tree::put(client, to, over.reader()?, ends, snapshot, monitor)?;
    (put.version, put.previous, put.new_bytes) =
        (stored.version, stored.previous, stored.new_bytes);
    Ok(put)
}
