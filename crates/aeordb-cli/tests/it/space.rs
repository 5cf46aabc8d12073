//! What takes space, and what each snapshot alone holds.

use serde_json::Value;

use crate::sandbox::Sandbox;
use crate::server::Served;
use crate::trees;

/// Three snapshots: one that alone holds a large file, two that hold another together.
fn with_snapshots() -> Sandbox {
    let sandbox = Sandbox::new();
    let step = |name: &str, len: usize, snapshot: &str| {
        sandbox.write(format!("tree/{name}"), trees::noise(len as u64, len));
        sandbox.ok(&[
            "put",
            "tree",
            "/",
            "--mirror",
            "--max-delete",
            "100%",
            "--snapshot",
            snapshot,
        ]);
    };
    sandbox.write("tree/base", "base");
    step("alone", 1_000_000, "alone");
    std::fs::remove_file(sandbox.path("tree/alone")).unwrap();
    step("shared", 500_000, "one");
    step("little", 3_000, "two");
    std::fs::remove_file(sandbox.path("tree/shared")).unwrap();
    step("other", 10, "head");
    sandbox.ok(&["forget", "--history"]);
    sandbox
}

fn sizes(text: &str) -> Vec<(String, u64)> {
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let of = |line: Value| {
        let name = line["name"].as_str().unwrap().to_owned();
        (name, line["alone"]["stored_bytes"].as_u64().unwrap())
    };
    lines.map(of).collect()
}

#[test]
fn a_snapshot_alone_holds_what_removing_it_gives_back() {
    let sandbox = with_snapshots();
    let list = ["snapshot", "list", "--sizes", "--json"];
    let before = sizes(&sandbox.ok(&list));
    let size = |of: &[(String, u64)], name: &str| {
        of.iter().find(|(is, _)| is == name).map(|(_, size)| *size).unwrap()
    };
    assert!((990_000..1_020_000).contains(&size(&before, "alone")), "{before:?}");
    for small in ["one", "two"] {
        assert!(size(&before, small) < 10_000, "{before:?}");
    }
    assert_eq!(size(&before, "head"), 0, "HEAD holds it as well");
    // Once the other is gone, one of two holds alone what both held.
    sandbox.ok(&["snapshot", "delete", "two"]);
    let after = sizes(&sandbox.ok(&list));
    assert!(size(&after, "one") > 490_000, "{after:?}");
    let space = |sandbox: &Sandbox| -> Value {
        serde_json::from_str(&sandbox.ok(&["info", "--space", "--json"])).unwrap()
    };
    let live = |of: &Value| of["live"]["stored_bytes"].as_u64().unwrap();
    let all = space(&sandbox);
    sandbox.ok(&["snapshot", "delete", "alone"]);
    let less = space(&sandbox);
    let freed = live(&all) - live(&less);
    assert!(freed.abs_diff(size(&after, "alone")) < 3_000, "{freed} {after:?}");
    assert!(less["dead"]["stored_bytes"].as_u64().unwrap() >= freed);
    sandbox.ok(&["gc"]);
    let collected = space(&sandbox);
    assert_eq!(collected["dead"]["entries"], 0, "{collected}");
    let kinds = collected["kinds"].as_array().unwrap();
    let entries: u64 = kinds.iter().map(|kind| kind["entries"].as_u64().unwrap()).sum();
    assert_eq!(collected["live"]["entries"], entries);
    let text = sandbox.ok(&["snapshot", "list", "--sizes", "--name", "one"]);
    assert!(text.lines().count() == 1 && text.contains(" KiB  one"), "{text}");
}

#[test]
fn a_server_measures_the_same() {
    let sandbox = with_snapshots();
    let list = ["snapshot", "list", "--sizes", "--json"];
    let own = sizes(&sandbox.ok(&list));
    let served = Served::start(&sandbox, "");
    assert_eq!(sizes(&served.ok(&list)), own);
    let told = served.ok(&["info", "--space"]);
    assert!(told.starts_with("Space.\n") && told.contains("  Directory nodes: "), "{told}");
    let metrics = served.get("/metrics");
    for name in ["aeordb_database_allocated_bytes", "aeordb_void_bytes"] {
        assert!(metrics.contains(&format!("\n{name} ")), "{metrics}");
    }
}
