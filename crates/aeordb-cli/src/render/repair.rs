//! What of a database was healed.

use aeordb_api::command::Repair;

use super::Report;

/// What `repair` healed; what it was, and what is still lost, is listed beside.
pub fn repair(report: &Repair) -> Report {
    let title = match (report.complete, report.changed) {
        (true, true) => "Repair complete.",
        (true, false) => "Nothing to repair.",
        (false, true) => "Repair incomplete.",
        (false, false) => "Nothing could be repaired.",
    };
    let rendered = Report::new(title, report)
        .line("Versions whole", report.versions)
        .line("Taken from others", report.taken)
        .line("Paths healed", report.healed.len())
        .line("Paths lost", report.lost.len())
        .line("Broken places", report.broken.len());
    match &report.parity {
        Some(of) => {
            rendered.line("Healed by parity", format!("{} of {} bad pieces", of.healed, of.bad))
        }
        None => rendered,
    }
}
