//! What was saved of a damaged file.

use aeordb_api::command::{Orphans, Salvage};

use super::Report;

/// Broken places that people are shown.
const SHOWN: usize = 10;

/// What `salvage` saved; what is lost is listed beside.
pub fn salvage(report: &Salvage) -> Report {
    let title = match report.complete {
        true => "Salvage complete.",
        false => "Salvage incomplete.",
    };
    let mut rendered = Report::new(title, report)
        .line("Versions whole", report.versions)
        .line("Versions in parts", report.partial.len())
        .line("Snapshots", report.snapshots)
        .line("History", report.history)
        .line("Entries", report.entries)
        .line("Taken from other files", report.taken)
        .line("Paths lost", report.lost.len());
    if let Some(orphans) = &report.orphans {
        let Orphans { snapshot, directories, files } = orphans;
        let what = format!("{directories} directories with {files} files in {snapshot}:/");
        rendered = rendered.line("Without a name", what);
    }
    if let Some(head) = report.version {
        rendered = rendered.line("Version", head);
    }
    for broken in report.broken.iter().take(SHOWN) {
        rendered =
            rendered.line("Broken", format!("at offset {}: {}", broken.offset, broken.detail));
    }
    match report.broken.len().checked_sub(SHOWN) {
        None | Some(0) => rendered,
        Some(more) => rendered.line("Broken", format!("at {more} more places")),
    }
}
