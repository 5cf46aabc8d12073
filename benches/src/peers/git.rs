//! git with its plain configuration, but for automatic collection, which would
//! start in the background of some later step.

use super::{Peer, Scene, version_line};
use crate::error::Outcome;
use crate::measure::Call;
use crate::step::Step;
use std::path::PathBuf;

pub struct Git;

const FULL: &str = "full.bundle";
const PATCH: &str = "patch.bundle";

/// Ignore files in the tree have no say in what is stored.
const COMMIT: &str = "git add --all --force . && exec git commit --quiet --allow-empty -m \"$1\"";

/// Into a working tree and an index of its own: the live tree stays.
const RESTORE: &str = "mkdir \"$1\"
export GIT_WORK_TREE=\"$1\" GIT_INDEX_FILE=\"$2\"
cd \"$1\" && exec git checkout --quiet --force v2 -- .";

fn git(at: &Scene, call: Call, repository: &str) -> Call {
    at.call(call).env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_DIR", at.own(repository))
}

fn commit(at: &Scene, name: &str) -> Call {
    git(at, Call::script(COMMIT), "store.git").env("GIT_WORK_TREE", &at.live).arg(name)
}

impl Peer for Git {
    fn name(&self) -> &'static str {
        "git"
    }

    fn version(&self) -> Outcome<String> {
        version_line(&Call::new("git").arg("--version"))
    }

    fn prepare(&self, at: &Scene) -> Vec<Call> {
        let mut calls = Vec::new();
        for repository in ["store.git", "receiver.git"] {
            let run = |words: &[&str]| git(at, Call::new("git"), repository).args(words);
            calls.push(run(&["init", "--quiet", "--bare"]));
            calls.push(run(&["config", "core.bare", "false"]));
            calls.push(run(&["config", "gc.auto", "0"]));
            calls.push(run(&["config", "maintenance.auto", "false"]));
            calls.push(run(&["config", "user.name", "benchmark"]));
            calls.push(run(&["config", "user.email", "benchmark@localhost"]));
        }
        calls
    }

    fn step(&self, step: Step, run: usize, at: &Scene) -> Option<Call> {
        let bundle = |what: &str| {
            git(at, Call::new("git"), "store.git")
                .args(["bundle", "create", "--quiet"])
                .arg(self.output(step, run, at).unwrap_or_default())
                .arg(what)
        };
        let fetch = |file: &str| {
            git(at, Call::new("git"), "receiver.git")
                .args(["fetch", "--quiet"])
                .arg(at.own(file))
                .arg("refs/tags/*:refs/tags/*")
        };
        Some(match step {
            Step::Load => commit(at, "v1"),
            Step::Next => commit(at, "v2"),
            Step::Unchanged => commit(at, "same"),
            Step::Ten => commit(at, "v3"),
            Step::Export => bundle("v1"),
            Step::Import => fetch(FULL),
            Step::Diff => bundle("v1..v2"),
            Step::Apply => fetch(PATCH),
            Step::TenDiff => bundle("v2..v3"),
            Step::Restore => git(at, Call::script(RESTORE), "store.git")
                .arg(&at.out)
                .arg(at.own("restore.index")),
            Step::Check => git(at, Call::new("git"), "store.git").args(["fsck", "--full"]),
        })
    }

    fn after(&self, step: Step, at: &Scene) -> Vec<Call> {
        let tag = |name: &str| vec![git(at, Call::new("git"), "store.git").args(["tag", name])];
        match step {
            Step::Load => tag("v1"),
            Step::Next => tag("v2"),
            Step::Ten => tag("v3"),
            _ => Vec::new(),
        }
    }

    fn store(&self, at: &Scene) -> PathBuf {
        at.own("store.git")
    }

    fn output(&self, step: Step, run: usize, at: &Scene) -> Option<PathBuf> {
        match step {
            Step::Export => Some(at.own(FULL)),
            Step::Diff => Some(at.own(PATCH)),
            Step::TenDiff => Some(at.own(&format!("ten-{run}.bundle"))),
            _ => None,
        }
    }
}
