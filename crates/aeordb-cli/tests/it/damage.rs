//! Damaged files: found, named, refused, never data.

use std::os::unix::fs::FileExt;

use nix::sys::signal::Signal;

use crate::sandbox::Sandbox;
use crate::server::Served;
use crate::trees;

/// A sandbox with a large file, so that most of the database is its bytes.
fn with_noise() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("tree/noise", trees::noise(11, 3_000_000));
    sandbox.write("tree/small", "small\n");
    sandbox.ok(&["put", "tree", "/"]);
    sandbox.ok(&["snapshot", "create", "v1"]);
    sandbox
}

fn flip(sandbox: &Sandbox, name: &str, at: u64) {
    let file = std::fs::File::options().read(true).write(true).open(sandbox.path(name)).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[!byte[0]], at).unwrap();
}

#[test]
fn a_sound_file_verifies() {
    let sandbox = with_noise();
    let report = sandbox.ok(&["verify"]);
    assert!(report.starts_with("No damage found.\n  Kind: database\n"), "{report}");
    let report = sandbox.ok(&["verify", "--deep"]);
    assert!(report.starts_with("No damage found.\n"), "{report}");
}

#[test]
fn damage_is_found_with_the_paths_that_it_hits() {
    let sandbox = with_noise();
    flip(&sandbox, "data.aeordb", 1_000_000);
    for verify in [&["verify"][..], &["verify", "--deep"]] {
        let run = sandbox.run(verify).expect(14);
        assert!(run.out().starts_with("Damage found.\n"), "{}", run.out());
        assert!(run.out().contains("Damage: at offset"), "{}", run.out());
    }
    let run = sandbox.run(&["verify", "--deep", "--json"]).expect(14);
    let report: serde_json::Value = serde_json::from_str(&run.out()).unwrap();
    assert_eq!(report["damages"][0]["paths"][0]["path"], "/noise", "{report}");
}

#[test]
fn short_verifications_go_on_where_they_were_and_say_what_is_damaged_until_it_is_healed() {
    let sandbox = with_noise();
    let run = |code| {
        let run = sandbox.run(&["verify", "--budget", "0ms", "--json"]).expect(code);
        serde_json::from_str::<serde_json::Value>(&run.out()).unwrap()["pass"].clone()
    };
    let (first, second) = (run(0), run(0));
    assert_eq!(first["began_at"], second["began_at"]);
    assert!(first["bytes"].as_u64() < second["bytes"].as_u64(), "{first} {second}");
    flip(&sandbox, "data.aeordb", 1_000_000);
    let hour = ["verify", "--deep", "--budget", "1h"];
    let told = sandbox.run(&hour).expect(14).out();
    assert!(told.contains("Damage: at offset") && told.contains("/noise in version"), "{told}");
    assert!(run(14)["damages"].as_u64() > Some(0));
    assert!(sandbox.run(&["verify", "--sample", "100%"]).expect(14).out().contains("100%"));
    flip(&sandbox, "data.aeordb", 1_000_000);
    assert_eq!(run(0)["damages"], 0);
    sandbox.ok(&["export", "--output", "e.aeordb"]);
    let refused = sandbox.run(&["verify", "e.aeordb", "--budget", "1m"]).expect(2);
    assert!(refused.err.contains("verified whole"), "{}", refused.err);
    let refused = sandbox.run(&["verify", "--sample", "0%"]).expect(2);
    assert!(refused.err.contains("no share"), "{}", refused.err);
}

#[test]
fn a_server_verifies_on_a_schedule_and_counts_and_tells_what_it_finds() {
    let sandbox = with_noise();
    flip(&sandbox, "data.aeordb", 1_000_000);
    let scrub = ["--scrub", "* * * * * *", "--scrub-budget", "1m"];
    let mut served = Served::start_with(&sandbox, "", &scrub);
    let value = |metrics: &str, name: &str| {
        let mut lines = metrics.lines();
        lines.find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok())
    };
    for round in 0.. {
        let metrics = served.get("/metrics");
        assert!(value(&metrics, "aeordb_scrub_due_timestamp_seconds").is_none_or(|due| due > 1e9));
        if value(&metrics, "aeordb_scrub_passes_total").is_some_and(|passes| passes > 0.0) {
            assert!(value(&metrics, "aeordb_scrub_damages").unwrap() > 0.0, "{metrics}");
            assert!(value(&metrics, "aeordb_last_verification_damages").unwrap() > 0.0);
            break;
        }
        assert!(round < 3000, "the server verified nothing for a minute");
        std::thread::park_timeout(std::time::Duration::from_millis(20));
    }
    // A client goes on with the same pass.
    let through = ["verify", "--budget", "1m", "--json"];
    let report: serde_json::Value = serde_json::from_str(&served.run(&through).out()).unwrap();
    assert!(report["pass"]["ended"].as_u64() > Some(0), "{report}");
    assert_eq!(served.signal(Signal::SIGTERM), Some(0));
}

#[test]
fn damaged_bytes_are_never_printed_or_exported() {
    let sandbox = with_noise();
    let whole = sandbox.read("tree/noise");
    flip(&sandbox, "data.aeordb", 1_000_000);
    let run = sandbox.run(&["cat", "/noise"]).expect(14);
    assert!(whole.starts_with(&run.bytes), "bytes were printed that are not the file's");
    assert!(run.err.contains("damaged") && run.err.contains("aeordb verify --deep"), "{}", run.err);
    assert_eq!(sandbox.ok(&["cat", "/small"]), "small\n");

    let before = sandbox.entries();
    sandbox.run(&["export", "--output", "e.aeordb"]).refused(14, "damaged", "aeordb verify");
    assert_eq!(sandbox.entries(), before);
    sandbox.run(&["get", "/noise", "out"]).refused(14, "damaged", "aeordb verify");
    assert!(!sandbox.exists("out"));

    // Of a tree, what is sound is restored.
    let run = sandbox.run(&["get", "/", "out"]).expect(14);
    assert!(run.err.contains("out/noise: not restored: "), "{}", run.err);
    assert_eq!(sandbox.read("out/small"), b"small\n");
    assert!(!sandbox.exists("out/noise"));
}

#[test]
fn a_damaged_backup_is_refused_wherever_it_is_damaged() {
    let sandbox = with_noise();
    sandbox.ok(&["export", "--output", "whole.aeordb"]);
    let whole = sandbox.read("whole.aeordb");
    let len = whole.len() as u64;
    let places = (0..16).map(|part| part * (len - 1) / 15);
    for at in places.chain([8, 100, 4096, len - 8, len - 100]) {
        sandbox.write("e.aeordb", &whole);
        flip(&sandbox, "e.aeordb", at);
        let run = sandbox.run(&["import", "-d", "o.aeordb", "--file", "e.aeordb", "--promote"]);
        assert!([1, 14].contains(&run.code), "byte {at}: {run:?}");
        assert!(!sandbox.exists("o.aeordb"), "byte {at}");
    }
    for len in [whole.len() - 1, whole.len() / 2, 5000, 10] {
        sandbox.write("e.aeordb", &whole[..len]);
        let run = sandbox.run(&["import", "-d", "o.aeordb", "--file", "e.aeordb", "--promote"]);
        assert!([1, 14].contains(&run.code), "{len} bytes: {run:?}");
        assert!(!sandbox.exists("o.aeordb"), "{len} bytes");
    }
}

#[test]
fn a_refused_import_leaves_the_database_as_it_was() {
    let sandbox = with_noise();
    sandbox.write("more/x", trees::noise(12, 500_000));
    sandbox.ok(&["put", "more", "/", "-d", "other.aeordb"]);
    sandbox.ok(&["export", "-d", "other.aeordb", "--output", "e.aeordb"]);
    let len = sandbox.read("e.aeordb").len() as u64;
    flip(&sandbox, "e.aeordb", len / 2);
    let head = sandbox.version("HEAD");
    let log = sandbox.ok(&["log"]);
    let run = sandbox.run(&["import", "--file", "e.aeordb", "--promote"]).expect(14);
    assert!(run.err.contains("hint: fetch the file again"), "{}", run.err);
    assert_eq!(sandbox.version("HEAD"), head);
    assert_eq!(sandbox.ok(&["log"]), log);
    sandbox.ok(&["verify", "--deep"]);
}
