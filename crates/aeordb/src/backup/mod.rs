//! Backup and restore: a version becomes one file, the difference of two versions becomes one
//! file, and either is taken into a database.

mod changes;
mod combine;
mod delta;
mod diff;
mod export;
mod graft;
mod import;
mod info;
mod layered;
mod listing;
mod live;
mod merge;
mod subtree;
mod verify;

pub use changes::{Change, Comparison, changes};
pub use combine::{Combined, combine};
pub use diff::{PatchReport, diff};
pub use export::{ExportReport, export};
pub use graft::{GraftReport, diff_from_outline, export_outline, graft};
pub use import::{ImportOptions, ImportReport, Input, import};
pub use info::{ChainLink, Info, chain, info};
pub use layered::open_with;
pub use listing::{ListedChange, listed_changes};
pub use merge::{Conflict, MergeReport, OnConflict};
pub use subtree::subtree;
pub use verify::{Damage, VerifyReport, verify, verify_with};

#[cfg(test)]
mod tests;
