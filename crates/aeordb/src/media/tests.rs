//! What every medium must do alike.

use proptest::prelude::*;

use super::*;

/// Runs `test` on an empty file of each implementation. What it is given opens the file anew.
fn on_each_medium(test: impl Fn(&dyn Fn() -> Box<dyn Media>)) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    FileMedia::create(&path).unwrap().publish().unwrap();
    test(&|| Box::new(FileMedia::open_write(&path).unwrap()));

    let memory = MemoryMedia::new();
    test(&|| Box::new(memory.clone()));

    let disk = SimulatedDisk::new([]);
    test(&|| Box::new(disk.open()));
}

fn contents(media: &dyn Media) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(media.len().unwrap()).unwrap()];
    media.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

#[test]
fn what_is_written_through_one_open_file_is_read_through_another() {
    on_each_medium(|open| {
        let (a, b) = (open(), open());
        assert!(b.is_empty().unwrap());
        a.write_at(b"hello world", 3).unwrap();
        a.write_at(b"HELLO", 3).unwrap();
        a.sync().unwrap();
        assert_eq!(b.len().unwrap(), 14);
        assert_eq!(contents(&*b), b"\0\0\0HELLO world");
    });
}

#[test]
fn a_read_is_short_only_at_the_end() {
    on_each_medium(|open| {
        let media = open();
        media.write_at(b"abcdef", 0).unwrap();
        let mut buffer = [b'.'; 4];
        assert_eq!(media.read_at(&mut buffer, 1).unwrap(), 4);
        assert_eq!(&buffer, b"bcde");
        assert_eq!(media.read_at(&mut buffer, 4).unwrap(), 2);
        assert_eq!(&buffer, b"efde");
        for beyond in [6, 7, 1 << 40, i64::MAX as u64, u64::MAX] {
            assert_eq!(media.read_at(&mut buffer, beyond).unwrap(), 0);
            let error = media.read_exact_at(&mut buffer, beyond).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        }
        assert_eq!(media.read_at(&mut [], 0).unwrap(), 0);
    });
}

#[test]
fn a_length_that_grows_reads_as_zeros_also_where_bytes_were_cut_off() {
    on_each_medium(|open| {
        let media = open();
        media.write_at(&[7; 1000], 0).unwrap();
        media.set_len(10).unwrap();
        media.set_len(2000).unwrap();
        let mut expected = vec![0; 2000];
        expected[..10].fill(7);
        assert_eq!(contents(&*media), expected);
    });
}

#[test]
fn writing_nothing_changes_nothing() {
    on_each_medium(|open| {
        let media = open();
        media.write_at(&[], 100).unwrap();
        assert_eq!(media.len().unwrap(), 0);
    });
}

#[test]
fn released_bytes_read_as_zeros_and_the_length_stays() {
    on_each_medium(|open| {
        let media = open();
        media.write_at(&[9; 20_000], 0).unwrap();
        assert!(media.release(100..9000).unwrap());
        assert!(media.release(19_000..50_000).unwrap());
        let mut expected = vec![9; 20_000];
        expected[100..9000].fill(0);
        expected[19_000..].fill(0);
        assert_eq!(contents(&*media), expected);

        #[expect(clippy::reversed_empty_ranges, reason = "a range that ends before it starts")]
        let nothing = [5..5, 9..3, 20_000..30_000, u64::MAX - 1..u64::MAX];
        for range in nothing {
            assert!(!media.release(range).unwrap());
        }
        assert_eq!(contents(&*media), expected);
    });
}

#[test]
fn what_is_reserved_beyond_the_end_changes_neither_length_nor_bytes() {
    on_each_medium(|open| {
        let media = open();
        media.write_at(b"abc", 0).unwrap();
        media.reserve(1..100_000).unwrap();
        assert_eq!(contents(&*media), b"abc");
        media.write_at(b"z", 5).unwrap();
        assert_eq!(contents(&*media), b"abc\0\0z");
        assert!(!media.reserve(7..7).unwrap());
    });
}

#[test]
fn a_place_beyond_all_files_is_an_error_that_changes_nothing() {
    on_each_medium(|open| {
        let media = open();
        for offset in [i64::MAX as u64, u64::MAX] {
            let error = media.write_at(b"x", offset).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
            assert!(media.set_len(u64::MAX).is_err());
        }
        assert_eq!(media.len().unwrap(), 0);
    });
}

#[test]
fn an_exclusive_lock_excludes_every_other_open_file_and_never_the_own() {
    on_each_medium(|open| {
        let (a, b) = (open(), open());
        assert!(a.try_lock(0..1, Lock::Exclusive).unwrap());
        assert!(a.try_lock(0..1, Lock::Exclusive).unwrap());
        assert!(!a.locked_by_others(0..1).unwrap());
        assert!(b.locked_by_others(0..1).unwrap());
        assert!(!b.try_lock(0..1, Lock::Exclusive).unwrap());
        assert!(!b.try_lock(0..1, Lock::Shared).unwrap());
        a.unlock(0..1).unwrap();
        assert!(b.try_lock(0..1, Lock::Exclusive).unwrap());
    });
}

#[test]
fn shared_locks_go_together_and_exclude_an_exclusive_one() {
    on_each_medium(|open| {
        let (a, b) = (open(), open());
        assert!(a.try_lock(5..6, Lock::Shared).unwrap());
        assert!(b.try_lock(5..6, Lock::Shared).unwrap());
        assert!(!a.try_lock(5..6, Lock::Exclusive).unwrap());
        b.unlock(5..6).unwrap();
        assert!(a.try_lock(5..6, Lock::Exclusive).unwrap());
        assert!(!b.try_lock(5..6, Lock::Shared).unwrap());
        assert!(a.try_lock(5..6, Lock::Shared).unwrap());
        assert!(b.try_lock(5..6, Lock::Shared).unwrap());
    });
}

#[test]
fn lock_bytes_are_independent_of_each_other_and_of_the_bytes() {
    on_each_medium(|open| {
        let (a, b) = (open(), open());
        assert!(a.try_lock(0..10, Lock::Exclusive).unwrap());
        a.unlock(4..6).unwrap();
        assert!(b.try_lock(4..6, Lock::Exclusive).unwrap());
        assert!(b.try_lock(10..LOCK_BYTES, Lock::Exclusive).unwrap());
        assert!(!b.try_lock(3..5, Lock::Shared).unwrap());
        assert!(b.locked_by_others(6..7).unwrap());
        b.write_at(b"free", 0).unwrap();
        assert_eq!(contents(&*a), b"free");
    });
}

#[test]
fn an_empty_range_of_lock_bytes_is_always_free() {
    on_each_medium(|open| {
        let (a, b) = (open(), open());
        assert!(a.try_lock(0..10, Lock::Exclusive).unwrap());
        assert!(b.try_lock(5..5, Lock::Exclusive).unwrap());
        assert!(!b.locked_by_others(5..5).unwrap());
        a.unlock(5..5).unwrap();
        assert!(b.locked_by_others(0..1).unwrap() && b.locked_by_others(9..10).unwrap());
        assert!(!a.locked_by_others(0..10).unwrap());
    });
}

#[test]
fn lock_bytes_end() {
    on_each_medium(|open| {
        let media = open();
        let beyond = LOCK_BYTES - 1..LOCK_BYTES + 1;
        for error in [
            media.try_lock(beyond.clone(), Lock::Shared).unwrap_err(),
            media.unlock(beyond.clone()).unwrap_err(),
            media.locked_by_others(beyond).unwrap_err(),
        ] {
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        }
    });
}

#[test]
fn locks_end_with_the_open_file_that_took_them_and_with_no_other() {
    on_each_medium(|open| {
        let (a, b) = (open(), open());
        assert!(a.try_lock(0..1, Lock::Exclusive).unwrap());
        drop(open()); // a process-associated lock would end here
        assert!(!b.try_lock(0..1, Lock::Exclusive).unwrap());
        drop(a);
        assert!(b.try_lock(0..1, Lock::Exclusive).unwrap());
    });
}

#[derive(Clone, Debug)]
enum Action {
    Write(u64, Vec<u8>),
    SetLen(u64),
    Release(Range<u64>),
    Reserve(Range<u64>),
    Read(u64, usize),
    Sync,
}

fn any_action() -> impl Strategy<Value = Action> {
    let place = 0..5000_u64;
    prop_oneof![
        (place.clone(), prop::collection::vec(any::<u8>(), 0..1500))
            .prop_map(|(offset, bytes)| Action::Write(offset, bytes)),
        place.clone().prop_map(Action::SetLen),
        (place.clone(), place.clone()).prop_map(|(a, b)| Action::Release(a..b)),
        (place.clone(), place.clone()).prop_map(|(a, b)| Action::Reserve(a..b)),
        (place, 0..3000_usize).prop_map(|(offset, len)| Action::Read(offset, len)),
        Just(Action::Sync),
    ]
}

/// Does `action` and says everything that can be seen of it.
fn observe(media: &dyn Media, action: &Action) -> (u64, Vec<u8>) {
    let mut seen = Vec::new();
    match action {
        Action::Write(offset, bytes) => media.write_at(bytes, *offset).unwrap(),
        Action::SetLen(len) => media.set_len(*len).unwrap(),
        Action::Release(range) => seen.push(u8::from(media.release(range.clone()).unwrap())),
        Action::Reserve(range) => drop(media.reserve(range.clone()).unwrap()),
        Action::Read(offset, len) => {
            seen.resize(*len, 0);
            let read = media.read_at(&mut seen, *offset).unwrap();
            seen.truncate(read);
        }
        Action::Sync => media.sync().unwrap(),
    }
    (media.len().unwrap(), seen)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn every_medium_shows_what_a_real_file_shows(
        actions in prop::collection::vec(any_action(), 1..40),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let file = FileMedia::create(folder.path().join("file")).unwrap();
        let (memory, disk) = (MemoryMedia::new(), SimulatedDisk::new([]));
        let simulated = disk.open();
        for action in &actions {
            let seen = observe(&file, action);
            prop_assert_eq!(&observe(&memory, action), &seen);
            prop_assert_eq!(&observe(&simulated, action), &seen);
        }
        prop_assert_eq!(contents(&memory), contents(&file));
        prop_assert_eq!(disk.contents(), contents(&file));
        file.sync().unwrap();
        simulated.sync().unwrap();
        prop_assert_eq!(disk.durable(), contents(&file));
    }

    #[test]
    fn locks_in_memory_exclude_exactly_as_those_of_the_system(
        actions in prop::collection::vec((0..3_usize, 0..4_u8, 0..8_u64, 0..4_u64), 1..60),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        FileMedia::create(&path).unwrap().publish().unwrap();
        let memory = MemoryMedia::new();
        let media: Vec<(FileMedia, MemoryMedia)> =
            (0..3).map(|_| (FileMedia::open_write(&path).unwrap(), memory.clone())).collect();
        for (who, what, start, len) in actions {
            let range = start..start + len;
            let (file, memory) = &media[who];
            let act = |media: &dyn Media| match what {
                0 => media.try_lock(range.clone(), Lock::Shared).unwrap(),
                1 => media.try_lock(range.clone(), Lock::Exclusive).unwrap(),
                2 => media.unlock(range.clone()).map(|()| true).unwrap(),
                _ => media.locked_by_others(range.clone()).unwrap(),
            };
            prop_assert_eq!(act(memory), act(file));
        }
    }
}

#[test]
fn memory_refuses_to_grow_beyond_its_limit_and_a_hostile_length_is_only_an_error() {
    let media = MemoryMedia::with_limit(b"abc".to_vec(), 5);
    media.write_at(b"45", 3).unwrap();
    let error = media.write_at(b"6", 5).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert!(media.set_len(6).is_err());
    assert_eq!(media.to_vec(), b"abc45");
    assert!(MemoryMedia::new().set_len(i64::MAX as u64).is_err());
}
