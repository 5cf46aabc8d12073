//! What the server counts, as Prometheus reads it.

use std::fmt::Write;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use axum::http::{Method, StatusCode};

use crate::backups::Newest;

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
    pub bytes_in: AtomicU64,
    /// Bytes of files and backups that were sent.
    pub bytes_out: AtomicU64,
    /// Keys that were refused.
    pub refused: AtomicU64,
    /// Files that were read without asking the database.
    pub cache_hits: AtomicU64,
    /// Exports under way.
    pub exports: AtomicI64,
    /// When the last export was made by this server, in seconds since 1970.
    pub last_export: AtomicI64,
    /// When the last patch was made.
    pub last_patch: AtomicI64,
}

/// What the database says of itself.
pub struct DatabaseFacts {
    /// Commits so far.
    pub commits: u64,
    /// Edits that shared the commits of groups, those commits, and the time they took.
    pub group: aeordb::db::CommitStats,
    /// The syncs of the file.
    pub syncs: aeordb::db::SyncStats,
    /// The newest files of the backup directory, if that can be used.
    pub backups: Option<Newest>,
    /// Now, in nanoseconds since 1970.
    pub now: i64,
    /// Bytes of the file.
    pub bytes: u64,
    /// Entries of history.
    pub history: u64,
    /// Snapshots.
    pub snapshots: u64,
    /// Files of HEAD.
    pub files: u64,
}

impl Metrics {
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
        let seconds = group.busy.as_secs_f64();
        for (name, kind, help, value) in [
            ("commits_total", "counter", "Commits of the database.", database.commits),
            ("group_commits_total", "counter", "Commits of groups of edits.", group.commits),
            ("group_edits_total", "counter", "Edits in those commits.", group.edits),
            ("syncs_total", "counter", "Syncs of the database file.", database.syncs.syncs),
            ("database_bytes", "gauge", "Bytes of the database file.", database.bytes),
            ("history_entries", "gauge", "Entries of history.", database.history),
            ("snapshots", "gauge", "Snapshots.", database.snapshots),
            ("head_files", "gauge", "Files of HEAD.", database.files),
        ] {
            family(&mut text, name, kind, help, &value.to_string());
        }
        let help = "Time that group commits took, their sync included.";
        family(&mut text, "group_commit_seconds_total", "counter", help, &seconds.to_string());
        let seconds = database.syncs.busy.as_secs_f64().to_string();
        let help = "Time that syncs of the database file took.";
        family(&mut text, "sync_seconds_total", "counter", help, &seconds);
        self.backups(&mut text, database);
        text
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
                last(&self.last_export, export),
            ),
            (
                "last_patch_timestamp_seconds",
                "When the newest patch was made.",
                last(&self.last_patch, patch),
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
            ("connections_total", "Connections accepted.", &self.accepted),
            ("received_bytes_total", "Bytes of request bodies.", &self.bytes_in),
            ("sent_bytes_total", "Bytes of files and backups sent.", &self.bytes_out),
            ("keys_refused_total", "Requests without a valid key.", &self.refused),
            ("cache_hits_total", "Files answered from memory.", &self.cache_hits),
        ] {
            family(text, name, "counter", help, &value.load(Relaxed).to_string());
        }
        for (name, help, value) in [
            ("connections", "Connections that are open.", &self.connections),
            ("exports_under_way", "Exports and patches being made.", &self.exports),
        ] {
            family(text, name, "gauge", help, &value.load(Relaxed).to_string());
        }
    }
}

fn family(text: &mut String, name: &str, kind: &str, help: &str, value: &str) {
    let _ = writeln!(
        text,
        "# HELP aeordb_{name} {help}\n# TYPE aeordb_{name} {kind}\naeordb_{name} {value}"
    );
}
