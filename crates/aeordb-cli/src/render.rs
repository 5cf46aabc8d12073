//! Reports and errors as people and programs read them. The first line of a report and the lines
//! that the manual shows are literal: scripts look for them.

mod keep;
mod merge;
mod repair;
mod salvage;
mod space;

use std::time::Duration;

use aeordb::Error;
use aeordb_api::Name;
use aeordb_api::backups::{Encryption, Export, FileKind, Import, Info, Patch};
use aeordb_api::command::{Compaction, Failure, FileInfo, Get, Parity, Put, Timed, WithParity};
use aeordb_api::files::Edit;
use aeordb_api::jobs::{Collection, Forgotten, Pass, Verification};
use aeordb_api::versions::{Promotion, Snapshot};
use serde::Serialize;
use serde_json::Value;

pub use self::keep::{kept, policy};
pub use self::repair::repair;
pub use self::salvage::salvage;
pub use self::space::{healed, parity, space};
use crate::exit;
use crate::text;

/// What a verb did: lines for people, one object for programs.
pub struct Report {
    title: String,
    lines: Vec<(&'static str, String)>,
    closing: Vec<String>,
    pub json: Value,
}

impl Report {
    /// A report with this first line.
    pub fn new(title: impl Into<String>, json: &impl Serialize) -> Self {
        // What travels is made of text, numbers and lists alone.
        let json = serde_json::to_value(json).unwrap_or_default();
        Report { title: title.into(), lines: Vec::new(), closing: Vec::new(), json }
    }

    /// Adds an indented line.
    pub fn line(mut self, label: &'static str, value: impl ToString) -> Self {
        self.lines.push((label, value.to_string()));
        self
    }

    /// Adds an indented line if there is anything to count.
    pub fn line_if_any(self, label: &'static str, count: u64) -> Self {
        if count == 0 { self } else { self.line(label, count) }
    }

    /// Adds a line at the end that is not indented.
    pub fn closing(mut self, line: impl Into<String>) -> Self {
        self.closing.push(line.into());
        self
    }

    /// The lines for people.
    pub fn text(&self) -> String {
        let mut text = format!("{}\n", self.title);
        for (label, value) in &self.lines {
            text.push_str(&format!("  {label}: {}\n", text::printable(value)));
        }
        for line in &self.closing {
            text.push_str(&format!("{}\n", text::printable(line)));
        }
        text
    }
}

/// What `export` made.
pub fn export(report: &Export) -> Report {
    Report::new("Export complete.", report)
        .line("Files", report.files)
        .line("Chunks", report.chunks)
        .line("Directories", report.directories)
        .line("Version", report.version)
}

/// What `export` made, and its parity.
pub fn export_with(done: Export, parity: Parity) -> Report {
    let made = format!("{}, {}", parity.file, text::exact_size(parity.file_bytes));
    let plain = export(&done);
    Report {
        json: Report::new("", &WithParity { done, parity }).json,
        ..plain.line("Parity", made)
    }
}

/// What `diff --output` made.
pub fn patch(report: &Patch) -> Report {
    Report::new("Patch created.", report)
        .line("Files added", report.files_added)
        .line("Files modified", report.files_modified)
        .line("Files deleted", report.files_deleted)
        .line("Chunks", report.chunks)
        .line("Directories", report.directories)
        .line("From", report.from)
        .line("To", report.to)
}

/// What `import` did.
pub fn import(report: &Import) -> Report {
    let title = match report.kind {
        _ if report.merge.is_some() => "Patch imported.",
        FileKind::Patch => "Patch imported.",
        FileKind::Export | FileKind::Database => "Full export imported.",
    };
    let mut rendered = Report::new(title, report)
        .line("Entries", report.entries)
        .line("Chunks", report.chunks)
        .line("Files", report.files)
        .line("Directories", report.directories)
        .line("Deletions", report.deletions)
        .line("Version", report.version);
    if let Some(merge) = &report.merge {
        rendered = merge::lines(rendered, merge);
    }
    if report.promoted {
        rendered.closing("HEAD has been promoted.")
    } else {
        rendered
            .closing("HEAD has NOT been changed.")
            .closing(format!("To promote: aeordb promote --hash {}", report.version))
    }
}

/// What `promote` did.
pub fn promotion(promotion: &Promotion) -> Report {
    Report::new("HEAD has been promoted.", promotion)
        .line("Version", promotion.head)
        .line("Previous", promotion.previous)
}

/// What `put` did.
pub fn put(report: &Put) -> Report {
    let rendered = Report::new("Put complete.", report)
        .line("Files", report.files)
        .line("Directories", report.directories)
        .line("Bytes", text::exact_size(report.bytes))
        .line("Files new", report.files_new)
        .line("Files changed", report.files_changed)
        .line("Files unchanged", report.files_unchanged)
        .line_if_any("Files deleted", report.files_deleted)
        .line_if_any("Excluded", report.excluded)
        .line_if_any("Mount points", report.mount_points)
        .line_if_any("Skipped", report.skipped)
        .line_if_any("Unreadable", report.unreadable)
        .line_if_any("Changed while read", report.unsettled)
        .line("Database grew by", text::exact_size(report.new_bytes))
        .line("Version", report.version);
    match &report.snapshot {
        Some(name) => rendered.line("Snapshot", name),
        None => rendered,
    }
}

/// What `get` wrote.
pub fn get(report: &Get) -> Report {
    let title = if report.failed == 0 { "Get complete." } else { "Get incomplete." };
    Report::new(title, report)
        .line("Files", report.files)
        .line("Directories", report.directories)
        .line("Bytes", text::exact_size(report.bytes))
        .line_if_any("Files unchanged", report.unchanged)
        .line_if_any("Files kept", report.kept)
        .line_if_any("Files deleted", report.deleted)
        .line_if_any("Excluded", report.excluded)
        .line_if_any("Not restored", report.failed)
        .line_if_any("Attributes not restored", report.lacking)
        .line("Version", report.version)
}

/// What `rm`, `mv` or `cp` did.
pub fn edit(title: &str, report: &Edit) -> Report {
    Report::new(title, report)
        .line("Files", report.files)
        .line("Directories", report.directories)
        .line("Bytes", text::exact_size(report.bytes))
        .line("Version", report.version)
}

/// A snapshot that was made or removed.
pub fn snapshot(title: &str, snapshot: &Snapshot) -> Report {
    let mut report = Report::new(title, snapshot)
        .line("Name", &snapshot.name)
        .line("Version", snapshot.version)
        .line("Created", text::time(snapshot.created_at.0));
    if snapshot.held {
        report = report.line("Held", "until it is released");
    }
    for (key, value) in &snapshot.metadata {
        report = report.line("Metadata", format!("{key}={value}"));
    }
    report
}

/// Versions that were dropped, or would be.
pub fn forgotten(forgotten: &Forgotten) -> Report {
    let title = match forgotten.dry_run {
        true => "Nothing was changed (dry run).",
        false => "Forgotten.",
    };
    let mut report = Report::new(title, forgotten);
    for name in &forgotten.snapshots {
        report = report.line("Snapshot", name);
    }
    report = report
        .line("History entries", text::count(forgotten.history_entries))
        .line("Versions that nothing names now", text::count(forgotten.versions.len() as u64));
    match forgotten.dry_run || forgotten.versions.is_empty() {
        true => report,
        false => report.closing("To give their bytes back: aeordb gc"),
    }
}

/// What a file is. Of one of several, `follows` is the file that leads to its base, if one does.
pub fn info(path: &[u8], info: &Info, follows: Option<Option<&[u8]>>) -> Report {
    let name = Name::new(path);
    let follows = follows.filter(|_| info.kind == FileKind::Patch);
    let follows = follows.map(|before| before.map(Name::new));
    let shown = FileInfo {
        file: name.text,
        file_b64: name.b64,
        info: info.clone(),
        follows_b64: follows.clone().flatten().and_then(|before| before.b64),
        follows: follows.map(|before| before.map(|before| before.text)),
    };
    let mut report = Report::new(text::printable_name(path), &shown)
        .line("Kind", info.kind.name())
        .line("Format", info.format)
        .line("Version", info.version);
    if let Some(base) = info.base {
        report = report
            .line("Base", base)
            .line("Files added", info.files_added.unwrap_or_default())
            .line("Files modified", info.files_modified.unwrap_or_default())
            .line("Files deleted", info.files_deleted.unwrap_or_default());
    }
    report = report.line("Files", info.files).line("Directories", info.directories);
    report = match info.encryption {
        Some(Encryption::Unopened) => report.line("Encrypted", "yes, and no key of it is at hand"),
        Some(Encryption::Opened) => {
            report.line("Content", text::exact_size(info.bytes)).line("Encrypted", "yes")
        }
        None => report.line("Content", text::exact_size(info.bytes)),
    };
    report = report
        .line("Objects", info.objects)
        .line("Chunks", info.chunks)
        .line("File size", text::exact_size(info.file_bytes))
        .line("Compression", compression(info.raw_bytes, info.stored_bytes));
    if info.kind == FileKind::Database {
        report = report
            .line("Voids", text::exact_size(info.void_bytes))
            .line("Snapshots", info.snapshots)
            .line("History", info.history);
        for one in &info.unfinished {
            let path = text::printable_name(one.path.as_bytes());
            let (files, bytes, until) = (one.files, text::size(one.bytes), one.kept_until);
            let stored = format!("{files} files, {bytes}, kept until {until}");
            report = report.line("Unfinished put", format!("{path}: {stored}"));
        }
    }
    report
}

/// Raw against stored bytes, with the ratio to two digits.
fn compression(raw: u64, stored: u64) -> String {
    if stored == 0 {
        return "nothing stored".into();
    }
    let hundredths = u128::from(raw) * 100 / u128::from(stored);
    format!(
        "{} to {} ({}.{:02} : 1)",
        text::size(raw),
        text::size(stored),
        hundredths / 100,
        hundredths % 100
    )
}

/// How far a pass is.
fn far(pass: &Pass) -> String {
    let Pass { began_at, bytes, bytes_expected, .. } = pass;
    match pass.is_whole {
        true => format!("to the end of the pass that began at {began_at}"),
        false if bytes < bytes_expected => {
            let percent = u128::from(*bytes) * 100 / u128::from(*bytes_expected).max(1);
            format!("to {percent} % of the file in the pass that began at {began_at}")
        }
        false => format!("to some of the versions in the pass that began at {began_at}"),
    }
}

/// What `verify` found.
pub fn verify(report: &Verification) -> Report {
    let title = match (report.damages.is_empty(), report.newer.is_empty()) {
        (true, true) => "No damage found.",
        (true, false) => "No damage found, but not all can be read.",
        (false, _) => "Damage found.",
    };
    let checked = match (&report.sample, &report.pass, report.deep) {
        (Some(share), _, _) => format!("structure, {share} of the blocks with every entry in them"),
        (_, Some(pass), _) => format!("as much as there was time for, {}", far(pass)),
        (_, _, true) => {
            "structure, checksums, the hash of every entry, completeness of every version".into()
        }
        _ if report.unopened => "structure and checksums; it is encrypted and stayed closed".into(),
        (_, _, false) => "structure and checksums (--deep also hashes every entry)".into(),
    };
    let mut rendered = Report::new(title, report)
        .line("Kind", report.kind.name())
        .line("Checked", checked)
        .line("Versions", report.versions)
        .line("Objects", report.objects)
        .line("Blocks", report.blocks)
        .line("Bytes", text::exact_size(report.bytes));
    if report.unproved > 0 {
        let deltas = report.unproved;
        rendered = rendered.line(
            "Not proved",
            format!("{deltas} entries are deltas against the base; import proves them"),
        );
    }
    if report.torn_tail > 0 {
        let tail = text::exact_size(report.torn_tail);
        rendered = rendered
            .line("Unfinished", format!("{tail} after the last commit, of a write that was cut"));
    }
    for damage in &report.damages {
        rendered = rendered.line("Damage", format!("at offset {}: {}", damage.offset, damage.what));
        for hit in &damage.paths {
            let path = text::printable_name(&hit.path().unwrap_or_default());
            rendered = rendered.line("  Hits", format!("{path} in version {}", hit.version));
        }
    }
    for newer in &report.newer {
        let place = match newer.offset {
            0 => String::new(),
            offset => format!("at offset {offset}: "),
        };
        let text =
            format!("{place}{} was made by a newer aeordb: it needs {}", newer.what, newer.needs);
        rendered = rendered.line("Newer", text);
    }
    rendered
}

/// What `gc` did, or would do.
pub fn gc(report: &Collection, took: Duration) -> Report {
    let title =
        if report.dry_run { "Nothing was changed (dry run)." } else { "Collection complete." };
    let rendered = Report::new(title, &Timed { done: report, seconds: took.as_secs_f64() })
        .line("Entries live", report.entries_live)
        .line("Bytes live", text::exact_size(report.bytes_live))
        .line("Entries collected", report.entries_collected)
        .line("Bytes collected", text::exact_size(report.bytes_collected))
        .line("Bytes released", text::exact_size(report.bytes_released));
    let rendered = match report.bytes_deferred {
        0 => rendered,
        bytes => rendered.line("Left to the next gc", text::exact_size(bytes)),
    };
    rendered.line("Time", text::duration(took))
}

/// What `compact` did, or would do.
pub fn compact(report: &Compaction, took: Duration) -> Report {
    let title =
        if report.dry_run { "Nothing was changed (dry run)." } else { "Compaction complete." };
    Report::new(title, &Timed { done: report, seconds: took.as_secs_f64() })
        .line("Entries live", report.entries_live)
        .line("Bytes before", text::exact_size(report.bytes_before))
        .line("Bytes after", text::exact_size(report.bytes_after))
        .line("Time", text::duration(took))
}

/// The lines that the manual prescribes for an import into another version.
pub fn mismatch(error: &Error) -> Option<String> {
    let Error::BaseMismatch { head, base, target } = error else {
        return None;
    };
    let mut lines = format!(
        "Target database HEAD ({head}) does not match patch base version ({base}).\n\
         Use --force to apply anyway."
    );
    if head == target {
        lines.push_str("\nThe patch's target version is already HEAD: there is nothing to apply.");
    }
    Some(lines)
}

/// An error as programs read it.
pub fn problem(error: &Error, code: u8, hint: Option<&str>) -> Failure {
    let cause = exit::cause(error);
    Failure {
        kind: cause.kind().into(),
        title: cause.title().into(),
        detail: error.to_string(),
        exit_code: code,
        hint: hint.map(Into::into),
        members: cause.members(),
    }
}

/// A command line that was not understood, as programs read it.
pub fn usage(explanation: &str) -> Failure {
    // The first paragraph says what is wrong, the rest is advice.
    let paragraph = explanation.lines().take_while(|line| !line.is_empty());
    let detail = paragraph.map(str::trim).collect::<Vec<_>>().join(" ");
    Failure {
        kind: "usage".into(),
        title: "The command line cannot be meant".into(),
        detail: detail.trim_start_matches("error: ").into(),
        exit_code: exit::USAGE,
        hint: Some("`aeordb --help` shows what is possible".into()),
        members: serde_json::Map::new(),
    }
}

#[cfg(test)]
mod tests;
