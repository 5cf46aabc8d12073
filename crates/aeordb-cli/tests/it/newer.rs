//! Files of a newer program: the same type and exit code wherever they are met, here and through
//! a server, and never called damaged.

use std::collections::BTreeMap;

use aeordb::db::{Database, Options};
use aeordb::hash::{DirectoryId, Hash, Kind, VersionId};
use aeordb::internals::store::AppendEntries;
use aeordb::object::{Totals, Version};
use serde_json::Value;

use crate::sandbox::{Run, Sandbox};
use crate::server::Served;

/// A directory with one name, `a`, and this item.
fn leaf(item: &[u8]) -> Vec<u8> {
    [&[0, 1, b'a', u8::try_from(item.len()).unwrap()], item].concat()
}

/// Roots of trees that this program does not read: a type of item, a field, a level.
fn roots() -> Vec<(&'static str, Vec<u8>)> {
    let field = leaf(&[1, 0x80, 0x20, 0]);
    vec![("type", leaf(&[9, 0])), ("field", field), ("level", vec![16, 1, 2, 3])]
}

/// A sandbox whose database has such a tree as its HEAD, and as a snapshot.
fn with_root(root: &[u8]) -> Sandbox {
    let sandbox = Sandbox::with_v1();
    let options = Options { workers: 1, ..Options::default() };
    let database = Database::open_or_create(sandbox.path("data.aeordb"), &options).unwrap();
    let mut writer = database.writer().unwrap();
    let root = DirectoryId(writer.entries().append(Kind::Directory, root).unwrap());
    let totals = Totals { files: 1, directories: 1, bytes: 0 };
    let version = Version::new(root, totals).encode();
    let version = VersionId(writer.entries().append(Kind::Version, &version).unwrap());
    writer.set_head(version, "put").unwrap();
    writer.commit().unwrap();
    database.create_snapshot("newer", &version, BTreeMap::new()).unwrap();
    database.close().unwrap();
    sandbox
}

/// The file with a required feature that nobody knows in each of its superblocks.
fn with_feature(file: &[u8], slots: &[usize]) -> Vec<u8> {
    let mut bytes = file.to_vec();
    for slot in slots {
        bytes[slot + 17] = 1;
        let check = Hash::of(&bytes[*slot..slot + 224]);
        bytes[slot + 224..slot + 256].copy_from_slice(check.as_bytes());
    }
    bytes
}

fn assert_newer(run: Run, what: &str) {
    let run = run.expect(20);
    let problem: Value = serde_json::from_str(run.err.lines().last().unwrap_or_default()).unwrap();
    assert_eq!(problem["type"], "newer", "{what}: {problem}");
    assert_eq!(problem["exit_code"], 20, "{what}: {problem}");
    assert!(problem["needs"].as_str().is_some_and(|needs| !needs.is_empty()), "{what}: {problem}");
    assert!(!run.err.contains("damaged"), "{what}: {}", run.err);
}

#[test]
fn a_tree_of_a_newer_program_ends_every_verb_alike_here_and_through_a_server() {
    for (what, root) in roots() {
        let sandbox = with_root(&root);
        let served = Served::start(&sandbox, "");
        for verb in [
            vec!["ls", "-r", "/"],
            vec!["cat", "/a"],
            vec!["stat", "/a"],
            vec!["get", "/a", "out"],
            vec!["export", "--output", "e.aeordb"],
            vec!["diff", "--from", "v1", "--to", "newer"],
            vec!["diff", "--from", "v1", "--output", "p.aeordb"],
            vec!["gc", "--dry-run"],
        ] {
            let verb = [verb.as_slice(), &["--json"]].concat();
            let before = sandbox.entries();
            assert_newer(sandbox.run(&verb), &format!("{what}: {verb:?}"));
            assert_newer(served.run(&verb), &format!("{what}, through a server: {verb:?}"));
            assert_eq!(sandbox.entries(), before, "{what}: {verb:?}");
        }
        // What this program reads is still read.
        assert_eq!(sandbox.ok(&["cat", "v1:/top.txt"]), "top\n");
        assert_eq!(served.ok(&["cat", "v1:/top.txt"]), "top\n");
        for run in [sandbox.run(&["verify", "--deep"]), served.run(&["verify", "--deep"])] {
            let out = run.expect(20).out();
            assert!(out.starts_with("No damage found, but not all can be read.\n"), "{out}");
            assert!(out.contains("was made by a newer aeordb: it needs "), "{out}");
        }
    }
}

#[test]
fn a_database_of_a_newer_program_is_opened_by_no_verb() {
    let sandbox = Sandbox::with_v1();
    sandbox.write("new.txt", "new\n");
    let database = with_feature(&sandbox.read("data.aeordb"), &[0, 4096]);
    sandbox.write("data.aeordb", &database);
    for verb in [
        &["ls", "/"][..],
        &["cat", "/top.txt"],
        &["put", "new.txt", "/new.txt"],
        &["rm", "/top.txt"],
        &["export", "--output", "e.aeordb"],
        &["verify"],
        &["info", "data.aeordb"],
        &["gc"],
        &["compact"],
        &["salvage", "--output", "rescued.aeordb"],
        &["serve", "--listen", "127.0.0.1:0"],
    ] {
        assert_newer(sandbox.run(&[verb, &["--json"]].concat()), &format!("{verb:?}"));
        assert_eq!(sandbox.read("data.aeordb"), database, "{verb:?}");
    }
    sandbox.run(&["ls", "/"]).refused(20, "made by a newer aeordb", "install a newer aeordb");
}

#[test]
fn an_export_of_a_newer_program_is_taken_by_no_verb_here_and_through_a_server() {
    let sandbox = Sandbox::with_v1();
    sandbox.ok(&["export", "--output", "e.aeordb"]);
    let export = with_feature(&sandbox.read("e.aeordb"), &[0]);
    sandbox.write("e.aeordb", export);
    assert_newer(sandbox.run(&["import", "--file", "e.aeordb", "--json"]), "import");
    for verb in [
        &["import", "-d", "o.aeordb", "--file", "e.aeordb"][..],
        &["verify", "e.aeordb"],
        &["info", "e.aeordb"],
        &["combine", "e.aeordb", "--output", "c.aeordb"],
        &["ls", "-d", "e.aeordb"],
    ] {
        assert_newer(sandbox.run(&[verb, &["--json"]].concat()), &format!("{verb:?}"));
    }
    assert!(!sandbox.exists("o.aeordb") && !sandbox.exists("c.aeordb"));
    let served = Served::start(&sandbox, "");
    assert_newer(served.run(&["import", "--file", "e.aeordb", "--json"]), "through a server");
}
