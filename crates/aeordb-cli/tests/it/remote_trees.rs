//! `put` and `get` through a server do what they do on a file: the same versions, reports and exit
//! codes.

use std::ffi::OsStr;
use std::fs::{self, File, FileTimes, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::Value;

use crate::sandbox::{Run, Sandbox, line};
use crate::server::Served;
use crate::trees;

/// Gives a file or directory its permissions and a time in nanoseconds from 1970.
fn dress(path: &Path, mode: u32, before_1970: bool, nanoseconds: u64) {
    let span = Duration::from_nanos(nanoseconds);
    let time = if before_1970 { UNIX_EPOCH - span } else { UNIX_EPOCH + span };
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    File::open(path).unwrap().set_times(FileTimes::new().set_modified(time)).unwrap();
}

/// A tree of everything that is kept: odd modes, names that are not text, times before 1970 and
/// between seconds, links, empty directories, files of several chunks.
fn odd_tree(sandbox: &Sandbox) {
    sandbox.write("tree/a/b/small", "small\n");
    sandbox.write("tree/a/empty", "");
    sandbox.write("tree/large", trees::noise(3, 2_000_000));
    sandbox.write(Path::new("tree").join(OsStr::from_bytes(b"n\xff\nme")), "not text\n");
    fs::create_dir_all(sandbox.path("tree/void/within")).unwrap();
    symlink("../nowhere", sandbox.path("tree/a/link")).unwrap();
    dress(&sandbox.path("tree/a/b/small"), 0o4755, false, 1_600_000_000_123_456_789);
    dress(&sandbox.path("tree/large"), 0o600, true, 1_500_000_001);
    dress(&sandbox.path("tree/void/within"), 0o1777, true, 86_400_000_000_000);
    dress(&sandbox.path("tree/void"), 0o700, false, 1);
    dress(&sandbox.path("tree/a/b"), 0o2750, false, 1_700_000_000_000_000_001);
    dress(&sandbox.path("tree/a"), 0o755, false, 999_999_999);
    dress(&sandbox.path("tree"), 0o711, true, 1);
}

/// A report without what differs from one database to the other.
fn comparable(report: &str) -> Vec<&str> {
    report.lines().filter(|line| !line.starts_with("  Database grew by: ")).collect()
}

/// Two databases that are given the same files, one of them through its server.
pub struct Pair<'d> {
    pub local: &'d Sandbox,
    pub served: Served<'d>,
}

impl Pair<'_> {
    /// Runs a verb on both, which must come to the same; what is named `tree/...` is one tree.
    pub fn run(&self, code: i32, arguments: &[&str]) -> Run {
        let tree = self.local.path("tree").to_str().unwrap().to_owned();
        let whole = |word: &&str| match word.strip_prefix("tree") {
            Some(rest) => format!("{tree}{rest}"),
            None => (*word).to_owned(),
        };
        let arguments: Vec<String> = arguments.iter().map(whole).collect();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let here = self.local.run(&arguments).expect(code);
        let there = self.served.run(&arguments).expect(code);
        assert_eq!(comparable(&there.out()), comparable(&here.out()), "{arguments:?}");
        assert_eq!(there.err, here.err, "{arguments:?}");
        there
    }

    pub fn ok(&self, arguments: &[&str]) -> String {
        self.run(0, arguments).out()
    }
}

#[test]
fn a_tree_that_is_put_through_a_server_is_the_same_version_with_the_same_report() {
    let (local, remote) = (Sandbox::new(), Sandbox::new());
    odd_tree(&local);
    let pair = Pair { local: &local, served: Served::start(&remote, "") };
    pair.ok(&["put", "tree", "/t"]);
    // Nothing is sent again.
    let again = pair.ok(&["put", "tree", "/t"]);
    assert_eq!((line(&again, "Files new"), line(&again, "Files unchanged")), ("0", "5"));
    assert_eq!(line(&again, "Database grew by"), "0 B");
    local.write("tree/large", trees::noise(3, 2_000_001));
    fs::remove_file(local.path("tree/a/link")).unwrap();
    // What was a directory is a file, and the other way round.
    fs::remove_dir_all(local.path("tree/void")).unwrap();
    local.write("tree/void", "no directory any more\n");
    fs::remove_file(local.path("tree/a/empty")).unwrap();
    fs::create_dir(local.path("tree/a/empty")).unwrap();
    pair.ok(&["put", "tree", "/t"]);
    pair.ok(&["put", "--mirror", "tree", "/t"]);
    pair.ok(&["put", "--mirror", "--content-type", "text/plain", "--rehash", "tree", "/t"]);
    pair.ok(&["put", "tree", "/"]);
    // Files, alone and several, over others, into directories, with types that stay.
    pair.ok(&["put", "tree/large", "/t/"]);
    pair.ok(&["put", "tree/large", "/single"]);
    pair.ok(&["put", "--content-type", "image/png", "tree/large", "/single"]);
    pair.ok(&["put", "tree/void", "/single"]);
    pair.ok(&["put", "tree/a", "tree/void", "/several"]);
    let found: Value = serde_json::from_str(&pair.ok(&["stat", "--json", "/single"])).unwrap();
    assert_eq!(found["content_type"], "image/png");
    pair.run(2, &["put", "tree", "/single"]);
    pair.ok(&["put", "tree/void", "/t"]);
    // Programs read the same members.
    let members = |printed: &str| {
        let object: Value = serde_json::from_str(printed).unwrap();
        object.as_object().unwrap().keys().cloned().collect::<Vec<_>>()
    };
    let tree = local.path("tree");
    let arguments = ["put", "--json", tree.to_str().unwrap(), "/t"];
    assert_eq!(members(&pair.served.ok(&arguments)), members(&local.ok(&arguments)));
}

#[test]
fn a_tree_that_is_got_through_a_server_is_the_same_to_the_last_bit() {
    let sandbox = Sandbox::new();
    odd_tree(&sandbox);
    let served = Served::start(&sandbox, "");
    served.ok(&["put", "tree", "/t"]);
    served.ok(&["snapshot", "create", "v1"]);
    for verb in [vec!["get", "/t"], vec!["get", "--no-owner", "/t"], vec!["get", "v1:/t"]] {
        let here = [&verb[..], &["here"]].concat();
        let there = [&verb[..], &["there"]].concat();
        assert_eq!(served.ok(&there), sandbox.ok(&here), "{verb:?}");
        trees::assert_same(&sandbox.path("here"), &sandbox.path("there"));
        let mode = fs::metadata(sandbox.path("there/a/b/small")).unwrap().permissions().mode();
        let kept = if verb.contains(&"--no-owner") { 0o755 } else { 0o4755 };
        assert_eq!(mode & 0o7777, kept, "{verb:?}");
        let top = |name| {
            let found = fs::metadata(sandbox.path(name)).unwrap();
            (found.permissions().mode(), found.modified().unwrap())
        };
        assert_eq!(top("there"), top("here"));
        assert_eq!(top("there/void"), top("tree/void"));
        fs::remove_dir_all(sandbox.path("here")).unwrap();
        fs::remove_dir_all(sandbox.path("there")).unwrap();
    }
    served.ok(&["get", "/t/a/link", "link"]);
    assert_eq!(fs::read_link(sandbox.path("link")).unwrap(), Path::new("../nowhere"));
    served.ok(&["get", "/t/large", "large"]);
    assert_eq!(sandbox.read("large"), sandbox.read("tree/large"));
    served.run(&["get", "/t/large", "large"]).refused(15, "large", "--force");
    served.ok(&["get", "--force", "/t/void", "tree"]);
    // What is in the way is left alone.
    sandbox.write("taken/a", "mine");
    served.run(&["get", "/t", "taken"]).refused(15, "taken", "--force");
    assert_eq!(sandbox.read("taken/a"), b"mine");
    served.run(&["get", "/nothing", "nothing"]).refused(10, "/nothing", "aeordb ls");
    assert!(!sandbox.exists("nothing"));
    served.run(&["cat", "/t/large", "/t/a/link"]).refused(2, "symbolic link", "aeordb cat --help");
}

#[test]
fn what_cannot_be_read_is_told_and_stays_through_a_server_too() {
    let (local, remote) = (Sandbox::new(), Sandbox::new());
    let pair = Pair { local: &local, served: Served::start(&remote, "") };
    local.write("tree/pipe", "a file at first\n");
    local.write("tree/other", "other\n");
    local.write("tree/deep/x", "x\n");
    pair.ok(&["put", "tree", "/t"]);
    fs::remove_file(local.path("tree/pipe")).unwrap();
    mkfifo(&local.path("tree/pipe"), Mode::S_IRWXU).unwrap();
    local.write("tree/.aeordb-7-0", "of a restore that was killed");
    let there = pair.run(0, &["put", "tree", "/t"]);
    assert_eq!(line(&there.out(), "Skipped"), "1");
    assert!(there.err.contains("tree/.aeordb-7-0: skipped: it is a temporary"), "{}", there.err);
    let kind: Value = serde_json::from_str(&pair.ok(&["stat", "--json", "/t/pipe"])).unwrap();
    assert_eq!(kind["kind"], "fifo");
    pair.run(2, &["put", "tree/pipe", "/p"]);
    pair.run(10, &["put", "tree/nothing", "/t"]);
    // One of several that is not there fails before anything is sent.
    let head = pair.served.ok(&["log", "-n", "1"]);
    pair.run(10, &["put", "tree/other", "tree/nothing", "/t"]);
    assert_eq!(pair.served.ok(&["log", "-n", "1"]), head);
}

#[test]
fn stored_damage_ends_a_get_through_a_server_and_nothing_is_written() {
    let sandbox = Sandbox::new();
    sandbox.write("tree/noise", trees::noise(11, 6_000_000));
    sandbox.ok(&["put", "tree", "/"]);
    let file = File::options().read(true).write(true).open(sandbox.path("data.aeordb")).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, 4_000_000).unwrap();
    file.write_all_at(&[!byte[0]], 4_000_000).unwrap();
    let served = Served::start(&sandbox, "");
    for verb in [["get", "/", "out"], ["get", "/noise", "out"]] {
        let run = served.run(&verb).expect(14);
        assert!(run.err.contains("damaged"), "{}", run.err);
        assert!(!sandbox.exists("out"));
    }
    let run = served.run(&["cat", "/noise"]).expect(14);
    assert!(sandbox.read("tree/noise").starts_with(&run.bytes));
}

#[test]
fn a_key_that_may_only_append_puts_what_is_new_and_nothing_else() {
    let sandbox = Sandbox::new();
    sandbox.write("tree/a", "a\n");
    let served = Served::start(&sandbox, "");
    let key = served.ok(&["key", "create", "--name", "agent", "--scope", "append-only"]);
    let with = |arguments: &[&str]| {
        let mut all = arguments.to_vec();
        all.extend(["--server", &served.url]);
        let output = sandbox.command(&all).env("AEORDB_API_KEY", key.trim()).output().unwrap();
        Run::new(&all, output)
    };
    with(&["put", "tree", "/day1"]).expect(0);
    with(&["put", "tree/a", "/day2/a"]).expect(0);
    sandbox.write("tree/a", "changed\n");
    with(&["put", "tree", "/day1"]).refused(12, "something is there", "AEORDB_API_KEY");
    with(&["put", "tree", "/day3"]).expect(0);
    assert_eq!(served.ok(&["cat", "/day1/a", "/day2/a", "/day3/a"]), "a\na\nchanged\n");
}

#[test]
fn puts_into_one_place_at_once_all_arrive() {
    let sandbox = Sandbox::new();
    let served = Served::start(&sandbox, "");
    let names: Vec<String> = (0..4).map(|n| format!("part{n}")).collect();
    for name in &names {
        sandbox.write(format!("{name}/{name}"), name);
    }
    std::thread::scope(|scope| {
        for name in &names {
            scope.spawn(|| served.ok(&["put", name, "/all"]));
        }
    });
    assert_eq!(served.ok(&["ls", "/all"]), "part0\npart1\npart2\npart3\n");
}

#[test]
fn what_a_put_refuses_here_it_refuses_through_a_server() {
    let (local, remote) = (Sandbox::new(), Sandbox::new());
    for number in 0..12 {
        local.write(format!("tree/{number:02}"), "x");
    }
    let pair = Pair { local: &local, served: Served::start(&remote, "") };
    pair.ok(&["put", "tree", "/t"]);
    pair.run(2, &["put", "tree", "t"]);
    for number in 0..7 {
        fs::remove_file(local.path(format!("tree/{number:02}"))).unwrap();
    }
    pair.run(17, &["put", "--mirror", "tree", "/t"]);
    pair.run(17, &["put", "--mirror", "--dry-run", "tree", "/t"]);
    assert_eq!(pair.ok(&["ls", "/t"]).lines().count(), 12);
    let dry = pair.ok(&["put", "--mirror", "--dry-run", "--max-delete", "7", "tree", "/t"]);
    assert_eq!(dry.lines().filter(|line| line.starts_with("D /t/")).count(), 7);
    assert_eq!(pair.ok(&["ls", "/t"]).lines().count(), 12);
    pair.ok(&["put", "--mirror", "--max-delete", "7", "tree", "/t"]);
    pair.run(1, &["put", "--from-command", "/t/07", "--", "sh", "-c", "echo x; exit 1"]);
    pair.run(17, &["put", "--from-command", "/t/07", "--", "true"]);
    assert_eq!(pair.ok(&["cat", "/t/07"]), "x");
    fs::remove_dir_all(local.path("tree")).unwrap();
    fs::create_dir(local.path("tree")).unwrap();
    pair.run(17, &["put", "--mirror", "tree", "/t"]);
    pair.ok(&["put", "--mirror", "--allow-empty", "tree", "/t"]);
}
