//! A database whose last commit is cut off or damaged: every verb says so, none shows an older or
//! an empty state.

use crate::sandbox::Sandbox;

/// A sandbox with a database after a first load, or after that and more loads, and where its bytes
/// can be damaged so that the last commit is lost.
pub fn sandboxes() -> Vec<(&'static str, Sandbox)> {
    let first = Sandbox::new();
    first.write("tree/x", "hi\n");
    first.ok(&["put", "tree", "/"]);
    let four = Sandbox::new();
    for content in ["one", "two", "three", "four"] {
        four.write("tree/x", content);
        four.ok(&["put", "tree", "/"]);
    }
    let compacted = Sandbox::with_v2();
    compacted.write("tree/x", "hi\n");
    compacted.ok(&["put", "tree", "/"]);
    compacted.ok(&["compact"]);
    let collected = Sandbox::with_v2();
    collected.write("tree/x", "hi\n");
    collected.ok(&["put", "tree", "/"]);
    collected.ok(&["rm", "/docs/a.txt"]);
    collected.ok(&["gc"]);
    vec![("first", first), ("four", four), ("compacted", compacted), ("collected", collected)]
}

/// Every verb that reads, and every one that writes.
const VERBS: &[&str] = &[
    "ls /",
    "ls -r /",
    "cat /x",
    "stat /x",
    "du /",
    "log",
    "info",
    "get / out",
    "snapshot list",
    "export --output e.aeordb",
    "export --path / --output e.aeordb",
    "diff HEAD HEAD",
    "diff HEAD HEAD --output p.aeordb",
    "gc --dry-run",
    "compact --dry-run",
    "rm --dry-run /x",
    "key list",
    "put tree /",
    "put tree/x /y",
    "rm /x",
    "mv /x /y",
    "cp /x /y",
    "snapshot create s",
    "snapshot delete s",
    "promote HEAD",
    "gc",
    "compact",
    "key create --name k --scope read",
    "serve --listen 127.0.0.1:0",
];

fn assert_refused(sandbox: &Sandbox, what: &str) {
    let damaged = sandbox.read("data.aeordb");
    let before = sandbox.entries();
    for verb in VERBS {
        let arguments: Vec<&str> = verb.split(' ').collect();
        let run = sandbox.run(&arguments);
        assert_eq!((run.code, run.out().as_str()), (14, ""), "{what}: {verb}: {run:?}");
        assert!(run.err.contains("damaged at offset"), "{what}: {verb}: {run:?}");
        assert_eq!(sandbox.entries(), before, "{what}: {verb}");
        assert!(sandbox.read("data.aeordb") == damaged, "{what}: {verb} wrote to it");
    }
    let run = sandbox.run(&["verify"]).expect(14);
    assert!(run.out().starts_with("Damage found.\n"), "{what}: {run:?}");
}

#[test]
fn every_verb_refuses_a_database_that_is_cut_off() {
    for (what, sandbox) in sandboxes() {
        let whole = sandbox.read("data.aeordb");
        let verbs = |len: usize| {
            sandbox.write("data.aeordb", &whole[..len]);
            assert_refused(&sandbox, &format!("{what}, {len} of {} bytes", whole.len()));
        };
        verbs(whole.len() - 1);
        verbs(whole.len() / 2 + 4096);
    }
}

#[test]
fn every_verb_refuses_a_database_whose_last_commit_is_damaged() {
    for (what, sandbox) in sandboxes() {
        let mut damaged = sandbox.read("data.aeordb");
        let at = damaged.len() - 100;
        damaged[at] ^= 1;
        sandbox.write("data.aeordb", &damaged);
        assert_refused(&sandbox, &format!("{what}, byte {at}"));
    }
}

#[test]
fn an_older_version_of_a_damaged_database_is_read_by_its_hash_alone() {
    let sandbox = Sandbox::with_v1();
    let v1 = sandbox.version("v1");
    sandbox.write("tree/docs/a.txt", "newer\n");
    sandbox.ok(&["put", "tree", "/"]);
    let whole = sandbox.read("data.aeordb");
    sandbox.write("data.aeordb", &whole[..whole.len() - 1]);
    for version in ["v1", "HEAD", &v1[..12]] {
        sandbox.run(&["cat", "/docs/a.txt", "--at", version]).expect(14);
    }
    let run = sandbox.run(&["cat", "/docs/a.txt", "--at", &v1]).expect(0);
    assert_eq!(run.out(), "alpha\n");
    assert!(run.err.contains("warning: ") && run.err.contains("damaged"), "{}", run.err);
    sandbox.run(&["ls", &format!("{v1}:/docs")]).expect(0);
    sandbox.run(&["get", "/docs", "out", "--at", &v1]).expect(0);
    assert_eq!(sandbox.read("out/a.txt"), b"alpha\n");
    sandbox.run(&["cat", "/docs/a.txt", "--at", &"0".repeat(64)]).expect(14);
}
