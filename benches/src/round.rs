//! Runs the steps: round by round, step by step, the peers in turn.
//!
//! The live tree is one for all: it is brought to a release in place before
//! the step that is about it, and every peer reads the same inodes. Peers
//! change their order from round to round. Between two commands the scratch is
//! synced, so that nobody pays for another's writes.

use crate::error::{Doing, Outcome};
use crate::machine;
use crate::measure::Call;
use crate::options::Options;
use crate::peers::{Peer, Scene, aeordb};
use crate::results::Results;
use crate::step::{Bytes, Step};
use crate::tree::{self, Closeness};
use std::fs;
use std::path::{Path, PathBuf};

/// How long a changed tree rests before it is backed up: programs that tell
/// changed files by their times must be able to trust them.
const REST_SECONDS: &str = "2.5";

/// One data set in its scratch.
pub struct Rounds<'a> {
    options: &'a Options,
    peers: &'a [Box<dyn Peer>],
    set: &'a str,
    work: PathBuf,
    restores: PathBuf,
    results: Results,
}

/// Runs all rounds on one set.
pub fn run(options: &Options, peers: &[Box<dyn Peer>], set: &str) -> Outcome<Results> {
    let work = options.work.join(set);
    tree::remove(&work)?;
    fs::create_dir_all(&work).doing("cannot create", &work)?;
    let releases = ["1", "2"].map(|n| options.data.join(set).join(n));
    let [one, two] = &releases;
    let totals = [tree::totals(one)?, tree::totals(two)?];
    let restores = restore_directory(options, &work, totals.map(|t| t.bytes))?;
    let results = Results {
        set: set.to_owned(),
        releases: totals,
        changed: 0,
        peers: peers.iter().map(|peer| peer.name().to_owned()).collect(),
        steps: options.steps.clone(),
        samples: Vec::new(),
        restored: Vec::new(),
        failures: Vec::new(),
    };
    let mut rounds =
        Rounds { options, peers, set, work: work.clone(), restores: restores.clone(), results };
    for round in 0..options.rounds {
        rounds.round(round, &releases)?;
    }
    tree::remove(&restores)?;
    if !options.keep {
        tree::remove(&work)?;
    }
    Ok(rounds.results)
}

/// A directory in memory when it has room for the tree twice, else on disk.
pub fn restore_directory(options: &Options, work: &Path, bytes: [u64; 2]) -> Outcome<PathBuf> {
    let memory = Path::new("/dev/shm");
    let room = bytes.iter().sum::<u64>();
    let parent = match &options.restore_to {
        Some(dir) => dir.clone(),
        None if memory.is_dir() && machine::free(memory)? > room => memory.to_owned(),
        None => work.to_owned(),
    };
    let dir = parent.join(format!("aeordb-bench-{}", std::process::id()));
    tree::remove(&dir)?;
    fs::create_dir_all(&dir).doing("cannot create", &dir)?;
    Ok(dir)
}

impl Rounds<'_> {
    fn live(&self) -> PathBuf {
        self.work.join("live")
    }

    fn scene(&self, peer: &dyn Peer, releases: &[PathBuf; 2]) -> Scene {
        Scene {
            live: self.live(),
            home: self.work.join(peer.name()),
            out: self.restores.join(peer.name()),
            releases: releases.clone(),
            changed: self.work.join("changed.txt"),
            our_export: self.work.join("export.aeordb"),
        }
    }

    fn round(&mut self, round: usize, releases: &[PathBuf; 2]) -> Outcome<()> {
        let set = self.set;
        eprintln!("{set}: round {} of {}", round + 1, self.options.rounds);
        let [one, two] = releases;
        let live = self.live();
        tree::update(one, &live)?;
        tree::warm(&live)?;
        let order = turn(self.peers, round);
        tree::remove(&self.work.join("export.aeordb"))?;
        for peer in &order {
            self.prepare(*peer, releases)?;
        }
        self.rest()?;
        let mut failed: Vec<(&str, Step)> = Vec::new();
        for step in self.options.steps.clone() {
            if step == Step::Next {
                self.second_release(two, &live)?;
            }
            if step == Step::Ten {
                tree::change_some(&live, 10)?;
                self.rest()?;
            }
            for peer in &order {
                let missing = failed
                    .iter()
                    .any(|(name, before)| *name == peer.name() && step.depends_on(*before));
                if missing {
                    continue;
                }
                let scene = self.scene(*peer, releases);
                if let Err(error) = self.step(*peer, step, round, &scene) {
                    eprintln!("{set}: {} {}: failed: {error}", peer.name(), step.name());
                    failed.push((peer.name(), step));
                    let said = (peer.name().to_owned(), step, error.to_string());
                    self.results.failures.push(said);
                }
            }
        }
        Ok(())
    }

    fn second_release(&mut self, two: &Path, live: &Path) -> Outcome<()> {
        let update = tree::update(two, live)?;
        self.results.changed = update.written.len();
        let lines = update.written.iter();
        let lines: Vec<_> = lines.map(|path| path.to_string_lossy()).collect();
        let list = self.work.join("changed.txt");
        fs::write(&list, lines.join("\n") + "\n").doing("cannot write", &list)?;
        self.rest()
    }

    fn prepare(&self, peer: &dyn Peer, releases: &[PathBuf; 2]) -> Outcome<()> {
        let scene = self.scene(peer, releases);
        tree::remove(&scene.home)?;
        tree::remove(&scene.out)?;
        for dir in ["home", "cache", "config", "data"] {
            let dir = scene.own(dir);
            fs::create_dir_all(&dir).doing("cannot create", &dir)?;
        }
        for call in peer.prepare(&scene) {
            self.with_env(peer, call).read()?;
        }
        Ok(())
    }

    /// Adds what `--env` asks for.
    fn with_env(&self, peer: &dyn Peer, mut call: Call) -> Call {
        for (whose, key, value) in &self.options.env {
            if whose.as_ref().is_none_or(|whose| whose == peer.name()) {
                call = call.env(key, value);
            }
        }
        call
    }

    fn step(&mut self, peer: &dyn Peer, step: Step, round: usize, at: &Scene) -> Outcome<()> {
        let log = self.work.join(format!("{}-{}.log", peer.name(), step.name()));
        let mut ran = false;
        for run in 0..step.runs() {
            let Some(call) = peer.step(step, run, at) else {
                return Ok(());
            };
            let growing = matches!(step.bytes(), Some(Bytes::Added));
            let before = if growing { tree::size(&peer.store(at))? } else { 0 };
            let call = self.with_env(peer, call);
            let mut sample = call.measure(&log, self.options.timeout)?;
            let place = match step.bytes() {
                Some(Bytes::Written) => peer.output(step, run, at),
                Some(Bytes::Stored | Bytes::Added) => Some(peer.store(at)),
                None => None,
            };
            if let Some(place) = place {
                sample.bytes = Some(tree::size(&place)?.saturating_sub(before));
            }
            eprintln!(
                "{}: {:10} {:9} {:8.3} s {:8.3} cpu {:6} MB peak {:>14} bytes",
                self.set,
                peer.name(),
                step.name(),
                sample.wall,
                sample.cpu,
                sample.peak / 1_000_000,
                sample.bytes.map_or("-".to_owned(), |n| n.to_string()),
            );
            self.results.samples.push((peer.name().to_owned(), step, sample));
            ran = true;
        }
        if ran {
            for call in peer.after(step, at) {
                self.with_env(peer, call).read()?;
            }
            self.compare(peer, step, round, at)?;
        }
        sync(&self.work)
    }

    /// In the first round, what was restored is compared with the live tree.
    fn compare(&mut self, peer: &dyn Peer, step: Step, round: usize, at: &Scene) -> Outcome<()> {
        let ours = peer.name() == "aeordb";
        let what = match step {
            Step::Restore => "restore",
            Step::Apply if ours => "restore at the receiver of export and patch",
            _ => return Ok(()),
        };
        if round == 0 {
            if step == Step::Apply {
                let get = aeordb::get_from_receiver(&self.options.aeordb, at);
                self.with_env(peer, get).read()?;
            }
            let how = if ours { Closeness::Everything } else { Closeness::Content };
            let differences = tree::differences(&at.live, &at.out, how)?;
            if !differences.is_empty() {
                eprintln!("{}: {} {what} differs:", self.set, peer.name());
                for line in &differences {
                    eprintln!("  {line}");
                }
            }
            let row = (peer.name().to_owned(), what.to_owned(), differences);
            self.results.restored.push(row);
        }
        tree::remove(&at.out)
    }

    fn rest(&self) -> Outcome<()> {
        sync(&self.work)?;
        Call::new("sleep").arg(REST_SECONDS).read().map(drop)
    }
}

fn sync(dir: &Path) -> Outcome<()> {
    Call::new("sync").arg("-f").arg(dir).read().map(drop)
}

/// The peers, beginning with another one each round; `cp` copies our export,
/// so it comes right after us.
fn turn(peers: &[Box<dyn Peer>], round: usize) -> Vec<&dyn Peer> {
    let (followers, others): (Vec<&dyn Peer>, Vec<&dyn Peer>) =
        peers.iter().map(AsRef::as_ref).partition(|peer| peer.name() == "cp");
    let mut order = others;
    if !order.is_empty() {
        let by = round % order.len();
        order.rotate_left(by);
    }
    let ours = order.iter().position(|peer| peer.name() == "aeordb");
    if let Some(place) = ours {
        let after = place + 1;
        order.splice(after..after, followers);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers;

    #[test]
    fn cp_follows_us_in_every_round() {
        let peers = peers::all(Path::new("aeordb"));
        for round in 0..10 {
            let names: Vec<_> = turn(&peers, round).iter().map(|p| p.name()).collect();
            let ours = names.iter().position(|name| *name == "aeordb");
            let copy = names.iter().position(|name| *name == "cp");
            assert_eq!(copy, ours.map(|place| place + 1), "{names:?}");
            assert_eq!(names.len(), peers.len());
        }
    }
}
