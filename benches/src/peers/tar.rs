//! tar and zstd in a pipe, with tar's own list of what it saw for increments:
//! the floor, a peer without deduplication, index or proof.

use super::{Peer, Scene, version_line};
use crate::error::Outcome;
use crate::measure::Call;
use crate::step::Step;
use std::path::PathBuf;

pub struct TarZstd;

/// What changed since the list was written; the list is brought up to date.
const ARCHIVE: &str = "tar --listed-incremental=\"$1\" -cf - . | zstd -q -3 -T2 -o \"$2\"";
const WHOLE: &str = "tar -cf - . | zstd -q -3 -T2 -o \"$1\"";
const EXTRACT: &str = "mkdir \"$2\" && zstd -q -dc \"$1\" | tar -xf - -C \"$2\"";

impl Peer for TarZstd {
    fn name(&self) -> &'static str {
        "tar+zstd"
    }

    fn version(&self) -> Outcome<String> {
        let tar = version_line(&Call::new("tar").arg("--version"))?;
        let zstd = version_line(&Call::new("zstd").arg("--version"))?;
        Ok(format!("{tar}; {zstd}"))
    }

    fn prepare(&self, at: &Scene) -> Vec<Call> {
        vec![Call::new("mkdir").arg(at.own("archives"))]
    }

    fn step(&self, step: Step, _run: usize, at: &Scene) -> Option<Call> {
        let archive = |name: &str| {
            at.call(Call::script(ARCHIVE)).arg(at.own("list")).arg(at.own("archives").join(name))
        };
        Some(match step {
            Step::Load => archive("1.tar.zst"),
            Step::Next => archive("2.tar.zst"),
            Step::Unchanged => archive("3.tar.zst"),
            Step::Ten => archive("4.tar.zst"),
            Step::Restore => {
                at.call(Call::script(EXTRACT)).arg(at.own("whole.tar.zst")).arg(&at.out)
            }
            Step::Check => {
                at.call(Call::script("exec zstd -q -t \"$1\"/*.zst")).arg(at.own("archives"))
            }
            _ => return None,
        })
    }

    /// Restores are from one archive of the whole second release.
    fn after(&self, step: Step, at: &Scene) -> Vec<Call> {
        if step == Step::Next {
            vec![at.call(Call::script(WHOLE)).arg(at.own("whole.tar.zst"))]
        } else {
            Vec::new()
        }
    }

    fn store(&self, at: &Scene) -> PathBuf {
        at.own("archives")
    }
}
