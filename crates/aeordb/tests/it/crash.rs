//! Crashes: after any sequence of three steps, at every write and sync, in every way in which a
//! disk may have kept what was not synced.
//!
//! What must hold of every image: it opens without ado, shows the state before or after the step
//! that was under way and everything that was acknowledged, all of it reads, and it can be written
//! to again. That must also hold when that writing crashes.
//!
//! `AEORDB_SOAK_SECONDS=600 AEORDB_SEED=1 cargo test --release -p aeordb --test it crash --
//! --nocapture` goes on for as long as it says, with one seed after the other.

use std::collections::HashSet;
use std::env;
use std::time::{Duration, Instant};

use aeordb::media::SimulatedDisk;
use aeordb::media::simulated::{Budget, FailedSync, Failure, Fault, Operation, Recording};

use crate::fixture::{self, Fixture, Names, Seen, Step, noise, observe, read, write};

/// How many images of one moment are looked at in a run of all tests.
const IMAGES: usize = 250;

/// What a run of the suite has to do.
struct Soak {
    seed: u64,
    until: Instant,
}

impl Soak {
    fn from_environment() -> Soak {
        let number = |name: &str| env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
        let seconds = number("AEORDB_SOAK_SECONDS").unwrap_or(0);
        let until = Instant::now() + Duration::from_secs(seconds);
        Soak { seed: number("AEORDB_SEED").unwrap_or(1), until }
    }

    /// Calls `round` with a seed, and again with the next as long as there is time.
    fn run(&self, what: &str, mut round: impl FnMut(u64) -> Count) {
        let mut total = Count::default();
        for seed in self.seed.. {
            let count = round(seed);
            total.add(&count);
            eprintln!("{what}: seed {seed}: {count:?}, total {total:?}");
            if Instant::now() >= self.until {
                break;
            }
        }
    }
}

/// Images that were shown, and how many of them differed.
#[derive(Default, Debug)]
struct Count {
    images: usize,
    different: usize,
    within_recovery: usize,
}

impl Count {
    fn add(&mut self, other: &Count) {
        self.images += other.images;
        self.different += other.different;
        self.within_recovery += other.within_recovery;
    }
}

/// A sequence of steps as it went: what was to be seen before and after the last of them, and
/// from which moment on it was under way, and acknowledged.
struct Story {
    recording: Recording,
    before: Seen,
    after: Seen,
    begun: usize,
    acknowledged: usize,
}

/// Does the steps, each in a session of its own or all in one.
fn tell(fixture: &Fixture, steps: &[Step], reopen: bool) -> Story {
    let disk = SimulatedDisk::new(fixture.base.clone());
    let mut database = write(&disk).unwrap();
    let mut before = observe(&database).unwrap();
    let mut begun = 0;
    for (number, step) in steps.iter().enumerate() {
        begun = disk.crash_points() - 1;
        before = observe(&database).unwrap();
        fixture.step(&database, *step, number).unwrap();
        if reopen && number + 1 < steps.len() {
            database.close().unwrap();
            database = write(&disk).unwrap();
        }
    }
    let acknowledged = disk.crash_points() - 1;
    let after = observe(&database).unwrap();
    database.close().unwrap();
    Story { recording: disk.recording(), before, after, begun, acknowledged }
}

/// Looks at an image: what it shows must be among `allowed`. Then writes to it. Returns what it
/// showed and the disk with what was written.
pub fn look(image: &[u8], allowed: &[&Seen]) -> Result<(Seen, SimulatedDisk), String> {
    let disk = SimulatedDisk::new(image);
    let failed = |what: &str, error: aeordb::Error| format!("{what}: {error}");
    let database = read(&disk).map_err(|error| failed("opening", error))?;
    if !database.log().damages().is_empty() {
        return Err(format!("damage: {:?}", database.log().damages()));
    }
    let seen = observe(&database).map_err(|error| failed("reading", error))?;
    if !allowed.contains(&&seen) {
        return Err(format!("expected one of {allowed:?}, found {seen:?}"));
    }
    drop(database);
    let database = write(&disk).map_err(|error| failed("opening to write", error))?;
    let head = fixture::put(&database, "/after-the-crash", &noise(99, 400));
    let head = head.map_err(|error| failed("writing", error))?;
    database.close().map_err(|error| failed("closing", error))?;
    let expected = with_head(&seen, head);
    let again = SimulatedDisk::new(disk.durable());
    let found = read(&again).and_then(|database| observe(&database));
    match found {
        Ok(found) if found == expected => Ok((seen, disk)),
        Ok(found) => Err(format!("expected {expected:?} after writing, found {found:?}")),
        Err(error) => Err(failed("reading what was written", error)),
    }
}

/// What is seen once a file was put.
fn with_head(seen: &Seen, head: aeordb::hash::VersionId) -> Seen {
    let mut expected = seen.clone();
    expected.head = head;
    expected.history.push((head, "put".into(), true));
    expected
}

/// Crashes a story at every moment of its last step.
fn crash(story: &Story, budget: &Budget, seed: u64, what: &str) -> Count {
    let mut count = Count::default();
    let mut looked_at = HashSet::new();
    for at in story.begun..story.recording.crash_points() {
        let both = [&story.before, &story.after];
        let allowed = if at >= story.acknowledged { &both[1..] } else { &both };
        count.images += story.recording.for_each_image(at, budget, seed, |image| {
            if !looked_at.insert((blake3::hash(image), allowed.len())) {
                return;
            }
            count.different += 1;
            if let Err(why) = look(image, allowed) {
                panic!("seed {seed}, {what}: {image:?}: {why}");
            }
        });
    }
    count
}

fn every_sequence(reopen: bool, what: &str) {
    let fixture = Fixture::new();
    Soak::from_environment().run(what, |seed| {
        let mut count = Count::default();
        for steps in fixture::sequences() {
            let story = tell(&fixture, &steps, reopen);
            let budget = Budget::at_most(IMAGES);
            let what = format!("steps {}, reopened {reopen}", Names(&steps));
            count.add(&crash(&story, &budget, seed, &what));
        }
        count
    });
}

#[test]
fn a_crash_in_one_session_leaves_the_state_before_or_after() {
    every_sequence(false, "one session");
}

#[test]
fn a_crash_in_one_of_many_sessions_leaves_the_state_before_or_after() {
    every_sequence(true, "many sessions");
}

#[test]
fn a_crash_within_recovery_from_a_crash_changes_nothing() {
    let fixture = Fixture::new();
    Soak::from_environment().run("within recovery", |seed| {
        let mut count = Count::default();
        for steps in fixture::sequences().into_iter().filter(|steps| steps.len() <= 2) {
            let story = tell(&fixture, &steps, false);
            let what = format!("steps {}", Names(&steps));
            count.add(&crash_twice(&story, seed, &what));
        }
        count
    });
}

/// Crashes a story, and then whatever is done to the image.
fn crash_twice(story: &Story, seed: u64, what: &str) -> Count {
    let mut count = Count::default();
    let mut looked_at = HashSet::new();
    for at in story.begun..story.recording.crash_points() {
        let allowed = [&story.before, &story.after];
        count.images += story.recording.for_each_image(at, &Budget::at_most(6), seed, |image| {
            if !looked_at.insert(blake3::hash(image)) {
                return;
            }
            count.different += 1;
            let (seen, disk) = look(image, &allowed)
                .unwrap_or_else(|why| panic!("seed {seed}, {what}: {image:?}: {why}"));
            let head = read(&disk).unwrap().reader().unwrap().head();
            let expected = with_head(&seen, head);
            let mut again = HashSet::new();
            let budget = Budget::at_most(8);
            count.within_recovery += disk.for_each_crash(&budget, seed, |second| {
                if !again.insert(blake3::hash(second)) {
                    return;
                }
                if let Err(why) = look_only(second, &[&seen, &expected]) {
                    panic!("seed {seed}, {what}: {image:?}, then {second:?}: {why}");
                }
            });
        });
    }
    count
}

/// Looks at an image without writing to it.
fn look_only(image: &[u8], allowed: &[&Seen]) -> Result<Seen, String> {
    let database = read(&SimulatedDisk::new(image)).map_err(|error| error.to_string())?;
    let seen = observe(&database).map_err(|error| error.to_string())?;
    match allowed.contains(&&seen) && database.log().damages().is_empty() {
        true => Ok(seen),
        false => {
            let damages = database.log().damages();
            Err(format!("expected one of {allowed:?}, found {seen:?}, damages {damages:?}"))
        }
    }
}

/// A sync fails, the bytes stay in the cache and never reach the disk. Whoever opens the file then
/// sees them; what is acknowledged after that must not stand on them.
#[test]
fn what_is_acknowledged_after_a_failed_sync_does_not_stand_on_what_that_sync_lost() {
    let fixture = Fixture::new();
    let mut images = 0;
    for failing in Step::ALL {
        for next in Step::ALL {
            images += after_a_failed_sync(&fixture, failing, next);
        }
    }
    eprintln!("after a failed sync: {images} images");
}

fn after_a_failed_sync(fixture: &Fixture, failing: Step, next: Step) -> usize {
    let mut images = 0;
    for failed in 0.. {
        let disk = SimulatedDisk::new(fixture.base.clone());
        disk.set_failed_sync(FailedSync::Loses);
        let database = write(&disk).unwrap();
        disk.inject(Fault::after(failed, Failure::Io).on(&[Operation::Sync]));
        let outcome = fixture.step(&database, failing, 0);
        if disk.count(Operation::Sync) <= failed {
            return images;
        }
        drop(database);
        let database = write(&disk).unwrap();
        let shown = observe(&database).unwrap();
        let begun = disk.crash_points() - 1;
        fixture.step(&database, next, 1).unwrap();
        let acknowledged = disk.crash_points() - 1;
        let after = observe(&database).unwrap();
        database.close().unwrap();
        let recording = disk.recording();
        let what = format!("sync {failed} of {failing:?} fails ({outcome:?}), then {next:?}");
        for at in begun..recording.crash_points() {
            let both = [&shown, &after];
            let allowed = if at >= acknowledged { &both[1..] } else { &both };
            images += recording.for_each_image(at, &Budget::at_most(16), 1, |image| {
                if let Err(why) = look(image, allowed) {
                    panic!("{what}, {image:?}: {why}");
                }
            });
        }
    }
    images
}
