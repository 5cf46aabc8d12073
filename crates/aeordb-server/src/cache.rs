//! Small files that were read lately, ready to be sent: they are answered without a look at the
//! database.

use std::sync::Arc;

use aeordb::hash::VersionId;
use aeordb::object::FileRecord;
use axum::http::HeaderValue;
use bytes::Bytes;
use quick_cache::Weighter;

/// Bytes that are kept.
const LEN: u64 = 64 * 1024 * 1024;
/// Largest file that is kept.
pub const FILE_LEN_MAX: u64 = 64 * 1024;

/// A file as it is sent.
pub struct Cached {
    /// What is recorded of it.
    pub record: FileRecord,
    /// Its tag.
    pub etag: HeaderValue,
    /// When it was last modified.
    pub modified: Option<HeaderValue>,
    /// Its type, kept or guessed.
    pub content_type: HeaderValue,
    /// Its bytes, if they are few.
    pub bytes: Option<Bytes>,
}

/// A version and a path in it: what is there never changes.
type Place = (VersionId, Box<[u8]>);

#[derive(Clone)]
struct Weight;

impl Weighter<Place, Arc<Cached>> for Weight {
    fn weight(&self, place: &Place, file: &Arc<Cached>) -> u64 {
        512 + (place.1.len() + file.bytes.as_ref().map_or(0, Bytes::len)) as u64
    }
}

/// The cache.
pub struct Cache(quick_cache::sync::Cache<Place, Arc<Cached>, Weight>);

impl Cache {
    /// An empty cache.
    pub fn new() -> Self {
        Cache(quick_cache::sync::Cache::with_weighter(16 * 1024, LEN, Weight))
    }

    /// The file at a path of a version.
    pub fn get(&self, version: &VersionId, path: &[u8]) -> Option<Arc<Cached>> {
        self.0.get(&(*version, path.into()))
    }

    /// Keeps the file at a path of a version.
    pub fn insert(&self, version: &VersionId, path: &[u8], file: Arc<Cached>) {
        self.0.insert((*version, path.into()), file);
    }
}
