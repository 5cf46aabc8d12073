//! The programs that are measured: how each does each step.
//!
//! A peer keeps all it makes in a directory of its own, which is also its home
//! and cache, so that every round starts clean and no configuration of the
//! machine's user has a say.

pub mod aeordb;
mod borg;
mod copy;
mod git;
mod patch_from;
mod restic;
mod rustic;
mod tar;

use crate::error::Outcome;
use crate::measure::Call;
use crate::step::Step;
use std::path::{Path, PathBuf};

/// The places that a command line needs.
#[derive(Clone, Debug)]
pub struct Scene {
    /// The tree as its owner has it.
    pub live: PathBuf,
    /// The peer's own directory.
    pub home: PathBuf,
    /// Where a restore goes; not there before the run.
    pub out: PathBuf,
    /// The two releases that the live tree is made from.
    pub releases: [PathBuf; 2],
    /// A text file: the paths written by the update to the second release, a
    /// line each.
    pub changed: PathBuf,
    /// The file that our own export made in this round.
    pub our_export: PathBuf,
}

impl Scene {
    /// A path in the peer's own directory.
    pub fn own(&self, name: &str) -> PathBuf {
        self.home.join(name)
    }

    /// A command of this peer: no terminal settings or user configuration.
    fn call(&self, call: Call) -> Call {
        call.env("HOME", self.own("home"))
            .env("XDG_CACHE_HOME", self.own("cache"))
            .env("XDG_CONFIG_HOME", self.own("config"))
            .env("XDG_DATA_HOME", self.own("data"))
            .env("LC_ALL", "C.UTF-8")
            .dir(&self.live)
    }
}

/// A program that can do some of the steps.
pub trait Peer {
    /// The name in tables and on the command line.
    fn name(&self) -> &'static str;

    /// What it says of its version; an error when it is not installed.
    fn version(&self) -> Outcome<String>;

    /// Untimed, at the start of a round: an empty repository.
    fn prepare(&self, at: &Scene) -> Vec<Call>;

    /// The command of a step, or none if the program has no such thing.
    /// `run` counts the repetitions of a step within a round.
    fn step(&self, step: Step, run: usize, at: &Scene) -> Option<Call>;

    /// Untimed, after a step: what later steps need, such as a snapshot's name.
    fn after(&self, _step: Step, _at: &Scene) -> Vec<Call> {
        Vec::new()
    }

    /// What this peer stores its versions in: measured as growth.
    fn store(&self, at: &Scene) -> PathBuf;

    /// The file that a step makes, if it makes one to be carried away.
    fn output(&self, _step: Step, _run: usize, _at: &Scene) -> Option<PathBuf> {
        None
    }
}

/// Every peer, in the order of the tables. Ours is the binary at `aeordb`.
pub fn all(aeordb: &Path) -> Vec<Box<dyn Peer>> {
    vec![
        Box::new(aeordb::Aeordb::new(aeordb)),
        Box::new(tar::TarZstd),
        Box::new(restic::Restic),
        Box::new(rustic::Rustic),
        Box::new(borg::Borg),
        Box::new(git::Git),
        Box::new(copy::Copy),
        Box::new(patch_from::PatchFrom),
    ]
}

/// The peers that run when none are named: `patch-from` starts a process per
/// changed file, and is there to show what deltas can reach, not how fast.
pub const DEFAULT: [&str; 7] = ["aeordb", "tar+zstd", "restic", "rustic", "borg", "git", "cp"];

/// The first line that a program prints of its version.
fn version_line(call: &Call) -> Outcome<String> {
    let said = call.read()?;
    Ok(said.lines().next().unwrap_or_default().trim_matches(['*', ' ']).to_owned())
}
