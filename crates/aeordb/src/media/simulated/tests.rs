use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn images(disk: &SimulatedDisk, at: usize, shapes: &[Shape]) -> BTreeSet<Vec<u8>> {
    let budget = Budget { shapes: shapes.to_vec(), ..Budget::default() };
    let mut images = BTreeSet::new();
    for seed in 0..50 {
        disk.for_each_image(at, &budget, seed, |image| {
            images.insert(image.to_vec());
        });
    }
    images
}

fn now(disk: &SimulatedDisk) -> usize {
    disk.crash_points() - 1
}

fn error_number(result: io::Result<()>) -> i32 {
    result.unwrap_err().raw_os_error().unwrap()
}

impl Recording {
    fn pending(&self, at: usize) -> Vec<&Change> {
        let (free, _) = recording::fates(self.until(at));
        self.until(at)
            .iter()
            .zip(free)
            .filter(|(_, free)| *free)
            .map(|(change, _)| change)
            .collect()
    }

    /// The plain way to an image: from the base, one change after the other.
    fn replay(&self, at: usize, landed: &[bool]) -> Vec<u8> {
        let (free, _) = recording::fates(self.until(at));
        let mut bytes = self.base.to_vec();
        let mut landed = landed.iter();
        for (change, free) in self.until(at).iter().zip(free) {
            if !free || landed.next() == Some(&true) {
                change.apply(&mut bytes);
            }
        }
        bytes
    }
}

#[test]
fn what_was_synced_survives_every_crash() {
    let disk = SimulatedDisk::new(*b"old");
    let media = disk.open();
    media.write_at(b"new bytes", 0).unwrap();
    media.sync().unwrap();
    assert_eq!(disk.durable(), b"new bytes");
    assert_eq!(images(&disk, now(&disk), &Shape::ALL), BTreeSet::from([b"new bytes".to_vec()]));
}

#[test]
fn unsynced_writes_survive_in_any_subset() {
    let disk = SimulatedDisk::new(*b"....");
    let media = disk.open();
    media.write_at(b"a", 0).unwrap();
    media.write_at(b"bb", 1).unwrap();
    media.write_at(b"cc", 2).unwrap();
    let expected = ["....", "a...", ".bb.", "abb.", "..cc", "a.cc", ".bcc", "abcc"];
    let expected: BTreeSet<_> = expected.map(|image| image.as_bytes().to_vec()).into();
    assert_eq!(images(&disk, 3, &[Shape::Whole]), expected);
    // A moment earlier, the last write had not happened.
    let expected = ["....", "a...", ".bb.", "abb."].map(|image| image.as_bytes().to_vec()).into();
    assert_eq!(images(&disk, 2, &[Shape::Whole]), expected);
    assert_eq!(disk.durable(), b"....");
}

#[test]
fn the_last_write_is_torn_where_sectors_meet() {
    let disk = SimulatedDisk::new(vec![b'.'; 1600]);
    disk.open().write_at(&[b'x'; 1200], 100).unwrap();
    let torn = images(&disk, 1, &[Shape::TornPrefix]);
    let until = |end: usize| {
        let mut bytes = vec![b'.'; 1600];
        bytes[100..end].fill(b'x');
        bytes
    };
    assert_eq!(torn, BTreeSet::from([until(512), until(1024)]));
}

#[test]
fn any_sectors_of_a_write_survive_and_the_others_may_hold_anything() {
    let disk = SimulatedDisk::new(vec![b'.'; 4096]);
    disk.open().write_at(&[b'x'; 2048], 512).unwrap();
    let mut seen = [[false; 3]; 4];
    for image in images(&disk, 1, &[Shape::Scattered]) {
        assert_eq!(image[..512], [b'.'; 512]);
        assert_eq!(image[2560..], [b'.'; 1536]);
        for (sector, seen) in image[512..2560].chunks(512).zip(&mut seen) {
            match sector {
                _ if sector == [b'x'; 512] => seen[0] = true,
                _ if sector == [b'.'; 512] => seen[1] = true,
                _ => seen[2] = true,
            }
        }
    }
    assert_eq!(seen, [[true; 3]; 4]);
}

#[test]
fn the_length_survives_without_the_bytes_and_the_bytes_without_the_length() {
    let disk = SimulatedDisk::new(*b"old");
    disk.open().write_at(b"more", 3).unwrap();
    assert_eq!(images(&disk, 1, &[Shape::LengthAhead]), BTreeSet::from([b"old\0\0\0\0".to_vec()]),);
    assert_eq!(images(&disk, 1, &[Shape::LengthBehind]), BTreeSet::from([b"old".to_vec()]));
}

#[test]
fn a_cut_may_survive_without_what_was_written_after_it() {
    let disk = SimulatedDisk::new(*b"0123456789");
    let media = disk.open();
    media.set_len(4).unwrap();
    media.write_at(b"ABC", 5).unwrap();
    let expected = ["0123456789", "0123", "01234ABC89", "0123\0ABC"];
    let expected: BTreeSet<_> = expected.map(|image| image.as_bytes().to_vec()).into();
    assert_eq!(images(&disk, 2, &[Shape::Whole]), expected);
}

#[test]
fn an_unsynced_release_survives_in_part() {
    let disk = SimulatedDisk::new(vec![b'.'; 1024]);
    assert!(disk.open().release(0..1024).unwrap());
    let (kept, gone) = ([b'.'; 512], [0; 512]);
    let all = [[kept, kept], [gone, kept], [kept, gone], [gone, gone]].map(|image| image.concat());
    assert_eq!(images(&disk, 1, &Shape::ALL), BTreeSet::from(all));
}

#[test]
fn a_failed_sync_loses_what_was_pending_and_later_syncs_do_not_bring_it_back() {
    let disk = SimulatedDisk::new(*b"....");
    let media = disk.open();
    disk.inject(Fault::after(0, Failure::Io).on(&[Operation::Sync]));
    media.write_at(b"lost", 0).unwrap();
    assert_eq!(error_number(media.sync()), libc::EIO);
    media.write_at(b"+", 4).unwrap();
    media.sync().unwrap();

    assert_eq!(disk.contents(), b"lost+", "reads go on to show it");
    assert_eq!(disk.durable(), b"....+");
    assert_eq!(
        images(&disk, now(&disk), &[Shape::Whole]),
        BTreeSet::from([b"....+".to_vec(), b"lost+".to_vec()]),
    );

    media.write_at(b"kept", 0).unwrap();
    media.sync().unwrap();
    assert_eq!(images(&disk, now(&disk), &[Shape::Whole]), BTreeSet::from([b"kept+".to_vec()]));
}

#[test]
fn a_failed_sync_may_also_keep_what_was_pending() {
    let disk = SimulatedDisk::new(*b"....");
    disk.set_failed_sync(FailedSync::Keeps);
    disk.inject(Fault::after(0, Failure::Io).on(&[Operation::Sync]));
    let media = disk.open();
    media.write_at(b"kept", 0).unwrap();
    assert!(media.sync().is_err());
    assert_eq!(disk.durable(), b"....");
    media.sync().unwrap();
    assert_eq!(disk.durable(), b"kept");
}

#[test]
fn a_lying_disk_saves_nothing_and_says_nothing() {
    let disk = SimulatedDisk::new(*b"..");
    disk.set_lying(true);
    let media = disk.open();
    media.write_at(b"a", 0).unwrap();
    media.sync().unwrap();
    media.write_at(b"b", 1).unwrap();
    media.sync().unwrap();
    assert_eq!(disk.contents(), b"ab");
    assert_eq!(disk.durable(), b"..");
    let mut prefixes = Vec::new();
    let budget = Budget { ordered: true, shapes: vec![Shape::Whole], ..Budget::default() };
    disk.for_each_image(now(&disk), &budget, 1, |image| prefixes.push(image.to_vec()));
    assert_eq!(prefixes, [b"..", b"a.", b"ab"]);
}

#[test]
fn a_fault_hits_the_chosen_operation_once_or_from_then_on() {
    let disk = SimulatedDisk::new(*b"bytes");
    let media = disk.open();
    disk.inject(Fault::after(1, Failure::Io).on(&[Operation::Write, Operation::SetLen]));
    media.set_len(5).unwrap();
    media.read_at(&mut [0], 0).unwrap();
    assert_eq!(error_number(media.write_at(b"x", 0)), libc::EIO);
    media.write_at(b"y", 0).unwrap();
    assert_eq!(disk.contents(), b"yytes");

    disk.inject(Fault::after(0, Failure::NoSpace).lasting());
    for _ in 0..3 {
        assert_eq!(error_number(media.write_at(b"x", 0)), libc::ENOSPC);
        assert_eq!(error_number(media.sync()), libc::ENOSPC);
        assert_eq!(error_number(media.set_len(0)), libc::ENOSPC);
        assert_eq!(error_number(media.release(0..1).map(drop)), libc::ENOSPC);
        assert_eq!(error_number(media.read_at(&mut [0], 0).map(drop)), libc::ENOSPC);
    }
    disk.clear_faults();
    disk.inject(Fault::after(0, Failure::Interrupted));
    assert_eq!(media.sync().unwrap_err().kind(), io::ErrorKind::Interrupted);
    media.sync().unwrap();
    assert_eq!(disk.contents(), b"yytes");
}

#[test]
fn of_a_short_write_the_first_bytes_arrive() {
    for len in [2, 3, 1000] {
        let disk = SimulatedDisk::new([]);
        disk.inject(Fault::after(0, Failure::Short));
        let error = disk.open().write_at(&vec![1; len], 0).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert!((1..len).contains(&disk.contents().len()));
    }
}

#[test]
fn a_full_disk_takes_what_fits_and_goes_on_when_there_is_room() {
    let disk = SimulatedDisk::new(*b"abc");
    disk.set_capacity(5);
    let media = disk.open();
    assert_eq!(error_number(media.write_at(b"defg", 3)), libc::ENOSPC);
    assert_eq!(disk.contents(), b"abcde");
    assert_eq!(error_number(media.write_at(b"z", 9)), libc::ENOSPC);
    assert_eq!(error_number(media.set_len(6)), libc::ENOSPC);
    media.write_at(b"ABCDE", 0).unwrap();
    disk.set_capacity(2);
    media.write_at(b"E", 4).unwrap();
    disk.set_capacity(9);
    media.write_at(b"FG", 5).unwrap();
    assert_eq!(disk.contents(), b"ABCDEFG");
}

#[test]
fn what_is_reserved_can_be_written_on_a_full_disk_until_the_file_is_cut() {
    let disk = SimulatedDisk::new(*b"abc");
    let media = disk.open();
    assert!(media.reserve(2..8).unwrap());
    assert_eq!(disk.used(), 8);
    disk.set_capacity(8);
    assert_eq!(error_number(media.reserve(0..9).map(drop)), libc::ENOSPC);
    assert_eq!(error_number(media.write_at(b"defghi", 3)), libc::ENOSPC);
    assert_eq!(disk.contents(), b"abcdefgh");
    assert!(media.release(0..2).unwrap());
    media.write_at(b"i", 8).unwrap();
    assert_eq!(disk.used(), 7);
    media.reserve(20..21).unwrap();
    media.set_len(3).unwrap();
    assert_eq!((disk.used(), disk.contents()), (1, b"\0\0c".to_vec()));
    media.write_at(b"1234567", 3).unwrap();
    assert_eq!(error_number(media.write_at(b"ab", 0)), libc::ENOSPC);
    disk.set_reserves(false);
    assert!(!media.reserve(0..2).unwrap());
}

#[test]
fn a_misdirected_write_is_seen_only_once_the_cache_is_gone() {
    for (sectors, lands) in [(2, 1536), (-1, 0), (-2, 1536)] {
        let disk = SimulatedDisk::new(vec![0; 2048]);
        disk.inject(Fault::after(0, Failure::Misdirected { sectors }).on(&[Operation::Write]));
        let media = disk.open();
        media.write_at(b"x", 512).unwrap();
        media.sync().unwrap();
        let at = |bytes: &[u8]| bytes.iter().position(|byte| *byte == b'x').unwrap();
        assert_eq!(at(&disk.contents()), 512);
        assert_eq!(at(&disk.durable()), lands, "{sectors} sectors");
    }
}

#[test]
fn a_flipped_bit_is_there_at_once_and_for_good_until_it_is_written_over() {
    let disk = SimulatedDisk::new(*b"aaa");
    disk.flip(1, 1);
    disk.flip(99, 0);
    assert_eq!(disk.contents(), b"aca");
    assert_eq!(disk.durable(), b"aca");
    let media = disk.open();
    media.write_at(b"b", 1).unwrap();
    assert_eq!(images(&disk, now(&disk), &[Shape::Whole]).len(), 2);
    media.sync().unwrap();
    assert_eq!(disk.durable(), b"aba");
}

#[test]
fn operations_are_counted_also_those_that_fail() {
    let disk = SimulatedDisk::new([]);
    let media = disk.open();
    disk.inject(Fault::after(1, Failure::Io).on(&[Operation::Write]));
    media.write_at(b"a", 0).unwrap();
    assert!(media.write_at(b"b", 1).is_err());
    media.sync().unwrap();
    assert_eq!(disk.count(Operation::Write), 2);
    assert_eq!(disk.count_all(&Operation::CHANGES), 3);
    disk.settle();
    assert_eq!((disk.count_all(&Operation::ALL), disk.crash_points()), (0, 1));
    assert_eq!(disk.durable(), b"a");
}

#[test]
fn a_disk_that_cannot_release_says_so_and_keeps_the_bytes() {
    let disk = SimulatedDisk::new(*b"abc");
    disk.set_releases(false);
    assert!(!disk.open().release(0..3).unwrap());
    assert_eq!(disk.contents(), b"abc");
}

#[test]
fn a_file_opened_for_reading_changes_nothing() {
    let disk = SimulatedDisk::new(*b"abc");
    let media = disk.open_read();
    assert_eq!(error_number(media.write_at(b"x", 0)), libc::EBADF);
    assert_eq!(error_number(media.set_len(0)), libc::EBADF);
    assert_eq!(error_number(media.release(0..1).map(drop)), libc::EBADF);
    assert_eq!(error_number(media.try_lock(0..1, Lock::Exclusive).map(drop)), libc::EBADF);
    assert!(media.try_lock(0..1, Lock::Shared).unwrap());
    assert!(disk.open().locked_by_others(0..1).unwrap());
    assert_eq!(disk.count_all(&Operation::CHANGES), 0);
}

#[test]
fn the_first_image_is_the_durable_one_and_the_budget_is_kept() {
    let disk = SimulatedDisk::new(*b"base");
    let media = disk.open();
    for byte in 0..30 {
        media.write_at(&[byte; 700], u64::from(byte) * 300).unwrap();
    }
    for at in 0..disk.crash_points() {
        let mut first = None;
        let shown = disk.for_each_image(at, &Budget::at_most(40), 3, |image| {
            assert_eq!(image.at(), at);
            first.get_or_insert_with(|| image.to_vec());
        });
        assert!((1..=40).contains(&shown));
        assert_eq!(first.unwrap(), b"base");
    }
    let shown = disk.for_each_crash(&Budget::at_most(40), 3, |_| {});
    assert!((31..=31 * 40).contains(&shown));
}

/// What can be asked of the disk, small enough for all subsets.
#[derive(Clone, Debug)]
enum Action {
    Write(u64, usize),
    SetLen(u64),
    Release(u64, u64),
    Sync,
    FailedSync,
    Flip(usize),
}

fn any_action() -> impl Strategy<Value = Action> {
    let place = 0..4000_u64;
    prop_oneof![
        5 => (place.clone(), 1..1500_usize).prop_map(|(at, len)| Action::Write(at, len)),
        1 => place.clone().prop_map(Action::SetLen),
        1 => (place.clone(), place).prop_map(|(at, len)| Action::Release(at, at + len)),
        2 => Just(Action::Sync),
        1 => Just(Action::FailedSync),
        1 => (0..4000_usize).prop_map(Action::Flip),
    ]
}

/// Bytes that are there before anything happens.
const BASE_LEN: usize = 1500;

fn run(actions: &[Action]) -> SimulatedDisk {
    let disk = SimulatedDisk::new(vec![b'.'; BASE_LEN]);
    let media = disk.open();
    for (index, action) in (1..).zip(actions) {
        match action {
            Action::Write(at, len) => media.write_at(&vec![index; *len], *at).unwrap(),
            Action::SetLen(len) => media.set_len(*len).unwrap(),
            Action::Release(start, end) => drop(media.release(*start..*end).unwrap()),
            Action::Sync => media.sync().unwrap(),
            Action::FailedSync => {
                disk.inject(Fault::after(0, Failure::Io));
                assert!(media.sync().is_err());
            }
            Action::Flip(at) => disk.flip(*at, 3),
        }
    }
    disk
}

/// True if a crash that undoes the change may change the byte at `place`. A write after the end
/// makes the gap before it as well: a bit that was flipped there goes with it.
fn touches(change: &Change, actions: &[Action], place: usize) -> bool {
    let in_gap = matches!(change, Change::Write(start, _) if (BASE_LEN..*start).contains(&place));
    let flipped =
        || actions.iter().any(|action| matches!(action, Action::Flip(at) if *at == place));
    change.range().contains(&place) || in_gap && flipped()
}

#[test]
fn a_bit_that_was_flipped_in_a_gap_is_there_with_the_write_that_made_the_gap() {
    let actions = [
        Action::Write(2185, 1),
        Action::FailedSync,
        Action::Flip(1500),
        Action::Write(1501, 1),
        Action::Sync,
    ];
    let recording = run(&actions).recording();
    let at = recording.crash_points() - 1;
    assert_eq!(recording.durable(at)[1500], 0);
    let mut seen = BTreeSet::new();
    recording.for_each_image(at, &Budget::at_most(200), 0, |image| {
        seen.insert((image.len(), image[1500]));
    });
    assert!(seen.contains(&(1502, 0)) && seen.contains(&(2186, 8)), "{seen:?}");
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn a_crash_harms_nothing_beside_what_was_pending(
        actions in prop::collection::vec(any_action(), 1..14),
        seed: u64,
    ) {
        let recording = run(&actions).recording();
        for at in 0..recording.crash_points() {
            let (durable, pending) = (recording.durable(at), recording.pending(at));
            let touched = |place| pending.iter().any(|change| touches(change, &actions, place));
            let cuts = pending.iter().any(|change| matches!(change, Change::SetLen(_)));
            recording.for_each_image(at, &Budget::at_most(200), seed, |image| {
                assert!(cuts || image.len() >= durable.len(), "{image:?}");
                assert_eq!(image.landed().len(), pending.len());
                for (place, (found, kept)) in image.iter().zip(&durable).enumerate() {
                    assert!(cuts || found == kept || touched(place), "{image:?} at {place}");
                }
            });
        }
    }

    #[test]
    fn an_image_is_what_replaying_the_changes_that_landed_gives(
        actions in prop::collection::vec(any_action(), 1..14),
    ) {
        let recording = run(&actions).recording();
        for at in 0..recording.crash_points() {
            // The other shapes come between, so that they leave their traces in the buffer.
            recording.for_each_image(at, &Budget::at_most(300), 5, |image| {
                if image.shape() == Shape::Whole {
                    assert!(recording.replay(at, image.landed()) == image.bytes(), "{image:?}");
                }
            });
        }
    }

    #[test]
    fn a_seed_gives_the_same_images_again(
        actions in prop::collection::vec(any_action(), 1..14),
        seed: u64,
    ) {
        let digest = || {
            let mut hasher = blake3::Hasher::new();
            let shown = run(&actions).for_each_crash(&Budget::at_most(50), seed, |image| {
                hasher.update(image);
            });
            (shown, hasher.finalize())
        };
        prop_assert_eq!(digest(), digest());
    }
}
