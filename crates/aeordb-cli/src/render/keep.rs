//! Retention: what stays and why, what goes; rules as they are typed.

use aeordb_api::retention::{Judged, Kept, Policy};

use super::Report;
use crate::text;

/// What became of snapshots, or would.
pub fn kept(kept: &Kept) -> Report {
    let title = match kept.dry_run {
        true => "Nothing was changed (dry run).",
        false => "Rules applied.",
    };
    let mut report = Report::new(title, kept);
    let row =
        |one: &Judged| format!("{}  {}", text::time(one.snapshot.created_at.0), one.snapshot.name);
    for one in kept.judged.iter().filter(|one| !one.reasons.is_empty()) {
        report = report.line("Stays", format!("{}  ({})", row(one), one.reasons.join(", ")));
    }
    for one in kept.judged.iter().filter(|one| one.reasons.is_empty()) {
        report = report.line("Goes", row(one));
    }
    report.line("Stay", text::count(kept.stay)).line("Go", text::count(kept.go))
}

/// Rules as options.
pub fn policy(policy: &Policy) -> String {
    let mut words = Vec::new();
    let mut option =
        |name: &str, value: &str| words.push(format!("--{name} {}", text::shell(value)));
    if let Some(name) = &policy.name {
        option("name", name);
    }
    for (key, value) in &policy.metadata {
        option("meta", &format!("{key}={value}"));
    }
    if !policy.group_by.is_empty() {
        option("group-by", &policy.group_by.join(","));
    }
    let counts = [
        ("last", policy.last),
        ("hourly", policy.hourly),
        ("daily", policy.daily),
        ("weekly", policy.weekly),
        ("monthly", policy.monthly),
        ("yearly", policy.yearly),
    ];
    for (name, count) in counts.into_iter().filter(|(_, count)| *count != 0) {
        option(name, &if count < 0 { "unlimited".into() } else { count.to_string() });
    }
    if let Some(within) = &policy.within {
        option("within", within);
    }
    words.join(" ")
}
