//! `stat PATH...`

use aeordb::hash::VersionId;
use aeordb::object::{Item, Path};
use aeordb_server::json;
use serde_json::Value;

use crate::app::{App, Outcome};
use crate::args::Stat;
use crate::exit;
use crate::render::Report;
use crate::text;
use crate::view::View;

pub fn run(app: &mut App, args: &Stat) -> Outcome {
    let (opened, places) = app.open_for(&args.paths, &args.at, &args.with)?;
    for location in places {
        let (version, item) = opened.item(&location, args.at.at.as_deref())?;
        show(app, &location.path, &version, &item)?;
    }
    Ok(exit::DONE)
}

/// Shows all that is recorded of an item.
pub fn show(app: &mut App, path: &Path, version: &VersionId, item: &Item) -> aeordb::Result<()> {
    let report = describe(path, version, item);
    if app.global.json {
        return app.out.json(&report.json);
    }
    app.out.bytes(report.text().as_bytes())
}

/// What there is to say of an item.
fn describe(path: &Path, version: &VersionId, item: &Item) -> Report {
    let view = View::of(item);
    let mut object = json::named("path", path.as_bytes());
    json::insert_item(&mut object, item);
    object.insert("version".into(), version.to_string().into());
    let mut report = Report::new(text::printable_name(path.as_bytes()), Value::Object(object))
        .line("Kind", view.kind)
        .line("Size", text::exact_size(view.size));
    if let Some(modified) = view.modified {
        report = report.line("Modified", json::time(modified));
    }
    if let Some(totals) = view.totals {
        report = report.line("Files", totals.files).line("Directories", totals.directories);
    }
    if let Some(mode) = view.mode {
        report = report.line("Mode", json::mode(mode));
    }
    if let Some(content_type) = view.content_type {
        report = report.line("Content type", content_type);
    }
    if let Some(target) = view.target {
        report = report.line("Target", text::printable_name(target));
    }
    if let Some(hash) = view.hash {
        report = report.line("Hash", hash);
    }
    for (key, value) in view.metadata.into_iter().flatten() {
        report = report.line(
            "Metadata",
            format!("{}={}", text::printable_name(key), text::printable_name(value)),
        );
    }
    report.line("Version", version)
}
