//! The server itself: health, description, how it starts and ends.

use std::io::{Read, Write};

use aeordb_server::routes::table;
use aeordb_server::{Config, Server};
use serde_json::Value;

use crate::served::{Reply, Served};

#[test]
fn health_needs_no_key_and_tells_nothing() {
    let served = Served::new();
    let reply = served.bare("GET", "/healthz", &[], b"").expect(200);
    assert_eq!(reply.text(), r#"{"status":"ok"}"#);
    served.bare("GET", "/readyz", &[], b"").problem(401, "unauthorized");
    assert_eq!(served.get("/readyz").expect(200).json()["status"], "ready");
}

#[test]
fn the_description_has_every_route() {
    let served = Served::new();
    let document = served.get("/openapi.json").expect(200).json();
    assert_eq!(document["openapi"], "3.1.0");
    let routes = table();
    let mut ids = std::collections::BTreeSet::new();
    for route in &routes {
        let call = &route.call;
        let path = call.path.replace("{*", "{");
        let operation = &document["paths"][&path][call.method.name().to_lowercase()];
        assert_eq!(operation["summary"], call.summary);
        ids.insert(operation["operationId"].as_str().unwrap().to_owned());
        assert!(!call.answers.is_empty(), "{call:?}");
    }
    assert_eq!(ids.len(), routes.len());
    let answered = routes.iter().map(|route| (route.call.path, route.call.method.name()));
    let described = aeordb_api::table::table();
    let described: Vec<_> = described.iter().map(|call| (call.path, call.method.name())).collect();
    assert_eq!(answered.collect::<Vec<_>>(), described);
}

/// All values that are called `name`, wherever they are.
fn all<'v>(value: &'v Value, name: &str, found: &mut Vec<&'v Value>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get(name));
            members.values().for_each(|value| all(value, name, found));
        }
        Value::Array(items) => items.iter().for_each(|value| all(value, name, found)),
        _ => {}
    }
}

#[test]
fn programs_can_be_made_from_the_description() {
    let served = Served::new();
    let document = served.get("/openapi.json").expect(200).json();
    assert_eq!(document["servers"][0]["url"], "/");
    let (mut enums, mut contents) = (Vec::new(), Vec::new());
    all(&document, "enum", &mut enums);
    assert!(!enums.is_empty());
    for words in enums {
        assert!(words.as_array().unwrap().iter().all(Value::is_string), "{words}");
    }
    all(&document, "content", &mut contents);
    for content in
        contents.into_iter().filter(|content| content["application/vnd.aeordb"].is_object())
    {
        assert!(content["application/octet-stream"].is_object(), "{content}");
    }
    let mut bodies = Vec::new();
    all(&document, "requestBody", &mut bodies);
    let known = ["application/json", "application/octet-stream"];
    for body in bodies {
        let kinds = body["content"].as_object().unwrap();
        assert!(kinds.keys().all(|kind| known.contains(&kind.as_str())), "{body}");
    }
    let operations = document["paths"].as_object().unwrap().values();
    for operation in operations.flat_map(|path| path.as_object().unwrap().values()) {
        let needs_key = operation["security"].is_null();
        assert_eq!(operation["responses"]["401"].is_object(), needs_key, "{operation}");
        assert!(operation["responses"]["400"]["content"]["application/problem+json"].is_object());
        for parameter in operation["parameters"].as_array().unwrap() {
            if parameter["name"] == "cursor" {
                assert_eq!(parameter["schema"]["minLength"], 1);
            }
        }
    }
    for path in ["/files/?recursive&cursor=", "/admin/snapshots?cursor=", "/admin/backups?cursor="]
    {
        served.get(path).problem(400, "invalid");
    }
}

#[test]
fn what_the_description_rules_out_is_refused() {
    let served = Served::with_versions();
    let document = served.get("/openapi.json").expect(200).json();
    let of = |path: &str, name: &str| {
        let parameters = document["paths"][path]["get"]["parameters"].as_array().unwrap();
        parameters.iter().find(|parameter| parameter["name"] == name).unwrap().clone()
    };
    for path in ["/admin/diff", "/admin/changes"] {
        assert_eq!(of(path, "from")["required"], true);
        served.get(path).problem(400, "invalid");
    }
    assert_eq!(of("/files/{path}", "limit")["schema"]["maximum"], 10_000);
    for wrong in [
        "limit=0",
        "limit=10001",
        "archive=zip",
        "recursive=yes",
        "stat=2",
        "outline=banana",
        "none=1",
    ] {
        served.get(&format!("/files/docs/?{wrong}")).problem(400, "invalid");
    }
    // A file is read whatever the limit of a listing is: it is refused all the same.
    served.get("/files/docs/a.txt?limit=0").problem(400, "invalid");
    let put = served.send("PUT", "/files/docs/a.txt?mirror=yes", &[], b"a");
    put.problem(400, "invalid");
    served.get("/admin/export?path=a/../b").problem(400, "invalid");
    for operation in ["/admin/export", "/admin/keys", "/admin/snapshots", "/admin/gc", "/batch"] {
        let body = &document["paths"][operation]["post"]["requestBody"]["content"];
        let named = body["application/json"]["schema"]["$ref"].as_str().unwrap();
        let schema = document.pointer(named.trim_start_matches('#')).unwrap();
        assert_eq!(schema["additionalProperties"], false);
        served.post(operation, r#"{"nobody knows this": 1}"#).problem(400, "invalid");
    }
}

#[test]
fn counters_are_text_that_prometheus_reads() {
    let served = Served::with_versions();
    served.get("/files/docs/a.txt").expect(200);
    let reply = served.get("/metrics").expect(200);
    assert!(reply.headers["content-type"].starts_with("text/plain; version=0.0.4"));
    let text = reply.text();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(name.starts_with("aeordb_"), "{line}");
        assert!(value.parse::<f64>().is_ok(), "{line}");
    }
    assert!(text.contains("aeordb_history_entries 5"), "{text}");
    assert!(text.contains("aeordb_snapshots 2"), "{text}");
}

#[test]
fn only_a_loopback_address_is_served_in_plain_text_unless_that_is_allowed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data.aeordb");
    let config = Config::new(&path, "0.0.0.0:0".parse().unwrap());
    let error = Server::start(config.clone()).err().unwrap().to_string();
    assert!(error.contains("plain text"), "{error}");
    assert!(!path.exists());
    let allowed = Config { allow_plaintext: true, ..config };
    let server = Server::start(allowed).unwrap();
    server.stop().stop();
    server.run().unwrap();
}

#[test]
fn what_was_accepted_is_finished_when_the_server_is_stopped() {
    let served = Served::new();
    let mut stream = served.connect();
    let key = &served.key;
    write!(
        stream,
        "PUT /files/late HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\
         content-length: 10\r\n\r\nfirst"
    )
    .unwrap();
    let idle = served.connect();
    // So that the request is under way when the server is stopped.
    served.get("/readyz").expect(200);
    served.stop();
    // No connection is taken any more, once the idle one is closed.
    let mut nothing = Vec::new();
    (&idle).read_to_end(&mut nothing).unwrap();
    stream.write_all(b" last").unwrap();
    let reply = Reply::read(&mut stream, false).expect(201);
    assert_eq!(reply.json()["size"], 10);
    let directory = served.close();
    let path = directory.path().join("data.aeordb");
    let database = aeordb::db::Database::open(&path, &Default::default()).unwrap();
    let reader = database.reader().unwrap();
    let found = reader.item(&reader.head(), "/late").unwrap();
    assert!(found.is_some());
}

#[test]
fn requests_that_are_not_http_or_too_large_are_refused() {
    let served = Served::with(crate::slow::short());
    for request in [
        "nonsense\r\n\r\n".to_owned(),
        format!("GET / HTTP/1.1\r\nhost: x\r\nbig: {}\r\n\r\n", "x".repeat(100_000)),
        format!("GET / HTTP/1.1\r\nhost: x\r\n{}\r\n", "a: b\r\n".repeat(200)),
        // Two lengths: whoever stands before us might read another request than we do.
        "POST /batch HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}"
            .to_owned(),
    ] {
        let mut stream = served.connect();
        let _ = stream.write_all(request.as_bytes());
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.is_empty() || text.starts_with("HTTP/1.1 4"), "{text}");
    }
    served.send("POST", "/batch", &[], &vec![b' '; 2_000_000]).problem(413, "too-large");
    served.bare("GET", "/healthz", &[], b"").expect(200);
}

#[test]
fn a_server_whose_file_is_gone_reads_on_and_writes_no_more() {
    for replaced in [false, true] {
        let served = Served::new();
        served.put("/files/a", b"kept");
        served.get("/readyz").expect(200);
        std::fs::rename(served.path("data.aeordb"), served.path("moved.aeordb")).unwrap();
        if replaced {
            std::fs::copy(served.path("moved.aeordb"), served.path("data.aeordb")).unwrap();
        }
        served.get("/readyz").problem(503, "read-only");
        served.send("PUT", "/files/b", &[], b"lost").problem(503, "read-only");
        served.post("/admin/snapshots", r#"{"name": "s"}"#).problem(503, "read-only");
        let job = served.post("/admin/verify", "{}").expect(202).json();
        let place = format!("/admin/jobs/{}", job["id"].as_str().unwrap());
        let events = served.send("GET", &place, &[("accept", "text/event-stream")], b"").text();
        assert!(events.contains("\"state\":\"failed\""), "{events}");
        assert!(!events.contains(served.path("").to_str().unwrap()), "{events}");
        assert_eq!(served.get("/files/a").text(), "kept");
        // Back at its place it is still not trusted: something else may have been written meanwhile.
        std::fs::rename(served.path("moved.aeordb"), served.path("data.aeordb")).unwrap();
        served.get("/readyz").problem(503, "read-only");
    }
}

#[test]
fn a_backup_copied_over_the_served_file_stays_what_it_is() {
    for (backup, asked) in [("copy", false), ("copy", true), ("export", false), ("export", true)] {
        let served = Served::new();
        served.put("/files/a", b"old");
        served.post("/admin/export", r#"{"output": "full.aeordb"}"#).expect(201);
        let restored = match backup {
            "copy" => std::fs::read(served.path("data.aeordb")).unwrap(),
            _ => std::fs::read(served.path("backups/full.aeordb")).unwrap(),
        };
        served.put("/files/b", b"newer");
        // The same inode, with other bytes in it.
        std::fs::write(served.path("data.aeordb"), &restored).unwrap();
        if asked {
            served.get("/readyz").problem(503, "read-only");
        }
        served.send("PUT", "/files/c", &[], b"lost").problem(503, "read-only");
        served.get("/readyz").problem(503, "read-only");
        served.post("/admin/gc", "{}");
        let directory = served.close();
        assert!(std::fs::read(directory.path().join("data.aeordb")).unwrap() == restored);
    }
}
