//! What is counted of runs of profiles.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};

/// The runs of each profile.
#[derive(Default, Debug)]
pub struct Runs(Mutex<BTreeMap<String, Counts>>);

#[derive(Default, Debug)]
struct Counts {
    done: u64,
    failed: u64,
    exit_code: u8,
    last: i64,
    last_success: i64,
    due: i64,
}

impl Runs {
    /// Keeps when a profile is due.
    pub fn due(&self, profile: &str, at: i64) {
        self.change(profile, |counts| counts.due = at);
    }

    /// Counts a run.
    pub fn ran(&self, profile: &str, exit_code: u8, succeeded: bool, now: i64) {
        self.change(profile, |counts| {
            counts.exit_code = exit_code;
            counts.last = now;
            if succeeded {
                counts.done += 1;
                counts.last_success = now;
            } else {
                counts.failed += 1;
            }
        });
    }

    fn change(&self, profile: &str, change: impl FnOnce(&mut Counts)) {
        let mut runs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        change(runs.entry(profile.to_owned()).or_default());
    }

    /// The text that Prometheus reads; nothing where no profile is run.
    pub fn text(&self, text: &mut String) {
        let runs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if runs.is_empty() {
            return;
        }
        let name = "aeordb_profile_runs_total";
        let _ = writeln!(
            text,
            "# HELP {name} Runs of profiles, by how they ended.\n# TYPE {name} counter"
        );
        for (profile, counts) in runs.iter() {
            let profile = escaped(profile);
            for (result, count) in [("done", counts.done), ("failed", counts.failed)] {
                let _ =
                    writeln!(text, "{name}{{profile=\"{profile}\",result=\"{result}\"}} {count}");
            }
        }
        for (name, help, of) in [
            (
                "aeordb_profile_exit_code",
                "How the last run of a profile ended.",
                (|counts| counts.exit_code.into()) as fn(&Counts) -> i64,
            ),
            (
                "aeordb_profile_last_run_timestamp_seconds",
                "When a profile ran last, 0 if it did not.",
                |counts| counts.last,
            ),
            (
                "aeordb_profile_last_success_timestamp_seconds",
                "When a run of a profile last made a backup, 0 if none did.",
                |counts| counts.last_success,
            ),
            ("aeordb_profile_due_timestamp_seconds", "When a profile is due next.", |counts| {
                counts.due
            }),
        ] {
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
            for (profile, counts) in runs.iter() {
                let _ = writeln!(text, "{name}{{profile=\"{}\"}} {}", escaped(profile), of(counts));
            }
        }
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
