//! The backup directory over HTTP.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

use aeordb_server::{Config, Server};
use serde_json::Value;

use crate::served::Served;

#[test]
fn backups_are_listed_fetched_in_parts_and_removed() {
    let served = Served::with_versions();
    served.post("/admin/export", r#"{"output": "b-full.aeordb"}"#).expect(201);
    served.post("/admin/diff", r#"{"output": "a-patch.aeordb", "from": "v1"}"#).expect(201);
    let list = served.get("/admin/backups").expect(200).json();
    let items = list["items"].as_array().unwrap();
    let names: Vec<&str> = items.iter().map(|item| item["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["a-patch.aeordb", "b-full.aeordb"]);
    assert_eq!((&items[0]["kind"], &items[1]["kind"]), (&"patch".into(), &"export".into()));
    assert_eq!(items[1]["version"], served.head());
    let page = served.get("/admin/backups?limit=1").json();
    assert_eq!(page["next"], "a-patch.aeordb");
    let page = served.get("/admin/backups?limit=1&cursor=a-patch.aeordb").json();
    assert_eq!((&page["items"][0]["name"], &page["next"]), (&"b-full.aeordb".into(), &Value::Null));

    let whole = fs::read(served.path("backups/b-full.aeordb")).unwrap();
    let reply = served.get("/admin/backups/b-full.aeordb").expect(200);
    assert!(reply.body == whole);
    let seal = format!("\"{}\"", items[1]["seal"].as_str().unwrap());
    assert_eq!(reply.headers["etag"], seal);
    let resume = [("range", "bytes=100-"), ("if-range", seal.as_str())];
    let rest = served.send("GET", "/admin/backups/b-full.aeordb", &resume, b"").expect(206);
    assert!(rest.body == whole[100..]);
    let other = [("range", "bytes=100-"), ("if-range", "\"x\"")];
    let all = served.send("GET", "/admin/backups/b-full.aeordb", &other, b"").expect(200);
    assert!(all.body == whole);

    served.get("/admin/backups/..").problem(400, "invalid");
    served.get("/admin/backups/%2e%2e%2fdata.aeordb").problem(400, "invalid");
    served.send("DELETE", "/admin/backups/b-full.aeordb", &[], b"").expect(204);
    served.get("/admin/backups/b-full.aeordb").problem(404, "not-found");
    assert_eq!(served.backup_names(), ["a-patch.aeordb"]);
}

#[test]
fn a_file_that_is_no_whole_backup_is_listed_and_removed_and_never_a_link() {
    let served = Served::with_versions();
    served.post("/admin/export", r#"{"output": "full.aeordb"}"#).expect(201);
    let whole = fs::read(served.path("backups/full.aeordb")).unwrap();
    fs::write(served.path("backups/cut.aeordb"), &whole[..whole.len() - 1]).unwrap();
    fs::write(served.path("backups/empty"), "").unwrap();
    symlink(served.path("backups/full.aeordb"), served.path("backups/link")).unwrap();
    let list = served.get("/admin/backups").expect(200).json();
    let kinds: Vec<_> = list["items"].as_array().unwrap().iter().map(|one| &one["kind"]).collect();
    assert_eq!(kinds, ["unknown", "unknown", "export"]);
    let cut = &list["items"][0];
    assert_eq!((&cut["name"], &cut["size"]), (&"cut.aeordb".into(), &(whole.len() - 1).into()));
    assert_eq!((&cut["version"], &cut["seal"]), (&Value::Null, &Value::Null));
    served.get("/admin/backups/cut.aeordb").problem(404, "not-found");
    for name in ["cut.aeordb", "empty"] {
        served.send("DELETE", &format!("/admin/backups/{name}"), &[], b"").expect(204);
    }
    served.send("DELETE", "/admin/backups/link", &[], b"").problem(400, "invalid");
    assert_eq!(served.backup_names(), ["full.aeordb", "link"]);
}

#[test]
fn the_counters_know_backups_that_somebody_else_made() {
    let source = Served::with_versions();
    source.post("/admin/export", r#"{"output": "full.aeordb", "snapshot": "v1"}"#).expect(201);
    source.post("/admin/diff", r#"{"output": "p.aeordb", "from": "v1"}"#).expect(201);
    let served = Served::new();
    let counter = |name: &str| {
        let text = served.get("/metrics").expect(200).text();
        let line = text.lines().find(|line| line.starts_with(&format!("aeordb_{name} ")));
        line.unwrap().rsplit(' ').next().unwrap().parse::<f64>().unwrap()
    };
    assert_eq!(counter("last_export_timestamp_seconds"), 0.0);
    assert_eq!(counter("backup_chain_age_seconds"), f64::INFINITY);
    // One after the other, as they were made.
    let day = Duration::from_secs(24 * 3600);
    for (name, age) in [("full.aeordb", 3 * day), ("p.aeordb", 2 * day)] {
        let to = served.path("backups").join(name);
        fs::copy(source.path("backups").join(name), &to).unwrap();
        let file = fs::File::options().append(true).open(to).unwrap();
        let modified = file.metadata().unwrap().modified().unwrap();
        file.set_modified(modified - age).unwrap();
    }
    let export = counter("last_export_timestamp_seconds");
    assert!(export > 0.0 && counter("last_patch_timestamp_seconds") > export);
    assert!(counter("backup_chain_age_seconds") >= 3.0 * 24.0 * 3600.0);
    assert_eq!(counter("backup_chain_patches"), 1.0);
    // A new export starts a new chain.
    served.post("/admin/export", r#"{"output": "new.aeordb"}"#).expect(201);
    assert_eq!(counter("backup_chain_patches"), 0.0);
    assert!(counter("syncs_total") > 0.0 && counter("sync_seconds_total") > 0.0);
}

#[test]
fn a_patch_lies_on_the_database_until_it_is_taken_away() {
    let served = Served::with_versions();
    let patch = served.get("/admin/diff?from=v1&to=v2").expect(200).body;
    served.post("/admin/promote", r#"{"hash": "v1"}"#).expect(200);
    let head = served.head();
    let reader = format!("Bearer {}", served.new_key("read,export"));
    let as_reader = [("authorization", reader.as_str())];
    let refused = served.bare("POST", "/admin/overlays", &as_reader, &patch);
    refused.problem(403, "forbidden");
    let mut damaged = patch.clone();
    damaged[patch.len() / 2] ^= 1;
    served.send("POST", "/admin/overlays", &[], &damaged).problem(422, "damaged");
    served.send("POST", "/admin/overlays", &[], b"no patch").problem(422, "damaged");
    let laid = served.send("POST", "/admin/overlays", &[], &patch).expect(201).json();
    let id = laid["id"].as_str().unwrap();
    let text = |path: &str| served.bare("GET", path, &as_reader, b"").expect(200).text();
    assert_eq!(text(&format!("/files/docs/b.txt?with={id}")), "beta");
    assert_eq!(text(&format!("/files/docs/a.txt?with={id}&version=v1")), "alpha");
    assert!(text(&format!("/files/docs/?with={id}")).contains("b.txt"));
    assert!(text(&format!("/admin/changes?from=v1&with={id}")).contains("/docs/b.txt"));
    let full = served.bare("GET", &format!("/admin/export?with={id}"), &as_reader, b"").expect(200);
    assert_eq!(full.headers["aeordb-version"].as_str(), laid["version"].as_str().unwrap());
    // The database has nothing of it, and what lies on it does not move when HEAD does.
    assert_eq!(served.head(), head);
    served.get("/files/docs/b.txt").problem(404, "not-found");
    served.put("/files/new", b"new");
    served.get(&format!("/files/new?with={id}")).problem(404, "not-found");
    // The same patch again does not follow itself.
    let again = format!("/admin/overlays?on={id}");
    served.send("POST", &again, &[], &patch).problem(409, "base-mismatch");
    served.send("DELETE", &format!("/admin/overlays/{id}"), &[], b"").expect(204);
    served.get(&format!("/files/docs/b.txt?with={id}")).problem(404, "not-found");
    for _ in 0..8 {
        served.send("POST", "/admin/overlays", &[], &patch).expect(201);
    }
    served.send("POST", "/admin/overlays", &[], &patch).problem(503, "busy");
    assert!(served.backup_names().is_empty());
}

#[test]
fn a_backup_directory_that_holds_the_database_is_refused_at_start() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    fs::create_dir(path("home")).unwrap();
    symlink("home", path("backups")).unwrap();
    symlink("home/data.aeordb", path("link.aeordb")).unwrap();
    let start = |database: &str, backups: &str| {
        let mut config = Config::new(path(database), "127.0.0.1:0".parse().unwrap());
        config.backup_directory = Some(path(backups));
        Server::start(config)
    };
    for backups in ["home", "backups", "home/../home/."] {
        let error = start("home/data.aeordb", backups).err().unwrap();
        assert!(error.to_string().contains("--backup-dir"), "{error}");
        assert!(!path("home/data.aeordb").exists(), "a refused start has made a database");
    }
    let server = start("home/data.aeordb", "elsewhere").unwrap();
    server.stop().stop();
    server.run().unwrap();
    let error = start("link.aeordb", "home").err().unwrap();
    assert!(error.to_string().contains("--backup-dir"), "{error}");
}

#[test]
fn the_database_under_another_name_is_no_backup() {
    let served = Served::with_versions();
    fs::hard_link(served.path("data.aeordb"), served.path("backups/live.aeordb")).unwrap();
    served.get("/admin/backups/live.aeordb").problem(400, "invalid");
    served.send("DELETE", "/admin/backups/live.aeordb", &[], b"").problem(400, "invalid");
    served.post("/admin/import", r#"{"file": "live.aeordb"}"#).problem(400, "invalid");
    assert_eq!(served.get("/admin/backups").expect(200).json()["items"], serde_json::json!([]));
    assert!(served.path("backups/live.aeordb").exists());
}

#[test]
fn what_is_neither_a_backup_nor_left_of_one_is_not_removed() {
    let served = Served::with_versions();
    served.post("/admin/export", r#"{"output": "-full"}"#).problem(400, "invalid");
    let other = fs::read(served.path("data.aeordb")).unwrap();
    fs::write(served.path("backups/another.aeordb"), other).unwrap();
    fs::write(served.path("backups/notes.txt"), "mine").unwrap();
    for name in ["another.aeordb", "notes.txt"] {
        served.send("DELETE", &format!("/admin/backups/{name}"), &[], b"").problem(400, "invalid");
    }
    // A crash leaves the length without the bytes.
    fs::write(served.path("backups/zeros"), [0; 5000]).unwrap();
    served.send("DELETE", "/admin/backups/zeros", &[], b"").expect(204);
    assert_eq!(served.backup_names(), ["another.aeordb", "notes.txt"]);
}

#[test]
fn no_backup_is_made_where_nobody_would_look_for_it() {
    let served = Served::with_versions();
    served.post("/admin/export", r#"{"output": "a.aeordb"}"#).expect(201);
    assert!(served.get("/metrics").text().contains("aeordb_backup_directory_usable 1"));
    fs::rename(served.path("backups"), served.path("old")).unwrap();
    for made in [false, true] {
        if made {
            fs::create_dir(served.path("backups")).unwrap();
        }
        served.post("/admin/export", r#"{"output": "b.aeordb"}"#).problem(503, "unavailable");
        served.get("/admin/backups").problem(503, "unavailable");
        served.get("/admin/backups/a.aeordb").problem(503, "unavailable");
        served.send("DELETE", "/admin/backups/a.aeordb", &[], b"").problem(503, "unavailable");
        let metrics = served.get("/metrics").text();
        assert!(metrics.contains("aeordb_backup_directory_usable 0"), "{metrics}");
        assert!(metrics.contains("aeordb_backup_chain_age_seconds +Inf"), "{metrics}");
    }
    assert!(served.path("old/a.aeordb").exists() && !served.path("old/b.aeordb").exists());
    // What needs no backup goes on.
    served.put("/files/new", b"new");
    fs::remove_dir(served.path("backups")).unwrap();
    fs::rename(served.path("old"), served.path("backups")).unwrap();
    served.get("/admin/backups/a.aeordb").expect(200);
}

#[test]
fn nothing_was_modified_after_the_answer_was_given() {
    let served = Served::new();
    served.put("/files/now", b"now");
    let now = served.get("/files/now").expect(200);
    assert!(now.headers.contains_key("last-modified"));
    served.post("/admin/export", r#"{"output": "late.aeordb"}"#).expect(201);
    let day = std::time::Duration::from_secs(86400);
    let file =
        std::fs::File::options().write(true).open(served.path("backups/late.aeordb")).unwrap();
    let modified = file.metadata().unwrap().modified().unwrap();
    file.set_modified(modified + day).unwrap();
    let late = served.get("/admin/backups/late.aeordb").expect(200);
    assert_eq!(late.headers["last-modified"], late.headers["date"]);
    file.set_modified(modified - day).unwrap();
    let old = served.get("/admin/backups/late.aeordb").expect(200);
    assert_ne!(old.headers["last-modified"], old.headers["date"]);
}

#[test]
fn a_backup_for_others_is_written_and_listed_by_a_server_that_cannot_read_it() {
    const READER: &str = "age17gzacz4m0pf9m7p3ka6s4h7sv06v2h9u38cr0ck2gzp6nauskgqqa3jfgq";
    let served = Served::with_versions();
    let body = |of: &str| format!(r#"{{{of}, "encrypt_to": ["{READER}"]}}"#);
    served.post("/admin/export", &body(r#""output": "full""#)).expect(201);
    served.post("/admin/diff", &body(r#""output": "patch", "from": "v1""#)).expect(201);
    served.post("/admin/export", r#"{"output": "plain"}"#).expect(201);
    let list = served.get("/admin/backups").expect(200).json();
    let items = list["items"].as_array().unwrap();
    assert_eq!(
        items.iter().map(|one| one["kind"].as_str().unwrap()).collect::<Vec<_>>(),
        ["export", "patch", "export"]
    );
    assert_eq!(items[0]["version"], served.head());
    let [full, plain] =
        ["full", "plain"].map(|name| fs::read(served.path("backups").join(name)).unwrap());
    assert!(
        full.windows(5).any(|text| text == b"age-e")
            && !plain.windows(5).any(|text| text == b"age-e")
    );
    let take = |name: &str| served.post("/admin/import", &format!(r#"{{"file": "{name}"}}"#));
    take("full").problem(422, "encrypted");
    // What is no key is not taken for a file of the server's.
    fs::write(served.path("readers"), READER).unwrap();
    let path = served.path("readers");
    for wrong in ["nobody", "age1nobody", path.to_str().unwrap()] {
        let body = format!(r#"{{"output": "none", "encrypt_to": ["{wrong}"]}}"#);
        served.post("/admin/export", &body).problem(400, "invalid");
    }
    let many = vec![format!("\"{READER}\""); 65].join(",");
    let body = format!(r#"{{"output": "none", "encrypt_to": [{many}]}}"#);
    served.post("/admin/export", &body).problem(413, "limit");
    assert!(!served.path("backups/none").exists());
}
