//! Disks that fail: the n-th operation, for every n, once or from then on; full disks; disks that
//! lie, or write to another place than they were told.

use aeordb::Error;
use aeordb::media::simulated::{Budget, FailedSync, Failure, Fault, Operation, Shape};
use aeordb::media::{Media, SimulatedDisk};

use crate::fixture::{self, Fixture, Seen, Step, is_read_only, noise, observe, read, write};

const FAILURES: [Failure; 4] =
    [Failure::Io, Failure::NoSpace, Failure::Short, Failure::Interrupted];

/// What is on the disk once its cache is gone.
fn rebooted(disk: &SimulatedDisk) -> SimulatedDisk {
    SimulatedDisk::new(disk.durable())
}

fn seen_on(disk: &SimulatedDisk) -> Seen {
    let database = read(disk).unwrap();
    assert_eq!(database.log().damages(), []);
    observe(&database).unwrap()
}

/// The state that a step leads to when nothing fails.
fn after(fixture: &Fixture, step: Step) -> Seen {
    let database = write(&SimulatedDisk::new(fixture.base.clone())).unwrap();
    fixture.step(&database, step, 0).unwrap();
    observe(&database).unwrap()
}

/// Does the step while operation `skip` of this kind fails. Returns false if there are not so many.
fn step_with_fault(
    fixture: &Fixture,
    step: Step,
    operation: Operation,
    skip: u64,
    fault: Fault,
) -> bool {
    let what = format!("{operation:?} {skip} of {step:?} fails as {fault:?}");
    let disk = SimulatedDisk::new(fixture.base.clone());
    disk.set_failed_sync(FailedSync::Loses);
    let before = seen_on(&disk);
    let expected = after(fixture, step);
    let database = write(&disk).unwrap();
    disk.settle();
    disk.inject(fault.on(&[operation]));
    let outcome = fixture.step(&database, step, 0);
    let hit = disk.count(operation) > skip;
    disk.clear_faults();
    let syncs = disk.count(Operation::Sync);
    let shown = observe(&database).unwrap();
    let again = fixture::put(&database, "/again", &noise(7, 100));
    match &outcome {
        Ok(()) => assert_eq!(shown, expected, "{what}"),
        Err(_) => assert!(shown == before || step == Step::Gc, "{what}: {outcome:?}, {shown:?}"),
    }
    if hit && operation == Operation::Sync {
        assert!(is_read_only(&again), "{what}: {again:?}");
        assert_eq!(disk.count(Operation::Sync), syncs, "{what}: a failed sync was tried again");
        assert_eq!(observe(&database).unwrap(), shown, "{what}");
        drop(database);
        let left = seen_on(&rebooted(&disk));
        assert!(left == before || left == expected, "{what}");
        assert!(outcome.is_err() || left == expected, "{what}: {left:?}");
    } else {
        again.unwrap_or_else(|error| panic!("{what}, then: {error}"));
        let shown = observe(&database).unwrap();
        drop(database);
        assert_eq!(seen_on(&rebooted(&disk)), shown, "{what}");
    }
    let disk = rebooted(&disk);
    let database = write(&disk).unwrap();
    fixture::put(&database, "/after", &noise(8, 100)).unwrap();
    drop(database);
    seen_on(&rebooted(&disk));
    hit
}

#[test]
fn whichever_operation_of_a_step_fails_nothing_is_lost_and_the_next_one_works() {
    let fixture = Fixture::new();
    let mut faults = 0;
    for step in Step::ALL {
        for operation in Operation::ALL {
            for failure in FAILURES {
                for lasting in [false, true] {
                    for skip in 0.. {
                        let fault = Fault::after(skip, failure);
                        let fault = if lasting { fault.lasting() } else { fault };
                        if !step_with_fault(&fixture, step, operation, skip, fault) {
                            break;
                        }
                        faults += 1;
                    }
                }
            }
        }
    }
    assert!(faults > 500, "{faults}");
}

#[test]
fn whichever_operation_of_opening_fails_it_is_an_error_and_the_next_opening_works() {
    let fixture = Fixture::new();
    // A tail that has to be cut, and a commit before it that is not proven.
    let disk = SimulatedDisk::new(fixture.base.clone());
    let database = write(&disk).unwrap();
    fixture::put(&database, "/unproven", &noise(3, 300)).unwrap();
    std::mem::forget(database);
    let torn = disk.open();
    torn.write_at(&noise(4, 1000), torn.len().unwrap()).unwrap();
    let image = disk.contents();
    let expected = seen_on(&SimulatedDisk::new(image.clone()));
    for operation in Operation::ALL {
        for failure in FAILURES {
            for lasting in [false, true] {
                for skip in 0.. {
                    let disk = SimulatedDisk::new(image.clone());
                    disk.set_failed_sync(FailedSync::Loses);
                    let fault = Fault::after(skip, failure).on(&[operation]);
                    disk.inject(if lasting { fault.lasting() } else { fault });
                    let opened = write(&disk);
                    let hit = disk.count(operation) > skip;
                    disk.clear_faults();
                    let what = format!("{operation:?} {skip} as {failure:?}");
                    match &opened {
                        Ok(database) => assert_eq!(observe(database).unwrap(), expected, "{what}"),
                        Err(_) => assert!(hit, "{what}"),
                    }
                    // One superblock is enough to be read, a reserve can be done without, and on a
                    // full disk what must be written waits for the first writer.
                    let optional = match operation {
                        Operation::Read | Operation::Reserve => true,
                        Operation::Write | Operation::SetLen => {
                            matches!(failure, Failure::NoSpace | Failure::Short)
                        }
                        Operation::Sync | Operation::Release => false,
                    };
                    assert!(opened.is_err() || !hit || optional, "{what}");
                    drop(opened);
                    for disk in [disk.clone(), rebooted(&disk)] {
                        assert_eq!(seen_on(&disk), expected, "{what}");
                        fixture::put(&write(&disk).unwrap(), "/after", &noise(5, 100)).unwrap();
                        seen_on(&rebooted(&disk));
                    }
                    if !hit {
                        break;
                    }
                }
            }
        }
    }
}

#[test]
fn a_full_disk_refuses_reads_go_on_and_work_goes_on_when_there_is_room() {
    let fixture = Fixture::new();
    for step in Step::ALL {
        let expected = after(&fixture, step);
        let mut refused = 0;
        for room in (0..6000).step_by(97) {
            let disk = SimulatedDisk::new(fixture.base.clone());
            disk.set_reserves(false);
            let database = write(&disk).unwrap();
            let before = observe(&database).unwrap();
            disk.set_capacity((fixture.base.len() + room) as u64);
            let len = disk.contents().len();
            match fixture.step(&database, step, 0) {
                Ok(()) => {}
                Err(error) => {
                    refused += 1;
                    assert!(error.is_no_space(), "{step:?} with {room} bytes: {error}");
                    assert_eq!(observe(&database).unwrap(), before);
                    assert_eq!(disk.contents().len(), len, "what did not fit was not given back");
                    disk.set_capacity(1 << 20);
                    fixture.step(&database, step, 0).unwrap();
                }
            }
            assert_eq!(observe(&database).unwrap(), expected, "{step:?} with {room} bytes");
            drop(database);
            assert_eq!(seen_on(&rebooted(&disk)), expected);
        }
        assert!(refused > 0, "{step:?}");
    }
}

#[test]
fn a_lying_disk_loses_commits_but_never_shows_wrong_bytes() {
    let fixture = Fixture::new();
    let (mut whole, mut refused) = (0, 0);
    for steps in fixture::sequences().into_iter().step_by(7) {
        let disk = SimulatedDisk::new(fixture.base.clone());
        disk.set_lying(true);
        let database = write(&disk).unwrap();
        let mut states = vec![observe(&database).unwrap()];
        for (number, step) in steps.iter().enumerate() {
            fixture.step(&database, *step, number).unwrap();
            states.push(observe(&database).unwrap());
        }
        database.close().unwrap();
        let shapes = vec![Shape::Whole, Shape::TornPrefix];
        let budget = Budget { ordered: true, shapes, ..Budget::default() };
        disk.for_each_crash(&budget, 1, |image| {
            let found = read(&SimulatedDisk::new(image.bytes()))
                .and_then(|database| Ok((observe(&database)?, database.log().damages().len())));
            match found {
                Ok((seen, 0)) => {
                    assert!(states.contains(&seen), "{image:?}: {seen:?}");
                    whole += 1;
                }
                Ok(_) | Err(Error::Damaged { .. }) => refused += 1,
                Err(error) => panic!("{image:?}: {error}"),
            }
        });
    }
    assert!(whole > 1000, "{whole} whole, {refused} refused");
}

#[test]
fn a_misdirected_write_is_found_out() {
    let fixture = Fixture::new();
    for step in Step::ALL {
        let expected = after(&fixture, step);
        for sectors in [-3, -1, 1, 5] {
            for skip in 0.. {
                let disk = SimulatedDisk::new(fixture.base.clone());
                let before = seen_on(&disk);
                let database = write(&disk).unwrap();
                disk.settle();
                disk.inject(
                    Fault::after(skip, Failure::Misdirected { sectors }).on(&[Operation::Write]),
                );
                fixture.step(&database, step, 0).unwrap();
                if disk.count(Operation::Write) <= skip {
                    break;
                }
                drop(database);
                let disk = rebooted(&disk);
                let found = read(&disk)
                    .and_then(|database| Ok((observe(&database)?, database.log().damages().len())));
                match found {
                    Ok((seen, 0)) => assert!(seen == before || seen == expected, "{step:?} {skip}"),
                    Ok(_) => {}
                    Err(Error::Damaged { .. } | Error::Foreign { .. }) => {}
                    Err(error) => panic!("write {skip} of {step:?}: {error}"),
                }
            }
        }
    }
}

#[test]
fn a_close_that_fails_after_a_commit_says_that_the_changes_may_be_there() {
    for changed in [true, false] {
        let disk = SimulatedDisk::new(Fixture::new().base);
        let database = write(&disk).unwrap();
        if changed {
            fixture::put(&database, "/x", b"x").unwrap();
        }
        let shown = observe(&database).unwrap();
        disk.inject(Fault::after(0, Failure::Io).on(&[Operation::Write]).lasting());
        let outcome = database.close();
        let told = outcome.as_ref().is_err_and(|error| error.to_string().contains("may be there"));
        assert_eq!(told, changed, "{outcome:?}");
        disk.clear_faults();
        assert_eq!(seen_on(&rebooted(&disk)), shown);
    }
}
