//! Parity: what is damaged is as it was, or it is said that it is not.

use std::fs;

use crate::sandbox::Sandbox;
use crate::trees;

/// A sandbox with a database, and an export with parity.
fn with_export(share: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("tree/noise", trees::noise(21, 2_000_000));
    sandbox.write("tree/small", "small\n");
    sandbox.ok(&["put", "tree", "/"]);
    let report = sandbox.ok(&["export", "--output", "e.aeordb", "--parity", share]);
    assert!(report.starts_with("Export complete.\n"), "{report}");
    assert!(report.contains("  Parity: e.aeordb.parity, "), "{report}");
    sandbox
}

/// Writes other bytes over a part of a file.
fn spoil(sandbox: &Sandbox, name: &str, at: usize, len: usize) {
    let mut bytes = sandbox.read(name);
    bytes[at..at + len].copy_from_slice(&trees::noise(at as u64, len));
    fs::write(sandbox.path(name), bytes).unwrap();
}

#[test]
fn an_export_is_healed_by_its_parity_up_to_its_share_and_left_alone_beyond_it() {
    let sandbox = with_export("5%");
    let whole = sandbox.read("e.aeordb");
    let parity = sandbox.read("e.aeordb.parity").len();
    assert!(parity > whole.len() / 20 && parity < whole.len() / 10, "{parity} of {}", whole.len());
    assert!(sandbox.ok(&["repair", "-d", "e.aeordb"]).starts_with("Nothing to heal.\n"));
    spoil(&sandbox, "e.aeordb", 300_000, 80_000);
    spoil(&sandbox, "e.aeordb", 0, 100);
    let told = sandbox.ok(&["repair", "-d", "e.aeordb"]);
    assert!(told.starts_with("Healed by parity.\n"), "{told}");
    assert!(sandbox.read("e.aeordb") == whole);
    // An end that was cut off.
    fs::write(sandbox.path("e.aeordb"), &whole[..whole.len() - 50_000]).unwrap();
    let healed = sandbox.run(&["repair", "-d", "e.aeordb", "--json"]).expect(0);
    let healed: serde_json::Value = serde_json::from_str(&healed.out()).unwrap();
    assert_eq!((&healed["is_whole"], &healed["healed"]), (&true.into(), &healed["bad"]));
    assert!(sandbox.read("e.aeordb") == whole);
    spoil(&sandbox, "e.aeordb", 300_000, 300_000);
    let damaged = sandbox.read("e.aeordb");
    let told = sandbox.run(&["repair", "-d", "e.aeordb"]).expect(14).out();
    assert!(told.contains("nothing was changed"), "{told}");
    assert!(sandbox.read("e.aeordb") == damaged);
}

#[test]
fn a_database_takes_from_its_parity_what_was_there_when_it_was_made() {
    let sandbox = with_export("1%");
    sandbox.ok(&["parity", "--share", "10%"]);
    // What comes later has none, and is not touched.
    sandbox.write("later", trees::noise(5, 100_000));
    sandbox.ok(&["put", "later", "/later"]);
    spoil(&sandbox, "data.aeordb", 700_000, 60_000);
    sandbox.run(&["verify", "--deep"]).expect(14);
    let told = sandbox.ok(&["repair"]);
    assert!(told.starts_with("Repair complete.\n"), "{told}");
    assert!(told.contains("Healed by parity: ") && told.contains("HEALED "), "{told}");
    sandbox.ok(&["verify", "--deep"]);
    assert!(sandbox.run(&["cat", "/later"]).expect(0).bytes == sandbox.read("later"));
    assert!(sandbox.run(&["cat", "/noise"]).expect(0).bytes == sandbox.read("tree/noise"));
    // The healed file has everything elsewhere: its parity is that of another.
    let again = sandbox.ok(&["parity"]);
    assert!(again.starts_with("Parity made.\n"), "{again}");
    assert!(sandbox.ok(&["repair"]).starts_with("Nothing to repair.\n"));
    assert!(!sandbox.entries().iter().any(|name| name.contains("aeordb-")), "a file was left");
}

#[test]
fn parity_is_refused_where_it_cannot_stand_or_there_is_none() {
    let sandbox = with_export("5%");
    let refused = |words: &[&str], code: i32, why: &str| {
        let err = sandbox.run(words).expect(code).err;
        assert!(err.contains(why), "{words:?}\n{err}");
    };
    let piped = ["export", "--output", "-", "--parity", "5%"];
    refused(&piped, 2, "a file beside a file of this machine");
    refused(&["parity", "--share", "0%"], 2, "no share");
    refused(&["repair"], 2, "there is nothing to take from");
    assert!(!sandbox.exists("tree/small.parity"));
}
