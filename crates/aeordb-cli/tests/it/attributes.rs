//! Owners, flags, extended attributes, hard links, pipes and devices, as they are shown, compared and
//! carried, on a file and through a server. What root alone can make is tried by root alone.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown};
use std::path::Path;

use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use nix::unistd::{geteuid, mkfifo};
use rustix::fs::{XattrFlags, getxattr, setxattr};
use serde_json::{Value, json};

use crate::sandbox::{Sandbox, line};
use crate::server::Served;

const LIST: &str = "system.posix_acl_access";

/// A list of one more user than the owner, who may read.
fn list() -> Vec<u8> {
    let entry = |tag: u16, rights: u16, id: u32| {
        [&tag.to_le_bytes()[..], &rights.to_le_bytes(), &id.to_le_bytes()].concat()
    };
    let none = u32::MAX;
    let entries = [(1, 6, none), (2, 4, 40_005), (4, 4, none), (16, 4, none), (32, 4, none)];
    let entries = entries.map(|(tag, rights, id)| entry(tag, rights, id));
    [&2_u32.to_le_bytes()[..], &entries.concat()].concat()
}

/// False, and told, where the file system of the test takes no attributes or lists.
fn takes_attributes(sandbox: &Sandbox) -> bool {
    sandbox.write("probe", "");
    let set =
        |name, value: &[u8]| setxattr(sandbox.path("probe"), name, value, XattrFlags::empty());
    let takes = set("user.probe", b"x").and_then(|()| set(LIST, &list()));
    if let Err(error) = &takes {
        let _ = writeln!(std::io::stderr(), "NOT TESTED: no extended attributes here: {error}");
    }
    takes.is_ok()
}

fn set(path: &Path, name: &str, value: &[u8]) {
    setxattr(path, name, value, XattrFlags::empty()).unwrap();
}

fn is_root() -> bool {
    geteuid().is_root()
}

/// A tree with an attribute of every sort that its maker may set.
fn tree(sandbox: &Sandbox) {
    sandbox.write("tree/plain", "plain\n");
    sandbox.write("tree/listed", "listed\n");
    sandbox.write("tree/d/first", "one\n");
    fs::hard_link(sandbox.path("tree/d/first"), sandbox.path("tree/second")).unwrap();
    set(&sandbox.path("tree/plain"), "user.comment", b"text");
    set(&sandbox.path("tree/plain"), "user.long", &[7; 3000]);
    set(&sandbox.path("tree/listed"), LIST, &list());
    mkfifo(&sandbox.path("tree/fifo"), Mode::from_bits_truncate(0o640)).unwrap();
    if is_root() {
        let device = sandbox.path("tree/device");
        mknod(&device, SFlag::S_IFCHR, Mode::from_bits_truncate(0o600), makedev(1, 300)).unwrap();
        lchown(sandbox.path("tree/plain"), Some(40_001), Some(40_002)).unwrap();
    }
}

#[test]
fn what_is_recorded_is_shown_the_same_on_a_file_and_through_a_server() {
    let sandbox = Sandbox::new();
    if !takes_attributes(&sandbox) {
        return;
    }
    tree(&sandbox);
    sandbox.ok(&["put", "tree", "/t"]);
    let served = Served::start(&sandbox, "");
    let both = |arguments: &[&str]| {
        let shown = sandbox.ok(arguments);
        assert_eq!(served.ok(arguments), shown, "{arguments:?}");
        shown
    };
    let listed = both(&["ls", "-l", "/t"]);
    let of = |name: &str| {
        let line = listed.lines().find(|line| line.ends_with(&format!(" {name}")));
        line.unwrap_or_else(|| panic!("{name}: {listed}")).split_whitespace().collect::<Vec<_>>()
    };
    assert_eq!(of("listed")[..2], ["file", "-rw-r--r--+"]);
    assert_eq!(of("fifo")[..2], ["fifo", "prw-r-----"]);
    both(&["ls", "-r", "--json", "/t"]);
    let plain = both(&["stat", "/t/plain"]);
    let attributes: Vec<&str> =
        plain.lines().filter_map(|line| line.strip_prefix("  Attribute: ")).collect();
    assert_eq!(attributes, ["user.comment (4 B)", "user.long (2.9 KiB (3000 bytes))"]);
    let first = both(&["stat", "/t/d/first"]);
    let second = both(&["stat", "/t/second"]);
    assert_eq!(line(&first, "Hard link"), line(&second, "Hard link"));
    assert!(line(&first, "Hard link").ends_with(" in /t"), "{first}");
    let stat =
        |path: &str| -> Value { serde_json::from_str(&both(&["stat", path, "--json"])).unwrap() };
    let found = fs::metadata(sandbox.path("tree/d/first")).unwrap();
    let first = stat("/t/d/first");
    assert_eq!((&first["uid"], &first["gid"]), (&json!(found.uid()), &json!(found.gid())));
    assert_eq!(
        (&first["hardlink"]["up"], &stat("/t/second")["hardlink"]["up"]),
        (&json!(1), &json!(0))
    );
    assert_eq!(stat("/t/listed")["xattrs"], json!([{"name": LIST, "size": list().len()}]));
    if is_root() {
        let text = format!("{:?}", of("device"));
        assert!(text.contains(r#""1,", "300""#), "{text}");
        assert_eq!(of("plain")[2..4], ["40001", "40002"]);
        assert_eq!(of("listed")[2..4], ["root", "root"]);
        assert_eq!(line(&both(&["stat", "/t/device"]), "Device"), "1, 300");
        assert_eq!((line(&plain, "Owner"), line(&plain, "Group")), ("40001", "40002"));
    }
}

#[test]
fn what_changed_last_is_listed_first_where_that_is_asked_for() {
    let sandbox = Sandbox::new();
    for (name, second) in [("b", 1), ("c", 3), ("a", 1), ("d", 2)] {
        sandbox.write(format!("tree/{name}"), name);
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(second);
        let file = fs::File::open(sandbox.path(format!("tree/{name}"))).unwrap();
        file.set_times(fs::FileTimes::new().set_modified(time)).unwrap();
    }
    sandbox.ok(&["put", "tree", "/t"]);
    assert_eq!(sandbox.ok(&["ls", "-t", "/t"]), "c\nd\na\nb\n");
    assert_eq!(sandbox.ok(&["ls", "-t", "-n", "1", "/t"]), "c\n");
}

#[test]
fn a_change_of_anything_that_is_recorded_is_listed_and_said() {
    let sandbox = Sandbox::new();
    if !takes_attributes(&sandbox) {
        return;
    }
    tree(&sandbox);
    sandbox.write("tree/turns", "");
    sandbox.ok(&["put", "tree", "/"]);
    sandbox.ok(&["snapshot", "create", "v1"]);
    let at = |name: &str| sandbox.path(format!("tree/{name}"));
    let hold = |name: &str, change: &dyn Fn()| {
        let before = fs::metadata(at(name)).unwrap().modified().unwrap();
        change();
        let file = fs::File::open(at(name)).unwrap();
        file.set_times(fs::FileTimes::new().set_modified(before)).unwrap();
    };
    fs::set_permissions(at(""), Permissions::from_mode(0o750)).unwrap();
    set(&at("plain"), "user.comment", b"other");
    set(&at("plain"), "user.n\u{e9}w", b"");
    hold("d/first", &|| fs::write(at("d/first"), "two\n").unwrap());
    rustix::fs::removexattr(at("listed"), LIST).unwrap();
    hold("", &|| {
        fs::remove_file(at("turns")).unwrap();
        std::os::unix::fs::symlink("away", at("turns")).unwrap();
    });
    if is_root() {
        lchown(at("d"), Some(40_001), None).unwrap();
        lchown(at("fifo"), None, Some(40_002)).unwrap();
    }
    sandbox.ok(&["put", "tree", "/"]);
    let served = Served::start(&sandbox, "");
    let both = |arguments: &[&str]| {
        let shown = sandbox.ok(arguments);
        assert_eq!(served.ok(arguments), shown, "{arguments:?}");
        shown
    };
    let expected = [
        ("/", "mode"),
        ("/d", "owner"),
        ("/d/first", "content"),
        ("/fifo", "group"),
        ("/listed", "acl"),
        ("/plain", "xattr user.comment, xattr user.n\u{e9}w"),
        ("/second", "content"),
    ];
    let expected = expected.iter().filter(|(path, _)| is_root() || !["/d", "/fifo"].contains(path));
    let long = both(&["diff", "--long", "v1"]);
    let (turned, others): (Vec<&str>, Vec<&str>) =
        long.lines().partition(|line| line.contains("/turns"));
    assert!(turned[0].starts_with("M /turns\tkind, "), "{turned:?}");
    let expected: Vec<String> = expected.map(|(path, what)| format!("M {path}\t{what}")).collect();
    assert_eq!(others, expected);
    let short = both(&["diff", "v1"]);
    let paths: Vec<&str> = long.lines().filter_map(|line| line.split('\t').next()).collect();
    assert_eq!(short.lines().collect::<Vec<_>>(), paths);
    let all = both(&["diff", "v1", "--json"]);
    let root: Value = serde_json::from_str(all.lines().next().unwrap()).unwrap();
    assert_eq!((&root["path"], &root["differs"]), (&json!("/"), &json!(["mode"])));
    // Page after page it is the same list.
    sandbox.run(&["diff", "--long", "-z", "v1"]).expect(2);
}

#[test]
fn patches_merges_and_ways_back_carry_attributes() {
    let sandbox = Sandbox::new();
    if !takes_attributes(&sandbox) {
        return;
    }
    tree(&sandbox);
    sandbox.ok(&["put", "tree", "/"]);
    sandbox.ok(&["snapshot", "create", "v1"]);
    sandbox.ok(&["export", "--output", "full"]);
    fs::set_permissions(sandbox.path("tree/d"), Permissions::from_mode(0o700)).unwrap();
    set(&sandbox.path("tree/plain"), "user.comment", b"other");
    sandbox.ok(&["put", "tree", "/"]);
    sandbox.ok(&["snapshot", "create", "v2"]);
    set(&sandbox.path("tree/d"), "user.more", &[9; 2000]);
    fs::remove_file(sandbox.path("tree/second")).unwrap();
    sandbox.ok(&["put", "--mirror", "tree", "/"]);
    sandbox.ok(&["snapshot", "create", "v3"]);
    sandbox.ok(&["diff", "v1", "v2", "--output", "p1"]);
    sandbox.ok(&["diff", "v2", "v3", "--output", "p2"]);
    let [v1, v2, v3] = ["v1", "v2", "v3"].map(|name| sandbox.version(name));
    // One after the other, combined, and back.
    sandbox.ok(&["combine", "full", "p1", "p2", "--output", "all"]);
    sandbox.ok(&["combine", "p1", "p2", "--output", "both"]);
    sandbox.ok(&["import", "-d", "a", "all", "--promote"]);
    assert_eq!(sandbox.head_of("a"), v3);
    sandbox.ok(&["import", "-d", "b", "full", "--promote"]);
    sandbox.ok(&["import", "-d", "b", "both", "--promote", "--undo", "back"]);
    assert_eq!(sandbox.head_of("b"), v3);
    sandbox.ok(&["import", "-d", "b", "back", "--promote"]);
    assert_eq!(sandbox.head_of("b"), v1);
    sandbox.ok(&["import", "-d", "b", "p1", "--promote"]);
    assert_eq!(sandbox.head_of("b"), v2);
    // Onto a HEAD where another attribute and the other path of a file are others.
    sandbox.ok(&["import", "-d", "c", "full", "--promote"]);
    sandbox.ok(&["get", "-d", "c", "/", "other"]);
    set(&sandbox.path("other/listed"), "user.own", b"own");
    sandbox.ok(&["put", "-d", "c", "other", "/"]);
    let report = sandbox.ok(&["import", "-d", "c", "p1", "--promote", "--merge"]);
    assert!(!report.contains("Conflicts"), "{report}");
    let xattrs = |path: &str| sandbox.json(&["stat", "-d", "c", path])["xattrs"].to_string();
    assert!(xattrs("/listed").contains("user.own"), "{}", xattrs("/listed"));
    assert!(xattrs("/plain").contains(r#""user.comment","size":5"#), "{}", xattrs("/plain"));
    assert_eq!(sandbox.json(&["stat", "-d", "c", "/d"])["mode"], "0700");
    // What both changed is a conflict.
    set(&sandbox.path("other/plain"), "user.comment", b"a third");
    sandbox.ok(&["import", "-d", "e", "full", "--promote"]);
    sandbox.ok(&["put", "-d", "e", "other", "/"]);
    let report = sandbox.run(&["import", "-d", "e", "p1", "--promote", "--merge"]).out();
    assert!(report.contains("  Conflict: /plain "), "{report}");
}

#[test]
fn trees_with_attributes_go_through_a_server_and_back() {
    let (sandbox, remote) = (Sandbox::new(), Sandbox::new());
    if !takes_attributes(&sandbox) {
        return;
    }
    tree(&sandbox);
    sandbox.ok(&["put", "tree", "/t"]);
    let served = Served::start(&remote, "");
    let tree = sandbox.path("tree").to_str().unwrap().to_owned();
    served.ok(&["put", &tree, "/t"]);
    assert_eq!(sandbox.ok(&["stat", "/t", "--json"]), served.ok(&["stat", "/t", "--json"]));
    let out = sandbox.path("out").to_str().unwrap().to_owned();
    served.ok(&["get", "/t", &out]);
    let at = |name: &str| fs::symlink_metadata(sandbox.path("out").join(name)).unwrap();
    assert_eq!((at("d/first").ino(), at("d/first").nlink()), (at("second").ino(), 2));
    let mut found = [0; 4000];
    let mut get = |name: &str, attribute: &str| {
        let len = getxattr(sandbox.path("out").join(name), attribute, &mut found).unwrap();
        found[..len].to_vec()
    };
    assert_eq!(get("listed", LIST), list());
    assert_eq!(get("plain", "user.long"), [7; 3000]);
    if is_root() {
        assert_eq!(at("device").rdev(), makedev(1, 300));
        assert_eq!((at("plain").uid(), at("plain").gid()), (40_001, 40_002));
    }
}

/// Somebody who is not root and owns nothing.
const NOBODY: [&str; 4] = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];

#[test]
fn as_a_user_what_is_possible_comes_back_and_the_rest_is_counted_once_for_each_kind() {
    let sandbox = Sandbox::new();
    if !takes_attributes(&sandbox) {
        return;
    }
    let skip = |why: &str| {
        let _ = writeln!(std::io::stderr(), "NOT TESTED: a restore as another user: {why}");
    };
    if !is_root() {
        return skip("this is not root");
    }
    tree(&sandbox);
    lchown(sandbox.path("tree/listed"), Some(40_003), Some(40_004)).unwrap();
    set(&sandbox.path("tree/plain"), "trusted.mark", b"of root");
    sandbox.ok(&["put", "tree", "/t"]);
    for name in ["", "data.aeordb"] {
        fs::set_permissions(sandbox.path(name), Permissions::from_mode(0o755)).unwrap();
    }
    for name in ["home", "cache"] {
        fs::create_dir_all(sandbox.path(name)).unwrap();
        lchown(sandbox.path(name), Some(65_534), Some(65_534)).unwrap();
    }
    if sandbox.run_through(&NOBODY, &["--version"]).code != 0 {
        return skip("the program is where nobody else may run it");
    }
    let run = sandbox.run_through(&NOBODY, &["get", "/t", "home/out"]).expect(3);
    let warnings: Vec<&str> =
        run.err.lines().filter_map(|line| line.strip_prefix("aeordb: warning: ")).collect();
    let about = |what: &str| warnings.iter().filter(|line| line.contains(what)).count();
    assert_eq!((about("without owner"), about("as a chardev"), about("trusted.mark")), (1, 1, 1));
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    assert!(run.out().contains("  Not restored: 1\n"), "{}", run.out());
    let at = |name: &str| sandbox.path("home/out").join(name);
    assert_eq!(fs::read(at("plain")).unwrap(), b"plain\n");
    let found = fs::metadata(at("plain")).unwrap();
    assert_eq!((found.uid(), found.gid()), (65_534, 65_534));
    let linked = |name: &str| fs::metadata(at(name)).unwrap().ino();
    assert_eq!(linked("d/first"), linked("second"));
    let mut value = [0; 100];
    assert_eq!(getxattr(at("plain"), "user.comment", &mut value).unwrap(), 4);
    assert_eq!(getxattr(at("listed"), LIST, &mut value).unwrap(), list().len());
    // And what root left out, nobody asks for.
    let run =
        sandbox.run_through(&NOBODY, &["get", "/t", "home/bare", "--no-owner", "--no-xattrs"]);
    assert!(!run.err.contains("owner") && run.code == 3, "{}", run.err);
}

#[test]
fn as_a_user_what_may_be_read_is_stored_and_the_rest_is_told() {
    let sandbox = Sandbox::new();
    if !is_root() || !takes_attributes(&sandbox) {
        return;
    }
    tree(&sandbox);
    sandbox.write("tree/secret", "of root");
    fs::set_permissions(sandbox.path("tree/secret"), Permissions::from_mode(0o600)).unwrap();
    for name in ["", "tree", "tree/d"] {
        fs::set_permissions(sandbox.path(name), Permissions::from_mode(0o755)).unwrap();
    }
    for name in ["home", "cache"] {
        fs::create_dir_all(sandbox.path(name)).unwrap();
        lchown(sandbox.path(name), Some(65_534), Some(65_534)).unwrap();
    }
    if sandbox.run_through(&NOBODY, &["--version"]).code != 0 {
        return;
    }
    let run = sandbox.run_through(&NOBODY, &["put", "tree", "/t", "-d", "home/d.aeordb"]).expect(3);
    assert_eq!(run.err.matches("warning").count(), 1, "{}", run.err);
    assert!(run.err.contains("tree/secret: not read"), "{}", run.err);
    assert!(run.out().contains("  Unreadable: 1\n"), "{}", run.out());
    let stat = sandbox.json(&["stat", "/t/plain", "-d", "home/d.aeordb"]);
    assert_eq!((&stat["uid"], &stat["gid"]), (&json!(40_001), &json!(40_002)));
}
