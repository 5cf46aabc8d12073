//! What is not done, and that nothing is left behind by not doing it.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;

use crate::desk::Desk;
use crate::trees;

#[test]
fn a_missing_database_is_named_with_the_way_to_make_one() {
    let desk = Desk::new();
    for verb in [
        &["ls"][..],
        &["cat", "/a"],
        &["get", "/", "out"],
        &["rm", "/a"],
        &["mv", "/a", "/b"],
        &["cp", "/a", "/b"],
        &["stat", "/"],
        &["du"],
        &["log"],
        &["snapshot", "create", "v1"],
        &["snapshot", "list"],
        &["snapshot", "delete", "v1"],
        &["export", "--output", "e.aeordb"],
        &["diff", "--from", "v1"],
        &["diff", "--from", "v1", "--output", "p.aeordb"],
        &["promote", "--hash", "v1"],
        &["info"],
        &["verify"],
        &["gc"],
        &["compact"],
        &["compact", "--dry-run"],
        &["salvage", "--output", "r.aeordb"],
    ] {
        desk.run(verb).refused(10, "data.aeordb", "aeordb put LOCAL /");
        assert!(desk.entries().is_empty(), "{verb:?} left {:?}", desk.entries());
    }
}

#[test]
fn a_failed_put_or_import_leaves_no_database() {
    let desk = Desk::new();
    desk.run(&["put", "missing", "/"]).expect(10);
    desk.run(&["import", "--file", "missing.aeordb"]).expect(10);
    desk.write("text", "no backup at all. ".repeat(1000));
    desk.run(&["import", "--file", "text"]).expect(1);
    assert_eq!(desk.entries(), ["text"]);
}

#[test]
fn an_existing_output_is_never_overwritten() {
    let desk = Desk::with_v2();
    desk.write("file", "mine");
    fs::create_dir(desk.path("directory")).unwrap();
    symlink("nowhere", desk.path("dangling")).unwrap();
    symlink("file", desk.path("link")).unwrap();
    fs::hard_link(desk.path("data.aeordb"), desk.path("hard")).unwrap();
    let database = desk.read("data.aeordb");
    let before = desk.entries();
    for output in ["file", "directory", "dangling", "link", "hard", "data.aeordb"] {
        for verb in [&["export"][..], &["diff", "--from", "v1"], &["salvage"]] {
            let run = desk.run(&[verb, &["--output", output]].concat());
            run.refused(15, output, "--output");
        }
    }
    assert_eq!(desk.entries(), before);
    assert_eq!(desk.read("file"), b"mine");
    assert_eq!(desk.read("data.aeordb"), database);
}

#[test]
fn a_failed_export_leaves_no_output() {
    let desk = Desk::with_v1();
    let before = desk.entries();
    desk.run(&["export", "--output", "e.aeordb", "--snapshot", "none"]).expect(10);
    desk.run(&["export", "--output", "e.aeordb", "--hash", "12345678"]).expect(10);
    desk.run(&["diff", "--output", "e.aeordb", "--from", "none"]).expect(10);
    desk.run(&["export", "--output", "no/such/directory/e.aeordb"]).expect(10);
    assert_eq!(desk.entries(), before);
}

#[test]
fn the_database_is_not_imported_into_itself() {
    let desk = Desk::with_v1();
    symlink("data.aeordb", desk.path("link")).unwrap();
    for file in ["data.aeordb", "link"] {
        desk.run(&["import", "--file", file]).refused(2, file, "aeordb import --help");
    }
}

#[test]
fn sealed_files_are_not_written_to() {
    let desk = Desk::with_v2();
    desk.ok(&["export", "--output", "full.aeordb"]);
    desk.ok(&["diff", "--from", "v1", "--output", "patch.aeordb"]);
    for sealed in ["full.aeordb", "patch.aeordb"] {
        let before = desk.read(sealed);
        for verb in [
            &["put", "tree", "/"][..],
            &["rm", "/docs/a.txt"],
            &["mv", "/docs", "/d"],
            &["cp", "/docs", "/d"],
            &["snapshot", "create", "s"],
            &["snapshot", "delete", "s"],
            &["promote", "--hash", "HEAD"],
            &["gc"],
            &["compact"],
            &["compact", "--dry-run"],
        ] {
            let run = desk.run(&[verb, &["-d", sealed]].concat());
            let import = format!("aeordb import --database NEW.aeordb --file {sealed} --promote");
            run.refused(1, sealed, &import);
        }
        assert_eq!(desk.read(sealed), before);
    }
}

#[test]
fn files_of_others_are_never_written_to() {
    let desk = Desk::with_v1();
    desk.ok(&["export", "--output", "full.aeordb"]);
    let text = "something that somebody wrote. ".repeat(1000);
    for (name, content) in [("text", text.as_str()), ("short", "x")] {
        desk.write(name, content);
        for verb in [
            &["put", "tree", "/"][..],
            &["rm", "/a"],
            &["import", "--file", "full.aeordb", "--promote"],
            &["snapshot", "create", "s"],
            &["gc"],
            &["compact"],
            &["ls"],
            &["verify"],
        ] {
            let run = desk.run(&[verb, &["-d", name]].concat());
            run.refused(1, name, "aeordb info");
            assert_eq!(desk.read(name), content.as_bytes());
        }
    }
}

#[test]
fn bad_arguments_are_exit_code_2_and_touch_nothing() {
    let desk = Desk::with_v1();
    let before = desk.read("data.aeordb");
    for arguments in [
        &["ls", "/a/../b"][..],
        &["ls", "/a//b"],
        &["ls", "/./a"],
        &["cat", ""],
        &["rm", "v1:/top.txt"],
        &["put", "tree", "v1:/x"],
        &["mv", "/top.txt", "v1:/x"],
        &["put", "-", "-", "/x"],
        &["put", "--mirror", "tree", "tree/docs", "/x"],
        &["put", "--mirror", "-", "/x"],
        &["import", "--file", "-", "--file", "-"],
        &["ls", "--at", "HEAD~x"],
        &["snapshot", "create", ""],
    ] {
        let run = desk.run(arguments).expect(2);
        assert!(run.err.starts_with("aeordb: ") && run.err.contains("\nhint: "), "{}", run.err);
    }
    for arguments in [
        &["frobnicate"][..],
        &["put", "tree"],
        &["get", "/top.txt"],
        &["export"],
        &["promote"],
        &["snapshot"],
        &["export", "--output", "e", "--snapshot", "v1", "--hash", "v1"],
        &["gc", "--dry-runn"],
        &[],
    ] {
        desk.run(arguments).expect(2);
    }
    assert_eq!(desk.read("data.aeordb"), before);
    assert_eq!(desk.entries(), ["data.aeordb", "tree"]);
}

#[test]
fn a_second_writer_is_told_who_writes_and_readers_go_on() {
    let desk = Desk::with_v1();
    let mut first = desk.command(&["put", "-", "/slow"]);
    let mut first = first.stdin(std::process::Stdio::piped()).spawn().unwrap();
    // More than a pipe holds: once this is written, the verb is reading and has the lock.
    let slow = trees::noise(4, 1_000_000);
    first.stdin.as_mut().unwrap().write_all(&slow).unwrap();
    let run = desk.run(&["snapshot", "create", "x"]);
    run.refused(11, "data.aeordb", "readers work meanwhile");
    desk.run(&["compact"]).refused(11, "data.aeordb", "aeordb gc --server URL");
    assert_eq!(desk.ok(&["cat", "/top.txt"]), "top\n");
    desk.ok(&["export", "--output", "e.aeordb"]);
    drop(first.stdin.take());
    assert!(first.wait().unwrap().success());
    assert_eq!(desk.run(&["cat", "/slow"]).expect(0).bytes, slow);
    desk.ok(&["snapshot", "create", "x"]);
}

#[test]
fn a_limit_on_the_size_of_files_is_an_error_that_leaves_nothing_behind() {
    let desk = Desk::with_v1();
    let before = desk.read("data.aeordb");
    // Bytes that do not compress.
    let noise: Vec<u8> =
        (0..100_000u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    desk.write("large", noise);
    let limited = |verb: &str| {
        let script = format!("ulimit -f 64; exec {} {verb}", env!("CARGO_BIN_EXE_aeordb"));
        let output = std::process::Command::new("sh")
            .args(["-c", &script])
            .current_dir(desk.path("."))
            .env("XDG_CACHE_HOME", desk.path("cache"))
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(error.contains("too large"), "{error}");
        error
    };
    limited("put large /large");
    assert_eq!(desk.read("data.aeordb"), before);
    desk.ok(&["verify", "--deep"]);
    desk.ok(&["put", "large", "/large"]);
    let before = (desk.read("data.aeordb"), desk.entries());
    assert!(limited("compact").contains("hint: the new file needs room beside the old one"));
    assert_eq!((desk.read("data.aeordb"), desk.entries()), before);
}
