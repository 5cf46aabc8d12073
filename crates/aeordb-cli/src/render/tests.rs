use std::collections::BTreeMap;

use aeordb::hash::{Hash, VersionId};
use aeordb_api::jobs::{Damage, Hit};
use aeordb_api::{Digest, Time};

use super::*;

fn digest(byte: u8) -> Digest {
    Digest([byte; 32])
}

fn id(byte: u8) -> VersionId {
    VersionId(Hash::new([byte; 32]))
}

fn hex(byte: &str) -> String {
    byte.repeat(32)
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

fn imported(kind: FileKind, promoted: bool) -> Import {
    Import {
        kind,
        version: digest(0xab),
        entries: 254,
        chunks: 89,
        files: 142,
        directories: 23,
        deletions: 0,
        promoted,
        new_entries: 250,
        merge: None,
        undo_bytes: None,
        new_bytes: 4096,
    }
}

#[test]
fn an_export_is_reported_as_the_manual_shows_it() {
    let (version, output) = (digest(1), "b.aeordb".to_owned());
    let report =
        export(&Export { version, files: 142, chunks: 89, directories: 23, output, bytes: 7 });
    let version = hex("01");
    assert_eq!(
        report.text(),
        format!(
            "Export complete.\n  Files: 142\n  Chunks: 89\n  Directories: 23\n  \
             Version: {version}\n"
        )
    );
    assert_eq!(
        keys(&report.json),
        ["version", "files", "chunks", "directories", "output", "bytes"]
    );
}

#[test]
fn a_patch_is_reported_as_the_manual_shows_it() {
    let made = Patch {
        from: digest(1),
        to: digest(2),
        files_added: 5,
        files_modified: 12,
        files_deleted: 3,
        chunks: 8,
        directories: 7,
        output: "-".into(),
        bytes: 1,
    };
    let report = patch(&made);
    let (from, to) = (hex("01"), hex("02"));
    assert_eq!(
        report.text(),
        format!(
            "Patch created.\n  Files added: 5\n  Files modified: 12\n  Files deleted: 3\n  \
             Chunks: 8\n  Directories: 7\n  From: {from}\n  To: {to}\n"
        )
    );
    assert_eq!(
        keys(&report.json),
        [
            "from",
            "to",
            "files_added",
            "files_modified",
            "files_deleted",
            "chunks",
            "directories",
            "output",
            "bytes"
        ]
    );
}

#[test]
fn an_import_says_what_became_of_head() {
    let version = hex("ab");
    let counts = format!(
        "  Entries: 254\n  Chunks: 89\n  Files: 142\n  Directories: 23\n  Deletions: 0\n  \
         Version: {version}\n"
    );
    assert_eq!(
        import(&imported(FileKind::Export, true)).text(),
        format!("Full export imported.\n{counts}HEAD has been promoted.\n")
    );
    let patch = import(&imported(FileKind::Patch, false));
    assert_eq!(
        patch.text(),
        format!(
            "Patch imported.\n{counts}HEAD has NOT been changed.\n\
             To promote: aeordb promote --hash {version}\n"
        )
    );
    assert_eq!(
        keys(&patch.json),
        [
            "version",
            "kind",
            "entries",
            "chunks",
            "files",
            "directories",
            "deletions",
            "promoted",
            "new_entries",
            "new_bytes"
        ]
    );
}

#[test]
fn a_base_mismatch_is_said_in_the_manuals_two_lines() {
    let error = Error::BaseMismatch { head: id(0xaa), base: id(0xbb), target: id(0xcc) };
    let (head, base) = (hex("aa"), hex("bb"));
    assert_eq!(
        mismatch(&error).unwrap(),
        format!(
            "Target database HEAD ({head}) does not match patch base version ({base}).\n\
             Use --force to apply anyway."
        )
    );
    let applied = Error::BaseMismatch { head: id(0xaa), base: id(0xbb), target: id(0xaa) };
    let lines = mismatch(&applied).unwrap();
    assert_eq!(lines.lines().count(), 3);
    assert!(lines.ends_with("is already HEAD: there is nothing to apply."));
    assert_eq!(mismatch(&Error::Interrupted), None);
}

#[test]
fn an_error_is_one_object_with_what_a_program_needs() {
    let error = Error::BaseMismatch { head: id(1), base: id(2), target: id(3) };
    let value = serde_json::to_value(problem(&error, 13, Some("do this"))).unwrap();
    assert_eq!(
        keys(&value),
        ["type", "title", "detail", "exit_code", "hint", "head", "base", "target"]
    );
    assert_eq!(value["type"], "base-mismatch");
    assert_eq!(value["exit_code"], 13);
    let usage = usage("error: the argument is wrong:\n  --x <Y>\n\nUsage: aeordb");
    assert_eq!(usage.detail, "the argument is wrong: --x <Y>");
}

#[test]
fn damage_is_reported_with_the_files_that_it_hits() {
    let mut report = Verification {
        kind: FileKind::Database,
        versions: 2,
        objects: 10,
        blocks: 3,
        bytes: 100,
        deep: true,
        damages: Vec::new(),
        newer: Vec::new(),
        unopened: false,
        torn_tail: 0,
        unproved: 0,
        sample: None,
        pass: None,
    };
    assert!(verify(&report).text().starts_with("No damage found.\n"));
    assert!(!verify(&report).text().contains("Not proved"));
    report.unproved = 4;
    assert!(verify(&report).text().contains("  Not proved: 4 entries are deltas"));
    report.damages.push(Damage {
        offset: 8192,
        what: "block has another hash".into(),
        paths: vec![Hit {
            path: "/docs/\u{fffd}".into(),
            path_b64: Some("L2RvY3Mv/w==".into()),
            version: digest(1),
        }],
    });
    let rendered = verify(&report);
    assert!(rendered.text().starts_with("Damage found.\n"));
    assert!(rendered.text().contains("  Damage: at offset 8192: block has another hash\n"));
    assert!(rendered.text().contains("    Hits: /docs/\\xff in version 0101"));
    assert_eq!(rendered.json["damages"][0]["paths"][0]["path_b64"], "L2RvY3Mv/w==");
}

#[test]
fn a_snapshot_is_shown_with_its_metadata() {
    let metadata = BTreeMap::from([("reason".to_owned(), "a\x1bb".to_owned())]);
    let (name, version, created_at) = ("v1".into(), digest(1), Time(0));
    let kept = Snapshot { name, version, created_at, metadata, held: false };
    let report = snapshot("Snapshot created.", &kept);
    assert!(report.text().starts_with("Snapshot created.\n  Name: v1\n  Version: 01"));
    assert!(report.text().contains("  Metadata: reason=a\\u{1b}b\n"));
    assert_eq!(keys(&report.json), ["name", "version", "created_at", "metadata"]);
    assert_eq!(report.json["created_at"], "1970-01-01T00:00:00Z");
}

#[test]
fn compression_is_a_ratio() {
    assert_eq!(compression(3 * 1024, 1024), "3.0 KiB to 1.0 KiB (3.00 : 1)");
    assert_eq!(compression(0, 0), "nothing stored");
}
