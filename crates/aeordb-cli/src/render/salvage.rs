//! What was saved of a damaged file.

use aeordb::salvage::{Lost, Part, SalvageReport};
use aeordb_server::json;
use serde_json::{Value, json};

use super::Report;

/// Broken places that people are shown.
const SHOWN: usize = 10;

/// What `salvage` saved; what is lost is listed beside. `output` is the file as it was typed.
pub fn salvage(report: &SalvageReport, output: &str) -> Report {
    let title = match report.is_complete() {
        true => "Salvage complete.",
        false => "Salvage incomplete.",
    };
    let mut rendered = Report::new(title, as_json(report, output))
        .line("Versions whole", report.versions)
        .line("Versions in parts", report.partial.len())
        .line("Snapshots", report.snapshots)
        .line("History", report.history)
        .line("Entries", report.entries)
        .line("Taken from other files", report.taken)
        .line("Paths lost", report.lost.len());
    if let Some(head) = report.head {
        rendered = rendered.line("Version", head);
    }
    for broken in report.broken.iter().take(SHOWN) {
        rendered = rendered.line("Broken", format!("at offset {}: {}", broken.offset, broken.what));
    }
    match report.broken.len().checked_sub(SHOWN) {
        None | Some(0) => rendered,
        Some(more) => rendered.line("Broken", format!("at {more} more places")),
    }
}

fn as_json(report: &SalvageReport, output: &str) -> Value {
    let broken = report.broken.iter();
    let partial = report.partial.iter();
    json!({
        "version": report.head.map(|head| head.to_string()),
        "complete": report.is_complete(),
        "head_is_last": report.head_is_last,
        "names_uncertain": report.names_uncertain,
        "names_lacking": report.names_lacking,
        "system_lost": report.system_lost,
        "versions": report.versions,
        "partial": partial
            .map(|(was, left)| json!({"version": was.to_string(), "left": left.to_string()}))
            .collect::<Vec<_>>(),
        "snapshots": report.snapshots,
        "history": report.history,
        "entries": report.entries,
        "taken": report.taken,
        "lost": report.lost.iter().map(lost).collect::<Vec<_>>(),
        "more_lost": report.more_lost,
        "broken": broken
            .map(|broken| json!({"offset": broken.offset, "detail": broken.what}))
            .collect::<Vec<_>>(),
        "output": output,
    })
}

fn lost(lost: &Lost) -> Value {
    let mut object = json::named("path", lost.path.as_bytes());
    object.insert("version".into(), lost.version.to_string().into());
    let part = match lost.part {
        Part::File => "file",
        Part::Directory => "directory",
        Part::Names => "names",
    };
    object.insert("part".into(), part.into());
    Value::Object(object)
}
