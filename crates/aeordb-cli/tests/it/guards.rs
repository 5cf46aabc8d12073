//! What a put refuses because it would take away what nobody meant to lose.

use std::fs;

use crate::sandbox::Sandbox;

/// A sandbox whose database has `count` files in `/t`, which also lie in `tree`.
fn with_files(count: usize) -> Sandbox {
    let sandbox = Sandbox::new();
    for number in 0..count {
        sandbox.write(format!("tree/{number:02}"), "x");
    }
    sandbox.ok(&["put", "tree", "/t"]);
    sandbox
}

fn remove(sandbox: &Sandbox, numbers: std::ops::Range<usize>) {
    for number in numbers {
        fs::remove_file(sandbox.path(format!("tree/{number:02}"))).unwrap();
    }
}

#[test]
fn a_mirror_of_an_emptied_directory_is_refused_and_changes_nothing() {
    let sandbox = with_files(1);
    remove(&sandbox, 0..1);
    // As on a disk without its file system.
    fs::create_dir(sandbox.path("tree/lost+found")).unwrap();
    let before = sandbox.version("HEAD");
    let run = sandbox.run(&["put", "--mirror", "tree", "/t"]);
    run.refused(17, "tree is empty, and would take the place of 1 file at /t", "--max-delete");
    sandbox.run(&["put", "--mirror", "--max-delete", "0", "tree", "/t"]).expect(17);
    assert_eq!(sandbox.version("HEAD"), before);
    sandbox.ok(&["put", "--mirror", "--max-delete", "1", "tree", "/t"]);
    assert_eq!(sandbox.ok(&["ls", "/t"]), "lost+found\n");
    // Nothing is left that could go.
    sandbox.ok(&["put", "--mirror", "tree", "/t"]);
}

#[test]
fn a_mirror_may_delete_half_of_ten_files_and_more_only_if_that_is_said() {
    let sandbox = with_files(12);
    remove(&sandbox, 0..6);
    sandbox.ok(&["put", "--mirror", "tree", "/t"]);
    let sandbox = with_files(12);
    remove(&sandbox, 0..7);
    let before = sandbox.version("HEAD");
    for bound in [&[][..], &["--max-delete", "6"], &["--max-delete", "58%"]] {
        let run = sandbox.run(&[&["put", "--mirror", "tree", "/t"], bound].concat());
        run.refused(17, "7 of 12 files at /t would be deleted, allowed are 6", "--max-delete 7");
        assert_eq!(sandbox.version("HEAD"), before);
    }
    sandbox.run(&["put", "--mirror", "--max-delete", "some", "tree", "/t"]).expect(2);
    sandbox.ok(&["put", "--mirror", "--max-delete", "59%", "tree", "/t"]);
    // Of few files, most may go.
    remove(&sandbox, 7..11);
    sandbox.ok(&["put", "--mirror", "tree", "/t"]);
    assert_eq!(sandbox.ok(&["ls", "/t"]), "11\n");
}

#[test]
fn a_file_that_takes_the_place_of_a_directory_deletes_what_is_in_it() {
    let sandbox = with_files(12);
    fs::rename(sandbox.path("tree"), sandbox.path("moved")).unwrap();
    sandbox.write("up/t", "a file");
    sandbox.run(&["put", "up", "/"]).expect(17);
    assert_eq!(sandbox.ok(&["ls", "/t"]).lines().count(), 12);
    sandbox.ok(&["put", "--max-delete", "100%", "up", "/"]);
    assert_eq!(sandbox.ok(&["cat", "/t"]), "a file");
}

#[test]
fn a_dry_run_lists_what_would_happen_and_changes_nothing() {
    let sandbox = with_files(2);
    sandbox.write("tree/00", "changed");
    remove(&sandbox, 1..2);
    sandbox.write("tree/new/large", vec![7; 3_000_000]);
    let tree = fs::metadata(sandbox.path("tree")).unwrap().modified().unwrap();
    let before = (sandbox.read("data.aeordb"), sandbox.entries());
    let dry = ["put", "--mirror", "--dry-run", "tree", "/t"];
    let listed = "M /t\nM /t/00\nD /t/01\nA /t/new\nA /t/new/large\n";
    assert_eq!(sandbox.ok(&dry), listed);
    assert_eq!((sandbox.read("data.aeordb"), sandbox.entries()), before);
    let kinds: Vec<_> =
        sandbox.json_lines(&dry).iter().map(|line| line["change"].clone()).collect();
    assert_eq!(kinds.len(), 5, "{kinds:?}");
    assert_eq!(fs::metadata(sandbox.path("tree")).unwrap().modified().unwrap(), tree);
    // What was said is what happens.
    let head = sandbox.version("HEAD");
    sandbox.ok(&["put", "--mirror", "tree", "/t"]);
    assert_eq!(sandbox.ok(&["diff", &head, "HEAD"]), listed);
    assert_eq!(sandbox.ok(&dry), "");
}

#[test]
fn a_dry_run_without_a_database_makes_none() {
    let sandbox = Sandbox::new();
    sandbox.write("tree/a", "x");
    assert_eq!(sandbox.ok(&["put", "--dry-run", "tree", "/"]), "M /\nA /a\n");
    assert_eq!(sandbox.entries(), ["tree"]);
}

#[test]
fn a_dry_run_lists_what_a_refused_mirror_would_delete() {
    let sandbox = with_files(2);
    remove(&sandbox, 0..2);
    let run = sandbox.run(&["put", "--mirror", "--dry-run", "tree", "/t"]).expect(17);
    assert_eq!(run.out(), "M /t\nD /t/00\nD /t/01\n");
}

#[test]
fn an_empty_input_takes_the_place_of_no_file_that_has_bytes() {
    let sandbox = Sandbox::new();
    sandbox.feed(&["put", "-", "/new"], b"").expect(0);
    sandbox.feed(&["put", "-", "/new"], b"").expect(0);
    sandbox.feed(&["put", "-", "/dump"], b"rows").expect(0);
    let run = sandbox.feed(&["put", "-", "/dump"], b"");
    run.refused(17, "the input is empty", "--allow-empty");
    assert_eq!(sandbox.ok(&["cat", "/dump"]), "rows");
    sandbox.feed(&["put", "-", "/dump", "--allow-empty"], b"").expect(0);
    assert_eq!(sandbox.ok(&["cat", "/dump"]), "");
}

#[test]
fn what_a_command_prints_is_stored_only_if_it_succeeds() {
    let sandbox = Sandbox::new();
    let put =
        |script: &str| sandbox.run(&["put", "--from-command", "/dump", "--", "sh", "-c", script]);
    put("echo rows").expect(0);
    let head = sandbox.version("HEAD");
    let run = put("seq 500; echo lost the connection >&2; exit 3").expect(1);
    assert!(run.err.contains("lost the connection\n"), "{}", run.err);
    assert!(run.err.contains("sh failed (exit status: 3), nothing was stored"), "{}", run.err);
    put("seq 500; kill -9 $$").expect(1);
    put("exit 0").expect(17);
    let missing =
        sandbox.run(&["put", "--from-command", "/dump", "--", "./no such program"]).expect(1);
    assert!(missing.err.contains("./no such program not started"), "{}", missing.err);
    assert_eq!((sandbox.version("HEAD"), sandbox.ok(&["cat", "/dump"])), (head, "rows\n".into()));
    put("exec >&-; sleep 0.1; exit 0").expect(17);
    put("seq 3").expect(0);
    assert_eq!(sandbox.ok(&["cat", "/dump"]), "1\n2\n3\n");
    sandbox.run(&["put", "--from-command", "/dump"]).expect(2);
    sandbox.run(&["put", "--from-command", "dump", "--", "true"]).expect(2);
}

#[test]
fn a_put_whose_last_word_is_no_path_names_the_command_that_was_meant() {
    let sandbox = with_files(1);
    sandbox.write("f1", "one");
    sandbox.write("f2", "two");
    let before = sandbox.version("HEAD");
    for (words, meant) in [
        (&["f1", "f2"][..], "aeordb put f1 f2 /"),
        (&["tree", "notes"], "aeordb put tree /notes"),
        (&["f1", "./notes"], "aeordb put f1 /notes"),
        (&["-", "f2"], "aeordb put - /f2"),
        (&["f1", "t/f1"], "aeordb put f1 /t/f1"),
        (&["f1"], "aeordb put f1 /"),
    ] {
        let run = sandbox.run(&[&["put"], words].concat()).expect(2);
        assert!(run.err.contains(meant), "{}", run.err);
    }
    assert_eq!(sandbox.version("HEAD"), before);
}

#[test]
fn a_database_that_looks_like_a_place_elsewhere_is_refused() {
    let sandbox = with_files(1);
    for name in
        ["sftp://host/x", "http://h:3000", "host:backups/d.aeordb", "me@host:d", "file://host/d"]
    {
        sandbox.run(&["put", "tree", "/", "-d", name]).expect(2);
        let mut command = sandbox.command(&["ls"]);
        assert_eq!(command.env("AEORDB_DATABASE", name).status().unwrap().code(), Some(2));
    }
    assert_eq!(sandbox.entries(), ["data.aeordb", "tree"]);
    sandbox.ok(&["put", "tree", "/", "-d", "./host:d"]);
    assert!(sandbox.exists("host:d"));
}

#[test]
fn an_output_that_looks_like_a_place_elsewhere_is_refused_and_one_that_holds_a_time_is_not() {
    let sandbox = with_files(1);
    for name in ["sftp://host/x", "http://h:3000", "host:/backups/x", "me@host:/x", "file://host/x"]
    {
        sandbox.run(&["export", "--output", name]).expect(2);
        sandbox.run(&["diff", "HEAD", "HEAD", "--output", name]).expect(2);
    }
    sandbox.ok(&["export", "--output", "full-2026-11-28T12:00:00+00:00.aeordb"]);
    assert!(sandbox.exists("full-2026-11-28T12:00:00+00:00.aeordb"));
}
