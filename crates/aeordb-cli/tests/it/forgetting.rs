//! What HEAD was at a time; versions that are dropped before history would, and the bytes that come
//! back; on the file and through a server.

use std::os::unix::fs::MetadataExt;

use crate::sandbox::{Run, Sandbox, line, number};
use crate::server::Served;
use crate::trees::noise;

/// Does the same to a database of its own on the file and through a server.
fn both_ways(test: impl Fn(&Sandbox, &dyn Fn(&[&str]) -> Run)) {
    let sandbox = Sandbox::with_v2();
    test(&sandbox, &|verb| sandbox.run(verb));
    let sandbox = Sandbox::with_v2();
    let served = Served::start(&sandbox, "");
    test(&sandbox, &|verb| served.run(verb));
}

/// Bytes that a file takes on the disk.
fn taken(sandbox: &Sandbox, name: &str) -> u64 {
    std::fs::metadata(sandbox.path(name)).unwrap().blocks() * 512
}

#[test]
fn versions_are_named_by_when_they_were_head() {
    both_ways(|sandbox, run| {
        let times = sandbox.json_lines(&["log"]);
        let time = |n: usize| times[n]["time"].as_str().unwrap().to_owned();
        let first = time(times.len() - 1);
        let was = |spec: &str| run(&["cat", &format!("{spec}:/docs/a.txt")]).expect(0).out();
        let (v1, v2) = (was("v1"), was("v2"));
        assert_ne!(v1, v2);
        assert_eq!(was(&format!("@{{{first}}}")), v1);
        assert_eq!(was(&format!("HEAD@{{{first}}}")), v1);
        assert_eq!(was("@{now}"), v2);
        assert_eq!(was("latest"), v2);
        let at = |time: &str| run(&["cat", "/docs/a.txt", "--at", time]);
        assert_eq!(at(&first).expect(0).out(), v1);
        at("2 days ago").refused(10, "history goes back to", "aeordb log");
        at("@{no time}").refused(2, "'no time' is no time", "");
        // What moves HEAD takes no time for a name.
        run(&["promote", &first]).expect(10);
        run(&["promote", &format!("@{{{first}}}")]).expect(0);
        assert_eq!(run(&["cat", "/docs/a.txt"]).expect(0).out(), v1);
    });
}

#[test]
fn versions_that_are_needed_are_not_forgotten() {
    both_ways(|_, run| {
        run(&["forget", "HEAD"]).refused(2, "is HEAD", "forget --help");
        run(&["forget", "nothing"]).expect(10);
        run(&["forget"]).expect(2);
        run(&["forget", "--older", "1d", "v1"]).expect(2);
        run(&["forget", "--history", "--older", "soon"]).refused(2, "no duration", "");
        // Two names: the one that is not given stays, and with it the version.
        run(&["snapshot", "create", "other", "--at", "v1"]).expect(0);
        run(&["forget", "v1"]).refused(2, "snapshot 'other'", "");
        run(&["snapshot", "hold", "other"]).expect(0);
        run(&["forget", "v1", "other"]).refused(1, "snapshot other is held", "snapshot release");
        run(&["snapshot", "release", "other"]).expect(0);
        let would = run(&["forget", "--dry-run", "v1", "other"]).expect(0).out();
        assert!(
            would.starts_with("Nothing was changed (dry run).\n  Snapshot: other\n"),
            "{would}"
        );
        let told = run(&["forget", "v1", "other"]).expect(0).out();
        assert!(told.starts_with("Forgotten.\n  Snapshot: other\n  Snapshot: v1\n"), "{told}");
        assert_eq!(line(&told, "Versions that nothing names now"), "1");
        assert!(told.ends_with("To give their bytes back: aeordb gc\n"), "{told}");
        run(&["cat", "v1:/docs/a.txt"]).expect(10);
        // What is young stays; HEAD stays whatever is forgotten.
        let young = run(&["forget", "--history", "--older", "1d"]).expect(0).out();
        assert_eq!(number(&young, "History entries"), 0);
        run(&["forget", "--history"]).expect(0);
        let left = run(&["log"]).expect(0).lines();
        assert_eq!(left.len(), 1, "{left:?}");
        run(&["gc"]).expect(0);
        run(&["verify", "--deep"]).expect(0);
    });
}

/// Puts a file of `len` bytes by mistake, forgets it, and holds what is taken then against what the
/// rest needs.
fn forget_a_file(sandbox: &Sandbox, run: &dyn Fn(&[&str]) -> Run, len: usize) {
    for n in 0..40u64 {
        sandbox.write(format!("rest/{n}"), noise(n, 50_000 + 10_000 * usize::try_from(n).unwrap()));
    }
    sandbox.write("mistake", noise(1000, len));
    let rest = sandbox.path("rest").to_string_lossy().into_owned();
    let mistake = sandbox.path("mistake").to_string_lossy().into_owned();
    run(&["put", &rest, "/rest", "--quiet"]).expect(0);
    run(&["put", &mistake, "/mistake", "--quiet"]).expect(0);
    run(&["put", &rest, "/again", "--quiet"]).expect(0);
    run(&["rm", "/mistake"]).expect(0);
    run(&["gc"]).expect(0);
    let len = len as u64;
    assert!(taken(sandbox, "data.aeordb") > len, "history has it still");
    run(&["forget", "--history"]).expect(0);
    let released = |verb: &[&str]| {
        let told = run(&[verb, &["--json"]].concat()).expect(0).out();
        let told: serde_json::Value = serde_json::from_str(&told).unwrap();
        told["bytes_released"].as_u64().unwrap()
    };
    for verb in [&["gc", "--dry-run"][..], &["gc"]] {
        let released = released(verb);
        assert!(released > len - len / 10, "{verb:?} releases {released} of {len}");
    }
    // What the rest needs, and a tenth more.
    sandbox.ok(&["put", "rest", "/rest", "-d", "needed.aeordb", "--quiet"]);
    let (now, needed) = (taken(sandbox, "data.aeordb"), taken(sandbox, "needed.aeordb"));
    assert!(now <= needed + needed / 10, "{now} bytes for {needed}");
    // The mark was for that collection alone.
    assert!(released(&["gc"]) < 100_000);
    run(&["verify", "--deep"]).expect(0);
    run(&["get", "/rest", &sandbox.path("out").to_string_lossy()]).expect(0);
    crate::trees::assert_same(&sandbox.path("rest"), &sandbox.path("out"));
}

#[test]
fn a_file_that_was_put_by_mistake_gives_its_bytes_back() {
    both_ways(|sandbox, run| forget_a_file(sandbox, run, 50_000_000));
}

#[test]
fn what_other_collections_would_leave_to_the_next_is_released_after_a_forget() {
    // It is less than a collection may leave behind: only the mark releases it.
    both_ways(|sandbox, run| forget_a_file(sandbox, run, 5_000_000));
}
