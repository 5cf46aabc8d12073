//! Exports, patches and imports as streams.

use std::fs;
use std::io::{Read, Write};
use std::time::Duration;

use aeordb_server::Deadlines;
use data_encoding::BASE64;
use sha2::{Digest, Sha256};

use crate::served::{Served, noise};

#[test]
fn a_streamed_export_and_patch_are_imported_as_bodies() {
    let source = Served::with_versions();
    let full = source.get("/admin/export?snapshot=v1").expect(200);
    assert_eq!(full.headers["content-type"], "application/vnd.aeordb");
    let patch = source.get("/admin/diff?from=v1&to=v2").expect(200);
    let target = Served::new();
    let binary = [("content-type", "application/octet-stream")];
    let first = target.send("POST", "/admin/import?promote=true", &binary, &full.body);
    assert_eq!(first.expect(200).json()["promoted"], true);
    let second = target.send("POST", "/admin/import", &[], &patch.body).expect(200).json();
    assert_eq!((&second["kind"], &second["promoted"]), (&"patch".into(), &false.into()));
    let third = target.send("POST", "/admin/import?promote", &[], &patch.body).expect(200);
    assert_eq!(third.headers["etag"], format!("\"{}\"", source.head()));
    assert_eq!(target.head(), source.head());
    // The same again: its base is no longer HEAD.
    target.send("POST", "/admin/import", &[], &patch.body).problem(409, "base-mismatch");
    target.send("POST", "/admin/import?force", &[], &patch.body).expect(200);
}

#[test]
fn a_path_alone_is_streamed_as_a_version_of_its_own() {
    let source = Served::new();
    source.send("PUT", "/files/docs/a", &[], b"a").expect(201);
    source.send("PUT", "/files/other/b", &[], b"b").expect(201);
    let part = source.get("/admin/export?path=/docs").expect(200);
    let target = Served::new();
    target.send("POST", "/admin/import?promote=true", &[], &part.body).expect(200);
    assert_eq!(target.get("/files/docs/a").expect(200).body, b"a");
    target.get("/files/other/b").problem(404, "not-found");
    source.get("/admin/export?path=/nowhere").problem(404, "not-found");
    source.get("/admin/export?path=/docs/../other").problem(400, "invalid");
}

#[test]
fn what_is_at_a_path_comes_as_an_export_with_the_scope_to_read_it() {
    let source = Served::new();
    source.send("PUT", "/files/docs/a", &[], b"a").expect(201);
    source.send("PUT", "/files/other/b", &[], b"b").expect(201);
    let reader = format!("Bearer {}", source.new_key("read"));
    let as_reader = [("authorization", reader.as_str())];
    let part = source.bare("GET", "/files/docs?archive=aeordb", &as_reader, b"").expect(200);
    assert_eq!(part.headers["aeordb-version"], source.head());
    let target = Served::new();
    target.send("POST", "/admin/import?promote=true", &[], &part.body).expect(200);
    assert_eq!(target.get("/files/docs/a").expect(200).body, b"a");
    target.get("/files/other/b").problem(404, "not-found");
    source.get("/files/docs/a?archive=aeordb").expect(200);
    source.get("/files/nothing?archive=aeordb").problem(404, "not-found");
    source.get("/files/docs?archive=zip").problem(400, "invalid");
}

#[test]
fn a_body_that_is_damaged_cut_off_or_of_another_digest_changes_nothing() {
    let source = Served::with_versions();
    let full = source.get("/admin/export").expect(200).body;
    let target = Served::new();
    let head = target.head();
    let send = |headers: &[(&str, &str)], body: &[u8]| {
        target.send("POST", "/admin/import?promote", headers, body)
    };
    for at in [300, full.len() / 2, full.len() - 10] {
        let mut damaged = full.clone();
        damaged[at] ^= 1;
        send(&[], &damaged).problem(422, "damaged");
    }
    send(&[], &full[..full.len() - 1]).problem(422, "damaged");
    send(&[], b"").problem(422, "damaged");
    send(&[], b"something else entirely").problem(422, "damaged");
    let json = send(&[], br#"{"file": "full.aeordb"}"#).problem(422, "damaged");
    let detail = json["detail"].as_str().unwrap();
    assert!(detail.contains("Content-Type: application/json"), "{detail}");
    let digest = |bytes: &[u8]| format!("sha-256=:{}:", BASE64.encode(&Sha256::digest(bytes)));
    let wrong = digest(b"other");
    send(&[("content-digest", &wrong)], &full).problem(422, "damaged");
    send(&[("content-digest", "sha-256=junk")], &full).problem(400, "invalid");
    assert_eq!(target.head(), head);
    let right = digest(&full);
    send(&[("content-digest", &right)], &full).expect(200);
    assert_eq!(target.head(), source.head());
}

#[test]
fn an_import_whose_connection_is_cut_leaves_nothing() {
    let source = Served::with_versions();
    let full = source.get("/admin/export").expect(200).body;
    let target = Served::new();
    let head = target.head();
    let mut stream = target.connect();
    let key = &target.key;
    write!(
        stream,
        "POST /admin/import?promote HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\
         content-length: {}\r\n\r\n",
        full.len()
    )
    .unwrap();
    stream.write_all(&full[..full.len() / 2]).unwrap();
    drop(stream);
    // A request after it, on another connection, finds nothing of it.
    assert_eq!(target.head(), head);
    assert!(target.backup_names().is_empty());
    target.send("POST", "/admin/import?promote", &[], &full).expect(200);
}

#[test]
fn an_import_whose_client_leaves_lets_the_writer_go_and_changes_nothing() {
    let source = Served::new();
    source.put("/files/large", &noise(48_000_000));
    let full = source.get("/admin/export").expect(200).body;
    let turn = Duration::from_millis(200);
    let target = Served::with(Deadlines { turn, ..Deadlines::default() });
    let mut stream = target.connect();
    let key = &target.key;
    write!(
        stream,
        "POST /admin/import?promote HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\
         content-length: {}\r\n\r\n",
        full.len()
    )
    .unwrap();
    // All of it arrives, so the import begins.
    stream.write_all(&full).unwrap();
    drop(stream);
    let written = (0..1000).any(|_| {
        let reply = target.send("PUT", "/files/next", &[], b"next");
        assert!(matches!(reply.status, 201 | 503), "{reply:?}");
        reply.status == 201
    });
    assert!(written, "the import kept the writer");
    target.get("/files/large?stat").problem(404, "not-found");
    assert_eq!(target.get("/admin/jobs").json()["items"], serde_json::json!([]));
    let again = target.send("POST", "/admin/import?promote&force", &[], &full);
    assert_eq!(again.expect(200).json()["promoted"], true);
}

#[test]
fn damage_that_is_found_while_sending_aborts_the_connection() {
    let served = Served::new();
    let bytes = noise(6_000_000);
    served.put("/files/large", &bytes);
    // Somewhere in the chunks, beyond what is sent before it is read.
    let path = served.path("data.aeordb");
    let mut stored = fs::read(&path).unwrap();
    let needle = &bytes[5_500_000..5_500_064];
    let at = stored.windows(64).position(|window| window == needle).unwrap();
    stored[at] ^= 1;
    fs::write(&path, &stored).unwrap();
    let reply = served.get("/files/large");
    assert_eq!(reply.status, 200);
    assert!(!reply.complete, "{} bytes came and looked whole", reply.body.len());
    assert!(bytes.starts_with(&reply.body));
    let reply = served.get("/admin/export");
    assert!(!reply.complete || reply.status == 500, "{}", reply.status);
}

#[test]
fn as_many_exports_as_the_server_makes_are_made_and_one_more_is_told_to_wait() {
    let served = Served::new();
    served.put("/files/large", &noise(30_000_000));
    let open = || {
        let mut stream = served.connect();
        let key = &served.key;
        write!(
            stream,
            "GET /admin/export HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\r\n"
        )
        .unwrap();
        let mut start = [0; 12];
        stream.read_exact(&mut start).unwrap();
        assert_eq!(&start, b"HTTP/1.1 200");
        stream
    };
    // Nobody reads them, so they are under way until they are closed.
    let held: Vec<_> = (0..4).map(|_| open()).collect();
    let reply = served.get("/admin/export");
    assert!(reply.headers.contains_key("retry-after"));
    reply.problem(503, "busy");
    served.get("/files/large?stat").expect(200);
    drop(held);
    // Their threads notice when they write the next piece.
    for _ in 0..1000 {
        if served.get("/admin/export?hash=HEAD").status == 200 {
            return;
        }
        std::thread::yield_now();
    }
    panic!("the exports of clients that left went on");
}
