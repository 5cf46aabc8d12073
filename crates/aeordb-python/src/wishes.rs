//! How things are to be done, as Python says it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use aeordb::backup::OnConflict;
use aeordb::db::Naming;
use aeordb::files::{
    Choice, GetOptions, KeepOptions, Overwrite, Patterns, PatternsBuilder, PutOptions, Wanted,
};
use aeordb::{Error, Result};
use pyo3::FromPyObject;

/// How local files are put.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct PutWish {
    mirror: bool,
    max_delete: Option<String>,
    allow_empty: bool,
    exclude: Vec<String>,
    owner: bool,
    xattrs: bool,
    snapshot: Option<String>,
    metadata: BTreeMap<String, String>,
    content_type: Option<String>,
    cache: Option<PathBuf>,
}

fn patterns(exclude: &[String]) -> Result<Patterns> {
    let mut patterns = PatternsBuilder::default();
    exclude.iter().try_for_each(|pattern| patterns.exclude(pattern.as_bytes()))?;
    patterns.build()
}

impl PutWish {
    /// The same for the library.
    pub fn options(&self) -> Result<PutOptions> {
        let name = |name: &String| Naming { name: name.clone(), metadata: self.metadata.clone() };
        Ok(PutOptions {
            mirror: self.mirror,
            max_delete: self.max_delete.as_deref().map(str::parse).transpose()?.unwrap_or_default(),
            allow_empty: self.allow_empty,
            keep: KeepOptions { owner: self.owner, numeric: false, xattrs: self.xattrs },
            choice: Arc::new(Choice { patterns: patterns(&self.exclude)?, ..Choice::default() }),
            snapshot: self.snapshot.as_ref().map(name),
            content_type: self.content_type.clone(),
            cache: self.cache.clone(),
            ..PutOptions::default()
        })
    }
}

/// How local files are restored.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct GetWish {
    overwrite: String,
    mirror: bool,
    max_delete: Option<String>,
    allow_empty: bool,
    exclude: Vec<String>,
    owner: bool,
    xattrs: bool,
    verify: bool,
}

impl GetWish {
    /// The same for the library; `protected` must stay as it is.
    pub fn options(&self, protected: Vec<(u64, u64)>) -> Result<GetOptions> {
        let overwrite = match (self.overwrite.as_str(), self.mirror) {
            ("refuse", true) => Overwrite::IfChanged,
            ("refuse", false) => Overwrite::Refuse,
            ("never", _) => Overwrite::Never,
            ("if-newer", _) => Overwrite::IfNewer,
            ("if-changed", _) => Overwrite::IfChanged,
            ("always", _) => Overwrite::Always,
            (other, _) => {
                let known = "refuse, never, if-newer, if-changed, always";
                return Err(Error::invalid(format!("overwrite is '{other}', none of {known}")));
            }
        };
        let keep = KeepOptions { owner: self.owner, numeric: false, xattrs: self.xattrs };
        Ok(GetOptions {
            overwrite,
            mirror: self.mirror,
            max_delete: self.max_delete.as_deref().map(str::parse).transpose()?.unwrap_or_default(),
            allow_empty: self.allow_empty,
            patterns: patterns(&self.exclude)?,
            verify: self.verify,
            wanted: Wanted { keep, ..Wanted::default() },
            protected,
            ..GetOptions::default()
        })
    }
}

/// What becomes of what is imported.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct ImportWish {
    pub promote: bool,
    pub force: bool,
    pub snapshot: Option<String>,
    pub merge: Option<String>,
    pub undo: Option<PathBuf>,
}

impl ImportWish {
    /// Whether changes are applied to HEAD, and which side wins.
    pub fn merge(&self) -> Result<Option<OnConflict>> {
        match self.merge.as_deref() {
            None => Ok(None),
            Some("leave-out") => Ok(Some(OnConflict::LeaveOut)),
            Some("ours") => Ok(Some(OnConflict::Ours)),
            Some("theirs") => Ok(Some(OnConflict::Theirs)),
            Some(other) => {
                let known = "leave-out, ours, theirs";
                Err(Error::invalid(format!("merge is '{other}', none of {known}")))
            }
        }
    }
}
