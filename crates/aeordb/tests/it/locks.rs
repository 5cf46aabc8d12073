//! Real files and other processes: this test program runs itself as the other process.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path as LocalPath, PathBuf};
use std::process::{Child, Command, Stdio};

use aeordb::Error;
use aeordb::compact;
use aeordb::db::{Database, Options};
use aeordb::gc;
use aeordb::hash::Kind;
use aeordb::internals::store::AppendEntries;
use aeordb::monitor::Monitor;

use crate::fixture::{self, noise, observe, put};

/// Says to the other process which file it is to work on, and how.
const FILE: &str = "AEORDB_TEST_FILE";
const ROLE: &str = "AEORDB_TEST_ROLE";

/// What another process does; nothing in an ordinary run of the tests.
#[test]
fn other_process() {
    let (Ok(file), Ok(role)) = (std::env::var(FILE), std::env::var(ROLE)) else { return };
    let path = PathBuf::from(file);
    match role.as_str() {
        "commit" => {
            let database = Database::open_writer(&path, &Options::default()).unwrap();
            // Until it is killed; bounded all the same.
            for number in 0..1_000_000 {
                put(&database, &format!("/{number}"), &noise(number, 200)).unwrap();
                println!("committed {number}");
            }
        }
        "collect" => {
            let database = Database::open_writer(&path, &Options::default()).unwrap();
            for number in 0..1_000_000 {
                put(&database, "/file", &noise(number, 3000)).unwrap();
                gc::collect(&database, false, &Monitor::new()).unwrap();
                println!("committed {number}");
            }
        }
        "compact" => {
            for number in 0..1_000_000 {
                let database = Database::open_writer(&path, &Options::default()).unwrap();
                put(&database, &format!("/{number}"), &noise(number, 20_000)).unwrap();
                drop(database);
                println!("committed {number}");
                compact::compact(&path, &Options::default(), &Monitor::new()).unwrap();
            }
        }
        "read" => {
            let database = Database::open(&path, &Options::default()).unwrap();
            let before = observe(&database).unwrap();
            println!("committed 0");
            let mut line = String::new();
            std::io::stdin().read_line(&mut line).unwrap();
            assert_eq!(observe(&database).unwrap(), before);
        }
        other => panic!("{other}"),
    }
}

/// Another process at work, which is killed in the end.
pub struct Other {
    child: Child,
    lines: Box<dyn Iterator<Item = String>>,
}

impl Other {
    pub fn start(role: &str, path: &LocalPath) -> Other {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "locks::other_process", "--nocapture"])
            .env(FILE, path)
            .env(ROLE, role)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let lines = out.lines().map_while(Result::ok);
        Other { child, lines: Box::new(lines) }
    }

    /// Waits for its next commit.
    pub fn committed(&mut self) -> u64 {
        let number = |line: String| line.rsplit_once("committed ")?.1.parse().ok();
        self.lines.by_ref().find_map(number).expect("the other process ended")
    }

    /// Has it look once more, as it does when its input ends.
    pub fn look_again(mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success());
    }

    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// A database in a directory of its own.
fn database() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data.aeordb");
    let database = Database::open_or_create(&path, &Options::default()).unwrap();
    put(&database, "/first", &noise(0, 5000)).unwrap();
    database.close().unwrap();
    (directory, path)
}

#[test]
fn a_second_writer_is_refused_at_once_and_told_who_holds_the_file() {
    let (directory, path) = database();
    let mut other = Other::start("commit", &path);
    other.committed();
    let link = directory.path().join("link.aeordb");
    fs::hard_link(&path, &link).unwrap();
    for path in [&path, &link] {
        match Database::open_writer(path, &Options::default()) {
            Err(Error::Locked { holder, .. }) => {
                assert!(holder.contains(&other.child.id().to_string()), "{holder}");
            }
            other => panic!("{:?}", other.err()),
        }
    }
    other.kill();
    Database::open_writer(&path, &Options::default()).unwrap();
}

#[test]
fn what_a_killed_writer_had_acknowledged_is_there_and_its_lock_is_gone() {
    for commits in [1, 7, 40] {
        let (_directory, path) = database();
        let mut other = Other::start("commit", &path);
        let last = (0..commits).map(|_| other.committed()).last().unwrap();
        other.kill();
        let reading = Database::open(&path, &Options::default()).unwrap();
        observe(&reading).unwrap();
        drop(reading);
        let database = Database::open_writer(&path, &Options::default()).unwrap();
        assert_eq!(database.log().damages(), []);
        let reader = database.reader().unwrap();
        for number in 0..=last {
            let item = reader.item(&reader.head(), fixture::path(&format!("/{number}"))).unwrap();
            assert!(item.is_some(), "commit {number} of {last} is lost");
        }
        put(&database, "/after", &noise(1, 100)).unwrap();
        database.close().unwrap();
        observe(&Database::open(&path, &Options::default()).unwrap()).unwrap();
    }
}

#[test]
fn a_collection_that_was_killed_leaves_a_sound_file() {
    for commits in [1, 2, 5, 9] {
        let (_directory, path) = database();
        let mut other = Other::start("collect", &path);
        for _ in 0..commits {
            other.committed();
        }
        other.kill();
        let database = Database::open_writer(&path, &Options::default()).unwrap();
        observe(&database).unwrap();
        gc::collect(&database, false, &Monitor::new()).unwrap();
        assert_eq!(gc::collect(&database, false, &Monitor::new()).unwrap().entries_collected, 0);
        observe(&database).unwrap();
    }
}

#[test]
fn readers_open_beside_a_writer_of_another_process() {
    let (_directory, path) = database();
    let mut other = Other::start("collect", &path);
    for _ in 0..30 {
        other.committed();
        let database = Database::open(&path, &Options::default()).unwrap();
        assert_eq!(database.log().damages(), []);
        observe(&database).unwrap();
    }
    other.kill();
}

#[test]
fn a_reader_of_another_process_keeps_what_it_reads() {
    let (_directory, path) = database();
    let database = Database::open_writer(&path, &Options::default()).unwrap();
    let mut other = Other::start("read", &path);
    other.committed();
    for number in 0..5 {
        let mut writer = database.writer().unwrap();
        writer.entries().append(Kind::Chunk, &noise(number, 30_000)).unwrap();
        writer.commit().unwrap();
        let report = gc::collect(&database, false, &Monitor::new()).unwrap();
        assert_eq!(report.bytes_released, 0);
        assert!(report.bytes_deferred > 0);
    }
    other.look_again();
    let report = gc::collect(&database, false, &Monitor::new()).unwrap();
    assert!(report.bytes_released > 0 && report.bytes_deferred == 0, "{report:?}");
}

#[test]
fn a_reader_changes_nothing_in_the_directory() {
    let (directory, path) = database();
    let mut permissions = fs::metadata(&path).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&path, permissions).unwrap();
    let state = || {
        let names: Vec<_> =
            fs::read_dir(directory.path()).unwrap().map(|one| one.unwrap().file_name()).collect();
        (names, fs::read(&path).unwrap(), fs::metadata(&path).unwrap().modified().unwrap())
    };
    let before = state();
    let database = Database::open(&path, &Options::default()).unwrap();
    observe(&database).unwrap();
    gc::collect(&database, true, &Monitor::new()).unwrap();
    drop(database);
    assert_eq!(state(), before);
}

#[test]
fn a_file_that_is_gone_or_something_else_is_refused_clearly() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing.aeordb");
    let refused = |path: &LocalPath| {
        let options = Options::default();
        let read = Database::open(path, &options).err().unwrap();
        (read, Database::open_writer(path, &options).err().unwrap())
    };
    assert!(matches!(refused(&missing), (Error::NotFound(_), Error::NotFound(_))));
    let foreign = |found| matches!(found, (Error::Foreign { .. }, Error::Foreign { .. }));
    assert!(foreign(refused(directory.path())));
    let text = directory.path().join("notes.txt");
    for content in ["", "x", "not a database at all, but long enough to be looked at twice"] {
        fs::write(&text, content).unwrap();
        assert!(foreign(refused(&text)), "{content}");
        assert_eq!(fs::read_to_string(&text).unwrap(), content);
    }
    assert!(!missing.exists());
}
