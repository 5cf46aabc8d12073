//! What became of a merge.

use aeordb::backup::{Conflict, MergeReport, OnConflict};
use aeordb::object::Item;

use super::Report;
use crate::text;
use crate::view::View;

/// The lines of a merge, and one for each conflict.
pub fn lines(report: Report, merge: &MergeReport) -> Report {
    let left_out = match merge.on_conflict {
        OnConflict::LeaveOut => "left out",
        OnConflict::Ours => "resolved: ours",
        OnConflict::Theirs => "resolved: theirs",
    };
    let mut report = report
        .line("Merged onto", merge.ours)
        .line("Changes taken", merge.taken)
        .line("Changes there already", merge.same);
    if !merge.conflicts.is_empty() {
        report = report.line("Conflicts", format!("{} ({left_out})", merge.conflicts.len()));
    }
    for Conflict { path, ours, theirs, .. } in &merge.conflicts {
        let (ours, theirs) = (side(ours.as_ref()), side(theirs.as_ref()));
        let path = text::printable_name(path.as_bytes());
        report = report.line("  Conflict", format!("{path} (ours {ours}, theirs {theirs})"));
    }
    report
}

/// One side of a conflict in a line.
fn side(item: Option<&Item>) -> String {
    let Some(item) = item else { return "deleted".into() };
    let view = View::of(item);
    match (view.hash, view.target) {
        (Some(hash), _) => hash,
        (None, target) => format!("-> {}", text::printable_name(target.unwrap_or_default())),
    }
}
