//! What a run did, as the textfile collector of node_exporter reads it.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use aeordb::Result;
use aeordb::error::Context;
use aeordb_api::profiles::{Ending, Run, SourceRun, TargetRun};
use tempfile::NamedTempFile;

/// The one that outlives runs which fail.
const LAST_SUCCESS: &str = "aeordb_run_last_success_timestamp_seconds";

/// Puts a file with the numbers of a run in its place, whole: whoever reads meanwhile sees the one
/// before.
pub fn write(path: &Path, run: &Run) -> Result<()> {
    let what = || format!("writing the metrics {}", path.display());
    let success = match run.outcome {
        Ending::Failed => earlier(path, &run.profile),
        Ending::Done | Ending::Incomplete => Some(ended(run)),
    };
    let beside = path.parent().filter(|above| !above.as_os_str().is_empty());
    let mut file = NamedTempFile::new_in(beside.unwrap_or(Path::new("."))).context(what)?;
    file.write_all(text(run, success).as_bytes()).context(what)?;
    // The collector is somebody else.
    file.as_file().set_permissions(fs::Permissions::from_mode(0o644)).context(what)?;
    file.as_file().sync_all().context(what)?;
    file.persist(path).map_err(|error| error.error).context(what)?;
    Ok(())
}

#[expect(clippy::cast_possible_truncation, reason = "a run of years is none")]
fn ended(run: &Run) -> i64 {
    run.started_at.0 / 1_000_000_000 + run.seconds as i64
}

/// When a run of this profile succeeded, as the file says that is there.
fn earlier(path: &Path, profile: &str) -> Option<i64> {
    let text = fs::read_to_string(path).ok()?;
    let start = format!("{LAST_SUCCESS}{} ", label(profile));
    text.lines().find_map(|line| line.strip_prefix(&start)?.trim().parse().ok())
}

fn label(profile: &str) -> String {
    format!("{{profile=\"{}\"}}", escaped(profile))
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// The text that Prometheus reads.
pub fn text(run: &Run, success: Option<i64>) -> String {
    let label = label(&run.profile);
    let mut text = String::new();
    let mut metric =
        |name: &str, help: &str, values: &[(String, f64)]| family(&mut text, name, help, values);
    let one = |value: f64| vec![(label.clone(), value)];
    let sum = |of: fn(&SourceRun) -> u64| one(float(run.sources.iter().map(of).sum()));
    #[expect(clippy::cast_precision_loss, reason = "seconds are exact for long")]
    let seconds = |value: i64| value as f64;
    metric(
        "aeordb_run_last_timestamp_seconds",
        "When the last run of the profile ended.",
        &one(seconds(ended(run))),
    );
    let success: Vec<_> = success.map(|at| (label.clone(), seconds(at))).into_iter().collect();
    metric(LAST_SUCCESS, "When the last run ended that made a backup.", &success);
    let ok = run.outcome != Ending::Failed;
    metric("aeordb_run_success", "1 if the last run made a backup.", &one(float(ok.into())));
    metric("aeordb_run_exit_code", "Its exit code.", &one(run.exit_code.into()));
    metric("aeordb_run_duration_seconds", "How long it took.", &one(run.seconds));
    metric("aeordb_run_source_files", "Files that were looked at.", &sum(|source| source.files));
    metric("aeordb_run_source_bytes", "Their bytes.", &sum(|source| source.bytes));
    metric(
        "aeordb_run_new_bytes",
        "Bytes that the database did not have before.",
        &sum(|source| source.new_bytes),
    );
    metric(
        "aeordb_run_unreadable",
        "Files and directories that could not be read.",
        &sum(|source| source.unreadable),
    );
    of_targets(&mut text, run);
    text
}

/// The numbers of each target.
fn of_targets(text: &mut String, run: &Run) {
    let each = |of: fn(&TargetRun) -> u64| -> Vec<(String, f64)> {
        let profile = escaped(&run.profile);
        let labels = |to: &TargetRun| {
            format!("{{profile=\"{profile}\",target=\"{}\"}}", escaped(&to.directory))
        };
        run.targets.iter().map(|to| (labels(to), float(of(to)))).collect()
    };
    let good = each(|to| u64::from(to.verified && to.error.is_none()));
    let help = "1 if the target got a file that was verified.";
    family(text, "aeordb_run_target_success", help, &good);
    let bytes = each(|to| to.bytes);
    family(text, "aeordb_run_target_bytes", "Bytes of that file.", &bytes);
    let removed = each(|to| to.removed.len() as u64);
    let help = "Files that were removed from the target.";
    family(text, "aeordb_run_target_removed", help, &removed);
}

/// A number for each of these labels.
fn family(text: &mut String, name: &str, help: &str, values: &[(String, f64)]) {
    if values.is_empty() {
        return;
    }
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
    for (labels, value) in values {
        let _ = writeln!(text, "{name}{labels} {value}");
    }
}

#[expect(clippy::cast_precision_loss, reason = "that is what Prometheus counts in")]
fn float(value: u64) -> f64 {
    value as f64
}
