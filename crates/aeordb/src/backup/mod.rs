//! Backup and restore: a version becomes one file, the difference of two versions becomes one
//! file, and either is taken into a database.

mod changes;
mod delta;
mod diff;
mod export;
mod import;
mod info;
mod live;
mod verify;

pub use changes::{Change, changes};
pub use diff::{PatchReport, diff};
pub use export::{ExportReport, export};
pub use import::{ImportOptions, ImportReport, Input, import};
pub use info::{Info, info};
pub use verify::{Damage, VerifyReport, verify};
