//! restic, with its default compression.

use super::{Peer, Scene, version_line};
use crate::error::Outcome;
use crate::measure::Call;
use crate::step::Step;
use std::path::PathBuf;

pub struct Restic;

fn restic(at: &Scene) -> Call {
    at.call(Call::new("restic"))
        .env("RESTIC_REPOSITORY", at.own("repository"))
        .env("RESTIC_PASSWORD", "benchmark")
}

impl Peer for Restic {
    fn name(&self) -> &'static str {
        "restic"
    }

    fn version(&self) -> Outcome<String> {
        version_line(&Call::new("restic").arg("version"))
    }

    fn prepare(&self, at: &Scene) -> Vec<Call> {
        vec![restic(at).args(["init", "--repository-version", "2"])]
    }

    fn step(&self, step: Step, _run: usize, at: &Scene) -> Option<Call> {
        Some(match step {
            Step::Load | Step::Next | Step::Unchanged | Step::Ten => {
                restic(at).args(["backup", "."])
            }
            Step::Restore => restic(at).args(["restore", "latest", "--target"]).arg(&at.out),
            Step::Check => restic(at).args(["check", "--read-data"]),
            _ => return None,
        })
    }

    fn store(&self, at: &Scene) -> PathBuf {
        at.own("repository")
    }
}
