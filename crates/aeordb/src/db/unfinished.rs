//! Puts that have not come to their end: what they stored so far is a version like others, which
//! nothing names but a key of the system data, for a while. docs/design/0016 says why.

use bytes::Bytes;

use crate::db::{Reader, Writer, journal};
use crate::error::Result;
use crate::hash::VersionId;
use crate::object::Path;
use crate::object::encoding::{Decoder, Encoder};
use crate::store::{ReadEntries, Root, ViewEntries};

/// What the keys begin with in the system data.
const PREFIX: &[u8] = b"unfinished/";
/// How long what an unfinished put stored is kept after it was last added to: seven days, in
/// nanoseconds.
pub const GRACE: i64 = 7 * 24 * 3600 * 1_000_000_000;

/// What a put that has not come to its end stored so far.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unfinished {
    /// Where it puts.
    pub path: Path,
    /// The files that it has read so far, at their paths, and nothing else.
    pub version: VersionId,
    /// When that was last added to, in nanoseconds since 1970.
    pub time: i64,
}

impl Unfinished {
    /// Until when it is kept.
    pub fn kept_until(&self) -> i64 {
        self.time.saturating_add(GRACE)
    }

    fn key(path: &Path) -> Vec<u8> {
        [PREFIX, blake3::hash(path.as_bytes()).as_bytes()].concat()
    }

    fn encode(&self) -> Vec<u8> {
        let mut value = Vec::new();
        let mut encoder = Encoder::new(&mut value);
        encoder.hash(&self.version.0);
        encoder.i64(self.time);
        encoder.bytes(self.path.as_bytes());
        value
    }

    fn decode(value: &[u8]) -> Result<Self> {
        let mut decoder = Decoder::new("an unfinished put", value);
        let version = VersionId(decoder.hash()?);
        let time = decoder.i64()?;
        let path = decoder.bytes_in("a path", 1, crate::limits::PATH_LEN_MAX)?;
        let path = Path::parse(path)?;
        decoder.finish()?;
        Ok(Unfinished { path, version, time })
    }
}

/// True of the key under which an unfinished put is kept.
pub fn is_key(key: &[u8]) -> bool {
    key.starts_with(PREFIX)
}

/// All of them, with their keys. A collection by an older program takes what they lead to and leaves
/// the keys: such ones are `None`.
fn all(store: &dyn ReadEntries, root: &Root) -> Result<Vec<(Bytes, Option<Unfinished>)>> {
    journal::system(store, &root.system, PREFIX)?
        .into_iter()
        .map(|(key, value)| {
            let one = Unfinished::decode(&value)?;
            let is_there = store.locate(&one.version.0)?.is_some();
            Ok((key, is_there.then_some(one)))
        })
        .collect()
}

/// Those whose version is there.
pub fn there(store: &dyn ReadEntries, root: &Root) -> Result<Vec<Unfinished>> {
    Ok(all(store, root)?.into_iter().filter_map(|(_, one)| one).collect())
}

impl Reader {
    /// The puts that have not come to their end.
    pub fn unfinished(&self) -> Result<Vec<Unfinished>> {
        there(self.view(), self.view().root())
    }
}

impl Writer<'_> {
    /// What a put at `path` that did not come to its end stored.
    pub fn unfinished(&self, path: &Path) -> Result<Option<Unfinished>> {
        let Some(value) = self.system(&Unfinished::key(path))? else { return Ok(None) };
        let one = Unfinished::decode(&value)?;
        Ok(self.locate(&one.version.0)?.map(|_| one))
    }

    /// Keeps what a put stored, in the place of what was kept of one at the same path.
    pub fn keep_unfinished(&mut self, one: &Unfinished) -> Result<()> {
        self.set_system(&Unfinished::key(&one.path), Some(one.encode()))
    }

    /// A put at `path` has come to its end.
    pub fn forget_unfinished(&mut self, path: &Path) -> Result<()> {
        self.take_system(&Unfinished::key(path)).map(drop)
    }

    /// Lets go of those that are too old, and of those that nothing is left of. True if there were any.
    pub fn trim_unfinished(&mut self, now: i64) -> Result<bool> {
        let gone: Vec<Bytes> = all(&*self, self.root())?
            .into_iter()
            .filter(|(_, one)| one.as_ref().is_none_or(|one| one.kept_until() <= now))
            .map(|(key, _)| key)
            .collect();
        gone.iter().try_for_each(|key| self.set_system(key, None))?;
        Ok(!gone.is_empty())
    }
}
