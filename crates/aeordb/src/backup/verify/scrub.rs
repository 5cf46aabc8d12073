//! A verification of a part: some blocks at random, or as much as there is time for, from where the time
//! before ended.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::checks::{Checks, name_paths};
use super::passes::{PassFile, Position, ProvedTo};
use super::proof::Proofs;
use super::report::VerifyReport;
use super::share::{Sampler, Share};
use crate::db::{Database, FileKind, HistoryEntry, Reader};
use crate::error::Result;
use crate::format::FrameKind;
use crate::hash::VersionId;
use crate::log::frames::Seen;
use crate::monitor::Monitor;

/// How often at least it is kept how far a pass is.
const SLICE: Duration = Duration::from_secs(60);

/// Takes blocks at random and looks at every entry in them, and at the structure of all.
pub fn sample(database: &Database, share: Share, monitor: &Monitor) -> Result<VerifyReport> {
    let mut report = begun(database)?;
    report.sample = Some(share);
    let log = database.log();
    monitor.expect_more(log.frames_len());
    let reader = database.reader()?;
    let sampler = Sampler::new(share);
    let mut checks = Checks::new(database, &reader, true, &mut report);
    let (mut taken, mut passed_over) = (BTreeSet::new(), None);
    for seen in log.frames() {
        monitor.check()?;
        let seen = seen?;
        if let Seen::Frame(at, header) = &seen {
            monitor.advance(0, header.frame_len());
            let is_block = header.frame_kind() == Some(FrameKind::Block);
            match is_block && sampler.takes(*at) {
                true => drop(taken.insert(*at)),
                false if is_block => {
                    passed_over = Some(seen);
                    continue;
                }
                false => {}
            }
        }
        checks.look(&seen)?;
    }
    // Something is looked at, however small the database.
    if let (true, Some(seen @ Seen::Frame(at, _))) = (taken.is_empty(), &passed_over) {
        taken.insert(*at);
        checks.look(seen)?;
    }
    checks.settle()?;
    checks.index(|at| taken.contains(&at), monitor)?;
    let (bad_blocks, _) = checks.into_bad();
    name_paths(&reader, &bad_blocks, &mut report);
    report.settle();
    Ok(report)
}

/// Goes on with the pass over the database for as long as `budget`: first all frames, in their order,
/// then all versions. What was found broken is looked at again each time, until it is healed.
pub fn scrub(database: &Database, budget: Duration, monitor: &Monitor) -> Result<VerifyReport> {
    let mut report = begun(database)?;
    let until = Instant::now().checked_add(budget);
    let reader = database.reader()?;
    let file = PassFile::beside(database.path())?;
    let kept = file.load().unwrap_or_default();
    let mut position = kept.go_on(database)?;
    position.end = database.log().end();
    monitor.expect_more(position.end.saturating_sub(position.at));
    let bad_blocks = BTreeSet::new();
    let mut run =
        Run { database, reader: &reader, until, position, file: &file, monitor, bad_blocks };
    let done = run.go_on(&mut report);
    if matches!(done, Ok(true)) {
        run.position.is_whole = true;
        run.position.ended += 1;
        run.position.ended_at = Some(database.clock().now());
    }
    run.keep();
    done?;
    report.pass = Some(run.position.shown());
    let mut bad_blocks = run.bad_blocks;
    // What was sound when the pass came by may be found broken by the proof of a version.
    bad_blocks.extend(report.damages.iter().map(|damage| damage.offset).filter(|at| *at > 0));
    name_paths(&reader, &bad_blocks, &mut report);
    report.settle();
    Ok(report)
}

/// What opening found.
fn begun(database: &Database) -> Result<VerifyReport> {
    let mut report = VerifyReport::new(FileKind::Database, true);
    report.opened(database)?;
    Ok(report)
}

/// One run of a pass.
struct Run<'a> {
    database: &'a Database,
    reader: &'a Reader,
    until: Option<Instant>,
    position: Position,
    file: &'a PassFile,
    monitor: &'a Monitor,
    /// Blocks that this run found damaged.
    bad_blocks: BTreeSet<u64>,
}

impl Run<'_> {
    /// True if there is nothing left to look at. Where it is stays true whatever fails.
    fn go_on(&mut self, report: &mut VerifyReport) -> Result<bool> {
        self.again(report)?;
        Ok(self.frames(report)? && self.versions(report)?)
    }

    fn is_over(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() >= until)
    }

    /// Keeps how far it is. That this cannot be done is no damage.
    fn keep(&self) {
        if let Err(error) = self.file.store(&self.position) {
            self.monitor.warn(format!("the next verification begins anew: {error}"));
        }
    }

    /// What was found broken before is broken, or healed.
    fn again(&mut self, report: &mut VerifyReport) -> Result<()> {
        let places = self.position.damages.clone();
        if !places.is_empty() {
            let mut checks = Checks::new(self.database, self.reader, true, report);
            for place in &places {
                // Where there is a void by now, nothing is needed any more.
                let seen = self.database.log().frames_from(*place).next().transpose()?;
                match seen {
                    Some(ref seen @ (Seen::Frame(at, _) | Seen::Gap(at, _))) if at == *place => {
                        checks.look(seen)?;
                    }
                    _ => {}
                }
            }
            checks.settle()?;
            checks.index(|at| places.contains(&at), self.monitor)?;
            let bad = checks.into_bad();
            self.position.damages.clear();
            self.know(bad);
        }
        let mut broken = BTreeSet::new();
        if !self.position.versions.is_empty() {
            let named: BTreeSet<_> = self.all_versions()?.iter().map(|of| of.version).collect();
            let mut proofs = Proofs::new(self.reader, None, self.monitor);
            for version in self.position.versions.intersection(&named) {
                if !proofs.prove(*version, report)? {
                    broken.insert(*version);
                }
            }
        }
        self.position.versions = broken;
        Ok(())
    }

    fn know(&mut self, (blocks, frames): (BTreeSet<u64>, BTreeSet<u64>)) {
        self.bad_blocks.extend(blocks);
        frames.into_iter().for_each(|at| self.position.know_place(at));
    }

    /// Looks at frames; true if there are no more. At least one is looked at.
    fn frames(&mut self, report: &mut VerifyReport) -> Result<bool> {
        let log = self.database.log();
        while self.position.at < log.end() {
            let (from, mut position) = (self.position.at, self.position.clone());
            let slice_end = Instant::now() + SLICE;
            let mut checks = Checks::new(self.database, self.reader, true, report);
            for seen in log.frames_from(from) {
                self.monitor.check()?;
                let seen = seen?;
                let len = checks.look(&seen)?;
                self.monitor.advance(0, len);
                match &seen {
                    Seen::Frame(at, header) => position.pass(*at, len, Some(header)),
                    Seen::Gap(at, _) => position.pass(*at, len, None),
                }
                if self.is_over() || Instant::now() >= slice_end {
                    break;
                }
            }
            checks.settle()?;
            // A void at the end has no frame after it.
            if log.frames_from(position.at).next().transpose()?.is_none() {
                position.at = log.end();
            }
            checks.index(|at| (from..position.at).contains(&at), self.monitor)?;
            let bad = checks.into_bad();
            self.position = position;
            self.know(bad);
            if self.is_over() {
                return Ok(false);
            }
            self.keep();
        }
        Ok(true)
    }

    /// Proves versions; true if there are no more. At least one is proved.
    fn versions(&mut self, report: &mut VerifyReport) -> Result<bool> {
        let done = self.position.proved_to;
        let mut left = self.all_versions()?;
        left.retain(|of| done.is_none_or(|done| !of.is_before(&done)));
        let mut sound = done.and_then(|done| done.sound);
        let mut proofs = Proofs::new(self.reader, sound, self.monitor);
        let mut seen = BTreeSet::new();
        let mut kept = Instant::now();
        for (count, of) in left.iter().enumerate() {
            if count > 0 && self.is_over() {
                return Ok(false);
            }
            let Ordered { history, named, version } = *of;
            if seen.insert(version) {
                match proofs.prove(version, report)? {
                    true => sound = Some(version),
                    false => self.position.know_version(version),
                }
            }
            self.position.proved_to = Some(ProvedTo { history, named, version, sound });
            if kept.elapsed() >= SLICE {
                self.keep();
                kept = Instant::now();
            }
        }
        Ok(true)
    }

    /// Every version, in an order that later versions do not change: what is in history from the
    /// newest to the oldest, then what only a name keeps.
    fn all_versions(&self) -> Result<Vec<Ordered>> {
        let history = self.reader.history()?.collect::<Result<Vec<HistoryEntry>>>()?;
        let known: BTreeSet<VersionId> = history.iter().map(|entry| entry.version).collect();
        let mut all: Vec<Ordered> = history
            .iter()
            .map(|entry| Ordered::of(entry.sequence, i64::MIN, entry.version))
            .collect();
        let mut named: Vec<Ordered> = self
            .reader
            .snapshots()?
            .iter()
            .map(|snapshot| Ordered::of(0, snapshot.created_at, snapshot.version))
            .chain([Ordered::of(0, i64::MIN + 1, self.reader.head())])
            .filter(|of| !known.contains(&of.version))
            .collect();
        named.sort_by_key(|of| (of.named, of.version));
        all.extend(named);
        Ok(all)
    }
}

/// A version, and its place in the order in which versions are proved.
struct Ordered {
    /// Its number in history; zero if it is not in it.
    history: u64,
    named: i64,
    version: VersionId,
}

impl Ordered {
    fn of(history: u64, named: i64, version: VersionId) -> Self {
        Ordered { history, named, version }
    }

    /// True if it was looked at, or is newer than the pass.
    fn is_before(&self, done: &ProvedTo) -> bool {
        match self.history {
            0 => done.history == 0 && (self.named, self.version) <= (done.named, done.version),
            number => number >= done.history,
        }
    }
}
