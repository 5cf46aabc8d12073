//! What may be on the disk after a power cut: what was synced, and of the rest anything. Writes that
//! were not synced are there or not, each by itself, in whole or in any of their sectors; a file ends
//! anywhere between where it was synced to and where it ends now; what was never written may hold
//! anything; and names are as they were when the directory was synced, or after any of the changes
//! since.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use fastrand::Rng;

use crate::record::{Change, FileId, Moment, Recording, Step};

/// What a disk writes in one piece.
const SECTOR_LEN: u64 = 512;
/// What a file system releases in one piece.
const BLOCK_LEN: u64 = 4096;

/// Files by their names.
pub type Image = BTreeMap<String, Vec<u8>>;

/// A change that no sync has made durable.
#[derive(Clone)]
struct Waiting {
    step: usize,
    change: Change,
    /// It was made: a sync that begins now covers it.
    made: bool,
}

/// The disk between two moments.
pub struct Disk<'r> {
    recording: &'r Recording,
    synced: Vec<Vec<u8>>,
    names: BTreeMap<String, FileId>,
    waiting: Vec<Waiting>,
    /// Syncs under way and the steps that they cover.
    syncing: BTreeMap<usize, Vec<usize>>,
    /// It says that it syncs, and does not.
    is_deaf: bool,
}

/// What became of a change.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Outcome {
    Kept,
    Lost,
    /// Only these of its bytes, as ranges of the file.
    Torn(Vec<Range<u64>>),
}

/// What became of everything that was waiting.
pub struct Fate {
    /// By the places of changes among those that wait.
    outcomes: Vec<Outcome>,
    /// Where files end at most.
    ends: BTreeMap<FileId, u64>,
    /// What was never written holds this.
    garbage: Option<u64>,
}

impl<'r> Disk<'r> {
    pub fn new(recording: &'r Recording) -> Self {
        Disk {
            recording,
            synced: recording.files.clone(),
            names: recording.names.clone(),
            waiting: Vec::new(),
            syncing: BTreeMap::new(),
            is_deaf: false,
        }
    }

    /// From now on syncs do nothing.
    pub fn go_deaf(&mut self) {
        self.is_deaf = true;
    }

    /// True if an image may lack something.
    pub fn something_waits(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Everything is made durable, whatever the disk does else.
    pub fn sync_all(&mut self) {
        let all: Vec<_> = self.waiting.iter().map(|waiting| waiting.step).collect();
        self.make_durable(&all);
    }

    /// The next moment passes.
    pub fn pass(&mut self, moment: Moment) {
        let (Moment::Begins(step) | Moment::Ends(step)) = moment;
        let begins = moment == Moment::Begins(step);
        match &self.recording.steps[step] {
            Step::Change(change) if begins => {
                self.waiting.push(Waiting { step, change: change.clone(), made: false });
            }
            Step::Change(_) => {
                let made = self.waiting.iter_mut().filter(|waiting| waiting.step == step);
                made.for_each(|waiting| waiting.made = true);
            }
            Step::Sync(file) if begins => {
                let covers = |waiting: &&Waiting| waiting.made && waiting.change.file() == *file;
                let covered = self.waiting.iter().filter(covers).map(|waiting| waiting.step);
                self.syncing.insert(step, covered.collect());
            }
            Step::Sync(_) => {
                let covered = self.syncing.remove(&step).unwrap_or_default();
                if !self.is_deaf {
                    self.make_durable(&covered);
                }
            }
            Step::Begins | Step::Done => {}
        }
    }

    fn make_durable(&mut self, steps: &[usize]) {
        let waiting = std::mem::take(&mut self.waiting);
        for one in waiting {
            if !steps.contains(&one.step) {
                self.waiting.push(one);
            } else if let Some(file) = one.change.file() {
                apply(&mut self.synced[file], &one.change, &Outcome::Kept, None);
            } else {
                rename(&mut self.names, &one.change);
            }
        }
    }

    /// One of the things that may have become of what waits: nothing of it is there, all of it, or
    /// whatever chance says.
    pub fn fate(&self, random: &mut Rng) -> Fate {
        match random.u8(0..12) {
            0 => self.fate_of(Outcome::Lost),
            1 => self.fate_of(Outcome::Kept),
            _ => self.any_fate(random),
        }
    }

    fn fate_of(&self, all: Outcome) -> Fate {
        let outcomes = vec![all; self.waiting.len()];
        Fate { outcomes, ends: BTreeMap::new(), garbage: None }
    }

    fn any_fate(&self, random: &mut Rng) -> Fate {
        let mut fate = self.fate_of(Outcome::Kept);
        match random.u8(0..6) {
            0 => {
                let kept = random.usize(0..=self.waiting.len());
                fate.outcomes[kept..].fill(Outcome::Lost);
                self.tear(&mut fate, kept, random);
            }
            1 => self.lose_one(&mut fate, random),
            2 => self.tear_any(&mut fate, 0.3, random),
            3 => self.cut(&mut fate, random),
            kept => {
                let kept = if kept == 4 { 0.5 } else { 0.85 };
                let lost = fate.outcomes.iter_mut().filter(|_| random.f64() > kept);
                lost.for_each(|outcome| *outcome = Outcome::Lost);
                self.tear_any(&mut fate, 0.2, random);
                if random.bool() {
                    self.cut(&mut fate, random);
                }
            }
        }
        fate.garbage = (random.u8(0..4) == 0).then(|| random.u64(..));
        fate
    }

    /// Everything is there but one write.
    pub fn fate_without_one(&self, random: &mut Rng) -> Fate {
        let mut fate = self.fate_of(Outcome::Kept);
        self.lose_one(&mut fate, random);
        fate
    }

    fn lose_one(&self, fate: &mut Fate, random: &mut Rng) {
        if !fate.outcomes.is_empty() {
            let lost = random.usize(0..fate.outcomes.len());
            fate.outcomes[lost] = Outcome::Lost;
        }
    }

    fn tear_any(&self, fate: &mut Fate, how_many: f64, random: &mut Rng) {
        for place in 0..fate.outcomes.len() {
            if fate.outcomes[place] == Outcome::Kept && random.f64() < how_many {
                self.tear(fate, place, random);
            }
        }
    }

    /// Of one change some pieces are there: the first, the last, or any.
    fn tear(&self, fate: &mut Fate, place: usize, random: &mut Rng) {
        let Some(waiting) = self.waiting.get(place) else { return };
        let (range, piece_len) = match &waiting.change {
            Change::Write { offset, bytes, .. } => {
                (*offset..*offset + bytes.len() as u64, SECTOR_LEN)
            }
            Change::Punch { range, .. } => (range.clone(), BLOCK_LEN),
            _ => return,
        };
        let pieces = pieces(range, piece_len);
        let some = random.usize(0..=pieces.len());
        let kept = match random.u8(0..3) {
            0 => pieces[..some].to_vec(),
            1 => pieces[some..].to_vec(),
            _ => pieces.into_iter().filter(|_| random.bool()).collect(),
        };
        fate.outcomes[place] = Outcome::Torn(kept);
    }

    /// Files that grew end somewhere between what was synced and what was written.
    fn cut(&self, fate: &mut Fate, random: &mut Rng) {
        for (file, synced) in self.synced.iter().enumerate() {
            let is_of_file = |waiting: &&Waiting| waiting.change.file() == Some(file);
            let mut end = synced.len() as u64;
            let mut shrinks = false;
            for waiting in self.waiting.iter().filter(is_of_file) {
                match &waiting.change {
                    Change::Write { offset, bytes, .. } => {
                        end = end.max(offset + bytes.len() as u64);
                    }
                    Change::Resize { len, .. } => {
                        shrinks |= *len < end;
                        end = *len;
                    }
                    _ => {}
                }
            }
            if !shrinks && end > synced.len() as u64 {
                fate.ends.insert(file, random.u64(synced.len() as u64..=end));
            }
        }
    }

    /// What is on the disk then.
    pub fn image(&self, fate: &Fate) -> Image {
        let mut names = self.names.clone();
        let outcomes = || self.waiting.iter().zip(&fate.outcomes);
        for (waiting, outcome) in outcomes().filter(|(one, _)| one.change.file().is_none()) {
            if *outcome != Outcome::Lost {
                rename(&mut names, &waiting.change);
            }
        }
        let bytes_of = |file: FileId| {
            let mut bytes = self.synced[file].clone();
            for (waiting, outcome) in outcomes().filter(|(one, _)| one.change.file() == Some(file))
            {
                apply(&mut bytes, &waiting.change, outcome, self.garbage(fate, file));
            }
            if let Some(end) = fate.ends.get(&file).and_then(|end| usize::try_from(*end).ok()) {
                bytes.truncate(end);
            }
            bytes
        };
        names.into_iter().map(|(name, file)| (name, bytes_of(file))).collect()
    }

    fn garbage(&self, fate: &Fate, file: FileId) -> Option<(u64, u64)> {
        fate.garbage.map(|seed| (seed, self.synced[file].len() as u64))
    }

    /// What waits and what became of it, for people.
    pub fn describe(&self, fate: &Fate) -> String {
        let mut lines = String::new();
        for (waiting, outcome) in self.waiting.iter().zip(&fate.outcomes) {
            let change = match &waiting.change {
                Change::Write { file, offset, bytes } => {
                    format!("write of {} bytes at {offset} of file {file}", bytes.len())
                }
                other => format!("{other:?}"),
            };
            lines += &format!("{outcome}: step {}: {change}\n", waiting.step);
        }
        lines + &format!("ends: {:?}; garbage: {:?}\n", fate.ends, fate.garbage)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Kept => f.write_str("kept"),
            Outcome::Lost => f.write_str("lost"),
            Outcome::Torn(kept) => write!(f, "kept only {kept:?}"),
        }
    }
}

/// The parts of a range between the borders of pieces.
fn pieces(range: Range<u64>, piece_len: u64) -> Vec<Range<u64>> {
    let mut pieces = Vec::new();
    let mut at = range.start;
    while at < range.end {
        let end = ((at / piece_len + 1) * piece_len).min(range.end);
        pieces.push(at..end);
        at = end;
    }
    pieces
}

/// Changes the bytes of a file. What is lost beyond `garbage.1` may hold anything.
fn apply(bytes: &mut Vec<u8>, change: &Change, outcome: &Outcome, garbage: Option<(u64, u64)>) {
    match change {
        Change::Write { offset, bytes: written, .. } => {
            let whole = *offset..*offset + written.len() as u64;
            let kept = match outcome {
                Outcome::Kept => vec![whole.clone()],
                Outcome::Torn(kept) => kept.clone(),
                Outcome::Lost => Vec::new(),
            };
            if let (Some((seed, from)), true) = (garbage, *outcome != Outcome::Lost) {
                trash(bytes, whole.start.max(from)..whole.end, seed);
            }
            for range in kept {
                let from = index(range.start - offset)..index(range.end - offset);
                let to = index(range.start)..index(range.end);
                grow(bytes, to.end);
                bytes[to].copy_from_slice(&written[from]);
            }
        }
        Change::Punch { range, .. } => {
            let gone = match outcome {
                Outcome::Kept => vec![range.clone()],
                Outcome::Torn(gone) => gone.clone(),
                Outcome::Lost => Vec::new(),
            };
            for range in gone {
                let end = index(range.end).min(bytes.len());
                bytes[index(range.start).min(end)..end].fill(0);
            }
        }
        Change::Resize { len, .. } if *outcome != Outcome::Lost => bytes.resize(index(*len), 0),
        _ => {}
    }
}

fn trash(bytes: &mut Vec<u8>, range: Range<u64>, seed: u64) {
    let mut random = Rng::with_seed(seed ^ range.start);
    if range.start < range.end {
        grow(bytes, index(range.end));
        random.fill(&mut bytes[index(range.start)..index(range.end)]);
    }
}

fn grow(bytes: &mut Vec<u8>, len: usize) {
    if bytes.len() < len {
        bytes.resize(len, 0);
    }
}

/// Recorded files lie in memory.
fn index(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

fn rename(names: &mut BTreeMap<String, FileId>, change: &Change) {
    match change {
        Change::Link { name, file } => {
            names.insert(name.clone(), *file);
        }
        Change::Unlink { name } => {
            names.remove(name);
        }
        Change::Rename { from, to, file } => {
            names.remove(from);
            names.insert(to.clone(), *file);
        }
        Change::Write { .. } | Change::Resize { .. } | Change::Punch { .. } => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of 600 bytes that is synced, then 1,000 bytes more that are not, and a second name.
    fn recording() -> Recording {
        let mut recording = Recording { files: vec![Vec::new()], ..Recording::default() };
        recording.names.insert("a".into(), 0);
        let write = |offset, byte, len| Change::Write { file: 0, offset, bytes: vec![byte; len] };
        recording.add(Step::Change(write(0, 1, 600)));
        recording.add(Step::Sync(Some(0)));
        recording.add(Step::Change(write(600, 2, 1000)));
        recording.add(Step::Change(Change::Link { name: "b".into(), file: 0 }));
        recording
    }

    /// The one that has least, the one that has all, and many others.
    fn images(disk: &Disk<'_>) -> Vec<Image> {
        let mut random = Rng::with_seed(7);
        let mut fates = vec![disk.fate_of(Outcome::Lost), disk.fate_of(Outcome::Kept)];
        fates.extend((0..500).map(|_| disk.fate(&mut random)));
        fates.iter().map(|fate| disk.image(fate)).collect()
    }

    #[test]
    fn what_was_synced_is_in_every_image_and_the_rest_in_some() {
        let recording = recording();
        let mut disk = Disk::new(&recording);
        recording.moments.iter().for_each(|moment| disk.pass(*moment));
        let images = images(&disk);
        assert!(images.iter().all(|image| image["a"][..600] == [1; 600]));
        assert_eq!(images[0], Image::from([("a".into(), vec![1; 600])]));
        assert_eq!(images[1].len(), 2);
        assert_eq!(images[1]["a"][600..], [2; 1000]);
        let is_torn = |image: &Image| {
            let tail = &image["a"][600..];
            tail.len() == 1000 && tail[..424] == [2; 424] && tail[424..936] == [0; 512]
        };
        assert!(images.iter().any(is_torn));
        assert!(
            images.iter().any(|image| image["a"].len() % 512 != 88 && !image.contains_key("b"))
        );
    }

    #[test]
    fn a_disk_that_does_not_sync_loses_what_was_synced() {
        let recording = recording();
        let mut disk = Disk::new(&recording);
        disk.go_deaf();
        recording.moments.iter().for_each(|moment| disk.pass(*moment));
        assert!(images(&disk).iter().any(|image| image["a"].is_empty()));
    }

    #[test]
    fn a_sync_covers_what_was_made_before_it_began_and_no_more() {
        let mut recording = Recording { files: vec![Vec::new()], ..Recording::default() };
        recording.names.insert("a".into(), 0);
        let write = |offset| Change::Write { file: 0, offset, bytes: vec![9; 10] };
        recording.steps =
            vec![Step::Change(write(0)), Step::Change(write(10)), Step::Sync(Some(0))];
        let [begins, ends] = [Moment::Begins, Moment::Ends];
        recording.moments = vec![begins(0), ends(0), begins(1), begins(2), ends(1), ends(2)];
        let mut disk = Disk::new(&recording);
        recording.moments.iter().for_each(|moment| disk.pass(*moment));
        assert_eq!(images(&disk)[0]["a"], [9; 10]);
        assert_eq!(disk.waiting.len(), 1);
    }

    #[test]
    fn a_rename_that_was_not_synced_leaves_either_file() {
        let mut recording = Recording { files: vec![vec![1], vec![2]], ..Recording::default() };
        recording.names = [("d".into(), 0), ("t".into(), 1)].into();
        let rename = Change::Rename { from: "t".into(), to: "d".into(), file: 1 };
        recording.add(Step::Change(rename));
        let mut disk = Disk::new(&recording);
        recording.moments.iter().for_each(|moment| disk.pass(*moment));
        let found = images(&disk);
        assert_eq!(found[0]["d"], [1]);
        assert_eq!(found[1], Image::from([("d".into(), vec![2])]));
        recording.add(Step::Sync(None));
        let mut disk = Disk::new(&recording);
        recording.moments.iter().for_each(|moment| disk.pass(*moment));
        assert!(images(&disk).iter().all(|image| image["d"] == [2]));
    }
}
