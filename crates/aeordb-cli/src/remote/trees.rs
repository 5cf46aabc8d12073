//! `put` and `get` through a server. What the server has comes as a sealed file, and the library
//! does with it what it does with a database here: a put is made over the outline of what is there,
//! and the patch between the two is what is sent; a get is a restore of an export.

use std::fs;
use std::io::{self, PipeReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path as LocalPath, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use aeordb::backup;
use aeordb::db::{Database, Options, Reader};
use aeordb::error::Context;
use aeordb::files::{PutOptions, PutReport};
use aeordb::hash::VersionId;
use aeordb::media::NewFile;
use aeordb::object::{Name, Path};
use aeordb::watch::Watch;
use aeordb::{Error, Result};
use aeordb_api::endpoint::{BACKUP, VERSION_HEADER};
use aeordb_api::files::StoredTree;
use aeordb_api::parameter::{Archive, Token};
use aeordb_api::table::{PutFiles, PutQuery, ReadFiles};

use super::client::{self, Client, Payload};
use super::files::is_directory;
use super::place::{Place, place_of};
use crate::app::{App, Opened, Outcome};
use crate::args::{Get, Put};
use crate::cmd;
use crate::cmd::put::Plan;
use crate::exit::{self, About, Attempt, Failure, Subject};
use crate::location::Target;
use crate::output::is_standard;

/// How often a put is made when others change the same place meanwhile.
const ATTEMPTS: usize = 5;

/// A sealed file of what is at a path of the server.
struct Fetched {
    opened: Opened,
    /// The version that it was taken from; `None` if the key may not know.
    from: Option<VersionId>,
}

/// Fetches a sealed file to where it has no name, in the first of these directories that takes it.
fn fetch(client: &Client, place: &Place, near: &[PathBuf], watch: &Watch) -> Attempt<Fetched> {
    let (bytes, query) = (place.bytes(), &place.query);
    let reply = client.open::<ReadFiles>(&bytes, query, &[], Payload::Empty);
    let reply = reply.about(Subject::Path)?;
    let from = reply.headers().get(VERSION_HEADER).and_then(|value| value.to_str().ok());
    let from = from.and_then(|version| version.parse().ok());
    let from = Some(from.ok_or_else(|| Error::invalid("the server does not name the version"))?);
    let mut file = create(near).about(Subject::Local)?;
    client::copy(reply, &mut file, watch)?;
    let media = Arc::new(file.into_media().about(Subject::Local)?);
    let name = LocalPath::new(client.base());
    let database = Database::open_media(media, name, &Options::default())?;
    Ok(Fetched { opened: Opened::of(database)?, from })
}

fn create(directories: &[PathBuf]) -> Result<NewFile> {
    let name = format!(".aeordb-{}", std::process::id());
    let mut last = Err(Error::invalid("there is no directory for what the server sends"));
    for directory in directories {
        last = NewFile::create(directory.join(&name));
        if last.is_ok() {
            break;
        }
    }
    last
}

/// Nothing, for a key that may not read what is there: if something is, the server says so.
fn nothing(name: &str) -> Result<Fetched> {
    Ok(Fetched { opened: Opened::nothing(LocalPath::new(name))?, from: None })
}

pub fn get(app: &mut App, client: &Client, args: &Get, with: Option<&Token>) -> Outcome {
    let at = args.at.at.as_deref();
    if is_standard(&args.local) {
        return super::read::cat(app, client, std::slice::from_ref(&args.path), at, with);
    }
    let mut place = Place::new(&args.path, at, with)?;
    place.query.archive = Some(Archive::Aeordb);
    let report = app.watched(|_, watch| {
        // Beside what is to be written there is most likely as much space again.
        let mut near: Vec<PathBuf> = args.local.ancestors().skip(1).map(PathBuf::from).collect();
        near.push(std::env::temp_dir());
        let fetched = fetch(client, &place, &near, watch)?;
        let part = fetched.opened.reader.head();
        let mut report =
            cmd::get::restore(args, &fetched.opened.reader, &part, &place.path, watch)?;
        report.version = fetched.from.unwrap_or(part);
        Ok(report)
    })?;
    cmd::get::ended(app, &report)
}

pub fn put(app: &mut App, client: &Client, args: &Put) -> Outcome {
    let (plan, path) = place(client, Plan::of(args)?)?;
    if args.dry_run {
        let (place, scratch) = (outline_of(&path), [std::env::temp_dir()]);
        let outline = app.watched(|_, watch| fetch(client, &place, &scratch, watch))?;
        let identity = client.base().as_bytes().to_vec();
        return cmd::put::dry_run(app, args, &plan, &outline.opened.reader, identity);
    }
    let options = cmd::put::options(args, Some(client.base().as_bytes().to_vec()));
    let report = app.watched(|_, watch| {
        for _ in 1..ATTEMPTS {
            match attempt(client, &plan, &options, &path, watch) {
                Err(Failure { error: Error::Changed { .. }, .. }) if plan.can_be_read_again() => {}
                done => return done,
            }
        }
        attempt(client, &plan, &options, &path, watch)
    })?;
    cmd::put::ended(app, &report)
}

/// Where it is put, and the path in which something changes then: of one file, its own, so that the
/// outline of a directory around it is not asked for.
fn place(client: &Client, plan: Plan) -> Attempt<(Plan, Path)> {
    let is_file = |local: &&LocalPath| fs::metadata(local).is_ok_and(|found| !found.is_dir());
    let local = match plan.only_local().filter(is_file) {
        Some(local) if is_directory(client, &plan.target)? => local,
        _ => {
            let path = plan.target.path.clone();
            return Ok((plan, path));
        }
    };
    let whole = fs::canonicalize(local).context(|| format!("looking at {}", local.display()));
    let whole = whole.about(Subject::Local)?;
    let name = whole.file_name().map(OsStrExt::as_bytes).unwrap_or_default();
    let path = plan.target.path.join(&Name::new(name)?)?;
    let target = Target { is_directory: true, ..plan.target };
    Ok((Plan { target, ..plan }, path))
}

/// What is at a path, without the bytes of files.
fn outline_of(path: &Path) -> Place {
    let mut place = Place::in_head(path.clone());
    (place.query.archive, place.query.outline) = (Some(Archive::Aeordb), true);
    place
}

/// Makes the put here, over the outline of what is there, and sends what it comes to.
fn attempt(
    client: &Client,
    plan: &Plan,
    options: &PutOptions,
    path: &Path,
    watch: &Arc<Watch>,
) -> Attempt<PutReport> {
    let scratch = std::env::temp_dir();
    let outline = fetch(client, &outline_of(path), std::slice::from_ref(&scratch), watch);
    let outline = match outline {
        Err(failure) if exit::is_denied(&failure.error) => nothing(client.base())?,
        outline => outline?,
    };
    let from = outline.opened.reader.head();
    let over = Database::over(&outline.opened.reader, from, Some(&scratch), &Options::default())?;
    let mut report = cmd::put::load(plan, &over, options, watch)?;
    if let Some(head) = outline.from.filter(|_| report.version == from) {
        (report.version, report.previous, report.new_bytes) = (head, head, 0);
        return Ok(report);
    }
    let mut patch = Patch::make(over.reader()?, from, report.version, watch.clone())?;
    let payload = Payload::Bytes(&mut patch, BACKUP);
    let query = PutQuery { archive: Some(Archive::Aeordb), mirror: false };
    let reply = client.open::<PutFiles>(&place_of(path), &query, &[], payload);
    let reply: Result<StoredTree> = reply.and_then(|reply| client.read(reply));
    let reply = reply.map_err(|error| match (error, outline.from) {
        (Error::Changed { .. }, None) => client::denied(
            "something is there, and this key may not read it: it needs the scope read",
        ),
        (error, _) => error,
    });
    let reply = reply.about(Subject::Path)?;
    report.version = reply.version.into();
    report.previous = reply.previous.into();
    report.new_bytes = reply.new_bytes;
    Ok(report)
}

/// A patch that is made while it is sent. One that could not be finished has no end: reading it
/// fails, and so does the request.
struct Patch {
    pipe: PipeReader,
    making: Option<JoinHandle<Result<()>>>,
    watch: Arc<Watch>,
}

impl Patch {
    fn make(reader: Reader, from: VersionId, to: VersionId, watch: Arc<Watch>) -> Result<Patch> {
        let (pipe, writer) = io::pipe().context(|| "making a pipe".into())?;
        let making = std::thread::spawn(move || {
            let mut out = io::BufWriter::with_capacity(64 * 1024, writer);
            backup::diff_from_outline(&reader, &from, &to, &mut out, &Watch::new())?;
            io::Write::flush(&mut out).context(|| "making a patch".into())
        });
        Ok(Patch { pipe, making: Some(making), watch })
    }
}

impl Read for Patch {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.watch.check().map_err(io::Error::other)?;
        let read = self.pipe.read(buffer)?;
        if read == 0
            && let Some(making) = self.making.take()
        {
            making.join().unwrap_or(Err(Error::Interrupted)).map_err(io::Error::other)?;
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_that_cannot_be_made_fails_the_request_instead_of_ending_it() {
        let nothing = nothing("nothing").unwrap();
        let head = nothing.opened.reader.head();
        let unknown = VersionId(aeordb::hash::Hash::of(b"no version"));
        let make =
            |to| Patch::make(nothing.opened.reader.clone(), head, to, Arc::default()).unwrap();
        let mut sent = Vec::new();
        let error = make(unknown).read_to_end(&mut sent).unwrap_err();
        assert!(error.get_ref().is_some_and(|inner| inner.is::<Error>()), "{error}");
        make(head).read_to_end(&mut sent).unwrap();
        let stopped = Patch { watch: Arc::default(), ..make(head) };
        stopped.watch.cancel();
        assert!({ stopped }.read_to_end(&mut sent).is_err());
    }
}
