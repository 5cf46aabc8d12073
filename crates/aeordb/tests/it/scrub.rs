//! Verification in parts: a pass goes over all, however short its runs are and whatever is done to the
//! database between them.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path as LocalPath, PathBuf};
use std::time::Duration;

use aeordb::backup::{self, ExportReport, Portion, VerifyReport, verify, verify_part};
use aeordb::db::{Database, Options};
use aeordb::monitor::Monitor;
use aeordb::{Error, compact, gc};

use crate::fixture::{noise, put};

/// A database of several blocks, versions and snapshots.
fn database() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data.aeordb");
    let database = Database::open_or_create(&path, &Options::default()).unwrap();
    for round in 0..6 {
        put(&database, "/changed", &noise(round, 60_000)).unwrap();
        put(&database, &format!("/added/{round}"), &noise(100 + round, 30_000)).unwrap();
        let head = database.reader().unwrap().head();
        database.create_snapshot(&format!("s{round}"), &head, Default::default()).unwrap();
    }
    database.close().unwrap();
    (directory, path)
}

/// One run that has no time for more than one step.
fn step(path: &LocalPath) -> VerifyReport {
    verify_part(path, &Portion::Budget(Duration::ZERO), &Monitor::new()).unwrap()
}

/// Runs to the end of a pass.
fn pass(path: &LocalPath) -> Vec<VerifyReport> {
    let mut runs = Vec::new();
    loop {
        runs.push(step(path));
        if runs.last().unwrap().pass.unwrap().is_whole {
            return runs;
        }
        assert!(runs.len() < 1000, "a pass that does not end");
    }
}

fn flip(path: &LocalPath, at: u64) {
    let file = File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[!byte[0]], at).unwrap();
}

#[test]
fn a_pass_of_short_runs_looks_at_all_that_one_verification_looks_at() {
    let (_directory, path) = database();
    let whole = verify(&path, true, &Monitor::new()).unwrap();
    let runs = pass(&path);
    assert!(runs.len() > 20, "{}", runs.len());
    let sum = |of: fn(&VerifyReport) -> u64| runs.iter().map(of).sum::<u64>();
    assert_eq!(sum(|run| run.blocks), whole.blocks);
    assert_eq!(sum(|run| run.entries), whole.entries);
    assert_eq!(sum(|run| run.bytes), whole.bytes);
    assert_eq!(sum(|run| run.versions), whole.versions);
    assert!(runs.iter().all(|run| run.damages.is_empty() && run.blocks <= 1));
    let passes: Vec<_> = runs.iter().map(|run| run.pass.unwrap()).collect();
    assert!(passes.is_sorted_by_key(|pass| pass.bytes));
    let last = passes.last().unwrap();
    assert!(last.ended == 1 && last.ended_at.is_some() && last.bytes == last.bytes_expected);
    // The next one begins again, and one with enough time is whole at once.
    assert_eq!(step(&path).pass.unwrap().ended, 1);
    let hour = Portion::Budget(Duration::from_secs(3600));
    let run = verify_part(&path, &hour, &Monitor::new()).unwrap();
    assert!(run.pass.unwrap().is_whole && run.pass.unwrap().ended == 2);
    assert_eq!(run.versions, whole.versions);
}

#[test]
fn damage_anywhere_is_found_by_a_pass_and_told_by_every_run_until_it_is_healed() {
    let (_directory, path) = database();
    let len = fs::metadata(&path).unwrap().len();
    let mut found = 0;
    for at in (8192..len).step_by(40_009) {
        flip(&path, at);
        let Ok(whole) = verify(&path, true, &Monitor::new()) else {
            flip(&path, at);
            continue;
        };
        if !whole.damages.is_empty() {
            let runs = pass(&path);
            let first = runs.iter().position(|run| !run.damages.is_empty());
            let first = first.unwrap_or_else(|| panic!("damage at {at} was not found"));
            assert!(runs[first..].iter().all(|run| !run.damages.is_empty()), "{at}");
            assert!(!step(&path).damages.is_empty(), "the next pass did not begin with it");
            found += 1;
        }
        flip(&path, at);
        assert!(pass(&path).iter().all(|run| run.damages.is_empty()), "{at} is healed");
    }
    assert!(found > 5, "{found}");
}

#[test]
fn a_pass_goes_on_through_writes_and_collections_and_begins_anew_after_a_compaction() {
    let (_directory, path) = database();
    (0..3).for_each(|_| drop(step(&path)));
    let first = step(&path).pass.unwrap();
    let database = Database::open_writer(&path, &Options::default()).unwrap();
    for name in ["s0", "s1", "s2"] {
        database.delete_snapshot(name).unwrap();
    }
    put(&database, "/later", &noise(7, 50_000)).unwrap();
    let all = aeordb::db::Forget { history: true, ..Default::default() };
    database.forget(&all, false).unwrap();
    for _ in 0..2 {
        gc::collect(&database, false, &Monitor::new()).unwrap();
    }
    database.close().unwrap();
    let next = step(&path);
    assert_eq!(next.pass.unwrap().began_at, first.began_at);
    assert!(next.damages.is_empty() && next.pass.unwrap().bytes > first.bytes);
    compact::compact(&path, &Options::default(), &Monitor::new()).unwrap();
    let anew = step(&path);
    assert!(anew.pass.unwrap().began_at > first.began_at && anew.damages.is_empty());
    let whole = verify(&path, true, &Monitor::new()).unwrap();
    let looked_at = anew.blocks + pass(&path).iter().map(|run| run.blocks).sum::<u64>();
    assert_eq!(looked_at, whole.blocks);
}

#[test]
fn a_position_that_is_broken_or_of_another_file_is_no_position() {
    let (directory, path) = database();
    let kept = directory.path().join("data.aeordb.scrub");
    for _ in 0..3 {
        step(&path);
    }
    let position = fs::read(&kept).unwrap();
    fs::write(&kept, &position[..position.len() / 2]).unwrap();
    assert!(step(&path).pass.unwrap().bytes < 100_000);
    let (_other_directory, other) = database();
    fs::write(&kept, &position).unwrap();
    fs::copy(&other, &path).unwrap();
    let runs = pass(&path);
    assert_eq!(
        runs.iter().map(|run| run.blocks).sum::<u64>(),
        verify(&path, true, &Monitor::new()).unwrap().blocks
    );
}

#[test]
fn a_sample_takes_its_share_and_something_however_small_the_database() {
    let (_directory, path) = database();
    let whole = verify(&path, true, &Monitor::new()).unwrap();
    let sample = |share: &str| {
        let portion = Portion::Sample(share.parse().unwrap());
        verify_part(&path, &portion, &Monitor::new()).unwrap()
    };
    assert_eq!((sample("100%").blocks, sample("100%").entries), (whole.blocks, whole.entries));
    assert_eq!(sample("0.000001%").blocks, 1);
    let half: Vec<u64> = (0..20).map(|_| sample("50%").blocks).collect();
    assert!(half.iter().all(|blocks| (1..=whole.blocks).contains(blocks)));
    assert!(half.iter().sum::<u64>() < whole.blocks * 15, "{half:?} of {}", whole.blocks);
    let at = fs::metadata(&path).unwrap().len() / 2;
    flip(&path, at);
    assert!(!sample("100%").damages.is_empty());
}

#[test]
fn an_export_is_verified_whole_or_not_at_all() {
    let (directory, path) = database();
    let export = directory.path().join("e.aeordb");
    let database = Database::open(&path, &Options::default()).unwrap();
    let head = database.reader().unwrap().head();
    let out = backup_to(&database, &head, &export);
    assert!(out.files > 0);
    let portion = Portion::Budget(Duration::from_secs(1));
    let refused = verify_part(&export, &portion, &Monitor::new());
    assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
}

fn backup_to(database: &Database, version: &aeordb::VersionId, path: &LocalPath) -> ExportReport {
    let mut file = File::create(path).unwrap();
    backup::export(&database.reader().unwrap(), version, &mut file, &Monitor::new()).unwrap()
}
