//! The commands, reports and workflows of the manual's page on backup and restore, literally.

use std::fs;

use crate::sandbox::{Sandbox, line, number};
use crate::trees;

/// Reports have exactly these lines, in this order; the values are another matter.
fn shape(report: &str) -> Vec<&str> {
    report
        .lines()
        .map(|line| match line.split_once(": ") {
            Some((label, _)) if line.starts_with("  ") => label,
            _ => line,
        })
        .collect()
}

fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[test]
fn export_reports_what_the_page_shows() {
    let sandbox = Sandbox::with_v1();
    let report = sandbox.ok(&["export", "--database", "data.aeordb", "--output", "backup.aeordb"]);
    let expected = ["Export complete.", "  Files", "  Chunks", "  Directories", "  Version"];
    assert_eq!(shape(&report), expected);
    assert_eq!(number(&report, "Files"), 3);
    assert_eq!(number(&report, "Chunks"), 3);
    assert_eq!(number(&report, "Directories"), 2);
    assert_eq!(line(&report, "Version"), sandbox.version("HEAD"));
    assert!(is_hash(line(&report, "Version")));
}

#[test]
fn a_snapshot_and_a_hash_are_exported_as_they_were() {
    let sandbox = Sandbox::with_v2();
    let v1 = sandbox.version("v1");
    let named = sandbox.ok(&["export", "--output", "named.aeordb", "--snapshot", "v1"]);
    let hashed = sandbox.ok(&["export", "--output", "hashed.aeordb", "--hash", &v1]);
    let prefix = sandbox.ok(&["export", "--output", "prefix.aeordb", "--hash", &v1[..12]]);
    assert_eq!(named, hashed);
    assert_eq!(named, prefix);
    assert_eq!(line(&named, "Version"), v1);
    assert_eq!(sandbox.ok(&["cat", "/docs/a.txt", "-d", "named.aeordb"]), "alpha\n");
}

#[test]
fn diff_reports_what_the_page_shows() {
    let sandbox = Sandbox::with_v2();
    let report = sandbox.ok(&[
        "diff",
        "--database",
        "data.aeordb",
        "--output",
        "patch.aeordb",
        "--from",
        "v1",
        "--to",
        "v2",
    ]);
    let expected = [
        "Patch created.",
        "  Files added",
        "  Files modified",
        "  Files deleted",
        "  Chunks",
        "  Directories",
        "  From",
        "  To",
    ];
    assert_eq!(shape(&report), expected);
    let counts = ["Files added", "Files modified", "Files deleted"];
    assert_eq!(counts.map(|label| number(&report, label)), [1, 1, 1]);
    assert_eq!(line(&report, "From"), sandbox.version("v1"));
    assert_eq!(line(&report, "To"), sandbox.version("v2"));
}

#[test]
fn diff_takes_names_hashes_and_head() {
    let sandbox = Sandbox::with_v2();
    let (v1, v2) = (sandbox.version("v1"), sandbox.version("v2"));
    let named = sandbox.ok(&["diff", "--output", "1.aeordb", "--from", "v1", "--to", "v2"]);
    assert_eq!(sandbox.ok(&["diff", "--output", "2.aeordb", "--from", "v1"]), named);
    assert_eq!(sandbox.ok(&["diff", "--output", "3.aeordb", "--from", &v1, "--to", &v2]), named);
    let (first, second) = (sandbox.read("1.aeordb"), sandbox.read("3.aeordb"));
    assert_eq!(first.len(), second.len(), "the same patch has the same size");
}

#[test]
fn import_reports_what_the_page_shows() {
    let sandbox = Sandbox::with_v1();
    let version = sandbox.version("HEAD");
    sandbox.ok(&["export", "--output", "backup.aeordb"]);
    let report = sandbox.ok(&["import", "--database", "other.aeordb", "--file", "backup.aeordb"]);
    let promote = format!("To promote: aeordb promote --hash {version}");
    let mut expected = vec![
        "Full export imported.",
        "  Entries",
        "  Chunks",
        "  Files",
        "  Directories",
        "  Deletions",
        "  Version",
        "HEAD has NOT been changed.",
        &promote,
    ];
    assert_eq!(shape(&report), expected);
    let parts = ["Chunks", "Files", "Directories", "Deletions"].map(|part| number(&report, part));
    assert_eq!(parts, [3, 3, 2, 0]);
    assert_eq!(number(&report, "Entries"), parts.iter().sum::<u64>());
    assert_eq!(sandbox.ok(&["ls", "/", "-d", "other.aeordb"]), "", "HEAD was moved");

    let report = sandbox.ok(&[
        "import",
        "--database",
        "other.aeordb",
        "--file",
        "backup.aeordb",
        "--promote",
    ]);
    expected.truncate(7);
    expected.push("HEAD has been promoted.");
    assert_eq!(shape(&report), expected);
    assert_eq!(sandbox.ok(&["ls", "/", "-d", "other.aeordb"]), "docs\ntop.txt\n");
}

#[test]
fn a_patch_that_does_not_fit_is_refused_in_the_pages_words() {
    let sandbox = Sandbox::with_v2();
    sandbox.ok(&["diff", "--output", "patch.aeordb", "--from", "v1", "--to", "v2"]);
    sandbox.write("other/x.txt", "x");
    sandbox.ok(&["put", "other", "/", "-d", "other.aeordb"]);
    let head = sandbox.head_of("other.aeordb");
    let run =
        sandbox.run(&["import", "--database", "other.aeordb", "--file", "patch.aeordb"]).expect(13);
    assert_eq!(
        run.err,
        format!(
            "Target database HEAD ({head}) does not match patch base version ({}).\n\
             Use --force to apply anyway.\n",
            sandbox.version("v1")
        )
    );
    assert_eq!(run.out(), "");
    assert_eq!(sandbox.head_of("other.aeordb"), head);
}

#[test]
fn a_patch_that_was_applied_says_so() {
    let sandbox = Sandbox::with_v2();
    sandbox.ok(&["diff", "--output", "patch.aeordb", "--from", "v1", "--to", "v2"]);
    let run = sandbox.run(&["import", "--file", "patch.aeordb", "--promote"]).expect(13);
    let mut lines = run.err.lines();
    assert!(lines.next().unwrap().starts_with("Target database HEAD ("));
    assert_eq!(lines.next().unwrap(), "Use --force to apply anyway.");
    assert!(lines.next().unwrap().contains("already HEAD"));
    let report = sandbox.ok(&["import", "--file", "patch.aeordb", "--promote", "--force"]);
    assert!(report.starts_with("Patch imported.\n"), "{report}");
    assert_eq!(sandbox.version("HEAD"), sandbox.version("v2"));
}

#[test]
fn force_skips_the_base_check_only() {
    let sandbox = Sandbox::with_v2();
    sandbox.ok(&["diff", "--output", "patch.aeordb", "--from", "v1", "--to", "v2"]);
    // All that v2 needs is here, HEAD is another version.
    sandbox.ok(&["rm", "/docs/b.txt"]);
    let report = sandbox.ok(&["import", "--file", "patch.aeordb", "--force", "--promote"]);
    assert_eq!(line(&report, "Version"), sandbox.version("v2"));
    assert_eq!(number(&report, "Deletions"), 1);
    // Nothing of it is here.
    sandbox.write("other/x.txt", "x");
    sandbox.ok(&["put", "other", "/", "-d", "other.aeordb"]);
    let head = sandbox.head_of("other.aeordb");
    let run = sandbox.run(&["import", "-d", "other.aeordb", "--file", "patch.aeordb", "--force"]);
    run.refused(16, "missing", "aeordb import");
    assert_eq!(sandbox.head_of("other.aeordb"), head);
}

#[test]
fn promote_moves_head_to_a_version_that_exists() {
    let sandbox = Sandbox::with_v2();
    let (v1, v2) = (sandbox.version("v1"), sandbox.version("v2"));
    let report = sandbox.ok(&["promote", "--database", "data.aeordb", "--hash", &v1]);
    assert_eq!(report, format!("HEAD has been promoted.\n  Version: {v1}\n  Previous: {v2}\n"));
    assert_eq!(sandbox.ok(&["cat", "/docs/a.txt"]), "alpha\n");
    let unknown = "0123456789abcdef".repeat(4);
    sandbox.run(&["promote", "--hash", &unknown]).refused(10, &unknown, "aeordb log");
    assert_eq!(sandbox.version("HEAD"), v1);
    sandbox.ok(&["promote", "--hash", &v2[..8]]);
    assert_eq!(sandbox.version("HEAD"), v2);
}

#[test]
fn promote_may_expect_what_head_is() {
    let sandbox = Sandbox::with_v2();
    let run = sandbox.run(&["promote", "--hash", "v1", "--expect", "v1"]);
    run.refused(13, &sandbox.version("v2"), "aeordb log");
    assert_eq!(sandbox.version("HEAD"), sandbox.version("v2"));
    sandbox.ok(&["promote", "--hash", "v1", "--expect", "v2"]);
    assert_eq!(sandbox.version("HEAD"), sandbox.version("v1"));
}

#[test]
fn a_regular_backup_comes_back() {
    let sandbox = Sandbox::new();
    trees::make(&sandbox.path("tree"));
    fs::create_dir(sandbox.path("backups")).unwrap();
    sandbox.ok(&["put", "tree", "/"]);
    sandbox.ok(&["snapshot", "create", "daily-2024-01-15"]);
    let backup = "backups/daily-2024-01-15.aeordb";
    sandbox.ok(&[
        "export",
        "--database",
        "data.aeordb",
        "--output",
        backup,
        "--snapshot",
        "daily-2024-01-15",
    ]);
    fs::remove_file(sandbox.path("data.aeordb")).unwrap();
    sandbox.ok(&["import", "--database", "data.aeordb", "--file", backup, "--promote"]);
    sandbox.ok(&["get", "/", "restored"]);
    trees::assert_same(&sandbox.path("tree"), &sandbox.path("restored"));
}

#[test]
fn incremental_backups_are_restored_in_order() {
    let sandbox = Sandbox::new();
    trees::make(&sandbox.path("tree"));
    fs::create_dir(sandbox.path("backups")).unwrap();
    sandbox.ok(&["put", "tree", "/"]);
    sandbox.ok(&["snapshot", "create", "v1"]);
    let (full, patch) = ("backups/full.aeordb", "backups/patch-v1-v2.aeordb");
    sandbox.ok(&["export", "--database", "data.aeordb", "--output", full, "--snapshot", "v1"]);
    trees::change(&sandbox.path("tree"));
    sandbox.ok(&["put", "--mirror", "tree", "/"]);
    sandbox.ok(&["snapshot", "create", "v2"]);
    sandbox.ok(&[
        "diff",
        "--database",
        "data.aeordb",
        "--output",
        patch,
        "--from",
        "v1",
        "--to",
        "v2",
    ]);

    let restored = ["import", "--database", "restored.aeordb", "--promote", "--file"];
    let report = sandbox.ok(&[&restored[..], &[full]].concat());
    assert!(report.starts_with("Full export imported.\n"));
    let report = sandbox.ok(&[&restored[..], &[patch]].concat());
    assert!(report.starts_with("Patch imported.\n"));
    assert_eq!(line(&report, "Version"), sandbox.version("v2"));
    sandbox.ok(&["get", "/", "restored", "-d", "restored.aeordb"]);
    trees::assert_same(&sandbox.path("tree"), &sandbox.path("restored"));

    // Both as one import.
    let report =
        sandbox.ok(&["import", "-d", "one.aeordb", "--file", full, "--file", patch, "--promote"]);
    assert_eq!(line(&report, "Version"), sandbox.version("v2"));
    assert_eq!(sandbox.head_of("one.aeordb"), sandbox.version("v2"));
}

#[test]
fn a_database_moves_to_another_machine() {
    let here = Sandbox::with_v2();
    let there = Sandbox::new();
    here.ok(&["export", "--database", "data.aeordb", "--output", "transfer.aeordb"]);
    fs::copy(here.path("transfer.aeordb"), there.path("transfer.aeordb")).unwrap();
    there.ok(&["import", "--database", "data.aeordb", "--file", "transfer.aeordb", "--promote"]);
    assert_eq!(there.version("HEAD"), here.version("HEAD"));
    assert_eq!(there.ok(&["cat", "/docs/new.txt"]), "new\n");
}

#[test]
fn importing_a_full_again_changes_nothing() {
    let sandbox = Sandbox::with_v1();
    sandbox.ok(&["export", "--output", "backup.aeordb"]);
    sandbox.ok(&["import", "-d", "other.aeordb", "--file", "backup.aeordb", "--promote"]);
    let before = (sandbox.ok(&["log", "-d", "other.aeordb"]), sandbox.read("other.aeordb").len());
    let again =
        sandbox.json(&["import", "-d", "other.aeordb", "--file", "backup.aeordb", "--promote"]);
    assert_eq!((&again["new_entries"], &again["new_bytes"]), (&0.into(), &0.into()));
    let after = (sandbox.ok(&["log", "-d", "other.aeordb"]), sandbox.read("other.aeordb").len());
    assert_eq!(before, after);
}

#[test]
fn an_import_can_name_its_version() {
    let sandbox = Sandbox::with_v1();
    sandbox.ok(&["export", "--output", "backup.aeordb"]);
    let name = ["--snapshot", "from-there"];
    let import = ["import", "-d", "other.aeordb", "--file", "backup.aeordb"];
    sandbox.ok(&[&import[..], &name[..]].concat());
    assert_eq!(sandbox.ok(&["ls", "from-there:/docs", "-d", "other.aeordb"]), "a.txt\nb.txt\n");
    assert_eq!(sandbox.ok(&["ls", "/", "-d", "other.aeordb"]), "");
}
