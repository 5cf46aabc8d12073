//! ls, cat, get, stat, du, log, diff, info: what looks and changes nothing.

use std::fs;

use crate::sandbox::Sandbox;
use crate::trees;

#[test]
fn ls_prints_a_name_a_line() {
    let sandbox = Sandbox::with_v1();
    assert_eq!(sandbox.ok(&["ls"]), "docs\ntop.txt\n");
    assert_eq!(sandbox.ok(&["ls", "/docs"]), "a.txt\nb.txt\n");
    assert_eq!(sandbox.ok(&["ls", "docs/"]), "a.txt\nb.txt\n");
}

#[test]
fn ls_prints_a_file_that_is_named() {
    let sandbox = Sandbox::with_v1();
    assert_eq!(sandbox.ok(&["ls", "/docs/a.txt"]), "/docs/a.txt\n");
}

#[test]
fn ls_goes_down_with_absolute_paths() {
    let sandbox = Sandbox::with_v1();
    assert_eq!(sandbox.ok(&["ls", "-r"]), "/docs\n/docs/a.txt\n/docs/b.txt\n/top.txt\n");
    assert_eq!(sandbox.ok(&["ls", "--recursive", "/docs"]), "/docs/a.txt\n/docs/b.txt\n");
}

#[test]
fn ls_shows_kind_size_time_and_type_when_asked() {
    let sandbox = Sandbox::with_v1();
    sandbox.ok(&["put", "tree/top.txt", "/typed.txt", "--content-type", "text/plain"]);
    let lines = sandbox.run(&["ls", "-l"]).expect(0).lines();
    let [docs, top, typed] = &lines[..] else { panic!("{lines:?}") };
    assert!(docs.starts_with("directory ") && docs.ends_with(" docs"), "{docs}");
    assert!(top.starts_with("file ") && top.contains(" 4 "), "{top}");
    assert!(typed.contains(" text/plain ") && typed.contains("Z "), "{typed}");
}

#[test]
fn readers_look_into_versions() {
    let sandbox = Sandbox::with_v2();
    let v1 = sandbox.version("v1");
    for version in ["v1", v1.as_str(), &v1[..8], "HEAD~1"] {
        assert_eq!(sandbox.ok(&["ls", "/", "--at", version]), "docs\ntop.txt\n", "{version}");
        let place = format!("{version}:/docs/a.txt");
        assert_eq!(sandbox.ok(&["cat", &place]), "alpha\n", "{version}");
    }
    assert_eq!(sandbox.ok(&["cat", "v1:docs/a.txt", "/docs/a.txt"]), "alpha\nalpha, changed\n");
    assert_eq!(
        sandbox.ok(&["cat", "--at", "v1", "/docs/a.txt", "v2:/docs/new.txt"]),
        "alpha\nnew\n"
    );
    sandbox.ok(&["get", "v1:/", "old"]);
    assert_eq!(sandbox.read("old/docs/a.txt"), b"alpha\n");
}

#[test]
fn a_path_with_colons_is_named_from_the_root() {
    let sandbox = Sandbox::with_v1();
    sandbox.write("odd/v1:x", "colon\n");
    sandbox.ok(&["put", "odd", "/"]);
    assert_eq!(sandbox.ok(&["cat", "/v1:x"]), "colon\n");
    sandbox.run(&["cat", "v1:x"]).refused(10, "/x", "aeordb ls");
}

#[test]
fn cat_joins_files_byte_by_byte() {
    let sandbox = Sandbox::new();
    let bytes = trees::noise(7, 700_001);
    sandbox.write("tree/noise", &bytes);
    sandbox.write("tree/empty", "");
    sandbox.ok(&["put", "tree", "/"]);
    let run = sandbox.run(&["cat", "/noise", "/empty", "/noise"]).expect(0);
    assert_eq!(run.bytes, [bytes.as_slice(), bytes.as_slice()].concat());
}

#[test]
fn cat_prints_nothing_when_any_of_its_paths_is_missing() {
    let sandbox = Sandbox::with_v1();
    sandbox.run(&["cat", "/top.txt", "/none"]).refused(10, "/none", "aeordb ls");
    sandbox.run(&["cat", "/docs"]).refused(2, "/docs is a directory", "--help");
}

#[test]
fn get_restores_everything_that_is_kept() {
    let sandbox = Sandbox::new();
    trees::make(&sandbox.path("tree"));
    sandbox.ok(&["put", "tree", "/t"]);
    let report = sandbox.ok(&["get", "/t", "restored"]);
    assert!(report.starts_with("Get complete.\n"), "{report}");
    trees::assert_same(&sandbox.path("tree"), &sandbox.path("restored"));
    sandbox.ok(&["get", "/t/small.txt", "one.txt"]);
    assert_eq!(sandbox.read("one.txt"), b"small\n");
}

#[test]
fn get_overwrites_only_when_told() {
    let sandbox = Sandbox::with_v1();
    sandbox.write("here.txt", "mine");
    sandbox.run(&["get", "/top.txt", "here.txt"]).refused(15, "here.txt", "--force");
    assert_eq!(sandbox.read("here.txt"), b"mine");
    sandbox.ok(&["get", "/top.txt", "here.txt", "--force"]);
    assert_eq!(sandbox.read("here.txt"), b"top\n");
}

#[test]
fn get_to_a_dash_is_cat() {
    let sandbox = Sandbox::with_v1();
    assert_eq!(sandbox.ok(&["get", "/top.txt", "-"]), "top\n");
    assert!(!sandbox.exists("-"));
}

#[test]
fn stat_says_all_that_is_recorded() {
    let sandbox = Sandbox::with_v1();
    let report = sandbox.ok(&["stat", "/top.txt", "/docs"]);
    for part in [
        "/top.txt\n",
        "  Kind: file\n",
        "  Size: 4 B\n",
        "  Mode: 0",
        "  Hash: ",
        "  Kind: directory\n",
        "  Files: 2\n",
    ] {
        assert!(report.contains(part), "{part:?} is not in\n{report}");
    }
    let hash = aeordb::hash::Hash::of(b"top\n").to_string();
    assert!(report.contains(&hash), "the hash is not what b3sum prints");
}

#[test]
fn du_sums_up() {
    let sandbox = Sandbox::with_v1();
    assert_eq!(sandbox.ok(&["du"]), "11\t/docs\n15\t/\n");
    assert_eq!(sandbox.ok(&["du", "-s"]), "15\t/\n");
    assert_eq!(sandbox.ok(&["du", "-a", "/docs"]), "6\t/docs/a.txt\n5\t/docs/b.txt\n11\t/docs\n");
    assert_eq!(sandbox.ok(&["du", "-sH", "/", "/docs"]), "15 B\t/\n11 B\t/docs\n");
}

#[test]
fn diff_lists_a_change_a_line() {
    let sandbox = Sandbox::with_v2();
    let listed = sandbox.run(&["diff", "--from", "v1", "--to", "v2"]).expect(0).lines();
    for expected in ["M /docs/a.txt", "A /docs/new.txt", "D /top.txt"] {
        assert!(listed.iter().any(|line| line == expected), "{expected} is not in {listed:?}");
    }
    assert!(!listed.iter().any(|line| line.contains("b.txt")), "{listed:?}");
    assert_eq!(sandbox.ok(&["diff", "--from", "v1", "--to", "v1"]), "");
}

#[test]
fn a_rename_is_listed_with_both_paths() {
    let sandbox = Sandbox::with_v1();
    sandbox.ok(&["mv", "/docs/a.txt", "/docs/z.txt"]);
    let listed = sandbox.ok(&["diff", "--from", "v1"]);
    assert!(listed.lines().any(|line| line == "R /docs/a.txt\t/docs/z.txt"), "{listed}");
}

#[test]
fn log_shows_the_newest_first() {
    let sandbox = Sandbox::with_v2();
    let lines = sandbox.run(&["log"]).expect(0).lines();
    assert!(lines[0].starts_with(&sandbox.version("v2")), "{lines:?}");
    assert!(lines[1].starts_with(&sandbox.version("v1")), "{lines:?}");
    assert_eq!(sandbox.run(&["log", "-n", "1"]).expect(0).lines().len(), 1);
}

#[test]
fn info_tells_the_three_kinds_apart() {
    let sandbox = Sandbox::with_v2();
    sandbox.ok(&["export", "--output", "full.aeordb"]);
    sandbox.ok(&["diff", "--from", "v1", "--output", "patch.aeordb"]);
    let reports = sandbox.json_lines(&["info", "data.aeordb", "full.aeordb", "patch.aeordb"]);
    let kinds: Vec<_> = reports.iter().map(|report| report["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["database", "export", "patch"]);
    for report in &reports {
        assert_eq!(report["version"], sandbox.version("v2"));
    }
    assert_eq!(reports[2]["base"], sandbox.version("v1"));
    let text = sandbox.ok(&["info", "patch.aeordb"]);
    assert!(text.starts_with("patch.aeordb\n  Kind: patch\n"), "{text}");
    assert!(sandbox.ok(&["info"]).starts_with("data.aeordb\n  Kind: database\n"));
}

#[test]
fn info_goes_on_after_a_file_that_is_none_of_ours() {
    let sandbox = Sandbox::with_v1();
    sandbox.write("notes", "not a database, not at all, whatever its name says. ".repeat(400));
    let run = sandbox.run(&["info", "notes", "missing", "data.aeordb"]).expect(1);
    assert!(run.out().starts_with("data.aeordb\n"));
    assert!(run.err.contains("notes") && run.err.contains("missing"), "{}", run.err);
}

#[test]
fn an_export_is_a_database_to_every_reader() {
    let sandbox = Sandbox::with_v2();
    sandbox.ok(&["export", "--output", "full.aeordb"]);
    for reader in [
        &["ls", "-r"][..],
        &["cat", "/docs/a.txt"],
        &["stat", "/docs/new.txt"],
        &["du"],
        &["ls", "-l", "/docs"],
    ] {
        let there = [reader, &["-d", "full.aeordb"]].concat();
        assert_eq!(sandbox.ok(&there), sandbox.ok(reader));
    }
    sandbox.ok(&["get", "/", "copy", "-d", "full.aeordb"]);
    assert_eq!(sandbox.read("copy/docs/new.txt"), b"new\n");
    sandbox.ok(&["verify", "--deep", "-d", "full.aeordb"]);
}

#[test]
fn reading_changes_no_byte() {
    let sandbox = Sandbox::with_v2();
    let before = sandbox.read("data.aeordb");
    let mut permissions = fs::metadata(sandbox.path("data.aeordb")).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(sandbox.path("data.aeordb"), permissions).unwrap();
    for reader in [
        &["ls", "-r"][..],
        &["cat", "/docs/a.txt"],
        &["stat", "/"],
        &["du"],
        &["log"],
        &["snapshot", "list"],
        &["info"],
        &["verify", "--deep"],
        &["diff", "--from", "v1"],
        &["get", "/", "out"],
        &["export", "--output", "e.aeordb"],
        &["diff", "--from", "v1", "--output", "p.aeordb"],
        &["rm", "-r", "/docs", "--dry-run"],
    ] {
        sandbox.ok(reader);
    }
    assert_eq!(sandbox.read("data.aeordb"), before);
}

#[test]
fn ls_shows_a_page_at_a_time() {
    let sandbox = Sandbox::new();
    for name in ["a", "b", "c", "d"] {
        sandbox.write(format!("tree/{name}"), name);
    }
    sandbox.ok(&["put", "tree", "/"]);
    assert_eq!(sandbox.ok(&["ls", "--limit", "2"]), "a\nb\n");
    assert_eq!(sandbox.ok(&["ls", "-n", "2", "--after", "b"]), "c\nd\n");
    assert_eq!(sandbox.ok(&["ls", "/", "--after", "bb"]), "c\nd\n");
    assert_eq!(sandbox.ok(&["ls", "-r", "--limit", "1"]), "/a\n");
    assert_eq!(sandbox.ok(&["ls", "--after", "d"]), "");
    sandbox.run(&["ls", "-r", "--after", "a"]).expect(2);
}

#[test]
fn get_says_what_it_could_not_restore() {
    let sandbox = Sandbox::with_v1();
    sandbox.write("out/top.txt/in-the-way", "");
    let run = sandbox.run(&["get", "/", "out", "--overwrite", "if-changed"]).expect(3);
    assert!(run.out().starts_with("Get incomplete.\n"), "{}", run.out());
    assert!(run.out().contains("  Not restored: 1\n"), "{}", run.out());
    assert!(run.err.contains("warning: out/top.txt: not restored: "), "{}", run.err);
    assert_eq!(sandbox.read("out/docs/a.txt"), b"alpha\n");
    assert!(sandbox.exists("out/top.txt/in-the-way"));
    sandbox.ok(&["get", "/", "out", "--force"]);
    assert_eq!(sandbox.read("out/top.txt"), b"top\n");
}

#[test]
fn get_restores_trees_that_are_deeper_than_files_may_be_open() {
    let sandbox = Sandbox::new();
    let deep = "d/".repeat(150);
    sandbox.write(format!("tree/{deep}file"), "deep");
    sandbox.ok(&["put", "tree", "/"]);
    let mut shell = std::process::Command::new("bash");
    let run = shell
        .arg("-c")
        .arg("ulimit -Sn 64; exec \"$0\" get / out")
        .arg(env!("CARGO_BIN_EXE_aeordb"))
        .current_dir(sandbox.path(""))
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    assert_eq!(sandbox.read(&format!("out/{deep}file")), b"deep");
}
