//! Chains of backups: read in place, put together, merged, undone, looked at.

use std::fs;

use serde_json::Value;

use crate::sandbox::{Sandbox, line, number};

/// A sandbox with `full.aeordb` of `v1`, `p1.aeordb` to `v2` and `p2.aeordb` to `v3`.
fn chain() -> Sandbox {
    let sandbox = Sandbox::with_v2();
    sandbox.write("tree/docs/b.txt", "beta, changed\n");
    sandbox.write("tree/deep/er/x.txt", "x\n");
    sandbox.ok(&["put", "--mirror", "tree", "/"]);
    sandbox.ok(&["snapshot", "create", "v3"]);
    sandbox.ok(&["export", "--output", "full.aeordb", "--snapshot", "v1"]);
    sandbox.ok(&["diff", "--output", "p1.aeordb", "--from", "v1", "--to", "v2"]);
    sandbox.ok(&["diff", "--output", "p2.aeordb", "--from", "v2", "--to", "v3"]);
    sandbox
}

/// The list that a patch carries does not say that the root directory itself changed.
fn below_the_root(changes: &str) -> Vec<&str> {
    changes.lines().filter(|line| *line != "M /").collect()
}

const WITH: [&str; 6] = ["-d", "full.aeordb", "--with", "p1.aeordb", "--with", "p2.aeordb"];

#[test]
fn every_reader_reads_a_full_export_with_patches_on_top() {
    let sandbox = chain();
    let before = sandbox.entries();
    for command in [
        &["ls", "-r", "/"][..],
        &["ls", "-l", "/docs"],
        &["cat", "/docs/a.txt", "/docs/b.txt"],
        &["stat", "/docs"],
        &["du", "-a", "/"],
    ] {
        let expected = sandbox.ok(&[command, &["--at", "v3"]].concat());
        assert_eq!(sandbox.ok(&[command, &WITH].concat()), expected, "{command:?}");
    }
    assert_eq!(sandbox.entries(), before);
    sandbox.ok(&[&["get", "/", "out"][..], &WITH].concat());
    assert_eq!(sandbox.read("out/docs/b.txt"), b"beta, changed\n");
    // History leads back through the patches.
    let changes = sandbox.ok(&[&["diff", "--from", "HEAD~1"][..], &WITH].concat());
    assert_eq!(changes, sandbox.ok(&["diff", "--from", "v2", "--to", "v3"]));
    assert_eq!(sandbox.ok(&[&["cat", "HEAD~2:/docs/a.txt"][..], &WITH].concat()), "alpha\n");
    // What comes out of it is the version itself.
    sandbox.ok(&[&["export", "--output", "v3.aeordb"][..], &WITH].concat());
    assert_eq!(sandbox.head_of("v3.aeordb"), sandbox.version("v3"));
}

#[test]
fn patches_that_do_not_follow_are_not_read() {
    let sandbox = chain();
    let run = sandbox.run(&["ls", "-d", "full.aeordb", "--with", "p2.aeordb"]);
    run.refused(13, "p2.aeordb", "aeordb diff --from");
    let run =
        sandbox.run(&["ls", "-d", "full.aeordb", "--with", "p2.aeordb", "--with", "p1.aeordb"]);
    run.refused(13, "p2.aeordb", "");
    sandbox.run(&["ls", "-d", "p1.aeordb", "--with", "p2.aeordb"]).refused(2, "p1.aeordb", "");
    nix::unistd::mkfifo(&sandbox.path("fifo"), nix::sys::stat::Mode::S_IRUSR).unwrap();
    sandbox.run(&["ls", "--with", "fifo"]).expect(1);
    sandbox.run(&["ls", "--with", "none.aeordb"]).refused(10, "none.aeordb", "check the name");
}

#[test]
fn a_combined_full_is_a_full_export() {
    let sandbox = chain();
    let made =
        sandbox.ok(&["combine", "--output", "new.aeordb", "full.aeordb", "p1.aeordb", "p2.aeordb"]);
    let told = sandbox.ok(&["export", "--output", "v3.aeordb", "--snapshot", "v3"]);
    assert_eq!(made, told);
    let told = sandbox.json(&["info", "v3.aeordb"]);
    let info = sandbox.json(&["info", "new.aeordb"]);
    for key in ["kind", "version", "files", "directories", "bytes", "objects", "chunks"] {
        assert_eq!(info[key], told[key], "{key}");
    }
    sandbox.ok(&["verify", "--deep", "-d", "new.aeordb"]);
    sandbox.run(&["combine", "--output", "new.aeordb", "full.aeordb"]).refused(
        15,
        "new.aeordb",
        "--output",
    );
}

#[test]
fn combined_patches_are_a_patch() {
    let sandbox = chain();
    let made = sandbox.ok(&["combine", "--output", "p.aeordb", "p1.aeordb", "p2.aeordb"]);
    let told = sandbox.ok(&["diff", "--output", "q.aeordb", "--from", "v1", "--to", "v3"]);
    let without_chunks = |report: &str| {
        let lines = report.lines().filter(|line| !line.starts_with("  Chunks"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(without_chunks(&made), without_chunks(&told));
    sandbox.ok(&[
        "import",
        "-d",
        "new",
        "--file",
        "full.aeordb",
        "--file",
        "p.aeordb",
        "--promote",
    ]);
    assert_eq!(sandbox.head_of("new"), sandbox.version("v3"));
    assert_eq!(
        sandbox
            .ok(&["info", "--changes", "p.aeordb"])
            .lines()
            .filter(|l| l.starts_with("    "))
            .count(),
        below_the_root(&sandbox.ok(&["diff", "--from", "v1", "--to", "v3"])).len()
    );
    let over = ["combine", "--output", "r.aeordb", "--base", "full.aeordb"];
    assert_eq!(sandbox.ok(&[&over[..], &["p1.aeordb", "p2.aeordb"]].concat()), told);
    let over = ["combine", "--output", "x.aeordb", "--base", "full.aeordb", "full.aeordb"];
    sandbox.run(&over).refused(2, "full.aeordb is no patch", "");
    let run = sandbox.run(&["combine", "--output", "x.aeordb", "p2.aeordb", "p1.aeordb"]);
    run.refused(13, "p1.aeordb", "");
    assert!(!sandbox.exists("x.aeordb"));
}

#[test]
fn combine_writes_to_a_pipe() {
    let sandbox = chain();
    let run = sandbox.run(&["combine", "--output", "-", "full.aeordb", "p1.aeordb"]).expect(0);
    let import = ["import", "-d", "new", "--file", "-", "--promote"];
    sandbox.feed(&import, &run.bytes).expect(0);
    assert_eq!(sandbox.head_of("new"), sandbox.version("v2"));
}

#[test]
fn info_lists_what_a_patch_changes() {
    let sandbox = chain();
    let report = sandbox.ok(&["info", "--changes", "p1.aeordb"]);
    let changes: Vec<_> = report.lines().filter_map(|line| line.strip_prefix("    ")).collect();
    let told = sandbox.ok(&["diff", "--from", "v1", "--to", "v2"]);
    assert_eq!(changes, below_the_root(&told));
    let objects = sandbox.json_lines(&["info", "--changes", "p1.aeordb"]);
    assert_eq!(objects.len(), 1 + changes.len());
    assert_eq!(objects[1]["patch"], "p1.aeordb");
}

#[test]
fn info_draws_the_chain_and_where_it_is_broken() {
    let sandbox = chain();
    let drawn = |report: &str| -> Vec<String> {
        report.lines().skip_while(|line| *line != "Chain").skip(1).map(str::to_owned).collect()
    };
    // Whatever the order of the files.
    let report = sandbox.ok(&["info", "p2.aeordb", "full.aeordb", "p1.aeordb"]);
    let chain = drawn(&report);
    let [v1, v2, v3] = ["v1", "v2", "v3"].map(|name| sandbox.version(name));
    assert_eq!(
        chain,
        [
            format!("  full.aeordb: export of {}", &v1[..12]),
            format!("    p1.aeordb: {} to {}", &v1[..12], &v2[..12]),
            format!("      p2.aeordb: {} to {}", &v2[..12], &v3[..12]),
        ]
    );
    let report = sandbox.ok(&["info", "full.aeordb", "p2.aeordb"]);
    assert!(drawn(&report)[1].contains(&format!("BROKEN: no file here leads to version {v2}")));
    let objects = sandbox.json_lines(&["info", "full.aeordb", "p1.aeordb", "p2.aeordb"]);
    assert_eq!(objects[1]["follows"], "full.aeordb");
    let objects = sandbox.json_lines(&["info", "full.aeordb", "p2.aeordb"]);
    assert_eq!(objects[1]["follows"], Value::Null);
    assert!(drawn(&sandbox.ok(&["info", "full.aeordb"])).is_empty());
}

#[test]
fn a_patch_is_proved_with_what_it_is_for() {
    let sandbox = chain();
    let alone = sandbox.json(&["verify", "-d", "p2.aeordb"]);
    let with = ["verify", "-d", "p2.aeordb", "--with", "full.aeordb", "--with", "p1.aeordb"];
    let proved = sandbox.json(&with);
    assert!(alone["unproved"].as_u64().unwrap() > 0);
    assert_eq!((&proved["unproved"], &proved["versions"]), (&0.into(), &1.into()));
    sandbox.ok(&["verify", "-d", "full.aeordb", "--with", "p1.aeordb", "--with", "p2.aeordb"]);
    // A database that went on is good enough.
    sandbox.ok(&["verify", "-d", "p1.aeordb", "--with", "data.aeordb"]);
    sandbox.run(&["verify", "-d", "p2.aeordb", "--with", "full.aeordb"]).expect(13);
    let mut bytes = sandbox.read("p2.aeordb");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    sandbox.write("p2.aeordb", bytes);
    sandbox.run(&with).expect(14);
}

#[test]
fn an_import_writes_the_way_back() {
    let sandbox = chain();
    let import = ["import", "-d", "new", "--promote"];
    sandbox.ok(&[&import[..], &["--file", "full.aeordb"]].concat());
    let undo = ["--file", "p1.aeordb", "--undo", "undo.aeordb"];
    let report = sandbox.ok(&[&import[..], &undo].concat());
    assert!(report.ends_with("HEAD has been promoted.\n"));
    assert_eq!(sandbox.head_of("new"), sandbox.version("v2"));
    sandbox.ok(&[&import[..], &["--file", "undo.aeordb"]].concat());
    assert_eq!(sandbox.head_of("new"), sandbox.version("v1"));
    // Refused: the file is there, HEAD is not moved, the import fails.
    sandbox.run(&[&import[..], &undo].concat()).refused(15, "undo.aeordb", "");
    fs::remove_file(sandbox.path("undo.aeordb")).unwrap();
    let failing = ["--file", "p2.aeordb", "--undo", "undo.aeordb"];
    sandbox.run(&[&import[..], &failing].concat()).expect(13);
    sandbox.run(&["import", "-d", "new", "--file", "p1.aeordb", "--undo", "u"]).expect(2);
    assert!(!sandbox.exists("undo.aeordb") && !sandbox.exists("u"));
    assert_eq!(sandbox.head_of("new"), sandbox.version("v1"));
}

#[test]
fn a_part_is_exported_and_patched_at_its_own_path() {
    let sandbox = chain();
    let report =
        sandbox.ok(&["export", "--output", "docs.aeordb", "--snapshot", "v1", "--path", "/docs"]);
    assert_eq!((number(&report, "Files"), number(&report, "Directories")), (2, 2));
    assert_eq!(sandbox.ok(&["ls", "-r", "-d", "docs.aeordb"]), "/docs\n/docs/a.txt\n/docs/b.txt\n");
    let diff = ["diff", "--from", "v1", "--to", "v2", "--path", "/docs"];
    assert_eq!(sandbox.ok(&diff), "M /docs\nM /docs/a.txt\nA /docs/new.txt\n");
    let report = sandbox.ok(&[&diff[..], &["--output", "docs-patch.aeordb"]].concat());
    assert_eq!(line(&report, "From"), sandbox.head_of("docs.aeordb"));
    let files = ["--file", "docs.aeordb", "--file", "docs-patch.aeordb"];
    sandbox.ok(&[&["import", "-d", "new", "--promote"][..], &files].concat());
    assert_eq!(sandbox.ok(&["cat", "-d", "new", "/docs/a.txt"]), "alpha, changed\n");
    assert_eq!(sandbox.ok(&["ls", "-d", "new"]), "docs\n");
    sandbox
        .run(&["export", "--output", "x.aeordb", "--path", "/none"])
        .refused(10, "/none", "ls -r");
    assert!(!sandbox.exists("x.aeordb"));
}

#[test]
fn a_patch_is_merged_onto_a_head_that_went_on() {
    let sandbox = chain();
    // A database with v1 in its past, and with changes of its own.
    sandbox.ok(&["import", "-d", "new", "--file", "full.aeordb", "--promote"]);
    sandbox.write("mine/mine.txt", "mine\n");
    sandbox.ok(&["put", "-d", "new", "mine", "/"]);
    let import = ["import", "-d", "new", "--file", "p1.aeordb"];
    sandbox.run(&import).expect(13);
    let report = sandbox.ok(&[&import[..], &["--merge", "--promote"]].concat());
    assert!(report.starts_with("Patch imported.\n"), "{report}");
    // A file added, one changed, one deleted, and the time of their directory.
    assert_eq!(number(&report, "Changes taken"), 4);
    assert_ne!(line(&report, "Version"), sandbox.version("v2"));
    assert_eq!(line(&report, "Version"), sandbox.head_of("new"));
    let listed = sandbox.ok(&["ls", "-r", "-d", "new"]);
    assert_eq!(listed, "/docs\n/docs/a.txt\n/docs/b.txt\n/docs/new.txt\n/mine.txt\n");
}

#[test]
fn what_both_changed_is_listed_and_left_out_unless_told() {
    let sandbox = chain();
    sandbox.write("mine/docs/a.txt", "alpha, mine\n");
    let conflicts = |flags: &[&str], code: i32, database: &str| {
        sandbox.ok(&["import", "-d", database, "--file", "full.aeordb", "--promote"]);
        sandbox.ok(&["put", "-d", database, "mine", "/"]);
        let merge = ["import", "-d", database, "--file", "p1.aeordb", "--merge", "--promote"];
        let run = sandbox.run(&[&merge[..], flags].concat()).expect(code);
        let text = sandbox.ok(&["cat", "-d", database, "/docs/a.txt"]);
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
    assert_eq!(sandbox.ok(&["cat", "-d", "one", "/docs/new.txt"]), "new\n");
    assert_eq!(conflicts(&["--ours"], 0, "two").1, "alpha, mine\n");
    assert_eq!(conflicts(&["--theirs"], 0, "three").1, "alpha, changed\n");
    let (run, _) = conflicts(&["--json"], 3, "four");
    let object: Value = serde_json::from_str(&run.out()).unwrap();
    assert_eq!(object["merge"]["conflicts"][0]["path"], "/docs/a.txt");
    assert_eq!(object["merge"]["conflicts"][0]["ours"]["hash"], ours);
    assert_eq!(object["merge"]["conflicts"][0]["theirs"]["hash"], theirs);
    for flags in [&["--theirs"][..], &["--merge", "--theirs", "--ours"], &["--merge", "--force"]] {
        sandbox
            .run(&[&["import", "-d", "one", "--file", "p1.aeordb"][..], flags].concat())
            .expect(2);
    }
}

#[test]
fn a_merge_without_the_base_says_which_version_is_missing() {
    let sandbox = chain();
    sandbox.ok(&["put", "-d", "new", "tree", "/"]);
    let merge = ["import", "-d", "new", "--merge", "--promote"];
    let run = sandbox.run(&[&merge[..], &["--file", "p1.aeordb"]].concat());
    run.refused(16, &sandbox.version("v1"), "import version");
    sandbox.ok(&[&merge[..], &["--file", "full.aeordb", "--file", "p1.aeordb", "--ours"]].concat());
}
