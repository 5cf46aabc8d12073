//! The five calls of backup and restore, member by member.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::json;

use crate::served::Served;

#[test]
fn an_export_and_a_patch_travel_to_another_server_and_are_promoted_there() {
    let source = Served::with_versions();
    let head = source.head();

    let reply = source.post("/admin/export", r#"{"output": "full.aeordb", "snapshot": "v1"}"#);
    let reply = reply.expect(201);
    assert_eq!(reply.members(), ["version", "files", "chunks", "directories", "output", "bytes"]);
    let export = reply.json();
    assert_eq!((&export["files"], &export["directories"]), (&json!(2), &json!(2)));
    assert_eq!(export["output"], "full.aeordb");
    assert_eq!(export["bytes"], fs::metadata(source.path("backups/full.aeordb")).unwrap().len());

    let reply = source.post("/admin/diff", r#"{"output": "p.aeordb", "from": "v1", "to": "v2"}"#);
    let reply = reply.expect(201);
    assert_eq!(
        reply.members(),
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
    let patch = reply.json();
    assert_eq!(
        (&patch["files_added"], &patch["files_modified"], &patch["files_deleted"]),
        (&json!(1), &json!(1), &json!(1))
    );
    assert_eq!((&patch["from"], &patch["to"]), (&export["version"], &json!(head)));

    let target = Served::new();
    for name in ["full.aeordb", "p.aeordb"] {
        fs::copy(source.path("backups").join(name), target.path("backups").join(name)).unwrap();
    }
    let mismatch = target.post("/admin/import", r#"{"file": "p.aeordb", "promote": true}"#);
    let mismatch = mismatch.problem(409, "base-mismatch");
    assert_eq!(mismatch["base"], export["version"]);
    assert_eq!(mismatch["head"], target.head());

    let before = target.head();
    let reply = target.post("/admin/import", r#"{"file": "full.aeordb"}"#).expect(200);
    assert_eq!(
        reply.members(),
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
    let full = reply.json();
    assert_eq!((&full["kind"], &full["promoted"]), (&json!("export"), &json!(false)));
    assert_eq!(target.head(), before);

    let promote = json!({ "hash": full["version"] }).to_string();
    let reply = target.post("/admin/promote", &promote).expect(200);
    assert_eq!(reply.members(), ["head", "previous"]);
    assert_eq!(reply.json(), json!({ "head": full["version"], "previous": before }));

    let reply = target.post("/admin/import", r#"{"file": "p.aeordb", "promote": true}"#);
    assert_eq!(reply.expect(200).json()["promoted"], true);
    assert_eq!(target.head(), head);
    assert_eq!(target.get("/files/docs/a.txt").expect(200).text(), "alpha, changed");
    target.get("/files/docs/gone.txt").problem(404, "not-found");
}

#[test]
fn a_full_and_its_patches_are_one_import() {
    let source = Served::with_versions();
    source.post("/admin/export", r#"{"output": "full.aeordb", "snapshot": "v1"}"#).expect(201);
    source.post("/admin/diff", r#"{"output": "p.aeordb", "from": "v1"}"#).expect(201);
    let target = Served::new();
    for name in ["full.aeordb", "p.aeordb"] {
        fs::copy(source.path("backups").join(name), target.path("backups").join(name)).unwrap();
    }
    let body = r#"{"file": ["full.aeordb", "p.aeordb"], "promote": true}"#;
    target.post("/admin/import", body).expect(200);
    assert_eq!(target.head(), source.head());
}

#[test]
fn a_snapshot_is_made_without_a_content_type_and_its_name_is_taken_once() {
    let served = Served::new();
    served.put("/files/a", b"a");
    let body = br#"{"name": "daily-2024-01-15"}"#;
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let reply = served.send("POST", "/admin/snapshots", &form, body).expect(201);
    assert_eq!(reply.members(), ["name", "version", "created_at", "metadata"]);
    assert_eq!(reply.json()["version"], served.head());
    // Said again it is the same, and no other is it.
    let again = served.send("POST", "/admin/snapshots", &[], body).expect(200);
    assert_eq!(again.json(), reply.json());
    let other = r#"{"name": "daily-2024-01-15", "metadata": {"a": "b"}}"#;
    served.post("/admin/snapshots", other).problem(409, "exists");
    served.put("/files/a", b"other");
    served.send("POST", "/admin/snapshots", &[], body).problem(409, "exists");
    let bad = served.post("/admin/snapshots", r#"{"name": "no//slash"}"#);
    bad.problem(400, "invalid");
}

#[test]
fn an_output_is_never_replaced_and_what_is_unknown_is_not_found() {
    let served = Served::with_versions();
    let export = r#"{"output": "full.aeordb"}"#;
    served.post("/admin/export", export).expect(201);
    let before = fs::read(served.path("backups/full.aeordb")).unwrap();
    served.post("/admin/export", export).problem(409, "exists");
    served.post("/admin/diff", r#"{"output": "full.aeordb", "from": "v1"}"#).problem(409, "exists");
    assert_eq!(fs::read(served.path("backups/full.aeordb")).unwrap(), before);

    let unknown = r#"{"output": "x", "snapshot": "nobody"}"#;
    served.post("/admin/export", unknown).problem(404, "not-found");
    served
        .post("/admin/export", r#"{"output": "x", "hash": "0123456789"}"#)
        .problem(404, "not-found");
    let both = r#"{"output": "x", "hash": "HEAD", "snapshot": "v1"}"#;
    served.post("/admin/export", both).problem(400, "invalid");
    served.post("/admin/promote", r#"{"hash": "01234567"}"#).problem(404, "not-found");
    served.post("/admin/import", r#"{"file": "nothing"}"#).problem(404, "not-found");
    served.post("/admin/export", r#"{"output": "x", "wrong": 1}"#).problem(400, "invalid");
    served.post("/admin/export", "no json").problem(400, "invalid");
    assert_eq!(served.backup_names(), ["full.aeordb"]);
}

/// S7: no name leads out of the directory, and no reply tells where it is.
#[test]
fn a_name_that_is_more_than_a_name_is_refused_and_nothing_is_made_or_read() {
    let served = Served::with_versions();
    let backups = served.path("backups");
    symlink(served.path("data.aeordb"), backups.join("link")).unwrap();
    symlink(served.path("nowhere"), backups.join("dangling")).unwrap();
    fs::create_dir(backups.join("directory")).unwrap();
    nix::unistd::mkfifo(&backups.join("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    fs::hard_link(served.path("data.aeordb"), backups.join("live")).unwrap();
    let left = served.backup_names();
    let names = [
        "../x",
        "..",
        ".",
        "",
        "/etc/x",
        "a/b",
        "//x",
        "%2e%2e/x",
        "/proc/self/fd/3",
        "x\\y",
        "\\\\host\\share",
        "file:x",
        "http://127.0.0.1/x",
        ".hidden",
        "a\u{0}b",
        "a\nb",
        "ü",
    ];
    for name in names {
        for (path, member) in [("/admin/export", "output"), ("/admin/import", "file")] {
            let mut body = json!({ "promote": true });
            if member == "output" {
                body = json!({});
            }
            body[member] = name.into();
            let problem = served.post(path, &body.to_string()).problem(400, "invalid");
            let text = problem.to_string();
            assert!(!text.contains(backups.parent().unwrap().to_str().unwrap()), "{text}");
        }
    }
    for name in ["link", "dangling", "directory", "fifo", "live"] {
        let body = json!({ "file": name }).to_string();
        let reply = served.post("/admin/import", &body);
        reply.problem(400, "invalid");
        let body = json!({ "output": name }).to_string();
        served.post("/admin/export", &body).problem(409, "exists");
    }
    assert_eq!(served.backup_names(), left);
    assert!(!served.path("nowhere").exists());
}

#[test]
fn if_match_is_the_compare_and_swap_of_promote_and_import() {
    let served = Served::with_versions();
    let head = served.head();
    let wrong = format!("\"{}\"", "0".repeat(64));
    let body = br#"{"hash": "v1"}"#;
    let stale = [("if-match", wrong.as_str())];
    let problem = served.send("POST", "/admin/promote", &stale, body).problem(412, "head-moved");
    assert_eq!(problem["head"], head);
    served.post("/admin/export", r#"{"output": "full.aeordb"}"#).expect(201);
    let full = fs::read(served.path("backups/full.aeordb")).unwrap();
    served.send("POST", "/admin/import", &stale, &full).problem(412, "head-moved");
    assert_eq!(served.head(), head);
    let right = format!("\"{head}\"");
    served.send("POST", "/admin/promote", &[("if-match", &right)], body).expect(200);
    assert_ne!(served.head(), head);
}

#[test]
fn an_array_in_place_of_the_object_is_refused() {
    let served = Served::with_versions();
    let head = served.head();
    for (path, body) in [
        ("/admin/promote", r#"["v1"]"#),
        ("/admin/verify", " []"),
        ("/admin/export", r#"["full.aeordb", null, null]"#),
    ] {
        let problem = served.post(path, body).problem(400, "invalid");
        assert!(problem["detail"].as_str().unwrap().contains("array"), "{problem}");
    }
    assert_eq!(served.head(), head);
    assert!(served.backup_names().is_empty());
}

#[test]
fn files_one_after_another_in_a_body_are_one_import() {
    let source = Served::with_versions();
    let full = source.get("/admin/export?snapshot=v1").expect(200).body;
    let patch = source.get("/admin/diff?from=v1&to=v2").expect(200).body;
    let target = Served::new();
    let head = target.head();
    let send = |files: &[&[u8]]| target.send("POST", "/admin/import?promote", &[], &files.concat());
    let mut damaged = patch.clone();
    damaged[patch.len() / 2] ^= 1;
    let problem = send(&[&full, &damaged]).problem(422, "damaged");
    assert_eq!(problem["file"], "the input, file 2");
    let problem = send(&[&full, b"and something else"]).problem(422, "damaged");
    assert_eq!(problem["file"], "the input, file 2");
    let problem = send(&[&full, &patch, &patch]).problem(409, "broken-chain");
    assert_eq!(
        (&problem["file"], &problem["after"]),
        (&json!("the input, file 3"), &json!("the input, file 2"),)
    );
    assert_eq!(target.head(), head);
    let report = send(&[&full, &patch]).expect(200).json();
    assert_eq!((&report["kind"], &report["promoted"]), (&json!("export"), &json!(true)));
    assert_eq!(target.head(), source.head());
    // What is stored under a name is one file.
    fs::write(target.path("backups/both"), [&full[..], &patch].concat()).unwrap();
    target.post("/admin/import", r#"{"file": "both"}"#).problem(422, "damaged");
}

#[test]
fn a_merge_takes_what_only_the_patch_changed_and_tells_of_the_rest() {
    let served = Served::with_versions();
    served.post("/admin/diff", r#"{"output": "p.aeordb", "from": "v1", "to": "v2"}"#).expect(201);
    served.post("/admin/promote", r#"{"hash": "v1"}"#).expect(200);
    served.put("/files/docs/a.txt", b"mine");
    served.post("/admin/import", r#"{"file": "p.aeordb"}"#).problem(409, "base-mismatch");
    let wrong = r#"{"file": "p.aeordb", "merge": true, "force": true}"#;
    served.post("/admin/import", wrong).problem(400, "invalid");
    served.post("/admin/import", r#"{"file": "p.aeordb", "merge": "x"}"#).problem(400, "invalid");
    let merged = served.post("/admin/import", r#"{"file": "p.aeordb", "merge": true}"#);
    let merge = merged.expect(200).json()["merge"].clone();
    assert_eq!((&merge["taken"], &merge["resolved"]), (&json!(2), &json!(null)));
    let conflict = &merge["conflicts"][0];
    assert_eq!((&conflict["path"], &conflict["ours"]["size"]), (&json!("/docs/a.txt"), &json!(4)));
    let patch = fs::read(served.path("backups/p.aeordb")).unwrap();
    let theirs = served.send("POST", "/admin/import?merge=theirs&promote", &[], &patch);
    assert_eq!(theirs.expect(200).json()["merge"]["resolved"], "theirs");
    assert_eq!(served.get("/files/docs/a.txt").text(), "alpha, changed");
    assert_eq!(served.get("/files/docs/b.txt").text(), "beta");
}

#[test]
fn an_import_that_can_be_undone_leaves_the_way_back_among_the_backups() {
    let served = Served::with_versions();
    served.post("/admin/export", r#"{"output": "full", "snapshot": "v1"}"#).expect(201);
    let head = served.head();
    let undo = r#"{"file": "full", "promote": true, "undo": "back"}"#;
    let promoter = format!("Bearer {}", served.new_key("import,promote"));
    let json = ("content-type", "application/json");
    let as_key = [("authorization", promoter.as_str()), json];
    served.bare("POST", "/admin/import", &as_key, undo.as_bytes()).problem(403, "forbidden");
    let appender = format!("Bearer {}", served.new_key("import,promote,export,append-only"));
    let as_key = [("authorization", appender.as_str()), json];
    served.bare("POST", "/admin/import", &as_key, undo.as_bytes()).problem(403, "forbidden");
    let nothing = r#"{"file": "full", "undo": "back"}"#;
    served.post("/admin/import", nothing).problem(400, "invalid");
    let outside = r#"{"file": "full", "promote": true, "undo": "../back"}"#;
    served.post("/admin/import", outside).problem(400, "invalid");
    let taken = r#"{"file": "full", "promote": true, "undo": "full"}"#;
    let problem = served.post("/admin/import", taken).problem(409, "exists").to_string();
    assert!(!problem.contains("/proc"), "{problem}");
    assert_eq!(served.head(), head);
    assert_eq!(served.backup_names(), ["full"]);
    let report = served.post("/admin/import", undo).expect(200).json();
    assert_eq!(report["undo_bytes"], fs::metadata(served.path("backups/back")).unwrap().len());
    assert_ne!(served.head(), head);
    served.post("/admin/import", r#"{"file": "back", "promote": true}"#).expect(200);
    assert_eq!(served.head(), head);
}
