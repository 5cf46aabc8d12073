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
pub(crate) mod live;
mod merge;
mod subtree;
pub(crate) mod verify;

pub use changes::{Change, Comparison, changes};
pub use combine::{Combined, combine};
pub use diff::{PatchReport, diff};
pub use export::{ExportReport, export};
pub use graft::{GraftReport, diff_from_outline, export_outline, graft};
pub use import::{Head, ImportOptions, ImportReport, Input, import, look_ahead};
pub use info::{ChainLink, Info, chain, info};
pub use layered::{begin_over, open_with};
pub use listing::{ListedChange, listed_changes};
pub use merge::{Conflict, MergeReport, OnConflict};
pub use subtree::subtree;
pub use verify::{Damage, Newer, VerifyReport, verify, verify_with};

#[cfg(test)]
mod tests;
