//! Random histories beside a model in memory. `AEORDB_CASES=100000` makes it as many, `AEORDB_SEED=1`
//! makes them the same each time; without it they are others, and a failure says which.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;

use aeordb::compact;
use aeordb::db::Database;
use aeordb::gc;
use aeordb::hash::{Kind, VersionId};
use aeordb::internals::limits::RECENT_ENTRIES_MAX;
use aeordb::internals::store::{AppendEntries, ReadEntries, Transaction};
use aeordb::media::SimulatedDisk;
use aeordb::monitor::Monitor;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::fixture::{self, create, noise, observe, put, read, whole, write};

#[derive(Clone, Debug)]
enum Action {
    Put { path: usize, seed: u64, len: usize },
    Remove { path: usize },
    Rename { from: usize, to: usize },
    Abandon { seed: u64, len: usize },
    Name { name: usize },
    Unname { name: usize },
    Promote { name: usize },
    Collect,
    Compact,
    Reopen { cleanly: bool },
    Look,
}

fn any_action() -> impl Strategy<Value = Action> {
    let len = prop_oneof![9 => 0..2000_usize, 1 => 2000..200_000_usize];
    prop_oneof![
        12 => (0..12_usize, 0..30_u64, len).prop_map(|(path, seed, len)| {
            Action::Put { path, seed, len }
        }),
        4 => (0..12_usize).prop_map(|path| Action::Remove { path }),
        2 => (0..12_usize, 0..12_usize).prop_map(|(from, to)| Action::Rename { from, to }),
        2 => (0..30_u64, 0..4000_usize).prop_map(|(seed, len)| Action::Abandon { seed, len }),
        2 => (0..4_usize).prop_map(|name| Action::Name { name }),
        1 => (0..4_usize).prop_map(|name| Action::Unname { name }),
        1 => (0..4_usize).prop_map(|name| Action::Promote { name }),
        1 => Just(Action::Collect),
        1 => Just(Action::Compact),
        3 => any::<bool>().prop_map(|cleanly| Action::Reopen { cleanly }),
        1 => Just(Action::Look),
    ]
}

type Files = BTreeMap<String, Vec<u8>>;

/// What the database must show.
#[derive(Default)]
struct Model {
    files: Files,
    names: BTreeMap<String, (VersionId, Files)>,
}

/// Paths of which some lie deeper, none below another.
fn path(number: usize) -> String {
    match number % 3 {
        0 => format!("/{number}"),
        1 => format!("/a/{number}"),
        _ => format!("/a/b/{number}"),
    }
}

impl Model {
    fn act(&mut self, database: &Database, action: &Action) {
        match action {
            Action::Put { path: at, seed, len } => {
                let content = noise(*seed, *len);
                put(database, &path(*at), &content).unwrap();
                self.files.insert(path(*at), content);
            }
            Action::Remove { path: at } => {
                let removed = database.remove(&[fixture::path(&path(*at))], false);
                assert_eq!(removed.is_ok(), self.files.remove(&path(*at)).is_some());
            }
            Action::Rename { from, to } => {
                let (from, to) = (path(*from), path(*to));
                let renamed = database.rename(fixture::path(&from), fixture::path(&to), true);
                assert_eq!(renamed.is_ok(), from != to && self.files.contains_key(&from));
                if let Some(content) = self.files.remove(&from) {
                    self.files.insert(to, content);
                }
            }
            Action::Abandon { seed, len } => {
                let mut writer = database.writer().unwrap();
                writer.entries().append(Kind::Chunk, &noise(*seed, *len)).unwrap();
                writer.entries().flush().unwrap();
            }
            Action::Name { name } => {
                let name = format!("name-{name}");
                let head = database.reader().unwrap().head();
                let named = database.create_snapshot(&name, &head, BTreeMap::new());
                // To give the same version the same name again is no conflict.
                let free = self.names.get(&name).is_none_or(|(version, _)| *version == head);
                assert_eq!(named.is_ok(), free);
                self.names.entry(name).or_insert_with(|| (head, self.files.clone()));
            }
            Action::Unname { name } => {
                let name = format!("name-{name}");
                assert_eq!(
                    database.delete_snapshot(&name).is_ok(),
                    self.names.remove(&name).is_some()
                );
            }
            Action::Promote { name } => {
                if let Some((version, files)) = self.names.get(&format!("name-{name}")) {
                    database.promote(version, None).unwrap();
                    self.files = files.clone();
                }
            }
            Action::Collect => {
                gc::collect(database, false, &Monitor::new()).unwrap();
            }
            Action::Look | Action::Reopen { .. } | Action::Compact => self.look(database),
        }
    }

    fn look(&self, database: &Database) {
        assert_eq!(database.log().damages(), []);
        let reader = database.reader().unwrap();
        assert_eq!(fixture::files(&reader, &reader.head()).unwrap(), self.files);
        let found: Vec<_> = reader.snapshots().unwrap();
        assert!(found.iter().map(|one| &one.name).eq(self.names.keys()));
        for (version, files) in self.names.values() {
            assert_eq!(fixture::files(&reader, version).unwrap(), *files);
        }
    }
}

/// The database in a new file, and what must be true of it.
fn compacted(database: &Database) -> (SimulatedDisk, Database) {
    let before = whole(database).unwrap();
    let foreseen = gc::collect(database, true, &Monitor::new()).unwrap();
    let disk = SimulatedDisk::new([]);
    let report =
        compact::copy(database, Arc::new(disk.open()), &fixture::options(), &Monitor::new())
            .unwrap();
    // What is on the disk, without what was not synced.
    let disk = SimulatedDisk::new(disk.durable());
    assert_eq!(report.bytes_after, disk.contents().len() as u64);
    assert_eq!(report.entries_live, foreseen.entries_live);
    let compacted = write(&disk).unwrap();
    assert_eq!(whole(&compacted).unwrap(), before);
    assert_eq!(compacted.sequence(), database.sequence() + 1);
    let garbage = gc::collect(&compacted, true, &Monitor::new()).unwrap();
    assert_eq!((garbage.entries_collected, garbage.entries_live), (0, report.entries_live));
    (disk, compacted)
}

fn live(actions: &[Action]) {
    let mut disk = SimulatedDisk::new([]);
    let mut model = Model::default();
    let mut database = create(&disk);
    for action in actions {
        if let Action::Compact = action {
            let (next, compacted) = compacted(&database);
            drop(database);
            (disk, database) = (next, compacted);
        }
        if let Action::Reopen { cleanly } = action {
            // What is on the disk, without what was not synced.
            let last = disk.durable();
            if *cleanly {
                database.close().unwrap();
            } else {
                drop(database);
            }
            model.look(&read(&SimulatedDisk::new(last)).unwrap());
            database = write(&disk).unwrap();
        }
        model.act(&database, action);
    }
    observe(&database).unwrap();
    drop(database);
    model.look(&read(&disk).unwrap());
}

#[test]
fn a_database_shows_what_a_model_of_it_shows() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let cases = number("AEORDB_CASES").map_or(3000, |cases| u32::try_from(cases).unwrap());
    let seed = number("AEORDB_SEED").unwrap_or_else(|| RandomState::new().build_hasher().finish());
    let random = [seed.to_le_bytes(); 4].concat();
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &random);
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let histories = proptest::collection::vec(any_action(), 20..120);
    let lived = TestRunner::new_with_rng(config, random).run(&histories, |actions| {
        live(&actions);
        Ok(())
    });
    if let Err(error) = lived {
        panic!("AEORDB_SEED={seed} AEORDB_CASES={cases}: {error}");
    }
}

/// More entries in one commit than the index holds in memory, then a crash after it.
#[test]
fn a_commit_of_more_entries_than_memory_holds_is_found_after_a_crash() {
    let count = RECENT_ENTRIES_MAX * 5 / 2;
    let disk = SimulatedDisk::new([]);
    let database = create(&disk);
    put(&database, "/before", &noise(1, 1000)).unwrap();
    let mut writer = database.writer().unwrap();
    for number in 0..count {
        writer.entries().append(Kind::Chunk, &number.to_le_bytes()).unwrap();
    }
    writer.commit().unwrap();
    // The last synced superblock does not know of this one.
    let mut writer = database.writer().unwrap();
    for number in count..count + 1000 {
        writer.entries().append(Kind::Chunk, &number.to_le_bytes()).unwrap();
    }
    writer.commit().unwrap();
    std::mem::forget(database);
    let disk = SimulatedDisk::new(disk.durable());
    for database in [read(&disk).unwrap(), write(&disk).unwrap()] {
        let reader = database.reader().unwrap();
        let index = reader.view().index();
        assert!(index.recent_len() < RECENT_ENTRIES_MAX);
        assert!(!index.runs().is_empty());
        for number in (0..count + 1000).step_by(997) {
            let encoding = number.to_le_bytes();
            let hash = Kind::Chunk.hash(&encoding);
            assert_eq!(reader.view().read(Kind::Chunk, &hash).unwrap(), encoding[..]);
        }
        observe(&database).unwrap();
    }
}
