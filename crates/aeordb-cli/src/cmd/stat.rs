//! `stat PATH...`

use std::ffi::OsString;

use aeordb::Result;
use aeordb::object::Path;
use aeordb_api::Name;
use aeordb_api::item::{Item, Stat as Shown};
use clap::Args;

use crate::app::{App, Outcome};
use crate::args::{At, With};
use crate::exit;
use crate::home::Home;
use crate::render::Report;
use crate::text;

const HELP: &str = "\
Examples:
  aeordb stat /documents/report.pdf
  aeordb stat v1:/ --json";

/// Show all that is recorded about files and directories
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub struct Stat {
    /// What to look at: PATH or VERSION:PATH
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<OsString>,
    #[command(flatten)]
    pub at: At,
    #[command(flatten)]
    pub with: With,
}

pub fn run(app: &mut App, home: &dyn Home, args: &Stat) -> Outcome {
    let (places, reading) = home.reading(app, &args.paths, &args.at, &args.with)?;
    for place in &places {
        show(app, &place.path, &reading.look(place)?)?;
    }
    Ok(exit::DONE)
}

/// Shows all that is recorded of an item.
fn show(app: &mut App, path: &Path, stat: &Shown) -> Result<()> {
    let report = describe(path, stat)?;
    if app.global.json {
        return app.out.json(&report.json);
    }
    app.out.bytes(report.text().as_bytes())
}

/// Adds owner, flags and extended attributes, and which other paths are the same file.
fn kept(mut report: Report, path: &Path, item: &Item) -> Result<Report> {
    if let Some(uid) = item.uid {
        report = report.line("Owner", owner(item.user.as_deref(), uid));
    }
    if let Some(gid) = item.gid {
        report = report.line("Group", owner(item.group.as_deref(), gid));
    }
    if !item.flags.is_empty() {
        let flags: Vec<&str> = item.flags.iter().map(|flag| flag.name()).collect();
        report = report.line("Flags", flags.join(", "));
    }
    for xattr in &item.xattrs {
        let name = Name::bytes(&xattr.name, xattr.name_b64.as_deref())?;
        let (name, size) = (text::printable_name(&name), text::exact_size(xattr.size));
        report = report.line("Attribute", format!("{name} ({size})"));
    }
    if let Some(problem) = &item.unread {
        report = report.line("Owner and attributes", format!("cannot be read: {problem}"));
    }
    if let (Some(major), Some(minor)) = (item.major, item.minor) {
        report = report.line("Device", format!("{major}, {minor}"));
    }
    if let Some(link) = &item.hardlink {
        let mut directory = path.parent();
        for _ in 0..link.up {
            directory = directory.and_then(|directory| directory.parent());
        }
        let directory = directory.unwrap_or_else(Path::root);
        let directory = text::printable_name(directory.as_bytes());
        report = report.line("Hard link", format!("group {} in {directory}", link.group));
    }
    Ok(report)
}

/// A user or a group: the name, if there is one, and the number.
fn owner(name: Option<&str>, number: u32) -> String {
    match name {
        Some(name) => format!("{} ({number})", text::printable_name(name.as_bytes())),
        None => number.to_string(),
    }
}

/// What there is to say of an item.
fn describe(path: &Path, stat: &Shown) -> Result<Report> {
    let item = &stat.entry.item;
    let mut report = Report::new(text::printable_name(path.as_bytes()), stat)
        .line("Kind", item.kind.name())
        .line("Size", text::exact_size(item.size));
    if let Some(modified) = item.modified {
        report = report.line("Modified", modified);
    }
    if let (Some(files), Some(directories)) = (item.files, item.directories) {
        report = report.line("Files", files).line("Directories", directories);
    }
    if let Some(mode) = item.mode {
        let letters = text::mode(item.kind.name(), Some(mode.0));
        report = report.line("Mode", format!("{mode} ({letters})"));
    }
    report = kept(report, path, item)?;
    if let Some(content_type) = &item.content_type {
        report = report.line("Content type", content_type);
    }
    if let Some(target) = item.target()? {
        report = report.line("Target", text::printable_name(&target));
    }
    if let Some(hash) = item.hash {
        report = report.line("Hash", hash);
    }
    for (key, value) in item.metadata() {
        let (key, value) = (text::printable_name(key.as_bytes()), text::printable_name(&value?));
        report = report.line("Metadata", format!("{key}={value}"));
    }
    Ok(report.line("Version", stat.version))
}
