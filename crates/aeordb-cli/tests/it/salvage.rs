//! What is sound in a damaged file comes out as a new database, and what is not is named.

use std::collections::{BTreeMap, BTreeSet};

use crate::sandbox::{Run, Sandbox, number};
use crate::{stale, trees};

const SALVAGE: [&str; 5] = ["salvage", "-d", "damaged.aeordb", "--output", "rescued.aeordb"];

/// What a version holds: content by path.
type Tree = BTreeMap<String, Vec<u8>>;

/// A sandbox with a database of several blocks, of bytes that compress and of such that do not, and
/// with two snapshots.
fn filled() -> Sandbox {
    let sandbox = Sandbox::new();
    for n in 0..24 {
        sandbox.write(format!("tree/noise/{n}"), trees::noise(n, 150_000));
        sandbox.write(format!("tree/text/{n}"), format!("line {n} of a text\n").repeat(9_000));
    }
    sandbox.ok(&["put", "tree", "/"]);
    sandbox.ok(&["snapshot", "create", "v1"]);
    for n in 20..44 {
        sandbox.write(format!("tree/noise/{n}"), trees::noise(n + 100, 150_000));
    }
    sandbox.write("tree/deep/er/note", "a note\n");
    sandbox.ok(&["put", "tree", "/"]);
    sandbox.ok(&["snapshot", "create", "v2"]);
    sandbox
}

/// The files of a version.
fn tree(sandbox: &Sandbox, database: &str, version: &str) -> Tree {
    let listed = sandbox.json_lines(&["ls", "-r", &format!("{version}:/"), "-d", database]);
    let paths = listed.iter().filter(|item| item["kind"] == "file");
    let paths = paths.map(|item| item["path"].as_str().unwrap().to_owned());
    let out = sandbox.path("out");
    sandbox.ok(&["get", &format!("{version}:/"), "out", "-d", database, "--quiet"]);
    let tree = paths.map(|path| {
        let bytes = std::fs::read(out.join(&path[1..])).unwrap();
        (path, bytes)
    });
    let tree = tree.collect();
    std::fs::remove_dir_all(&out).unwrap();
    tree
}

/// Salvages `bytes`, which must stay as they are; the new database must be sound.
fn salvage(sandbox: &Sandbox, bytes: &[u8], more: &[&str]) -> Run {
    let _ = std::fs::remove_file(sandbox.path("rescued.aeordb"));
    sandbox.write("damaged.aeordb", bytes);
    let run = sandbox.run(&[&SALVAGE, more].concat());
    assert!(sandbox.read("damaged.aeordb") == bytes, "the damaged file was written to");
    assert!([0, 3, 14].contains(&run.code), "{run:?}");
    assert_eq!(sandbox.exists("rescued.aeordb"), run.code != 14, "{run:?}");
    if run.code != 14 {
        sandbox.run(&["verify", "--deep", "rescued.aeordb"]).expect(0);
    }
    run
}

/// Paths that are listed as lost, by version.
fn lost(run: &Run) -> BTreeMap<String, BTreeSet<String>> {
    let mut lost: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in run.lines().iter().filter_map(|line| line.strip_prefix("LOST ")) {
        let (version, path) = line.split_once(' ').unwrap();
        assert!(lost.entry(version.into()).or_default().insert(path.into()), "{line} twice");
    }
    lost
}

fn assert_nothing_lost(sandbox: &Sandbox, run: Run, what: &str) {
    let run = run.expect(0);
    assert!(run.out().starts_with("Salvage complete.\n"), "{what}: {run:?}");
    assert_eq!(lost(&run), BTreeMap::new(), "{what}");
    assert_eq!(run.err, "", "{what}");
    assert_eq!(sandbox.head_of("rescued.aeordb"), sandbox.version("HEAD"), "{what}");
    let snapshots = |database| sandbox.ok(&["snapshot", "list", "-d", database]);
    assert_eq!(snapshots("rescued.aeordb"), snapshots("data.aeordb"), "{what}");
    let log = |database| sandbox.ok(&["log", "-d", database]);
    assert_eq!(log("rescued.aeordb"), log("data.aeordb"), "{what}");
    let tree = |database| tree(sandbox, database, "HEAD");
    assert!(tree("rescued.aeordb") == tree("data.aeordb"), "{what}");
}

/// Every file of a version that is missing is listed, and nothing is listed that is there.
fn assert_lost_are_named(left: &Tree, was: &Tree, lost: &BTreeSet<String>, what: &str) {
    for (path, content) in left {
        assert!(was.get(path) == Some(content), "{what}: {path} is not what it was");
    }
    let is_in =
        |path: &str, lost: &str| path.starts_with(&format!("{}/", lost.trim_end_matches('/')));
    for path in was.keys().filter(|path| !left.contains_key(*path)) {
        let named = lost.iter().any(|lost| lost == path || is_in(path, lost));
        assert!(named, "{what}: {path} is gone, and nobody says so: {lost:?}");
    }
    for named in lost {
        let gone = |path: &&String| *path == named || is_in(path, named);
        let gone = was.keys().filter(gone).any(|path| !left.contains_key(path));
        assert!(gone, "{what}: {named} is said to be lost, and nothing of it is");
    }
}

#[test]
fn a_flipped_bit_in_the_last_commit_costs_nothing() {
    for (what, sandbox) in stale::sandboxes() {
        let whole = sandbox.read("data.aeordb");
        let commit = whole.len() - 328;
        assert_eq!(whole[commit + 4], 4, "a commit is last");
        for at in [0, 4, 9, 26, 40, 64, 100, 228, 327] {
            let mut bytes = whole.clone();
            bytes[commit + at] ^= 16;
            let run = salvage(&sandbox, &bytes, &[]);
            assert_nothing_lost(&sandbox, run, &format!("{what}, byte {at}"));
        }
    }
}

#[test]
fn zeros_in_the_place_of_superblocks_cost_nothing() {
    let sandbox = filled();
    let mut bytes = sandbox.read("data.aeordb");
    bytes[..8192].fill(0);
    let run = salvage(&sandbox, &bytes, &[]);
    assert_nothing_lost(&sandbox, run, "zeros");
}

#[test]
fn flipped_bits_in_blocks_cost_what_is_listed_and_nothing_else() {
    let sandbox = filled();
    let whole = sandbox.read("data.aeordb");
    let names =
        ["v1", "v2"].map(|name| (name, sandbox.version(name), tree(&sandbox, "data.aeordb", name)));
    let mut losses = 0;
    for seed in 0..8 {
        let mut bytes = whole.clone();
        for place in trees::noise(seed as u64, 32).chunks(8).take(1 + seed % 4) {
            let place = usize::from_le_bytes(place.try_into().unwrap());
            bytes[8192 + place % (whole.len() - 8192)] ^= 1 << (place % 8);
        }
        let run = salvage(&sandbox, &bytes, &[]);
        let lost = lost(&run);
        assert_eq!(run.code == 0, lost.is_empty(), "seed {seed}: {run:?}");
        losses += lost.len();
        let kept = sandbox.ok(&["snapshot", "list", "-d", "rescued.aeordb"]);
        for (name, version, was) in &names {
            let left = match kept.contains(name) {
                true => tree(&sandbox, "rescued.aeordb", name),
                false => Tree::new(),
            };
            let lost = lost.get(version).cloned().unwrap_or_default();
            assert_lost_are_named(&left, was, &lost, &format!("seed {seed}, {name}"));
        }
    }
    assert!(losses > 0);
}

#[test]
fn of_half_a_database_what_was_stored_first_is_saved_and_the_rest_is_not_kept_silent() {
    let sandbox = Sandbox::new();
    sandbox.write("tree/first", trees::noise(1, 100_000));
    sandbox.ok(&["put", "tree", "/"]);
    sandbox.ok(&["snapshot", "create", "v1"]);
    let (v1, first) = (sandbox.version("v1"), sandbox.read("data.aeordb").len());
    sandbox.write("tree/second", trees::noise(2, 900_000));
    sandbox.ok(&["put", "tree", "/"]);
    let whole = sandbox.read("data.aeordb");
    // Also where a commit ends, so that nothing looks broken.
    for len in [whole.len() / 2, first] {
        let run = salvage(&sandbox, &whole[..len], &[]).expect(3);
        assert!(run.out().starts_with("Salvage incomplete.\n"), "{run:?}");
        assert!(run.err.contains("warning: ") && run.err.contains("later versions"), "{run:?}");
        // The root may have the time of the later one.
        assert!(tree(&sandbox, "rescued.aeordb", "HEAD") == tree(&sandbox, "data.aeordb", "v1"));
        assert!(sandbox.ok(&["-d", "rescued.aeordb", "snapshot", "list"]).contains(&v1[..8]));
        assert!(tree(&sandbox, "rescued.aeordb", "v1") == tree(&sandbox, "data.aeordb", "v1"));
    }
}

#[test]
fn what_is_lost_is_taken_from_a_full_backup() {
    let sandbox = filled();
    sandbox.ok(&["export", "--output", "full.aeordb"]);
    sandbox.ok(&["export", "v1", "--output", "v1.aeordb"]);
    let mut bytes = sandbox.read("data.aeordb");
    let middle = bytes.len() / 2;
    bytes[middle..middle + 300_000].fill(0);
    let run = salvage(&sandbox, &bytes, &[]).expect(3);
    assert!(!lost(&run).is_empty());
    let run =
        salvage(&sandbox, &bytes, &["--from", "v1.aeordb", "--from", "full.aeordb"]).expect(0);
    assert!(number(&run.out(), "Taken from other files") > 0, "{run:?}");
    for name in ["v1", "v2", "HEAD"] {
        let tree = |database| tree(&sandbox, database, name);
        assert!(tree("rescued.aeordb") == tree("data.aeordb"), "{name}");
    }
    // The other file may be damaged as well, elsewhere.
    let mut full = sandbox.read("full.aeordb");
    let late = full.len() - 200_000;
    full[late] ^= 1;
    sandbox.write("full.aeordb", full);
    let run = salvage(&sandbox, &bytes, &["--from", "full.aeordb", "v1.aeordb"]);
    assert!(run.code == 0 || !lost(&run).is_empty(), "{run:?}");
    sandbox.run(&[&SALVAGE[..3], &["--output", "o", "--from", "none.aeordb"]].concat()).refused(
        10,
        "none.aeordb",
        "check the name",
    );
}

#[test]
fn keys_come_from_a_sound_last_commit_alone() {
    let sandbox = Sandbox::with_v1();
    sandbox.ok(&["key", "create", "--name", "k", "--scope", "read"]);
    let whole = sandbox.read("data.aeordb");
    let keys = |database| sandbox.ok(&["key", "list", "-d", database]);
    let mut bytes = whole.clone();
    bytes[..8192].fill(0);
    salvage(&sandbox, &bytes, &[]).expect(0);
    assert_eq!(keys("rescued.aeordb"), keys("data.aeordb"));
    // An earlier commit may have keys that were revoked since.
    let mut bytes = whole;
    let at = bytes.len() - 100;
    bytes[at] ^= 1;
    let run = salvage(&sandbox, &bytes, &[]).expect(3);
    assert!(lost(&run).is_empty() && run.err.contains("keys of a server are lost"), "{run:?}");
    assert_eq!(keys("rescued.aeordb"), "");
    assert!(tree(&sandbox, "rescued.aeordb", "v1") == tree(&sandbox, "data.aeordb", "v1"));
}

#[test]
fn programs_read_what_is_lost_from_one_object() {
    let sandbox = filled();
    let mut bytes = sandbox.read("data.aeordb");
    let middle = bytes.len() / 2;
    bytes[middle..middle + 100_000].fill(0);
    let listed = lost(&salvage(&sandbox, &bytes, &["--quiet"]).expect(3));
    let run = salvage(&sandbox, &bytes, &["--json"]).expect(3);
    let report: serde_json::Value = serde_json::from_str(&run.out()).unwrap();
    let mut lost: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for one in report["lost"].as_array().unwrap() {
        let member = |name: &str| one[name].as_str().unwrap().to_owned();
        lost.entry(member("version")).or_default().insert(member("path"));
    }
    assert_eq!(lost, listed);
    assert_eq!(report["complete"], false);
    assert!(!report["broken"].as_array().unwrap().is_empty());
}

#[test]
fn where_nothing_can_be_saved_nothing_is_made() {
    let sandbox = Sandbox::with_v2();
    sandbox.ok(&["diff", "v1", "v2", "--output", "patch.aeordb"]);
    sandbox.write("text", "something that somebody wrote. ".repeat(1000));
    sandbox.write("zeros", vec![0; 100_000]);
    let before = sandbox.entries();
    for name in ["text", "zeros"] {
        sandbox.run(&["salvage", "-d", name, "--output", "r"]).refused(14, name, "aeordb import");
    }
    let patch = ["salvage", "-d", "patch.aeordb", "--output", "r"];
    sandbox.run(&patch).refused(2, "is a patch", "aeordb salvage --help");
    let from = ["salvage", "--output", "r", "--from", "patch.aeordb"];
    sandbox.run(&from).refused(2, "is a patch", "aeordb salvage --help");
    sandbox.run(&["salvage", "--output", "-"]).refused(2, "name one", "aeordb salvage --help");
    let server = ["salvage", "--output", "r", "--server", "http://127.0.0.1:1"];
    let run = sandbox.command(&server).env("AEORDB_API_KEY", "aeor_a_b").output().unwrap();
    Run::new(&server, run).refused(2, "--database FILE", "aeordb salvage --help");
    assert_eq!(sandbox.entries(), before);
}
