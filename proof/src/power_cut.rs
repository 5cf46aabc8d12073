//! Random histories of commands, recorded; then the power is cut between any two moments, what may be
//! on the disk then is laid out, and the real program opens it. Every state that was acknowledged is
//! there, what was not is there whole or not at all, all of it is sound, and the next write works.

use std::collections::BTreeSet;
use std::fs;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;

use crate::base::Base;
use crate::disk::{Disk, Fate, Image};
use crate::error::{Doing, Error, Outcome};
use crate::history::{Chooser, Model, begin_from};
use crate::opened::{self, Expected};
use crate::options::Options;
use crate::record::{Moment, Recorder, Recording, Step};
use crate::sandbox::Sandbox;
use crate::state;
use crate::trace::Exit;
use crate::verbs::DATABASE;

/// What histories start from: nothing, a young database, one with a long past, one with many holes.
const STARTS: [Option<&str>; 4] =
    [None, Some("second.aeordb"), Some("worn.aeordb"), Some("holed.aeordb")];
/// Commands of a history.
const COMMANDS: usize = 14;
/// Images of a history.
const IMAGES: usize = 150;
/// The first write after every so many images is recorded and cut off, too, and so many images of
/// that are opened.
const TWICE: u64 = 6;
const IMAGES_AGAIN: usize = 6;
/// So many, unless told otherwise.
const MOST: usize = 1000;
/// Of the first history, images of a disk that loses what it says it synced: some must be found
/// wrong, or the check sees nothing.
const LIES: usize = 24;

/// A history, and what must be there after each of its commands; at first what was there before.
struct History {
    seed: u64,
    recording: Recording,
    after: Vec<Expected>,
    lines: Vec<String>,
}

/// What was tried.
#[derive(Default)]
struct Count {
    histories: AtomicUsize,
    commands: AtomicUsize,
    moments: AtomicUsize,
    images: AtomicUsize,
    twice: AtomicUsize,
    again: AtomicUsize,
    before: AtomicUsize,
    after: AtomicUsize,
    wrong: AtomicUsize,
}

/// Cuts the power; true if nothing was wrong.
pub fn run(options: &Options) -> Outcome<bool> {
    let base = Base::new(&options.program, options.work.join("base"))?;
    let kept = options.work.join("kept");
    let (count, next, stop) = (Count::default(), AtomicUsize::new(0), AtomicBool::new(false));
    let most = options.most.unwrap_or(if options.seconds.is_some() { usize::MAX } else { MOST });
    let until = options.seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let first = check_the_check(options, &base)?;
    let first = Mutex::new(Some(first));
    let work = |job: usize| -> Outcome<()> {
        let sandbox = Sandbox::new(&options.program, options.work.join(format!("sandbox-{job}")))?;
        let image = |depth| options.work.join(format!("image-{job}-{depth}"));
        let images = [image(0), image(1)].map(|path| Sandbox::new(&options.program, path));
        let images = images.into_iter().collect::<Outcome<Vec<_>>>()?;
        while !stop.load(Ordering::Relaxed) {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let begun = number.saturating_mul(IMAGES);
            let late = until.is_some_and(|until| Instant::now() >= until);
            if begun >= most || late {
                return Ok(());
            }
            let made =
                if number == 0 { first.lock().ok().and_then(|mut one| one.take()) } else { None };
            let history = match made {
                Some(history) => history,
                None => record(&sandbox, &base, options.seed + number as u64)?,
            };
            count.takes(&history);
            let (kept, count) = (kept.as_path(), &count);
            let cuts = Cuts { history: &history, sandboxes: &images, kept, count, until };
            cuts.try_all(IMAGES.min(most - begun))?;
        }
        Ok(())
    };
    let outcome = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..options.jobs).map(|job| scope.spawn(move || work(job))).collect();
        workers.into_iter().try_for_each(|worker| match worker.join() {
            Ok(outcome) => outcome.inspect_err(|_| stop.store(true, Ordering::Relaxed)),
            Err(_) => Err(Error::new("a worker panicked")),
        })
    });
    outcome?;
    Ok(count.say(options.seed))
}

/// Records the commands of a seed.
fn record(sandbox: &Sandbox, base: &Base, seed: u64) -> Outcome<History> {
    let mut random = Rng::with_seed(seed);
    let start = STARTS[random.usize(0..STARTS.len())].map(|name| base.path(name));
    begin_from(sandbox, start.as_deref())?;
    let mut model = Model::default();
    if start.is_some() {
        (model.head, model.snapshots) = state::trees(&sandbox.path(DATABASE))?;
    }
    let mut recorder = Recorder::new(&sandbox.path(""))?;
    let mut after = vec![opened::expected(sandbox, &model)?];
    let mut lines = Vec::new();
    let mut chooser = Chooser::new(sandbox, random);
    for number in 0..COMMANDS {
        let command = match start {
            None if number == 0 => chooser.first()?,
            _ => chooser.choose(&model)?,
        };
        let line = command.words.join(" ");
        let at = |error: Error| Error::new(format!("seed {seed}: aeordb {line}: {error}"));
        recorder.begin_command();
        let ran = sandbox.trace(&command.words, &mut recorder).map_err(at)?;
        if ran.exit != Exit::Code(0) {
            return Err(at(Error::new(format!("ended with {:?}: {}", ran.exit, ran.err))));
        }
        recorder.end_command();
        model = command.after;
        after.push(opened::expected(sandbox, &model).map_err(at)?);
        lines.push(line);
    }
    Ok(History { seed, recording: recorder.recording, after, lines })
}

/// Cuts the power while a history runs.
struct Cuts<'a> {
    history: &'a History,
    /// Where images are opened; and where those of a cut in the first write after a cut are.
    sandboxes: &'a [Sandbox],
    kept: &'a Path,
    count: &'a Count,
    until: Option<Instant>,
}

/// A moment, and one of several images of it.
type Point = (usize, usize);

impl Cuts<'_> {
    /// Cuts the power so often.
    fn try_all(&self, most: usize) -> Outcome<()> {
        let recording = &self.history.recording;
        let mut seen = BTreeSet::new();
        let mut disk = Disk::new(recording);
        let (mut passed, mut began, mut done) = (0, 0, 0);
        for (point, nth) in self.points(most) {
            if self.until.is_some_and(|until| Instant::now() >= until) {
                return Ok(());
            }
            for moment in &recording.moments[passed..point] {
                disk.pass(*moment);
                if let Moment::Ends(step) = *moment {
                    began += usize::from(recording.steps[step] == Step::Begins);
                    done += usize::from(recording.steps[step] == Step::Done);
                }
            }
            passed = point;
            let seed = self.history.seed ^ ((point as u64) << 32) ^ ((nth as u64) << 16);
            let mut random = Rng::with_seed(seed);
            let fate = disk.fate(&mut random);
            let image = disk.image(&fate);
            if seen.insert((fingerprint(&image), done)) {
                self.try_one(&disk, &fate, &image, done..=began, (point, nth))?;
            } else {
                self.count.twice.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    /// Moments that chance chooses among those at which something waits; every third one is right
    /// before a sync is done, when most does, or right after a command said that it was done.
    fn points(&self, most: usize) -> BTreeSet<Point> {
        let recording = &self.history.recording;
        let mut disk = Disk::new(recording);
        let (mut special, mut any) = (Vec::new(), vec![0]);
        for (place, moment) in recording.moments.iter().enumerate() {
            if let Moment::Ends(step) = moment
                && matches!(recording.steps[*step], Step::Sync(_))
            {
                special.push(place);
            }
            disk.pass(*moment);
            if matches!(moment, Moment::Ends(step) if recording.steps[*step] == Step::Done) {
                special.push(place + 1);
            }
            if disk.something_waits() {
                any.push(place + 1);
            }
        }
        let mut random = Rng::with_seed(self.history.seed ^ 0x5eed);
        let mut choose = |nth| {
            let among = if nth % 3 == 0 { &special } else { &any };
            (random.choice(among).copied().unwrap_or_default(), nth)
        };
        (0..most).map(&mut choose).collect()
    }

    fn try_one(
        &self,
        disk: &Disk<'_>,
        fate: &Fate,
        image: &Image,
        states: RangeInclusive<usize>,
        point: Point,
    ) -> Outcome<()> {
        let Some((sandbox, others)) = self.sandboxes.split_first() else { return Ok(()) };
        let History { seed, after, lines, .. } = self.history;
        let (done, began) = (*states.start(), *states.end());
        self.count.images.fetch_add(1, Ordering::Relaxed);
        let chance = seed ^ (point.0 as u64) ^ ((point.1 as u64) << 7);
        opened::lay_out(sandbox, image)?;
        match opened::check(sandbox, image, &after[done..=began], chance) {
            Ok(state) => {
                let count = if state == 0 { &self.count.before } else { &self.count.after };
                count.fetch_add(1, Ordering::Relaxed);
                if !others.is_empty() && chance.is_multiple_of(TWICE) {
                    self.cut_again(sandbox, others, image, &after[done + state], chance)?;
                }
                Ok(())
            }
            Err(error) => {
                let name = format!("seed-{seed}-point-{}-{}", point.0, point.1);
                let lines = lines[..began].join("\n");
                let waited = disk.describe(fate);
                let why = format!("{error}\n\nacknowledged: {done} of\n{lines}\n\n{waited}");
                keep(&self.kept.join(&name), image, &why)?;
                say(&format!("WRONG: {name}: {error}"));
                self.count.wrong.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
        }
    }

    /// Cuts the power again in the first write after a cut, which mends what that left.
    fn cut_again(
        &self,
        sandbox: &Sandbox,
        others: &[Sandbox],
        image: &Image,
        state: &Expected,
        chance: u64,
    ) -> Outcome<()> {
        opened::lay_out(sandbox, image)?;
        let (words, _) = opened::probe(sandbox)?;
        let mut recorder = Recorder::new(&sandbox.path(""))?;
        recorder.begin_command();
        let ran = sandbox.trace(&words, &mut recorder)?;
        if ran.exit != Exit::Code(0) {
            return Err(Error::new(format!(
                "after a cut put ended with {:?}: {}",
                ran.exit, ran.err
            )));
        }
        recorder.end_command();
        let before = state.with_outputs_of(image);
        let probed = opened::probed(sandbox, &before)?;
        let after = vec![before, probed];
        let lines = vec![format!("(after a cut) aeordb {}", words.join(" "))];
        let history = History { seed: chance, recording: recorder.recording, after, lines };
        self.count.again.fetch_add(1, Ordering::Relaxed);
        Cuts { history: &history, sandboxes: others, ..*self }.try_all(IMAGES_AGAIN)
    }
}

/// Shows that the check can fail: of writes that a command synced before it said that it was done
/// one is missing. Such an image may be sound all the same, but not all of them.
fn check_the_check(options: &Options, base: &Base) -> Outcome<History> {
    let sandbox = Sandbox::new(&options.program, options.work.join("sandbox-0"))?;
    let history = record(&sandbox, base, options.seed)?;
    let recording = &history.recording;
    let mut random = Rng::with_seed(options.seed);
    let mut disk = Disk::new(recording);
    disk.go_deaf();
    let (mut done, mut tried, mut found) = (0, 0, 0);
    for moment in &recording.moments {
        disk.pass(*moment);
        match *moment {
            Moment::Ends(step) if recording.steps[step] == Step::Done => {
                done += 1;
                for _ in 0..LIES.div_ceil(COMMANDS) {
                    let image = disk.image(&disk.fate_without_one(&mut random));
                    opened::lay_out(&sandbox, &image)?;
                    let expected = &history.after[done..=done];
                    tried += 1;
                    found += usize::from(opened::check(&sandbox, &image, expected, 0).is_err());
                }
                // What this command left waiting is synced, as far as the next one is concerned.
                disk.sync_all();
            }
            _ => {}
        }
    }
    say(&format!("A disk that loses one write it said was synced: found in {found} of {tried}"));
    match found {
        0 => Err(Error::new("images without a write that was synced are all found right")),
        _ => Ok(history),
    }
}

fn fingerprint(image: &Image) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    for (name, bytes) in image {
        hasher.update(name.as_bytes()).update(&[0]);
        hasher.update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
    }
    hasher.finalize().into()
}

/// An image that is wrong stays, with what is known of it.
fn keep(directory: &Path, image: &Image, why: &str) -> Outcome<()> {
    fs::create_dir_all(directory).doing_to("cannot create", directory)?;
    for (name, bytes) in image {
        let path = directory.join(name);
        fs::write(&path, bytes).doing_to("cannot write", &path)?;
    }
    let path = directory.join("why.txt");
    fs::write(&path, why).doing_to("cannot write", &path)
}

impl Count {
    fn takes(&self, history: &History) {
        self.histories.fetch_add(1, Ordering::Relaxed);
        self.commands.fetch_add(history.lines.len(), Ordering::Relaxed);
        self.moments.fetch_add(history.recording.moments.len(), Ordering::Relaxed);
    }

    /// Prints what was counted; true if nothing was wrong.
    fn say(&self, seed: u64) -> bool {
        let [histories, commands, moments, images, twice, again, before, after, wrong] = [
            &self.histories,
            &self.commands,
            &self.moments,
            &self.images,
            &self.twice,
            &self.again,
            &self.before,
            &self.after,
            &self.wrong,
        ]
        .map(|count| count.load(Ordering::Relaxed));
        say(&format!(
            "{histories} histories from seed {seed}: {commands} commands, {moments} moments; \
             {images} images ({twice} more were the same, {again} were written to and cut again): \
             {before} as acknowledged, {after} one command further, {wrong} wrong"
        ));
        wrong == 0
    }
}

#[expect(clippy::print_stdout, reason = "the report")]
fn say(line: &str) {
    println!("{line}");
}
