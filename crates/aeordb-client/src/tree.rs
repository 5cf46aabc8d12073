//! Trees of a server as sealed files: a get is a restore of an export; a put is made here, over the
//! outline of what is there, and the patch between the two is what is sent.

use std::io::{self, PipeReader, Read};
use std::path::Path as LocalPath;
use std::sync::Arc;
use std::thread::JoinHandle;

use aeordb::backup;
use aeordb::db::{Database, Naming, Reader};
use aeordb::error::Context;
use aeordb::hash::VersionId;
use aeordb::media::NewFile;
use aeordb::monitor::Monitor;
use aeordb::object::Path;
use aeordb::{Error, Result};
use aeordb_api::endpoint::{BACKUP, VERSION_HEADER};
use aeordb_api::files::StoredTree;
use aeordb_api::parameter::{Archive, Deletions, Metadata, Word};
use aeordb_api::table::{PutFiles, PutQuery, ReadFiles, ReadQuery};
use ureq::Body;
use ureq::http::Response;

use crate::place::place_of;
use crate::stream::copy;
use crate::{Client, Payload};

/// A sealed file that is on its way.
pub struct Coming {
    reply: Response<Body>,
    /// The version that it is taken from.
    pub from: VersionId,
}

/// Asks for what is at a path, of the version that `query` says.
pub fn export(client: &Client, path: &Path, query: &ReadQuery) -> Result<Coming> {
    ask(client, path, ReadQuery { archive: Some(Archive::Aeordb), ..query.clone() })
}

/// Asks for what is at a path, of the version that `query` says, without the bytes of files.
pub fn outline(client: &Client, path: &Path, query: &ReadQuery) -> Result<Coming> {
    let archive = Some(Archive::Aeordb);
    ask(client, path, ReadQuery { archive, outline: true, ..query.clone() })
}

fn ask(client: &Client, path: &Path, query: ReadQuery) -> Result<Coming> {
    let reply = client.open::<ReadFiles>(&place_of(path), &query, &[], Payload::Empty)?;
    let from = reply.headers().get(VERSION_HEADER).and_then(|value| value.to_str().ok());
    let from = from.and_then(|version| version.parse().ok());
    let from = from.ok_or_else(|| Error::invalid("the server does not name the version"))?;
    Ok(Coming { reply, from })
}

impl Coming {
    /// Takes it into a file without a name, and opens it.
    pub fn open(self, client: &Client, mut file: NewFile, monitor: &Monitor) -> Result<Database> {
        copy(self.reply, &mut file, monitor)?;
        let media = Arc::new(file.into_media()?);
        Database::open_media(media, LocalPath::new(client.base()), client.options())
    }
}

/// Puts at a path what leads from one version of `reader` to another, and names what comes of it; the
/// server refuses if what is there is not the first. How much may go was decided where it was made,
/// over what is there.
pub fn put(
    client: &Client,
    path: &Path,
    reader: Reader,
    (from, to): (VersionId, VersionId),
    naming: Option<&Naming>,
    monitor: &Arc<Monitor>,
) -> Result<StoredTree> {
    let query = PutQuery {
        archive: Some(Archive::Aeordb),
        max_delete: Some(Deletions::Percent(100)),
        allow_empty: true,
        snapshot: naming.map(|naming| Word(naming.name.clone())),
        metadata: naming.map(|naming| Metadata(naming.metadata.clone())),
        ..PutQuery::default()
    };
    client.patiently(|| {
        let mut patch = Patch::make(reader.clone(), from, to, monitor.clone())?;
        let payload = Payload::Bytes(&mut patch, BACKUP);
        client.read(client.open::<PutFiles>(&place_of(path), &query, &[], payload)?)
    })
}

/// A patch that is made while it is sent. One that could not be finished has no end: reading it
/// fails, and so does the request.
struct Patch {
    pipe: PipeReader,
    making: Option<JoinHandle<Result<()>>>,
    monitor: Arc<Monitor>,
}

impl Patch {
    fn make(
        reader: Reader,
        from: VersionId,
        to: VersionId,
        monitor: Arc<Monitor>,
    ) -> Result<Patch> {
        let (pipe, writer) = io::pipe().context(|| "making a pipe".into())?;
        let making = std::thread::spawn(move || {
            let mut out = io::BufWriter::with_capacity(64 * 1024, writer);
            backup::diff_from_outline(&reader, &from, &to, &mut out, &Monitor::new())?;
            io::Write::flush(&mut out).context(|| "making a patch".into())
        });
        Ok(Patch { pipe, making: Some(making), monitor })
    }
}

impl Read for Patch {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.monitor.check().map_err(io::Error::other)?;
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
    use aeordb::db::Options;
    use aeordb::hash::Hash;
    use aeordb::media::MemoryMedia;

    use super::*;

    #[test]
    fn a_patch_that_cannot_be_made_fails_the_request_instead_of_ending_it() {
        let (media, options) = (Arc::new(MemoryMedia::new()), Options::default());
        let nothing =
            Database::create_media(media, LocalPath::new("nothing"), [0; 16], &options).unwrap();
        let reader = nothing.reader().unwrap();
        let head = reader.head();
        let unknown = VersionId(Hash::of(b"no version"));
        let make = |to| Patch::make(reader.clone(), head, to, Arc::default()).unwrap();
        let mut sent = Vec::new();
        let error = make(unknown).read_to_end(&mut sent).unwrap_err();
        assert!(error.get_ref().is_some_and(|inner| inner.is::<Error>()), "{error}");
        make(head).read_to_end(&mut sent).unwrap();
        let stopped = Patch { monitor: Arc::default(), ..make(head) };
        stopped.monitor.cancel();
        assert!({ stopped }.read_to_end(&mut sent).is_err());
    }
}
