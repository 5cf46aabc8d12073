//! What a change demands of what is there: `If-Match` and `If-None-Match`, which HTTP, S3 and WebDAV
//! have alike.

use aeordb::Error;
use aeordb::Result;
use aeordb::db::Draft;
use aeordb::hash::VersionId;
use aeordb::object::{Item, Path};

/// Tags of which one is wanted.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Tags {
    /// Any tag is.
    pub any: bool,
    /// The tags, without quotes.
    pub tags: Vec<String>,
}

impl Tags {
    /// True if a tag is among them. What is there without a tag of its own has an empty one.
    pub fn has(&self, tag: &str) -> bool {
        self.any || (!tag.is_empty() && self.tags.iter().any(|one| one == tag))
    }
}

/// What is demanded of a path that is changed. The tag of a file is the hash of its content, that of the
/// root directory the version.
#[derive(Clone, Default, Debug)]
pub struct Conditions {
    /// There must be something with one of these tags.
    pub wanted: Option<Tags>,
    /// There must be nothing with one of these.
    pub unwanted: Option<Tags>,
}

impl Conditions {
    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.wanted.is_none() && self.unwanted.is_none()
    }

    /// [`Error::Changed`] unless they hold of what is at `path`.
    pub fn check(
        &self,
        draft: &mut Draft<'_, '_>,
        path: &Path,
        found: Option<&Item>,
    ) -> Result<()> {
        self.hold(path, found, || draft.version())
    }

    /// The same of what is at `path` in a version.
    pub fn hold(
        &self,
        path: &Path,
        found: Option<&Item>,
        version: impl FnOnce() -> Result<VersionId>,
    ) -> Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        let tag = match found {
            None => None,
            Some(_) if path.is_root() => Some(version()?.to_string()),
            Some(Item::File(record)) => Some(record.content_hash.to_string()),
            Some(_) => Some(String::new()),
        };
        let holds = |tags: &Tags| tag.as_ref().is_some_and(|tag| tags.has(tag));
        let changed = |detail: &str| {
            Err(Error::Changed { what: path.to_string(), detail: detail.to_owned() })
        };
        if self.wanted.as_ref().is_some_and(|tags| !holds(tags)) {
            return changed("its tag is none of If-Match");
        }
        if self.unwanted.as_ref().is_some_and(holds) {
            return changed("If-None-Match names it");
        }
        Ok(())
    }
}
