//! put, rm, mv, cp, snapshot, gc: what changes HEAD or the names.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use crate::sandbox::{Sandbox, line, number};
use crate::trees;

#[test]
fn one_file_lands_at_its_path_or_inside_a_directory() {
    let sandbox = Sandbox::with_v1();
    sandbox.write("f.txt", "f\n");
    sandbox.ok(&["put", "f.txt", "/deep/er/g.txt"]);
    sandbox.ok(&["put", "f.txt", "/docs"]);
    sandbox.ok(&["put", "f.txt", "/fresh/"]);
    for path in ["/deep/er/g.txt", "/docs/f.txt", "/fresh/f.txt"] {
        assert_eq!(sandbox.ok(&["cat", path]), "f\n", "{path}");
    }
}

#[test]
fn several_land_under_their_own_names_in_one_commit() {
    let sandbox = Sandbox::with_v1();
    sandbox.write("one.txt", "1\n");
    let commits = sandbox.run(&["log"]).lines().len();
    sandbox.ok(&["put", "one.txt", "tree/docs", "tree/top.txt", "/many"]);
    assert_eq!(sandbox.ok(&["ls", "-r", "/many"]).lines().count(), 5);
    assert_eq!(sandbox.ok(&["cat", "/many/docs/a.txt"]), "alpha\n");
    assert_eq!(sandbox.run(&["log"]).lines().len(), commits + 1);
}

#[test]
fn put_reports_what_it_saw() {
    let sandbox = Sandbox::with_v1();
    sandbox.write("tree/docs/a.txt", "alpha, changed\n");
    sandbox.write("tree/docs/new.txt", "new\n");
    let report = sandbox.ok(&["put", "tree", "/"]);
    assert!(report.starts_with("Put complete.\n"), "{report}");
    let counts = ["Files", "Files new", "Files changed", "Files unchanged"];
    assert_eq!(counts.map(|label| number(&report, label)), [4, 1, 1, 2]);
    assert_eq!(line(&report, "Version"), sandbox.version("HEAD"));
}

#[test]
fn an_unchanged_tree_makes_no_new_version() {
    let sandbox = Sandbox::with_v1();
    let report = sandbox.json(&["put", "tree", "/"]);
    assert_eq!(report["version"], report["previous"]);
    let report = sandbox.json(&["put", "tree", "/", "--rehash"]);
    assert_eq!(report["version"], report["previous"]);
}

#[test]
fn a_file_that_changed_behind_its_old_time_is_not_missed() {
    let sandbox = Sandbox::with_v1();
    let path = sandbox.path("tree/docs/a.txt");
    let time = fs::metadata(&path).unwrap().modified().unwrap();
    fs::write(&path, "ALPHA\n").unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
    sandbox.ok(&["put", "tree", "/"]);
    assert_eq!(sandbox.ok(&["cat", "/docs/a.txt"]), "ALPHA\n");
}

#[test]
fn mirror_removes_what_is_gone_and_plain_put_does_not() {
    let sandbox = Sandbox::with_v1();
    fs::remove_file(sandbox.path("tree/top.txt")).unwrap();
    sandbox.ok(&["put", "tree", "/"]);
    assert_eq!(sandbox.ok(&["ls"]), "docs\ntop.txt\n");
    let report = sandbox.json(&["put", "--mirror", "tree", "/"]);
    assert_eq!(report["files_deleted"], 1);
    assert_eq!(sandbox.ok(&["ls"]), "docs\n");
}

#[test]
fn a_content_type_is_kept_until_another_is_given() {
    let sandbox = Sandbox::with_v1();
    let typed = |sandbox: &Sandbox| sandbox.json(&["stat", "/top.txt"])["content_type"].clone();
    sandbox.ok(&["put", "tree/top.txt", "/top.txt", "--content-type", "text/x-one"]);
    sandbox.write("tree/top.txt", "replaced\n");
    sandbox.ok(&["put", "tree/top.txt", "/top.txt"]);
    assert_eq!(typed(&sandbox), "text/x-one");
    sandbox.ok(&["put", "tree/top.txt", "/top.txt", "--content-type", "text/x-two"]);
    assert_eq!(typed(&sandbox), "text/x-two");
}

#[test]
fn what_cannot_be_stored_is_skipped_with_a_warning() {
    let sandbox = Sandbox::with_v1();
    sandbox.write("tree/.aeordb-7-0", "of a restore that was killed");
    let run = sandbox.run(&["put", "tree", "/"]).expect(0);
    assert!(
        run.err.starts_with("aeordb: warning: ") && run.err.contains(".aeordb-7-0"),
        "{}",
        run.err
    );
    assert_eq!(number(&run.out(), "Skipped"), 1);
    let quiet = sandbox.run(&["put", "tree", "/", "-q"]).expect(0);
    assert!(quiet.out().is_empty() && quiet.err.contains(".aeordb-7-0"), "{}", quiet.err);
}

#[test]
fn what_cannot_be_read_is_left_out_and_said() {
    let sandbox = Sandbox::with_v1();
    let secret = sandbox.path("tree/secret");
    sandbox.write("tree/secret", "s");
    sandbox.write("tree/other", "o");
    fs::set_permissions(&secret, Permissions::from_mode(0o000)).unwrap();
    if fs::read(&secret).is_ok() {
        return; // The superuser can read everything.
    }
    let run = sandbox.run(&["put", "tree", "/"]).expect(3);
    assert!(run.err.contains("secret"), "{}", run.err);
    assert_eq!(number(&run.out(), "Unreadable"), 1);
    assert_eq!(sandbox.ok(&["cat", "/other"]), "o");
}

#[test]
fn rm_takes_files_and_with_r_directories() {
    let sandbox = Sandbox::with_v1();
    sandbox.run(&["rm", "/docs"]).refused(2, "/docs", "aeordb rm --help");
    sandbox.run(&["rm", "/top.txt", "/none"]).refused(10, "/none", "aeordb ls");
    assert_eq!(sandbox.ok(&["ls"]), "docs\ntop.txt\n", "a part of it was removed");
    assert!(sandbox.ok(&["rm", "/top.txt"]).starts_with("Removed.\n  Files: 1\n"));
    sandbox.ok(&["rm", "-r", "/docs"]);
    assert_eq!(sandbox.ok(&["ls"]), "");
    assert_eq!(sandbox.ok(&["ls", "v1:/"]), "docs\ntop.txt\n");
}

#[test]
fn a_dry_run_lists_and_removes_nothing() {
    let sandbox = Sandbox::with_v1();
    let listed = sandbox.run(&["rm", "/docs", "-r", "--dry-run", "/top.txt"]).expect(0).lines();
    let mut sorted = listed.clone();
    sorted.sort();
    assert_eq!(sorted, ["D /docs", "D /docs/a.txt", "D /docs/b.txt", "D /top.txt"]);
    assert_eq!(sandbox.version("HEAD"), sandbox.version("v1"));
    sandbox.run(&["rm", "--dry-run", "/docs"]).refused(2, "/docs", "--help");
}

#[test]
fn mv_renames_and_moves_into_directories() {
    let sandbox = Sandbox::with_v1();
    sandbox.ok(&["mv", "/top.txt", "/docs"]);
    sandbox.ok(&["mv", "/docs/a.txt", "/fresh/"]);
    sandbox.ok(&["mv", "/docs", "/papers"]);
    assert_eq!(
        sandbox.ok(&["ls", "-r"]),
        "/fresh\n/fresh/a.txt\n/papers\n/papers/b.txt\n/papers/top.txt\n"
    );
    let run = sandbox.run(&["mv", "/fresh/a.txt", "/papers/b.txt"]);
    run.refused(15, "/papers/b.txt", "--force");
    sandbox.ok(&["mv", "--force", "/fresh/a.txt", "/papers/b.txt"]);
    assert_eq!(sandbox.ok(&["cat", "/papers/b.txt"]), "alpha\n");
}

#[test]
fn cp_copies_also_out_of_an_earlier_version() {
    let sandbox = Sandbox::with_v2();
    sandbox.ok(&["cp", "/docs", "/copy"]);
    assert_eq!(sandbox.ok(&["cat", "/copy/new.txt"]), "new\n");
    sandbox.ok(&["cp", "v1:/top.txt", "/docs"]);
    assert_eq!(sandbox.ok(&["cat", "/docs/top.txt"]), "top\n");
    sandbox.run(&["cp", "--at", "v1", "/docs/a.txt", "/docs/"]).refused(
        15,
        "/docs/a.txt",
        "--force",
    );
    sandbox.ok(&["cp", "--at", "v1", "/docs/a.txt", "/docs/", "--force"]);
    assert_eq!(sandbox.ok(&["cat", "/docs/a.txt"]), "alpha\n");
}

#[test]
fn snapshots_are_made_listed_and_deleted() {
    let sandbox = Sandbox::with_v2();
    let (v1, v2) = (sandbox.version("v1"), sandbox.version("v2"));
    let made = sandbox.ok(&["snapshot", "create", "old", "--at", "v1", "--meta", "why=test"]);
    assert!(made.starts_with("Snapshot created.\n  Name: old\n"), "{made}");
    assert!(made.contains("  Metadata: why=test\n"), "{made}");
    let listed = sandbox.run(&["snapshot", "list"]).expect(0).lines();
    let expected = [(&v1, "old"), (&v1, "v1"), (&v2, "v2")];
    for (line, (version, name)) in listed.iter().zip(expected) {
        assert!(line.starts_with(version) && line.ends_with(&format!("  {name}")), "{line}");
    }
    assert_eq!(listed.len(), 3);
    sandbox.run(&["snapshot", "create", "old"]).refused(15, "old", "aeordb snapshot delete");
    sandbox.ok(&["snapshot", "delete", "old", "--dry-run"]);
    assert_eq!(sandbox.ok(&["snapshot", "list"]).lines().count(), 3);
    assert!(sandbox.ok(&["snapshot", "delete", "old"]).starts_with("Snapshot deleted.\n"));
    sandbox.run(&["snapshot", "delete", "old"]).refused(10, "old", "aeordb snapshot list");
    sandbox.run(&["ls", "--at", "old"]).refused(10, "old", "aeordb snapshot list");
}

#[test]
fn gc_keeps_what_is_named_and_reports_in_bytes_and_time() {
    let sandbox = Sandbox::with_v2();
    sandbox.write("tree/large", trees::noise(3, 2_000_000));
    sandbox.ok(&["put", "tree", "/"]);
    sandbox.ok(&["rm", "/large"]);
    let planned = sandbox.ok(&["gc", "--dry-run"]);
    assert!(planned.starts_with("Nothing was changed (dry run).\n"), "{planned}");
    let done = sandbox.ok(&["gc"]);
    assert!(done.starts_with("Collection complete.\n"), "{done}");
    for label in ["Entries live", "Bytes live", "Entries collected", "Bytes released", "Time"] {
        line(&done, label);
    }
    assert_eq!(sandbox.ok(&["cat", "v1:/docs/a.txt"]), "alpha\n");
    assert_eq!(sandbox.ok(&["cat", "v2:/docs/a.txt"]), "alpha, changed\n");
    sandbox.ok(&["verify", "--deep"]);
}

#[test]
fn compact_leaves_what_is_kept_in_a_smaller_file() {
    let sandbox = Sandbox::with_v2();
    sandbox.write("large", trees::noise(3, 2_000_000));
    sandbox.ok(&["put", "large", "/large"]);
    let log = sandbox.ok(&["log"]);
    let planned = sandbox.ok(&["compact", "--dry-run"]);
    assert!(planned.starts_with("Nothing was changed (dry run).\n"), "{planned}");
    let done = sandbox.ok(&["compact"]);
    assert!(done.starts_with("Compaction complete.\n"), "{done}");
    for label in ["Bytes before", "Bytes after", "Time"] {
        line(&done, label);
    }
    assert_eq!(line(&done, "Entries live"), line(&planned, "Entries live"));
    assert_eq!(sandbox.ok(&["log"]), log);
    assert_eq!(sandbox.ok(&["cat", "v1:/docs/a.txt"]), "alpha\n");
    sandbox.ok(&["verify", "--deep"]);
    let compacted = sandbox.read("data.aeordb").len() as u64;
    assert_eq!(sandbox.json(&["compact"])["bytes_before"], compacted);
    assert_eq!(sandbox.json(&["gc", "--dry-run"])["entries_collected"], 0);
}

#[test]
fn the_local_cache_lies_outside_of_the_database() {
    let sandbox = Sandbox::with_v1();
    assert_eq!(sandbox.entries(), ["data.aeordb", "tree"]);
    let elsewhere = sandbox.path("home");
    fs::create_dir(&elsewhere).unwrap();
    let mut put = sandbox.command(&["put", "tree", "/"]);
    let put = put.env_remove("XDG_CACHE_HOME").env("HOME", &elsewhere);
    assert!(put.output().unwrap().status.success());
    let mut put = sandbox.command(&["put", "tree", "/"]);
    assert!(put.env_remove("XDG_CACHE_HOME").env_remove("HOME").output().unwrap().status.success());
    assert_eq!(sandbox.entries(), ["data.aeordb", "home", "tree"]);
}

#[test]
fn nothing_is_moved_or_copied_onto_itself() {
    let sandbox = Sandbox::with_v1();
    for verb in ["mv", "cp"] {
        for path in ["/top.txt", "/absent"] {
            let code = if path == "/absent" { 10 } else { 2 };
            sandbox.run(&[verb, path, path]).expect(code);
        }
    }
    sandbox.run(&["mv", "/top.txt", "/top.txt", "--force"]).refused(2, "are the same", "mv --help");
    sandbox.run(&["mv", "/docs", "/docs"]).refused(2, "lies within", "mv --help");
    sandbox.ok(&["cp", "--force", "--at", "v1", "/top.txt", "/docs/top.txt"]);
    assert_eq!(sandbox.ok(&["ls", "/docs"]), "a.txt\nb.txt\ntop.txt\n");
}

#[test]
fn snapshots_are_not_called_as_versions_are() {
    let sandbox = Sandbox::with_v1();
    let hash = sandbox.version("v1");
    for name in [&hash[..], &hash[..9], "deadbeef", "DEADBEEF"] {
        let date = name.bytes().all(|byte| byte.is_ascii_digit());
        if !date {
            sandbox.run(&["snapshot", "create", name]).refused(2, name, "snapshot create --help");
        }
    }
    for name in ["20240115", "daily-2024-01-15", "cafe", "feedback"] {
        sandbox.ok(&["snapshot", "create", name]);
        assert_eq!(sandbox.version(name), hash);
    }
}

#[test]
fn of_several_files_those_that_can_be_read_are_put() {
    let sandbox = Sandbox::new();
    sandbox.write("one", "1");
    // It can be opened, but its first byte cannot be read.
    let run = sandbox.run(&["put", "/proc/self/mem", "one", "/into/"]).expect(3);
    assert!(run.out().contains("  Unreadable: 1\n"), "{}", run.out());
    assert!(run.err.contains("warning: /proc/"), "{}", run.err);
    assert_eq!(sandbox.ok(&["ls", "/into"]), "one\n");
    sandbox.run(&["put", "/proc/self/mem", "/x"]).expect(1);
    sandbox.run(&["put", "absent", "one", "/into/"]).expect(10);
}

#[test]
fn a_stream_gets_the_content_type_that_is_given() {
    let sandbox = Sandbox::new();
    let put = ["put", "-", "/page", "--content-type", "text/html"];
    sandbox.feed(&put, b"<p>").expect(0);
    assert_eq!(sandbox.json(&["stat", "/page"])["content_type"], "text/html");
    sandbox.feed(&["put", "-", "/page"], b"<p>again").expect(0);
    assert_eq!(sandbox.json(&["stat", "/page"])["content_type"], "text/html");
    assert_eq!(sandbox.ok(&["cat", "/page"]), "<p>again");
}
