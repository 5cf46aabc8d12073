//! What became of a merge.

use aeordb_api::backups::{Merge, Side};
use aeordb_api::item::Item;

use super::Report;
use crate::text;

/// The lines of a merge, and one for each conflict.
pub fn lines(report: Report, merge: &Merge) -> Report {
    let left_out = match merge.resolved {
        None => "left out",
        Some(Side::Ours) => "resolved: ours",
        Some(Side::Theirs) => "resolved: theirs",
    };
    let mut report = report
        .line("Merged onto", merge.ours)
        .line("Changes taken", merge.taken)
        .line("Changes there already", merge.same);
    if !merge.conflicts.is_empty() {
        report = report.line("Conflicts", format!("{} ({left_out})", merge.conflicts.len()));
    }
    for conflict in &merge.conflicts {
        let (ours, theirs) = (side(conflict.ours.as_ref()), side(conflict.theirs.as_ref()));
        let path = text::printable_name(&conflict.path().unwrap_or_default());
        report = report.line("  Conflict", format!("{path} (ours {ours}, theirs {theirs})"));
    }
    report
}

/// One side of a conflict in a line.
fn side(item: Option<&Item>) -> String {
    let Some(item) = item else { return "deleted".into() };
    match item.hash {
        Some(hash) => hash.to_string(),
        None => {
            let target = item.target().unwrap_or_default().unwrap_or_default();
            format!("-> {}", text::printable_name(&target))
        }
    }
}
