//! What is not done, and that nothing is left behind by not doing it.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;

use crate::sandbox::Sandbox;
use crate::trees;

#[test]
fn a_missing_database_is_named_with_the_way_to_make_one() {
    let sandbox = Sandbox::new();
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
        sandbox.run(verb).refused(10, "data.aeordb", "aeordb put LOCAL /");
        assert!(sandbox.entries().is_empty(), "{verb:?} left {:?}", sandbox.entries());
    }
}

#[test]
fn a_failed_put_or_import_leaves_no_database() {
    let sandbox = Sandbox::new();
    sandbox.run(&["put", "missing", "/"]).expect(10);
    sandbox.run(&["import", "--file", "missing.aeordb"]).expect(10);
    sandbox.write("text", "no backup at all. ".repeat(1000));
    sandbox.run(&["import", "--file", "text"]).expect(1);
    assert_eq!(sandbox.entries(), ["text"]);
}

#[test]
fn an_existing_output_is_never_overwritten() {
    let sandbox = Sandbox::with_v2();
    sandbox.write("file", "mine");
    fs::create_dir(sandbox.path("directory")).unwrap();
    symlink("nowhere", sandbox.path("dangling")).unwrap();
    symlink("file", sandbox.path("link")).unwrap();
    fs::hard_link(sandbox.path("data.aeordb"), sandbox.path("hard")).unwrap();
    let database = sandbox.read("data.aeordb");
    let before = sandbox.entries();
    for output in ["file", "directory", "dangling", "link", "hard", "data.aeordb"] {
        for verb in [&["export"][..], &["diff", "--from", "v1"], &["salvage"]] {
            let run = sandbox.run(&[verb, &["--output", output]].concat());
            run.refused(15, output, "--output");
        }
    }
    assert_eq!(sandbox.entries(), before);
    assert_eq!(sandbox.read("file"), b"mine");
    assert_eq!(sandbox.read("data.aeordb"), database);
}

#[test]
fn a_failed_export_leaves_no_output() {
    let sandbox = Sandbox::with_v1();
    let before = sandbox.entries();
    sandbox.run(&["export", "--output", "e.aeordb", "--snapshot", "none"]).expect(10);
    sandbox.run(&["export", "--output", "e.aeordb", "--hash", "12345678"]).expect(10);
    sandbox.run(&["diff", "--output", "e.aeordb", "--from", "none"]).expect(10);
    sandbox.run(&["export", "--output", "no/such/directory/e.aeordb"]).expect(10);
    assert_eq!(sandbox.entries(), before);
}

#[test]
fn the_database_is_not_imported_into_itself() {
    let sandbox = Sandbox::with_v1();
    symlink("data.aeordb", sandbox.path("link")).unwrap();
    for file in ["data.aeordb", "link"] {
        sandbox.run(&["import", "--file", file]).refused(2, file, "aeordb import --help");
    }
}

#[test]
fn sealed_files_are_not_written_to() {
    let sandbox = Sandbox::with_v2();
    sandbox.ok(&["export", "--output", "full.aeordb"]);
    sandbox.ok(&["diff", "--from", "v1", "--output", "patch.aeordb"]);
    for sealed in ["full.aeordb", "patch.aeordb"] {
        let before = sandbox.read(sealed);
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
            let run = sandbox.run(&[verb, &["-d", sealed]].concat());
            let import = format!("aeordb import --database NEW.aeordb --file {sealed} --promote");
            run.refused(1, sealed, &import);
        }
        assert_eq!(sandbox.read(sealed), before);
    }
}

#[test]
fn files_of_others_are_never_written_to() {
    let sandbox = Sandbox::with_v1();
    sandbox.ok(&["export", "--output", "full.aeordb"]);
    let text = "something that somebody wrote. ".repeat(1000);
    for (name, content) in [("text", text.as_str()), ("short", "x")] {
        sandbox.write(name, content);
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
            let run = sandbox.run(&[verb, &["-d", name]].concat());
            run.refused(1, name, "aeordb info");
            assert_eq!(sandbox.read(name), content.as_bytes());
        }
    }
}

#[test]
fn bad_arguments_are_exit_code_2_and_touch_nothing() {
    let sandbox = Sandbox::with_v1();
    let before = sandbox.read("data.aeordb");
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
        let run = sandbox.run(arguments).expect(2);
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
        sandbox.run(arguments).expect(2);
    }
    assert_eq!(sandbox.read("data.aeordb"), before);
    assert_eq!(sandbox.entries(), ["data.aeordb", "tree"]);
}

#[test]
fn a_second_writer_is_told_who_writes_and_readers_go_on() {
    let sandbox = Sandbox::with_v1();
    let mut first = sandbox.command(&["put", "-", "/slow"]);
    let mut first = first.stdin(std::process::Stdio::piped()).spawn().unwrap();
    // More than a pipe holds: once this is written, the verb is reading and has the lock.
    let slow = trees::noise(4, 1_000_000);
    first.stdin.as_mut().unwrap().write_all(&slow).unwrap();
    let run = sandbox.run(&["snapshot", "create", "x"]);
    run.refused(11, "data.aeordb", "readers work meanwhile");
    sandbox.run(&["compact"]).refused(11, "data.aeordb", "aeordb gc --server URL");
    assert_eq!(sandbox.ok(&["cat", "/top.txt"]), "top\n");
    sandbox.ok(&["export", "--output", "e.aeordb"]);
    drop(first.stdin.take());
    assert!(first.wait().unwrap().success());
    assert_eq!(sandbox.run(&["cat", "/slow"]).expect(0).bytes, slow);
    sandbox.ok(&["snapshot", "create", "x"]);
}

#[test]
fn a_limit_on_the_size_of_files_is_an_error_that_leaves_nothing_behind() {
    let sandbox = Sandbox::with_v1();
    let before = sandbox.read("data.aeordb");
    // Bytes that do not compress.
    let noise: Vec<u8> =
        (0..100_000u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    sandbox.write("large", noise);
    let limited = |verb: &str| {
        let script = format!("ulimit -f 64; exec {} {verb}", env!("CARGO_BIN_EXE_aeordb"));
        let output = std::process::Command::new("sh")
            .args(["-c", &script])
            .current_dir(sandbox.path("."))
            .env("XDG_CACHE_HOME", sandbox.path("cache"))
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(error.contains("too large"), "{error}");
        error
    };
    limited("put large /large");
    assert_eq!(sandbox.read("data.aeordb"), before);
    sandbox.ok(&["verify", "--deep"]);
    sandbox.ok(&["put", "large", "/large"]);
    let before = (sandbox.read("data.aeordb"), sandbox.entries());
    assert!(limited("compact").contains("hint: the new file needs room beside the old one"));
    assert_eq!((sandbox.read("data.aeordb"), sandbox.entries()), before);
}
