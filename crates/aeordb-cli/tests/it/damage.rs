//! Damaged files: found, named, refused, never data.

use std::os::unix::fs::FileExt;

use crate::desk::Desk;
use crate::trees;

/// A desk with a large file, so that most of the database is its bytes.
fn with_noise() -> Desk {
    let desk = Desk::new();
    desk.write("tree/noise", trees::noise(11, 3_000_000));
    desk.write("tree/small", "small\n");
    desk.ok(&["put", "tree", "/"]);
    desk.ok(&["snapshot", "create", "v1"]);
    desk
}

fn flip(desk: &Desk, name: &str, at: u64) {
    let file = std::fs::File::options().read(true).write(true).open(desk.path(name)).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[!byte[0]], at).unwrap();
}

#[test]
fn a_sound_file_verifies() {
    let desk = with_noise();
    let report = desk.ok(&["verify"]);
    assert!(report.starts_with("No damage found.\n  Kind: database\n"), "{report}");
    let report = desk.ok(&["verify", "--deep"]);
    assert!(report.starts_with("No damage found.\n"), "{report}");
}

#[test]
fn damage_is_found_with_the_paths_that_it_hits() {
    let desk = with_noise();
    flip(&desk, "data.aeordb", 1_000_000);
    for verify in [&["verify"][..], &["verify", "--deep"]] {
        let run = desk.run(verify).expect(14);
        assert!(run.out().starts_with("Damage found.\n"), "{}", run.out());
        assert!(run.out().contains("Damage: at offset"), "{}", run.out());
    }
    let run = desk.run(&["verify", "--deep", "--json"]).expect(14);
    let report: serde_json::Value = serde_json::from_str(&run.out()).unwrap();
    assert_eq!(report["damages"][0]["paths"][0]["path"], "/noise", "{report}");
}

#[test]
fn damaged_bytes_are_never_printed_or_exported() {
    let desk = with_noise();
    let whole = desk.read("tree/noise");
    flip(&desk, "data.aeordb", 1_000_000);
    let run = desk.run(&["cat", "/noise"]).expect(14);
    assert!(whole.starts_with(&run.bytes), "bytes were printed that are not the file's");
    assert!(run.err.contains("damaged") && run.err.contains("aeordb verify --deep"), "{}", run.err);
    assert_eq!(desk.ok(&["cat", "/small"]), "small\n");

    let before = desk.entries();
    desk.run(&["export", "--output", "e.aeordb"]).refused(14, "damaged", "aeordb verify");
    assert_eq!(desk.entries(), before);
    desk.run(&["get", "/noise", "out"]).refused(14, "damaged", "aeordb verify");
    assert!(!desk.exists("out"));

    // Of a tree, what is sound is restored.
    let run = desk.run(&["get", "/", "out"]).expect(14);
    assert!(run.err.contains("out/noise: not restored: "), "{}", run.err);
    assert_eq!(desk.read("out/small"), b"small\n");
    assert!(!desk.exists("out/noise"));
}

#[test]
fn a_damaged_backup_is_refused_wherever_it_is_damaged() {
    let desk = with_noise();
    desk.ok(&["export", "--output", "whole.aeordb"]);
    let whole = desk.read("whole.aeordb");
    let len = whole.len() as u64;
    let places = (0..16).map(|part| part * (len - 1) / 15);
    for at in places.chain([8, 100, 4096, len - 8, len - 100]) {
        desk.write("e.aeordb", &whole);
        flip(&desk, "e.aeordb", at);
        let run = desk.run(&["import", "-d", "o.aeordb", "--file", "e.aeordb", "--promote"]);
        assert!([1, 14].contains(&run.code), "byte {at}: {run:?}");
        assert!(!desk.exists("o.aeordb"), "byte {at}");
    }
    for len in [whole.len() - 1, whole.len() / 2, 5000, 10] {
        desk.write("e.aeordb", &whole[..len]);
        let run = desk.run(&["import", "-d", "o.aeordb", "--file", "e.aeordb", "--promote"]);
        assert!([1, 14].contains(&run.code), "{len} bytes: {run:?}");
        assert!(!desk.exists("o.aeordb"), "{len} bytes");
    }
}

#[test]
fn a_refused_import_leaves_the_database_as_it_was() {
    let desk = with_noise();
    desk.write("more/x", trees::noise(12, 500_000));
    desk.ok(&["put", "more", "/", "-d", "other.aeordb"]);
    desk.ok(&["export", "-d", "other.aeordb", "--output", "e.aeordb"]);
    let len = desk.read("e.aeordb").len() as u64;
    flip(&desk, "e.aeordb", len / 2);
    let head = desk.version("HEAD");
    let log = desk.ok(&["log"]);
    let run = desk.run(&["import", "--file", "e.aeordb", "--promote"]).expect(14);
    assert!(run.err.contains("hint: fetch the file again"), "{}", run.err);
    assert_eq!(desk.version("HEAD"), head);
    assert_eq!(desk.ok(&["log"]), log);
    desk.ok(&["verify", "--deep"]);
}
