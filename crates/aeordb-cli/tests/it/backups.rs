//! Chains of backups: read in place, put together, merged, undone, looked at.

use std::fs;

use serde_json::Value;

use crate::desk::{Desk, line, number};

/// A desk with `full.aeordb` of `v1`, `p1.aeordb` to `v2` and `p2.aeordb` to `v3`.
fn chain() -> Desk {
    let desk = Desk::with_v2();
    desk.write("tree/docs/b.txt", "beta, changed\n");
    desk.write("tree/deep/er/x.txt", "x\n");
    desk.ok(&["put", "--mirror", "tree", "/"]);
    desk.ok(&["snapshot", "create", "v3"]);
    desk.ok(&["export", "--output", "full.aeordb", "--snapshot", "v1"]);
    desk.ok(&["diff", "--output", "p1.aeordb", "--from", "v1", "--to", "v2"]);
    desk.ok(&["diff", "--output", "p2.aeordb", "--from", "v2", "--to", "v3"]);
    desk
}

const WITH: [&str; 6] = ["-d", "full.aeordb", "--with", "p1.aeordb", "--with", "p2.aeordb"];

#[test]
fn every_reader_reads_a_full_export_with_patches_on_top() {
    let desk = chain();
    let before = desk.entries();
    for command in [
        &["ls", "-r", "/"][..],
        &["ls", "-l", "/docs"],
        &["cat", "/docs/a.txt", "/docs/b.txt"],
        &["stat", "/docs"],
        &["du", "-a", "/"],
    ] {
        let expected = desk.ok(&[command, &["--at", "v3"]].concat());
        assert_eq!(desk.ok(&[command, &WITH].concat()), expected, "{command:?}");
    }
    assert_eq!(desk.entries(), before);
    desk.ok(&[&["get", "/", "out"][..], &WITH].concat());
    assert_eq!(desk.read("out/docs/b.txt"), b"beta, changed\n");
    // History leads back through the patches.
    let changes = desk.ok(&[&["diff", "--from", "HEAD~1"][..], &WITH].concat());
    assert_eq!(changes, desk.ok(&["diff", "--from", "v2", "--to", "v3"]));
    assert_eq!(desk.ok(&[&["cat", "HEAD~2:/docs/a.txt"][..], &WITH].concat()), "alpha\n");
    // What comes out of it is the version itself.
    desk.ok(&[&["export", "--output", "v3.aeordb"][..], &WITH].concat());
    assert_eq!(desk.head_of("v3.aeordb"), desk.version("v3"));
}

#[test]
fn patches_that_do_not_follow_are_not_read() {
    let desk = chain();
    let run = desk.run(&["ls", "-d", "full.aeordb", "--with", "p2.aeordb"]);
    run.refused(13, "p2.aeordb", "aeordb diff --from");
    let run = desk.run(&["ls", "-d", "full.aeordb", "--with", "p2.aeordb", "--with", "p1.aeordb"]);
    run.refused(13, "p2.aeordb", "");
    desk.run(&["ls", "-d", "p1.aeordb", "--with", "p2.aeordb"]).refused(2, "p1.aeordb", "");
    nix::unistd::mkfifo(&desk.path("fifo"), nix::sys::stat::Mode::S_IRUSR).unwrap();
    desk.run(&["ls", "--with", "fifo"]).expect(1);
    desk.run(&["ls", "--with", "none.aeordb"]).refused(10, "none.aeordb", "check the name");
}

#[test]
fn a_combined_full_is_a_full_export() {
    let desk = chain();
    let made =
        desk.ok(&["combine", "--output", "new.aeordb", "full.aeordb", "p1.aeordb", "p2.aeordb"]);
    let told = desk.ok(&["export", "--output", "v3.aeordb", "--snapshot", "v3"]);
    assert_eq!(made, told);
    let told = desk.json(&["info", "v3.aeordb"]);
    let info = desk.json(&["info", "new.aeordb"]);
    for key in ["kind", "version", "files", "directories", "bytes", "objects", "chunks"] {
        assert_eq!(info[key], told[key], "{key}");
    }
    desk.ok(&["verify", "--deep", "-d", "new.aeordb"]);
    desk.run(&["combine", "--output", "new.aeordb", "full.aeordb"]).refused(
        15,
        "new.aeordb",
        "--output",
    );
}

#[test]
fn combined_patches_are_a_patch() {
    let desk = chain();
    let made = desk.ok(&["combine", "--output", "p.aeordb", "p1.aeordb", "p2.aeordb"]);
    let told = desk.ok(&["diff", "--output", "q.aeordb", "--from", "v1", "--to", "v3"]);
    let without_chunks = |report: &str| {
        let lines = report.lines().filter(|line| !line.starts_with("  Chunks"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(without_chunks(&made), without_chunks(&told));
    desk.ok(&["import", "-d", "new", "--file", "full.aeordb", "--file", "p.aeordb", "--promote"]);
    assert_eq!(desk.head_of("new"), desk.version("v3"));
    assert_eq!(
        desk.ok(&["info", "--changes", "p.aeordb"])
            .lines()
            .filter(|l| l.starts_with("    "))
            .count(),
        desk.ok(&["diff", "--from", "v1", "--to", "v3"]).lines().count()
    );
    let over = ["combine", "--output", "r.aeordb", "--base", "full.aeordb"];
    assert_eq!(desk.ok(&[&over[..], &["p1.aeordb", "p2.aeordb"]].concat()), told);
    let over = ["combine", "--output", "x.aeordb", "--base", "full.aeordb", "full.aeordb"];
    desk.run(&over).refused(2, "full.aeordb is no patch", "");
    let run = desk.run(&["combine", "--output", "x.aeordb", "p2.aeordb", "p1.aeordb"]);
    run.refused(13, "p1.aeordb", "");
    assert!(!desk.exists("x.aeordb"));
}

#[test]
fn combine_writes_to_a_pipe() {
    let desk = chain();
    let run = desk.run(&["combine", "--output", "-", "full.aeordb", "p1.aeordb"]).expect(0);
    let import = ["import", "-d", "new", "--file", "-", "--promote"];
    desk.feed(&import, &run.bytes).expect(0);
    assert_eq!(desk.head_of("new"), desk.version("v2"));
}

#[test]
fn info_lists_what_a_patch_changes() {
    let desk = chain();
    let report = desk.ok(&["info", "--changes", "p1.aeordb"]);
    let changes: Vec<_> = report.lines().filter_map(|line| line.strip_prefix("    ")).collect();
    let told = desk.ok(&["diff", "--from", "v1", "--to", "v2"]);
    assert_eq!(changes, told.lines().collect::<Vec<_>>());
    let objects = desk.json_lines(&["info", "--changes", "p1.aeordb"]);
    assert_eq!(objects.len(), 1 + changes.len());
    assert_eq!(objects[1]["patch"], "p1.aeordb");
}

#[test]
fn info_draws_the_chain_and_where_it_is_broken() {
    let desk = chain();
    let drawn = |report: &str| -> Vec<String> {
        report.lines().skip_while(|line| *line != "Chain").skip(1).map(str::to_owned).collect()
    };
    // Whatever the order of the files.
    let report = desk.ok(&["info", "p2.aeordb", "full.aeordb", "p1.aeordb"]);
    let chain = drawn(&report);
    let [v1, v2, v3] = ["v1", "v2", "v3"].map(|name| desk.version(name));
    assert_eq!(
        chain,
        [
            format!("  full.aeordb: export of {}", &v1[..12]),
            format!("    p1.aeordb: {} to {}", &v1[..12], &v2[..12]),
            format!("      p2.aeordb: {} to {}", &v2[..12], &v3[..12]),
        ]
    );
    let report = desk.ok(&["info", "full.aeordb", "p2.aeordb"]);
    assert!(drawn(&report)[1].contains(&format!("BROKEN: no file here leads to version {v2}")));
    let objects = desk.json_lines(&["info", "full.aeordb", "p1.aeordb", "p2.aeordb"]);
    assert_eq!(objects[1]["follows"], "full.aeordb");
    let objects = desk.json_lines(&["info", "full.aeordb", "p2.aeordb"]);
    assert_eq!(objects[1]["follows"], Value::Null);
    assert!(drawn(&desk.ok(&["info", "full.aeordb"])).is_empty());
}

#[test]
fn a_patch_is_proved_with_what_it_is_for() {
    let desk = chain();
    let alone = desk.json(&["verify", "-d", "p2.aeordb"]);
    let with = ["verify", "-d", "p2.aeordb", "--with", "full.aeordb", "--with", "p1.aeordb"];
    let proved = desk.json(&with);
    assert!(alone["unproved"].as_u64().unwrap() > 0);
    assert_eq!((&proved["unproved"], &proved["versions"]), (&0.into(), &1.into()));
    desk.ok(&["verify", "-d", "full.aeordb", "--with", "p1.aeordb", "--with", "p2.aeordb"]);
    // A database that went on is good enough.
    desk.ok(&["verify", "-d", "p1.aeordb", "--with", "data.aeordb"]);
    desk.run(&["verify", "-d", "p2.aeordb", "--with", "full.aeordb"]).expect(13);
    let mut bytes = desk.read("p2.aeordb");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    desk.write("p2.aeordb", bytes);
    desk.run(&with).expect(14);
}

#[test]
fn an_import_writes_the_way_back() {
    let desk = chain();
    let import = ["import", "-d", "new", "--promote"];
    desk.ok(&[&import[..], &["--file", "full.aeordb"]].concat());
    let undo = ["--file", "p1.aeordb", "--undo", "undo.aeordb"];
    let report = desk.ok(&[&import[..], &undo].concat());
    assert!(report.ends_with("HEAD has been promoted.\n"));
    assert_eq!(desk.head_of("new"), desk.version("v2"));
    desk.ok(&[&import[..], &["--file", "undo.aeordb"]].concat());
    assert_eq!(desk.head_of("new"), desk.version("v1"));
    // Refused: the file is there, HEAD is not moved, the import fails.
    desk.run(&[&import[..], &undo].concat()).refused(15, "undo.aeordb", "");
    fs::remove_file(desk.path("undo.aeordb")).unwrap();
    let failing = ["--file", "p2.aeordb", "--undo", "undo.aeordb"];
    desk.run(&[&import[..], &failing].concat()).expect(13);
    desk.run(&["import", "-d", "new", "--file", "p1.aeordb", "--undo", "u"]).expect(2);
    assert!(!desk.exists("undo.aeordb") && !desk.exists("u"));
    assert_eq!(desk.head_of("new"), desk.version("v1"));
}

#[test]
fn a_part_is_exported_and_patched_at_its_own_path() {
    let desk = chain();
    let report =
        desk.ok(&["export", "--output", "docs.aeordb", "--snapshot", "v1", "--path", "/docs"]);
    assert_eq!((number(&report, "Files"), number(&report, "Directories")), (2, 2));
    assert_eq!(desk.ok(&["ls", "-r", "-d", "docs.aeordb"]), "/docs\n/docs/a.txt\n/docs/b.txt\n");
    let diff = ["diff", "--from", "v1", "--to", "v2", "--path", "/docs"];
    assert_eq!(desk.ok(&diff), "M /docs\nM /docs/a.txt\nA /docs/new.txt\n");
    let report = desk.ok(&[&diff[..], &["--output", "docs-patch.aeordb"]].concat());
    assert_eq!(line(&report, "From"), desk.head_of("docs.aeordb"));
    let files = ["--file", "docs.aeordb", "--file", "docs-patch.aeordb"];
    desk.ok(&[&["import", "-d", "new", "--promote"][..], &files].concat());
    assert_eq!(desk.ok(&["cat", "-d", "new", "/docs/a.txt"]), "alpha, changed\n");
    assert_eq!(desk.ok(&["ls", "-d", "new"]), "docs\n");
    desk.run(&["export", "--output", "x.aeordb", "--path", "/none"]).refused(10, "/none", "ls -r");
    assert!(!desk.exists("x.aeordb"));
}

#[test]
fn a_patch_is_merged_onto_a_head_that_went_on() {
    let desk = chain();
    // A database with v1 in its past, and with changes of its own.
    desk.ok(&["import", "-d", "new", "--file", "full.aeordb", "--promote"]);
    desk.write("mine/mine.txt", "mine\n");
    desk.ok(&["put", "-d", "new", "mine", "/"]);
    let import = ["import", "-d", "new", "--file", "p1.aeordb"];
    desk.run(&import).expect(13);
    let report = desk.ok(&[&import[..], &["--merge", "--promote"]].concat());
    assert!(report.starts_with("Patch imported.\n"), "{report}");
    // A file added, one changed, one deleted, and the time of their directory.
    assert_eq!(number(&report, "Changes taken"), 4);
    assert_ne!(line(&report, "Version"), desk.version("v2"));
    assert_eq!(line(&report, "Version"), desk.head_of("new"));
    let listed = desk.ok(&["ls", "-r", "-d", "new"]);
    assert_eq!(listed, "/docs\n/docs/a.txt\n/docs/b.txt\n/docs/new.txt\n/mine.txt\n");
}

#[test]
fn what_both_changed_is_listed_and_left_out_unless_told() {
    let desk = chain();
    desk.write("mine/docs/a.txt", "alpha, mine\n");
    let conflicts = |flags: &[&str], code: i32, database: &str| {
        desk.ok(&["import", "-d", database, "--file", "full.aeordb", "--promote"]);
        desk.ok(&["put", "-d", database, "mine", "/"]);
        let merge = ["import", "-d", database, "--file", "p1.aeordb", "--merge", "--promote"];
        let run = desk.run(&[&merge[..], flags].concat()).expect(code);
        let text = desk.ok(&["cat", "-d", database, "/docs/a.txt"]);
        (run, text)
    };
    let (run, text) = conflicts(&[], 3, "one");
    assert_eq!(text, "alpha, mine\n");
    let hash = |bytes: &str| aeordb::hash::Hash::of(bytes.as_bytes()).to_string();
    let (ours, theirs) = (hash("alpha, mine\n"), hash("alpha, changed\n"));
    let conflict = format!("Conflict: /docs/a.txt (ours {ours}, theirs {theirs})");
    assert!(run.out().contains(&conflict), "{}", run.out());
    assert!(run.out().contains("  Conflicts: 1 (left out)\n"), "{}", run.out());
    // What nobody else changed was taken all the same.
    assert_eq!(desk.ok(&["cat", "-d", "one", "/docs/new.txt"]), "new\n");
    assert_eq!(conflicts(&["--ours"], 0, "two").1, "alpha, mine\n");
    assert_eq!(conflicts(&["--theirs"], 0, "three").1, "alpha, changed\n");
    let (run, _) = conflicts(&["--json"], 3, "four");
    let object: Value = serde_json::from_str(&run.out()).unwrap();
    assert_eq!(object["merge"]["conflicts"][0]["path"], "/docs/a.txt");
    assert_eq!(object["merge"]["conflicts"][0]["ours"]["hash"], ours);
    assert_eq!(object["merge"]["conflicts"][0]["theirs"]["hash"], theirs);
    for flags in [&["--theirs"][..], &["--merge", "--theirs", "--ours"], &["--merge", "--force"]] {
        desk.run(&[&["import", "-d", "one", "--file", "p1.aeordb"][..], flags].concat()).expect(2);
    }
}

#[test]
fn a_merge_without_the_base_says_which_version_is_missing() {
    let desk = chain();
    desk.ok(&["put", "-d", "new", "tree", "/"]);
    let merge = ["import", "-d", "new", "--merge", "--promote"];
    let run = desk.run(&[&merge[..], &["--file", "p1.aeordb"]].concat());
    run.refused(16, &desk.version("v1"), "import version");
    desk.ok(&[&merge[..], &["--file", "full.aeordb", "--file", "p1.aeordb", "--ours"]].concat());
}
