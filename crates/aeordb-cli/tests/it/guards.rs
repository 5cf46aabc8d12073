//! What a put refuses because it would take away what nobody meant to lose.

use std::fs;

use crate::desk::Desk;

/// A desk whose database has `count` files in `/t`, which also lie in `tree`.
fn with_files(count: usize) -> Desk {
    let desk = Desk::new();
    for number in 0..count {
        desk.write(format!("tree/{number:02}"), "x");
    }
    desk.ok(&["put", "tree", "/t"]);
    desk
}

fn remove(desk: &Desk, numbers: std::ops::Range<usize>) {
    for number in numbers {
        fs::remove_file(desk.path(format!("tree/{number:02}"))).unwrap();
    }
}

#[test]
fn a_mirror_of_an_emptied_directory_is_refused_and_changes_nothing() {
    let desk = with_files(1);
    remove(&desk, 0..1);
    // As on a disk without its file system.
    fs::create_dir(desk.path("tree/lost+found")).unwrap();
    let before = desk.version("HEAD");
    let run = desk.run(&["put", "--mirror", "tree", "/t"]);
    run.refused(17, "tree is empty, and would take the place of 1 file at /t", "--max-delete");
    desk.run(&["put", "--mirror", "--max-delete", "0", "tree", "/t"]).expect(17);
    assert_eq!(desk.version("HEAD"), before);
    desk.ok(&["put", "--mirror", "--max-delete", "1", "tree", "/t"]);
    assert_eq!(desk.ok(&["ls", "/t"]), "lost+found\n");
    // Nothing is left that could go.
    desk.ok(&["put", "--mirror", "tree", "/t"]);
}

#[test]
fn a_mirror_may_delete_half_of_ten_files_and_more_only_if_that_is_said() {
    let desk = with_files(12);
    remove(&desk, 0..6);
    desk.ok(&["put", "--mirror", "tree", "/t"]);
    let desk = with_files(12);
    remove(&desk, 0..7);
    let before = desk.version("HEAD");
    for bound in [&[][..], &["--max-delete", "6"], &["--max-delete", "58%"]] {
        let run = desk.run(&[&["put", "--mirror", "tree", "/t"], bound].concat());
        run.refused(17, "7 of 12 files at /t would be deleted, allowed are 6", "--max-delete 7");
        assert_eq!(desk.version("HEAD"), before);
    }
    desk.run(&["put", "--mirror", "--max-delete", "some", "tree", "/t"]).expect(2);
    desk.ok(&["put", "--mirror", "--max-delete", "59%", "tree", "/t"]);
    // Of few files, most may go.
    remove(&desk, 7..11);
    desk.ok(&["put", "--mirror", "tree", "/t"]);
    assert_eq!(desk.ok(&["ls", "/t"]), "11\n");
}

#[test]
fn a_file_that_takes_the_place_of_a_directory_deletes_what_is_in_it() {
    let desk = with_files(12);
    fs::rename(desk.path("tree"), desk.path("moved")).unwrap();
    desk.write("up/t", "a file");
    desk.run(&["put", "up", "/"]).expect(17);
    assert_eq!(desk.ok(&["ls", "/t"]).lines().count(), 12);
    desk.ok(&["put", "--max-delete", "100%", "up", "/"]);
    assert_eq!(desk.ok(&["cat", "/t"]), "a file");
}

#[test]
fn a_dry_run_lists_what_would_happen_and_changes_nothing() {
    let desk = with_files(2);
    desk.write("tree/00", "changed");
    remove(&desk, 1..2);
    desk.write("tree/new/large", vec![7; 3_000_000]);
    let tree = fs::metadata(desk.path("tree")).unwrap().modified().unwrap();
    let before = (desk.read("data.aeordb"), desk.entries());
    let dry = ["put", "--mirror", "--dry-run", "tree", "/t"];
    let listed = "M /t\nM /t/00\nD /t/01\nA /t/new\nA /t/new/large\n";
    assert_eq!(desk.ok(&dry), listed);
    assert_eq!((desk.read("data.aeordb"), desk.entries()), before);
    let kinds: Vec<_> = desk.json_lines(&dry).iter().map(|line| line["change"].clone()).collect();
    assert_eq!(kinds.len(), 5, "{kinds:?}");
    assert_eq!(fs::metadata(desk.path("tree")).unwrap().modified().unwrap(), tree);
    // What was said is what happens.
    let head = desk.version("HEAD");
    desk.ok(&["put", "--mirror", "tree", "/t"]);
    assert_eq!(desk.ok(&["diff", &head, "HEAD"]), listed);
    assert_eq!(desk.ok(&dry), "");
}

#[test]
fn a_dry_run_without_a_database_makes_none() {
    let desk = Desk::new();
    desk.write("tree/a", "x");
    assert_eq!(desk.ok(&["put", "--dry-run", "tree", "/"]), "A /a\n");
    assert_eq!(desk.entries(), ["tree"]);
}

#[test]
fn a_dry_run_lists_what_a_refused_mirror_would_delete() {
    let desk = with_files(2);
    remove(&desk, 0..2);
    let run = desk.run(&["put", "--mirror", "--dry-run", "tree", "/t"]).expect(17);
    assert_eq!(run.out(), "M /t\nD /t/00\nD /t/01\n");
}

#[test]
fn an_empty_input_takes_the_place_of_no_file_that_has_bytes() {
    let desk = Desk::new();
    desk.feed(&["put", "-", "/new"], b"").expect(0);
    desk.feed(&["put", "-", "/new"], b"").expect(0);
    desk.feed(&["put", "-", "/dump"], b"rows").expect(0);
    let run = desk.feed(&["put", "-", "/dump"], b"");
    run.refused(17, "the input is empty", "--allow-empty");
    assert_eq!(desk.ok(&["cat", "/dump"]), "rows");
    desk.feed(&["put", "-", "/dump", "--allow-empty"], b"").expect(0);
    assert_eq!(desk.ok(&["cat", "/dump"]), "");
}

#[test]
fn what_a_command_prints_is_stored_only_if_it_succeeds() {
    let desk = Desk::new();
    let put =
        |script: &str| desk.run(&["put", "--from-command", "/dump", "--", "sh", "-c", script]);
    put("echo rows").expect(0);
    let head = desk.version("HEAD");
    let run = put("seq 500; echo lost the connection >&2; exit 3").expect(1);
    assert!(run.err.contains("lost the connection\n"), "{}", run.err);
    assert!(run.err.contains("sh failed (exit status: 3), nothing was stored"), "{}", run.err);
    put("seq 500; kill -9 $$").expect(1);
    put("exit 0").expect(17);
    let missing =
        desk.run(&["put", "--from-command", "/dump", "--", "./no such program"]).expect(1);
    assert!(missing.err.contains("./no such program not started"), "{}", missing.err);
    assert_eq!((desk.version("HEAD"), desk.ok(&["cat", "/dump"])), (head, "rows\n".into()));
    put("exec >&-; sleep 0.1; exit 0").expect(17);
    put("seq 3").expect(0);
    assert_eq!(desk.ok(&["cat", "/dump"]), "1\n2\n3\n");
    desk.run(&["put", "--from-command", "/dump"]).expect(2);
    desk.run(&["put", "--from-command", "dump", "--", "true"]).expect(2);
}

#[test]
fn a_put_whose_last_word_is_no_path_names_the_command_that_was_meant() {
    let desk = with_files(1);
    desk.write("f1", "one");
    desk.write("f2", "two");
    let before = desk.version("HEAD");
    for (words, meant) in [
        (&["f1", "f2"][..], "aeordb put f1 f2 /"),
        (&["tree", "notes"], "aeordb put tree /notes"),
        (&["f1", "./notes"], "aeordb put f1 /notes"),
        (&["-", "f2"], "aeordb put - /f2"),
        (&["f1", "t/f1"], "aeordb put f1 /t/f1"),
        (&["f1"], "aeordb put f1 /"),
    ] {
        let run = desk.run(&[&["put"], words].concat()).expect(2);
        assert!(run.err.contains(meant), "{}", run.err);
    }
    assert_eq!(desk.version("HEAD"), before);
}

#[test]
fn a_database_that_looks_like_a_place_elsewhere_is_refused() {
    let desk = with_files(1);
    for name in
        ["s3://bucket/x", "http://h:3000", "host:backups/d.aeordb", "me@host:d", "file:///d"]
    {
        desk.run(&["put", "tree", "/", "-d", name]).expect(2);
        let mut command = desk.command(&["ls"]);
        assert_eq!(command.env("AEORDB_DATABASE", name).status().unwrap().code(), Some(2));
    }
    assert_eq!(desk.entries(), ["data.aeordb", "tree"]);
    desk.ok(&["put", "tree", "/", "-d", "./host:d"]);
    assert!(desk.exists("host:d"));
}

#[test]
fn an_output_that_looks_like_a_place_elsewhere_is_refused_and_one_that_holds_a_time_is_not() {
    let desk = with_files(1);
    for name in ["s3://bucket/x", "http://h:3000", "host:/backups/x", "me@host:/x", "file:///x"] {
        desk.run(&["export", "--output", name]).expect(2);
        desk.run(&["diff", "HEAD", "HEAD", "--output", name]).expect(2);
    }
    desk.ok(&["export", "--output", "full-2026-11-28T12:00:00+00:00.aeordb"]);
    assert!(desk.exists("full-2026-11-28T12:00:00+00:00.aeordb"));
}
