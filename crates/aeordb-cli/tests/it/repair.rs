//! A damaged database gets back what it has lost, from whoever has it.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::sandbox::{Run, Sandbox, number};
use crate::server::Served;
use crate::trees;

/// A sandbox with a database of many blocks and two snapshots, an export of the first, the patch between
/// them, and a copy of it all.
fn filled() -> Sandbox {
    let sandbox = Sandbox::new();
    for n in 0..12 {
        sandbox.write(format!("tree/noise/{n}"), trees::noise(n, 400_000));
    }
    sandbox.ok(&["put", "tree", "/"]);
    sandbox.ok(&["snapshot", "create", "v1"]);
    for n in 12..18 {
        sandbox.write(format!("tree/noise/{n}"), trees::noise(n, 400_000));
    }
    sandbox.ok(&["put", "tree", "/"]);
    sandbox.ok(&["snapshot", "create", "v2"]);
    sandbox.ok(&["export", "--snapshot", "v1", "--output", "v1.full"]);
    sandbox.ok(&["export", "--snapshot", "v2", "--output", "v2.full"]);
    sandbox.ok(&["diff", "v1", "v2", "--output", "v2.patch"]);
    sandbox.write("whole.aeordb", sandbox.read("data.aeordb"));
    sandbox
}

/// Breaks a file that is stored, by its bytes.
fn break_file(sandbox: &Sandbox, name: &str) {
    let mut bytes = sandbox.read("data.aeordb");
    let stored = sandbox.read(&format!("tree/noise/{name}"));
    let part = &stored[1000..1032];
    let at = bytes.windows(part.len()).position(|window| window == part).unwrap();
    bytes[at..at + 8].fill(0x55);
    sandbox.write("data.aeordb", bytes);
}

fn listed(run: &Run, what: &str) -> BTreeSet<(String, String)> {
    let lines = run.lines();
    let lines = lines.iter().filter_map(|line| line.strip_prefix(what)?.strip_prefix(' '));
    let pair = |line: &str| {
        let (version, path) = line.split_once(' ').unwrap();
        (version.to_owned(), path.to_owned())
    };
    lines.map(pair).collect()
}

fn assert_as_it_was(sandbox: &Sandbox) {
    sandbox.ok(&["verify", "--deep"]);
    for command in [&["snapshot", "list"][..], &["log"], &["ls", "-l", "-r", "/"]] {
        let of = |database| sandbox.ok(&[command, &["-d", database]].concat());
        assert_eq!(of("data.aeordb"), of("whole.aeordb"));
    }
    sandbox.ok(&["get", "/", "back"]);
    trees::assert_same(&sandbox.path("tree"), &sandbox.path("back"));
    fs::remove_dir_all(sandbox.path("back")).unwrap();
}

#[test]
fn what_is_lost_comes_back_from_an_export_a_patch_or_a_database() {
    let sandbox = filled();
    let (v1, v2) = (sandbox.version("v1"), sandbox.version("v2"));
    let mode = 0o640;
    fs::set_permissions(
        sandbox.path("data.aeordb"),
        std::os::unix::fs::PermissionsExt::from_mode(mode),
    )
    .unwrap();
    for (broken, from) in [
        ("3", &["v1.full"][..]),
        ("14", &["v2.patch"]),
        ("7", &["whole.aeordb"]),
        ("15", &["v1.full", "v2.full"]),
    ] {
        break_file(&sandbox, broken);
        sandbox.run(&["verify", "--deep"]).expect(14);
        let run = sandbox.run(&[&["repair", "--from"], from].concat()).expect(0);
        assert!(run.out().starts_with("Repair complete.\n"), "{}", run.out());
        let path = format!("/noise/{broken}");
        let healed = listed(&run, "HEALED");
        assert!(healed.contains(&(v2.clone(), path.clone())), "{healed:?}");
        let old = broken.parse::<u32>().unwrap() < 12;
        assert_eq!(healed.contains(&(v1.clone(), path)), old);
        assert!(number(&run.out(), "Taken from others") > 0);
        assert_eq!(listed(&run, "LOST"), BTreeSet::new());
        assert_as_it_was(&sandbox);
        assert_eq!(fs::metadata(sandbox.path("data.aeordb")).unwrap().mode() & 0o777, mode);
    }
    let sound = sandbox.read("data.aeordb");
    let run = sandbox.run(&["repair", "--from", "v1.full"]).expect(0);
    assert!(run.out().starts_with("Nothing to repair.\n"), "{}", run.out());
    assert!(sandbox.read("data.aeordb") == sound);
    assert_eq!(
        sandbox.entries(),
        ["data.aeordb", "tree", "v1.full", "v2.full", "v2.patch", "whole.aeordb"]
    );
}

#[test]
fn what_nobody_has_stays_lost_by_its_name_and_can_be_healed_later() {
    let sandbox = filled();
    let v2 = sandbox.version("v2");
    break_file(&sandbox, "3");
    break_file(&sandbox, "14");
    let damaged = sandbox.read("data.aeordb");
    sandbox.write("other/file", "nothing of it\n");
    sandbox.ok(&["put", "other", "/", "-d", "other.aeordb"]);
    let run = sandbox.run(&["repair", "--from", "other.aeordb"]).expect(14);
    assert!(run.out().starts_with("Nothing could be repaired.\n"), "{}", run.out());
    assert!(listed(&run, "LOST").contains(&(v2.clone(), "/noise/14".into())));
    assert!(sandbox.read("data.aeordb") == damaged, "nothing was healed, and the file is another");
    let run = sandbox.run(&["repair", "--from", "v1.full"]).expect(3);
    assert!(listed(&run, "HEALED").contains(&(v2.clone(), "/noise/3".into())));
    assert!(listed(&run, "LOST").contains(&(v2.clone(), "/noise/14".into())));
    assert!(sandbox.run(&["cat", "/noise/3"]).expect(0).bytes == sandbox.read("tree/noise/3"));
    assert_ne!(sandbox.run(&["cat", "/noise/14"]).code, 0);
    sandbox.run(&["verify", "--deep"]).expect(14);
    assert_eq!((sandbox.version("v2"), sandbox.version("HEAD")), (v2.clone(), v2));
    sandbox.run(&["repair", "--from", "v2.patch"]).expect(0);
    assert_as_it_was(&sandbox);
}

#[test]
fn a_server_gives_what_it_has() {
    let sandbox = filled();
    fs::rename(sandbox.path("data.aeordb"), sandbox.path("away.aeordb")).unwrap();
    sandbox.write("data.aeordb", sandbox.read("whole.aeordb"));
    let served = Served::start(&sandbox, "");
    sandbox.write("mine.aeordb", sandbox.read("whole.aeordb"));
    let mut bytes = sandbox.read("mine.aeordb");
    let stored = sandbox.read("tree/noise/14");
    let at = bytes.windows(32).position(|window| window == &stored[1000..1032]).unwrap();
    bytes[at] ^= 1;
    sandbox.write("mine.aeordb", bytes);
    let mut repair =
        sandbox.command(&["repair", "-d", "mine.aeordb", "--from-server", &served.url]);
    let output = repair.env("AEORDB_API_KEY", &served.key).output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{told}{}", String::from_utf8_lossy(&output.stderr));
    assert!(told.contains("HEALED "), "{told}");
    sandbox.ok(&["verify", "--deep", "mine.aeordb"]);
    assert_eq!(sandbox.head_of("mine.aeordb"), sandbox.head_of("whole.aeordb"));
}

#[test]
fn what_cannot_be_repaired_is_refused_and_stays() {
    let sandbox = filled();
    let mut bytes = sandbox.read("data.aeordb");
    let end = bytes.len();
    bytes[end - 328..].fill(0x55);
    sandbox.write("data.aeordb", &bytes);
    sandbox.run(&["repair", "--from", "whole.aeordb"]).refused(14, "not certain", "salvage");
    assert!(sandbox.read("data.aeordb") == bytes);
    sandbox.run(&["repair", "-d", "v1.full", "--from", "v2.full"]).refused(1, "sealed", "");
    sandbox.run(&["repair", "-d", "tree/noise/1", "--from", "v2.full"]).expect(1);
    sandbox.run(&["repair", "-d", "none.aeordb", "--from", "v2.full"]).expect(10);
    sandbox.run(&["repair", "--from", "data.aeordb"]).refused(
        2,
        "is the database to repair",
        "--help",
    );
    sandbox.run(&["repair"]).expect(2);
}

#[test]
fn a_repair_that_is_killed_at_any_moment_leaves_the_old_file_or_the_healed_one() {
    let sandbox = filled();
    break_file(&sandbox, "3");
    let damaged = sandbox.read("data.aeordb");
    let words = ["repair", "--from", "v2.full", "--quiet"];
    let mut before: BTreeSet<String> = sandbox.entries().into_iter().collect();
    for round in 0..24 {
        let mut killed = sandbox.command(&words).spawn().unwrap();
        std::thread::park_timeout(std::time::Duration::from_millis(round * 4));
        // One that has ended is not there any more.
        let _ = killed.kill();
        killed.wait().unwrap();
        if sandbox.read("data.aeordb") != damaged {
            sandbox.ok(&["verify", "--deep"]);
            sandbox.write("data.aeordb", &damaged);
        }
    }
    assert!(sandbox.ok(&["repair", "--from", "v2.full"]).starts_with("Repair complete.\n"));
    sandbox.ok(&["verify", "--deep"]);
    // What a killed one left is gone with the next.
    before.extend(["data.aeordb".to_owned()]);
    assert_eq!(sandbox.entries().into_iter().collect::<BTreeSet<String>>(), before);
}
