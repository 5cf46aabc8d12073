//! `zstd --patch-from`, file by file: how small a difference can be when every
//! changed file is compressed against its old self. Its time is mostly that of
//! starting a process per file, so it says nothing.

use super::{Peer, Scene, version_line};
use crate::error::Outcome;
use crate::measure::Call;
use crate::step::Step;
use std::path::PathBuf;

pub struct PatchFrom;

const DIFF: &str = "while IFS= read -r path; do
  if [ -f \"$2/$path\" ]; then
    zstd -q -3 --long=27 --patch-from=\"$2/$path\" -c \"$3/$path\"
  elif [ -f \"$3/$path\" ]; then
    zstd -q -3 -c \"$3/$path\"
  fi
done <\"$1\" >\"$4\"";

impl Peer for PatchFrom {
    fn name(&self) -> &'static str {
        "patch-from"
    }

    fn version(&self) -> Outcome<String> {
        version_line(&Call::new("zstd").arg("--version"))
    }

    fn prepare(&self, _at: &Scene) -> Vec<Call> {
        Vec::new()
    }

    fn step(&self, step: Step, run: usize, at: &Scene) -> Option<Call> {
        if step != Step::Diff {
            return None;
        }
        let call = at.call(Call::script(DIFF)).arg(&at.changed);
        Some(call.args(&at.releases).arg(self.output(step, run, at)?))
    }

    fn store(&self, at: &Scene) -> PathBuf {
        at.home.clone()
    }

    fn output(&self, step: Step, _run: usize, at: &Scene) -> Option<PathBuf> {
        (step == Step::Diff).then(|| at.own("patch"))
    }
}
