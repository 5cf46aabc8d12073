//! `cp` and `sync` of the file that our own export made in the same round.

use super::{Peer, Scene, version_line};
use crate::error::Outcome;
use crate::measure::Call;
use crate::step::Step;
use std::path::PathBuf;

pub struct Copy;

impl Peer for Copy {
    fn name(&self) -> &'static str {
        "cp"
    }

    fn version(&self) -> Outcome<String> {
        version_line(&Call::new("cp").arg("--version"))
    }

    fn prepare(&self, _at: &Scene) -> Vec<Call> {
        Vec::new()
    }

    fn step(&self, step: Step, _run: usize, at: &Scene) -> Option<Call> {
        (step == Step::Export && at.our_export.exists()).then(|| {
            at.call(Call::script("cp \"$1\" \"$2\" && exec sync \"$2\""))
                .arg(&at.our_export)
                .arg(at.own("copy"))
        })
    }

    fn store(&self, at: &Scene) -> PathBuf {
        at.home.clone()
    }

    fn output(&self, step: Step, _run: usize, at: &Scene) -> Option<PathBuf> {
        (step == Step::Export).then(|| at.own("copy"))
    }
}
