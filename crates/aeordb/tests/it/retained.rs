//! Damage beside the verbs that look for versions, name them and let them go: what they say is right, or
//! they say that it is damaged; what they leave is the state before or after, and nothing else.

use std::collections::BTreeMap;

use aeordb::backup;
use aeordb::db::{Database, Forget, Policy, SnapshotEdit};
use aeordb::media::SimulatedDisk;
use aeordb::monitor::Monitor;
use aeordb::retention::Rules;
use aeordb::salvage::repair::repair;
use aeordb::{Error, Result};
use jiff::tz::TimeZone;

use crate::fixture::{Whole, create, noise, options, path, put, read, whole, write};

/// Three versions with names, one of them held, and rules: a small file, so that each of its bytes counts.
fn sound() -> Vec<u8> {
    let disk = SimulatedDisk::new([]);
    let database = create(&disk);
    for (number, name) in ["one", "two", "three"].into_iter().enumerate() {
        put(&database, "/a", &noise(number as u64, 40)).unwrap();
        put(&database, &format!("/sub/{name}"), &noise(9, 300)).unwrap();
        let head = database.reader().unwrap().head();
        database.create_snapshot(name, &head, BTreeMap::new()).unwrap();
    }
    let held = SnapshotEdit { held: Some(true), ..SnapshotEdit::default() };
    database.edit_snapshot("one", &held).unwrap();
    database.set_policy(&last(2)).unwrap();
    database.close().unwrap();
    disk.durable()
}

fn last(last: i64) -> Policy {
    Policy { rules: Rules { last, ..Rules::default() }, ..Policy::default() }
}

/// What readers of names say.
fn told(database: &Database) -> Result<String> {
    let reader = database.reader()?;
    let monitor = Monitor::new();
    let versions = reader.known_versions()?;
    let traced = reader.trace(&path("/a"), &monitor)?;
    let policies = reader.policies()?;
    let judged = database.keep(&policies, &TimeZone::UTC, true)?;
    let forgotten = database.forget(&Forget { history: true, ..Forget::default() }, true)?;
    Ok(format!("{versions:?}\n{traced:?}\n{policies:?}\n{judged:?}\n{forgotten:?}"))
}

type Deed = (&'static str, fn(&Database) -> Result<()>);

const DEEDS: &[Deed] = &[
    ("keep", |database| database.keep(&[last(1)], &TimeZone::UTC, false).map(drop)),
    ("keep --set", |database| database.set_policy(&last(7))),
    ("forget", |database| {
        let forget = Forget { versions: vec!["two".into()], ..Forget::default() };
        database.forget(&forget, false).map(drop)
    }),
    ("forget --history", |database| {
        database.forget(&Forget { history: true, ..Forget::default() }, false).map(drop)
    }),
    ("snapshot rename", |database| {
        let edit = SnapshotEdit { name: Some("renamed".into()), ..SnapshotEdit::default() };
        database.edit_snapshot("one", &edit).map(drop)
    }),
    ("snapshot release", |database| {
        let edit = SnapshotEdit { held: Some(false), ..SnapshotEdit::default() };
        database.edit_snapshot("one", &edit).map(drop)
    }),
];

/// Every third byte that says anything, with another bit of it each time.
fn damaged(sound: &[u8]) -> impl Iterator<Item = (usize, Vec<u8>)> {
    let says = |at: &usize| *at < 256 || (4096..4352).contains(at) || *at >= 8192;
    (0..sound.len()).filter(says).step_by(3).map(|at| {
        let mut bytes = sound.to_vec();
        bytes[at] ^= 1 << (at / 3 % 8);
        (at, bytes)
    })
}

fn is_said(error: &Error) -> bool {
    matches!(error, Error::Damaged { .. } | Error::Foreign { .. } | Error::Limit { .. })
}

#[test]
fn what_is_told_of_versions_beside_damage_is_right_or_said_to_be_damaged() {
    let sound = sound();
    let right = told(&read(&SimulatedDisk::new(sound.clone())).unwrap()).unwrap();
    assert!(right.contains("three") && right.contains("held: true"), "{right}");
    let mut refused = 0;
    for (at, bytes) in damaged(&sound) {
        let disk = SimulatedDisk::new(bytes.clone());
        match read(&disk).and_then(|database| told(&database)) {
            Ok(said) => assert_eq!(said, right, "byte {at}"),
            Err(error) => {
                assert!(is_said(&error), "byte {at}: {error}");
                refused += 1;
            }
        }
        assert_eq!(disk.contents(), bytes, "byte {at}: a reader wrote");
    }
    assert!(refused > 100, "{refused}");
}

#[test]
fn what_names_and_lets_go_beside_damage_leaves_the_state_before_or_after() {
    let sound = sound();
    let state = |disk: &SimulatedDisk| -> Result<Whole> { whole(&read(disk)?) };
    let before = state(&SimulatedDisk::new(sound.clone())).unwrap();
    for (name, deed) in DEEDS {
        let disk = SimulatedDisk::new(sound.clone());
        let database = write(&disk).unwrap();
        deed(&database).unwrap();
        database.close().unwrap();
        let after = state(&disk).unwrap();
        assert_ne!(after, before, "{name}");
        let mut done = [0, 0];
        for (at, bytes) in damaged(&sound) {
            let what = format!("{name}, byte {at}");
            let disk = SimulatedDisk::new(bytes);
            let did = write(&disk).and_then(|database| {
                deed(&database)?;
                database.close()
            });
            done[usize::from(did.is_ok())] += 1;
            let allowed = match &did {
                Ok(()) => [&after, &after],
                Err(error) => {
                    assert!(is_said(error), "{what}: {error}");
                    [&before, &after]
                }
            };
            match state(&disk) {
                Ok(found) => assert!(allowed.contains(&&found), "{what}: {found:?}"),
                Err(error) => assert!(is_said(&error), "{what}: {error}"),
            }
        }
        assert!(done[0] > 20 && done[1] > 20, "{name}: {done:?}");
    }
}

#[test]
fn a_repair_after_damage_anywhere_gives_back_all_of_it_or_leaves_the_file_alone() {
    let sound = sound();
    let right = whole(&read(&SimulatedDisk::new(sound.clone())).unwrap()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let [file, other] = ["d", "other"].map(|name| directory.path().join(name));
    std::fs::write(&other, &sound).unwrap();
    let mut healed = 0;
    for (at, bytes) in damaged(&sound).step_by(17) {
        std::fs::write(&file, &bytes).unwrap();
        let nobody = &mut |_: &[aeordb::salvage::Lost]| Ok(Vec::new());
        let others = [other.clone()];
        match repair(&file, &others, nobody, &options(), &Monitor::new()) {
            Ok(report) => {
                assert!(report.is_complete(), "byte {at}: {report:?}");
                let found = backup::verify(&file, true, &Monitor::new()).unwrap();
                assert!(found.damages.is_empty() || !report.changed, "byte {at}: {found:?}");
                let database = Database::open(&file, &options()).unwrap();
                assert_eq!(whole(&database).unwrap(), right, "byte {at}");
                healed += usize::from(report.changed);
            }
            Err(error) => {
                assert!(is_said(&error), "byte {at}: {error}");
                assert_eq!(std::fs::read(&file).unwrap(), bytes, "byte {at}: {error}");
            }
        }
    }
    assert!(healed > 5, "{healed}");
}
