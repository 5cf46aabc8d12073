//! What the server counts, as Prometheus reads it.

mod runs;

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use aeordb::backup::Pass;
use axum::http::{Method, StatusCode};

use crate::service::backups::Newest;
use crate::service::counters::{Counter, Counters};
use crate::service::facts::{DatabaseFacts, Room};

/// Upper bounds of the classes of latency, in microseconds.
const BOUNDS: [u64; 12] =
    [100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 100_000, 500_000, 2_500_000, 10_000_000];
/// Methods that are told apart.
const METHODS: [&str; 5] = ["GET", "HEAD", "PUT", "POST", "DELETE"];
/// Classes of statuses.
const CLASSES: [&str; 4] = ["2xx", "3xx", "4xx", "5xx"];

/// The counters of a server.
#[derive(Default, Debug)]
pub struct Metrics {
    requests: [[AtomicU64; CLASSES.len()]; METHODS.len()],
    latency: [AtomicU64; BOUNDS.len()],
    latency_sum: AtomicU64,
    latency_count: AtomicU64,
    /// Connections that are open.
    pub connections: AtomicI64,
    /// Connections that were opened.
    pub accepted: AtomicU64,
    /// Bytes of request bodies.
    pub bytes_in: Counter,
    /// Bytes of files and backups that were sent.
    pub bytes_out: Counter,
    /// Keys that were refused.
    pub refused: AtomicU64,
    /// Files that were read without asking the database.
    pub cache_hits: AtomicU64,
    /// The work of the service.
    pub work: Arc<Counters>,
    /// When the pass over the database goes on, in seconds since 1970; 0 if nobody knows.
    pub scrub_due: AtomicI64,
    /// Runs of profiles.
    pub runs: runs::Runs,
}

impl Metrics {
    /// No requests yet, beside the work of a service.
    pub fn of(work: Arc<Counters>) -> Self {
        Metrics { work, ..Metrics::default() }
    }

    /// Counts a request that was answered.
    pub fn request(&self, method: &Method, status: StatusCode, took: Duration) {
        let method = METHODS.iter().position(|name| method.as_str() == *name);
        let class = usize::from(status.as_u16() / 100).checked_sub(2);
        let counter = method.zip(class).and_then(|(m, c)| self.requests.get(m)?.get(c));
        if let Some(counter) = counter {
            counter.fetch_add(1, Relaxed);
        }
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.iter().position(|bound| took <= *bound);
        if let Some(bucket) = bucket.and_then(|index| self.latency.get(index)) {
            bucket.fetch_add(1, Relaxed);
        }
        self.latency_sum.fetch_add(took, Relaxed);
        self.latency_count.fetch_add(1, Relaxed);
    }

    /// The text that Prometheus reads.
    pub fn text(&self, database: &DatabaseFacts) -> String {
        let mut text = String::with_capacity(4096);
        self.http(&mut text);
        let group = &database.group;
        for (name, kind, help, value) in [
            ("commits_total", "counter", "Commits of the database.", database.commits),
            ("group_commits_total", "counter", "Commits of groups of edits.", group.commits),
            ("group_edits_total", "counter", "Edits in those commits.", group.edits),
            ("syncs_total", "counter", "Syncs of the database file.", database.syncs.syncs),
            ("database_bytes", "gauge", "Bytes of the database file.", database.bytes),
            (
                "database_allocated_bytes",
                "gauge",
                "What the database file takes on the disk.",
                database.allocated,
            ),
            (
                "void_bytes",
                "gauge",
                "Bytes of the database file that collections have made voids of.",
                database.voids,
            ),
            ("history_entries", "gauge", "Entries of history.", database.history),
            ("snapshots", "gauge", "Snapshots.", database.snapshots),
            ("head_files", "gauge", "Files of HEAD.", database.files),
            (
                "writable",
                "gauge",
                "1 if the database can be written to, 0 once it can only be read.",
                u64::from(database.is_writable),
            ),
            (
                "last_verification_damages",
                "gauge",
                "What the last verification by this server found damaged.",
                self.work.damages.load(Relaxed),
            ),
        ] {
            family(&mut text, name, kind, help, &value.to_string());
        }
        self.times(&mut text, database);
        let [done, failed] = self.work.imports.each_ref().map(|count| Some(count.load(Relaxed)));
        let help = "Imports, by how they ended.";
        labelled(
            &mut text,
            "imports_total",
            "counter",
            help,
            "result",
            [("done", done), ("failed", failed)],
        );
        for (name, help, of) in [
            (
                "disk_available_bytes",
                "What the file system of the database and that of the backups have left.",
                (|room| room.available) as fn(Room) -> u64,
            ),
            ("disk_size_bytes", "What those file systems hold.", |room| room.size),
        ] {
            let [database, backups] = database.rooms.map(|room| room.map(of));
            let values = [("database", database), ("backups", backups)];
            labelled(&mut text, name, "gauge", help, "holds", values);
        }
        self.backups(&mut text, database);
        self.runs.text(&mut text);
        scrub(&mut text, database.pass.as_ref(), self.scrub_due.load(Relaxed));
        text
    }

    /// How long commits and syncs took, and when the last verification ended.
    fn times(&self, text: &mut String, database: &DatabaseFacts) {
        let help = "Time that group commits took, their sync included.";
        let seconds = database.group.busy.as_secs_f64().to_string();
        family(text, "group_commit_seconds_total", "counter", help, &seconds);
        let help = "Time that syncs of the database file took.";
        let seconds = database.syncs.busy.as_secs_f64().to_string();
        family(text, "sync_seconds_total", "counter", help, &seconds);
        let help = "When the last verification by this server ended, 0 if there was none.";
        let seconds = self.work.last_verification.load(Relaxed).to_string();
        family(text, "last_verification_timestamp_seconds", "gauge", help, &seconds);
    }

    /// How old the backups are: those that were sent, and those of the backup directory, whoever
    /// made them.
    fn backups(&self, text: &mut String, database: &DatabaseFacts) {
        let Newest { export, patch, patches_since } = database.backups.unwrap_or_default();
        let seconds = |nanoseconds: i64| nanoseconds / 1_000_000_000;
        let last = |sent: &AtomicI64, kept: Option<i64>| {
            sent.load(Relaxed).max(kept.map_or(0, seconds)).to_string()
        };
        // Without an export the chain is older than whatever is allowed.
        let age = export.map_or("+Inf".to_owned(), |export| {
            seconds(database.now.saturating_sub(export)).max(0).to_string()
        });
        for (name, help, value) in [
            (
                "last_export_timestamp_seconds",
                "When the newest export was made.",
                last(&self.work.last_export, export),
            ),
            (
                "last_patch_timestamp_seconds",
                "When the newest patch was made.",
                last(&self.work.last_patch, patch),
            ),
            ("backup_chain_age_seconds", "Age of the newest export in the backup directory.", age),
            (
                "backup_chain_patches",
                "Patches in the backup directory that are newer than its newest export.",
                patches_since.to_string(),
            ),
            (
                "backup_directory_usable",
                "1 if the backup directory is where it was when the server started.",
                u8::from(database.backups.is_some()).to_string(),
            ),
        ] {
            family(text, name, "gauge", help, &value);
        }
    }

    fn http(&self, text: &mut String) {
        let name = "aeordb_http_requests_total";
        let _ = writeln!(text, "# HELP {name} Requests answered.\n# TYPE {name} counter");
        for (method, classes) in METHODS.iter().zip(&self.requests) {
            for (class, count) in CLASSES.iter().zip(classes) {
                let count = count.load(Relaxed);
                let labels = format!("method=\"{method}\",status=\"{class}\"");
                let _ = writeln!(text, "{name}{{{labels}}} {count}");
            }
        }
        let name = "aeordb_http_request_seconds";
        let _ =
            writeln!(text, "# HELP {name} Time until the answer began.\n# TYPE {name} histogram");
        let mut below = 0;
        for (bound, count) in BOUNDS.iter().zip(&self.latency) {
            below += count.load(Relaxed);
            let seconds = Duration::from_micros(*bound).as_secs_f64();
            let _ = writeln!(text, "{name}_bucket{{le=\"{seconds}\"}} {below}");
        }
        let count = self.latency_count.load(Relaxed);
        let sum = Duration::from_micros(self.latency_sum.load(Relaxed)).as_secs_f64();
        let _ = writeln!(text, "{name}_bucket{{le=\"+Inf\"}} {count}");
        let _ = writeln!(text, "{name}_sum {sum}\n{name}_count {count}");
        for (name, help, value) in [
            ("connections_total", "Connections accepted.", self.accepted.load(Relaxed)),
            ("received_bytes_total", "Bytes of request bodies.", self.bytes_in.get()),
            ("sent_bytes_total", "Bytes of files and backups sent.", self.bytes_out.get()),
            ("keys_refused_total", "Requests without a valid key.", self.refused.load(Relaxed)),
            (
                "jobs_failed_total",
                "Verifications and collections that failed.",
                self.work.failed_jobs.get(),
            ),
            ("cache_hits_total", "Files answered from memory.", self.cache_hits.load(Relaxed)),
        ] {
            family(text, name, "counter", help, &value.to_string());
        }
        for (name, help, value) in [
            ("connections", "Connections that are open.", &self.connections),
            ("exports_under_way", "Exports and patches being made.", &self.work.streams),
        ] {
            family(text, name, "gauge", help, &value.load(Relaxed).to_string());
        }
    }
}

/// How far the pass of verification is, if there is one or will be.
fn scrub(text: &mut String, pass: Option<&Pass>, due: i64) {
    if due > 0 {
        let help = "When the pass of verification goes on.";
        family(text, "scrub_due_timestamp_seconds", "gauge", help, &due.to_string());
    }
    let Some(pass) = pass else { return };
    let ended_at = pass.ended_at.unwrap_or_default() / 1_000_000_000;
    for (name, kind, help, value) in [
        ("scrub_bytes", "gauge", "Bytes that the pass has gone over.", pass.bytes.to_string()),
        (
            "scrub_expected_bytes",
            "gauge",
            "Bytes that it is to go over.",
            pass.bytes_expected.to_string(),
        ),
        (
            "scrub_damages",
            "gauge",
            "Damages and broken versions that it knows of.",
            pass.damages.to_string(),
        ),
        ("scrub_passes_total", "counter", "Passes that have ended.", pass.ended.to_string()),
        (
            "scrub_pass_began_timestamp_seconds",
            "gauge",
            "When the pass began.",
            (pass.began_at / 1_000_000_000).to_string(),
        ),
        (
            "scrub_last_pass_timestamp_seconds",
            "gauge",
            "When the last pass ended that did, 0 if none did.",
            ended_at.to_string(),
        ),
    ] {
        family(text, name, kind, help, &value);
    }
}

fn family(text: &mut String, name: &str, kind: &str, help: &str, value: &str) {
    let _ = writeln!(
        text,
        "# HELP aeordb_{name} {help}\n# TYPE aeordb_{name} {kind}\naeordb_{name} {value}"
    );
}

/// A family with a sample for each value of one label that is known.
fn labelled<const N: usize>(
    text: &mut String,
    name: &str,
    kind: &str,
    help: &str,
    label: &str,
    values: [(&str, Option<u64>); N],
) {
    let _ = writeln!(text, "# HELP aeordb_{name} {help}\n# TYPE aeordb_{name} {kind}");
    for (is, value) in values {
        if let Some(value) = value {
            let _ = writeln!(text, "aeordb_{name}{{{label}=\"{is}\"}} {value}");
        }
    }
}
