//! Borg, without encryption and with zstd as the others have it.

use super::{Peer, Scene, version_line};
use crate::error::Outcome;
use crate::measure::Call;
use crate::step::Step;
use std::path::PathBuf;

pub struct Borg;

fn borg(at: &Scene, call: Call) -> Call {
    at.call(call)
        .env("BORG_BASE_DIR", at.own("home"))
        .env("BORG_REPO", at.own("repository"))
        .env("BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK", "yes")
}

impl Peer for Borg {
    fn name(&self) -> &'static str {
        "borg"
    }

    fn version(&self) -> Outcome<String> {
        version_line(&Call::new("borg").arg("--version"))
    }

    fn prepare(&self, at: &Scene) -> Vec<Call> {
        vec![borg(at, Call::new("borg")).args(["init", "--encryption", "none"])]
    }

    fn step(&self, step: Step, _run: usize, at: &Scene) -> Option<Call> {
        let create = |name: &str| {
            borg(at, Call::new("borg"))
                .args(["create", "--compression", "zstd,3"])
                .arg(format!("::{name}"))
                .arg(".")
        };
        Some(match step {
            Step::Load => create("v1"),
            Step::Next => create("v2"),
            Step::Unchanged => create("same"),
            Step::Ten => create("v3"),
            // It extracts into the working directory, which must be there.
            Step::Restore => {
                borg(at, Call::script("mkdir \"$1\" && cd \"$1\" && exec borg extract ::v2"))
                    .arg(&at.out)
            }
            Step::Check => borg(at, Call::new("borg")).args(["check", "--verify-data"]),
            _ => return None,
        })
    }

    fn store(&self, at: &Scene) -> PathBuf {
        at.own("repository")
    }
}
