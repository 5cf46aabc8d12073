//! Comparisons of versions that were listed lately: what was renamed is found once for all pages of
//! a list.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use aeordb::backup::Comparison;
use aeordb::db::Reader;
use aeordb::error::Result;
use aeordb::hash::VersionId;
use aeordb::monitor::Monitor;

/// Comparisons that are kept.
const KEPT_MAX: usize = 4;
/// Most renamed files of a comparison that is kept: beyond, every page looks for them again.
const RENAMES_MAX: usize = 50_000;

/// The comparisons.
#[derive(Default)]
pub struct Comparisons(Mutex<VecDeque<Arc<Comparison>>>);

impl Comparisons {
    /// The comparison of two versions; one that is not made when `monitor` is cancelled is not kept.
    pub fn get(
        &self,
        reader: &Reader,
        from: &VersionId,
        to: &VersionId,
        monitor: &Monitor,
    ) -> Result<Arc<Comparison>> {
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = lock().iter().find(|one| one.versions() == (*from, *to)).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let found = Arc::new(Comparison::new(reader, from, to, monitor)?);
        if found.renames() <= RENAMES_MAX {
            let mut kept = lock();
            kept.push_front(found.clone());
            kept.truncate(KEPT_MAX);
        }
        Ok(found)
    }
}
