//! Ours: one file per database, a binary given by path.

use super::{Peer, Scene, version_line};
use crate::error::Outcome;
use crate::measure::Call;
use crate::step::Step;
use std::path::{Path, PathBuf};

pub struct Aeordb {
    binary: PathBuf,
}

impl Aeordb {
    pub fn new(binary: &Path) -> Self {
        Self { binary: binary.to_owned() }
    }

    fn verb(&self, at: &Scene, verb: &[&str], database: &str) -> Call {
        at.call(Call::new(&self.binary)).args(verb).arg("--database").arg(at.own(database))
    }

    fn snapshot(&self, at: &Scene, name: &str) -> Vec<Call> {
        vec![self.verb(at, &["snapshot", "create", name], DATABASE)]
    }
}

const DATABASE: &str = "store.aeordb";
const RECEIVER: &str = "receiver.aeordb";

impl Peer for Aeordb {
    fn name(&self) -> &'static str {
        "aeordb"
    }

    fn version(&self) -> Outcome<String> {
        version_line(&Call::new(&self.binary).arg("--version"))
    }

    fn prepare(&self, _at: &Scene) -> Vec<Call> {
        Vec::new()
    }

    fn step(&self, step: Step, run: usize, at: &Scene) -> Option<Call> {
        let verb = |words: &[&str]| self.verb(at, words, DATABASE);
        let between = |from, to| verb(&["diff", "--from", from, "--to", to]).arg("--output");
        let receive = |file: PathBuf| {
            self.verb(at, &["import"], RECEIVER).arg("--file").arg(file).arg("--promote")
        };
        let output = self.output(step, run, at).unwrap_or_default();
        Some(match step {
            Step::Load => verb(&["put"]).arg(&at.live).arg("/"),
            Step::Next | Step::Unchanged | Step::Ten => {
                verb(&["put", "--mirror"]).arg(&at.live).arg("/")
            }
            Step::Export => verb(&["export"]).arg("--output").arg(output),
            Step::Import => receive(self.output(Step::Export, 0, at)?),
            Step::Diff => between("v1", "v2").arg(output),
            Step::Apply => receive(self.output(Step::Diff, 0, at)?),
            Step::Restore => verb(&["get"]).arg("/").arg(&at.out),
            Step::TenDiff => between("v2", "v3").arg(output),
            Step::Check => verb(&["verify", "--deep"]),
        })
    }

    fn after(&self, step: Step, at: &Scene) -> Vec<Call> {
        match step {
            Step::Load => self.snapshot(at, "v1"),
            Step::Next => self.snapshot(at, "v2"),
            Step::Ten => self.snapshot(at, "v3"),
            _ => Vec::new(),
        }
    }

    fn store(&self, at: &Scene) -> PathBuf {
        at.own(DATABASE)
    }

    fn output(&self, step: Step, run: usize, at: &Scene) -> Option<PathBuf> {
        match step {
            Step::Export => Some(at.our_export.clone()),
            Step::Diff => Some(at.own("patch.aeordb")),
            Step::TenDiff => Some(at.own(&format!("ten-{run}.aeordb"))),
            _ => None,
        }
    }
}

/// Untimed: what the receiver holds after the full and the patch.
pub fn get_from_receiver(binary: &Path, at: &Scene) -> Call {
    Aeordb::new(binary).verb(at, &["get"], RECEIVER).arg("/").arg(&at.out)
}
