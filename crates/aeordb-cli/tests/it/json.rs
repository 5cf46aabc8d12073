//! `--json`: the members and their order, one object a line, errors as objects.

use serde_json::Value;

use crate::sandbox::Sandbox;

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn reports_have_the_members_of_the_http_replies_in_their_order() {
    let sandbox = Sandbox::with_v2();
    let export = sandbox.json(&["export", "--output", "full.aeordb"]);
    assert_eq!(keys(&export), ["version", "files", "chunks", "directories", "output", "bytes"]);
    assert_eq!(export["output"], "full.aeordb");
    assert_eq!(export["bytes"], sandbox.read("full.aeordb").len());

    let patch = sandbox.json(&["diff", "--from", "v1", "--output", "patch.aeordb"]);
    assert_eq!(
        keys(&patch),
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
    assert_eq!(patch["bytes"], sandbox.read("patch.aeordb").len());

    let import = sandbox.json(&["import", "-d", "o.aeordb", "--file", "full.aeordb"]);
    assert_eq!(
        keys(&import),
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
    assert_eq!(import["kind"], "export");
    assert_eq!(import["promoted"], false);

    let promote = sandbox.json(&["promote", "-d", "o.aeordb", "--hash", &sandbox.version("v2")]);
    assert_eq!(keys(&promote), ["head", "previous"]);
    let snapshot = sandbox.json(&["snapshot", "create", "s"]);
    assert_eq!(keys(&snapshot), ["name", "version", "created_at", "metadata"]);
}

#[test]
fn listings_are_an_object_a_line() {
    let sandbox = Sandbox::with_v2();
    let listed = sandbox.json_lines(&["ls", "-r"]);
    let paths: Vec<_> = listed.iter().map(|item| item["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["/docs", "/docs/a.txt", "/docs/b.txt", "/docs/new.txt"]);
    assert_eq!(
        keys(&listed[1])[..7],
        ["path", "name", "kind", "size", "modified", "content_type", "hash"]
    );
    assert_eq!(listed[0]["kind"], "directory");
    assert_eq!(listed[1]["size"], 15);
    let time = listed[1]["modified"].as_str().unwrap();
    assert!(time.ends_with('Z') && time.contains('T'), "{time}");

    let changes = sandbox.json_lines(&["diff", "--from", "v1"]);
    let of = |path: &str| changes.iter().find(|change| change["path"] == path).unwrap();
    assert_eq!(of("/docs/a.txt")["change"], "modified");
    assert_eq!(of("/docs/new.txt")["change"], "added");
    assert_eq!(of("/top.txt")["change"], "deleted");

    assert_eq!(sandbox.json_lines(&["snapshot", "list"]).len(), 2);
    assert_eq!(sandbox.json_lines(&["log", "-n", "1"])[0]["promoted"], true);
    assert_eq!(sandbox.json_lines(&["du", "-s"])[0]["bytes"], 24);
    assert_eq!(sandbox.json_lines(&["rm", "-r", "/docs", "--dry-run"]).len(), 4);
}

#[test]
fn every_other_report_is_one_object() {
    let sandbox = Sandbox::with_v2();
    for verb in [
        &["put", "tree", "/x"][..],
        &["get", "/", "out"],
        &["mv", "/x", "/y"],
        &["cp", "/y", "/z"],
        &["rm", "-r", "/y"],
        &["stat", "/z"],
        &["info"],
        &["verify"],
        &["verify", "--deep"],
        &["gc", "--dry-run"],
        &["gc"],
        &["compact", "--dry-run"],
        &["compact"],
        &["salvage", "--output", "rescued.aeordb"],
        &["snapshot", "delete", "v1"],
    ] {
        sandbox.json(verb);
    }
}

#[test]
fn errors_are_objects_on_standard_error() {
    let sandbox = Sandbox::with_v2();
    sandbox.ok(&["diff", "--from", "v1", "--to", "v2", "--output", "patch.aeordb"]);
    for (arguments, code, kind) in [
        (&["cat", "/none"][..], 10, "not-found"),
        (&["cat", "/a//b"], 2, "invalid"),
        (&["export", "--output", "patch.aeordb"], 15, "exists"),
        (&["import", "--file", "patch.aeordb"], 13, "base-mismatch"),
        (&["put", "tree", "/", "-d", "patch.aeordb"], 1, "read-only"),
        (&["promote", "--hash", "v1", "--expect", "v1"], 13, "head-moved"),
        (&["put", "tree"], 2, "usage"),
        (&["frobnicate"], 2, "usage"),
    ] {
        let run = sandbox.run(&[arguments, &["--json"]].concat()).expect(code);
        assert_eq!(run.out(), "");
        let error: Value = serde_json::from_str(&run.err).unwrap();
        assert_eq!(keys(&error)[..5], ["type", "title", "detail", "exit_code", "hint"]);
        assert_eq!(error["type"], kind, "{error}");
        assert_eq!(error["exit_code"], code, "{error}");
    }
    let run = sandbox.run(&["--json", "import", "--file", "patch.aeordb"]).expect(13);
    let error: Value = serde_json::from_str(&run.err).unwrap();
    assert_eq!(error["head"], sandbox.version("v2"));
    assert_eq!(error["base"], sandbox.version("v1"));
}

#[test]
fn quiet_takes_the_report_for_people_and_leaves_data() {
    let sandbox = Sandbox::with_v1();
    assert_eq!(sandbox.ok(&["put", "tree", "/", "-q"]), "");
    assert_eq!(sandbox.ok(&["-q", "ls"]), "docs\ntop.txt\n");
    assert_eq!(sandbox.ok(&["-q", "cat", "/top.txt"]), "top\n");
    assert!(sandbox.json(&["put", "tree", "/", "-q"])["version"].is_string());
}
