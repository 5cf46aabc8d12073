//! rustic: the format of restic, written in Rust.

use super::{Peer, Scene, version_line};
use crate::error::Outcome;
use crate::measure::Call;
use crate::step::Step;
use std::path::PathBuf;

pub struct Rustic;

fn rustic(at: &Scene) -> Call {
    at.call(Call::new("rustic"))
        .env("RUSTIC_REPOSITORY", at.own("repository"))
        .env("RUSTIC_PASSWORD", "benchmark")
        .env("RUSTIC_NO_PROGRESS", "true")
}

impl Peer for Rustic {
    fn name(&self) -> &'static str {
        "rustic"
    }

    fn version(&self) -> Outcome<String> {
        version_line(&Call::new("rustic").arg("--version"))
    }

    fn prepare(&self, at: &Scene) -> Vec<Call> {
        vec![rustic(at).arg("init")]
    }

    fn step(&self, step: Step, _run: usize, at: &Scene) -> Option<Call> {
        Some(match step {
            Step::Load | Step::Next | Step::Unchanged | Step::Ten => {
                rustic(at).args(["backup", "."])
            }
            Step::Restore => rustic(at).args(["restore", "latest"]).arg(&at.out),
            Step::Check => rustic(at).args(["check", "--read-data"]),
            _ => return None,
        })
    }

    fn store(&self, at: &Scene) -> PathBuf {
        at.own("repository")
    }
}
