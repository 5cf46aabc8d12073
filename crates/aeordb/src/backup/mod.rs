//! Backup and restore: a version becomes one file, the difference of two versions becomes one
//! file, and either is taken into a database.

mod changes;
mod combine;
pub(crate) mod delta;
mod diff;
mod export;
pub(crate) mod import;
mod info;
mod layered;
mod listing;
mod merge;
mod outline;
pub(crate) mod repack;
mod sealed_file;
mod subtree;
pub(crate) mod verify;

pub use changes::{Change, Comparison, Difference, changes, differences};
pub use combine::{Combined, combine, combine_for};
pub use diff::{PatchReport, diff, diff_for};
pub use export::{ExportReport, export, export_for};
pub use import::{
    Head, ImportAtReport, ImportOptions, ImportReport, Input, import, import_at, look_ahead,
};
pub use info::{ChainLink, Encryption, Info, chain, info};
pub use layered::{begin_over, open_with};
pub use listing::{ListedChange, listed_changes};
pub use merge::{Conflict, MergeReport, OnConflict};
pub use outline::{diff_from_outline, export_outline};
pub use subtree::subtree;
pub use verify::{
    Damage, Newer, Pass, Portion, Share, VerifyReport, verify, verify_part, verify_with,
};

#[cfg(test)]
mod tests;
