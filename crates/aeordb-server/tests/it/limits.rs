//! What one client can take, and what is left for others then.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use aeordb_server::Deadlines;

use crate::served::{Reply, Served, noise};
use crate::slow::short;

/// Begins a request of this key and sends only so much of its body.
fn begin(served: &Served, key: &str, request: &str, body: &[u8]) -> TcpStream {
    let mut stream = served.connect();
    write!(
        stream,
        "{request} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\nconnection: close\r\n\
         content-length: 100000000\r\n\r\n"
    )
    .unwrap();
    stream.write_all(body).unwrap();
    stream
}

#[test]
fn bodies_of_json_are_short_where_nothing_long_is_meant() {
    let served = Served::new();
    let long = |len: usize| format!("{{\"name\": \"{}\"}}", "x".repeat(len));
    served.post("/admin/snapshots", &long(100_000)).problem(413, "too-large");
    served.post("/admin/snapshots", &long(10_000)).problem(400, "invalid");
    let batch = |len: usize| {
        format!(
            r#"{{"changes": [{{"op": "put", "path": "/a", "content": "{}"}}]}}"#,
            "x".repeat(len)
        )
    };
    served.post("/batch", &batch(100_000)).expect(200);
    served.post("/batch", &batch(2_000_000)).problem(413, "too-large");
}

#[test]
fn an_import_takes_many_files_and_not_any_number() {
    let served = Served::with_versions();
    served.post("/admin/export", r#"{"output": "full"}"#).expect(201);
    let import = |count: usize| {
        let names = vec!["full"; count];
        let body = serde_json::json!({ "file": names }).to_string();
        served.post("/admin/import", &body)
    };
    import(257).problem(400, "invalid");
    import(256).expect(200);
    let missing = r#"{"file": ["full", "missing"]}"#;
    served.post("/admin/import", missing).problem(404, "not-found");
}

#[test]
fn bodies_of_which_nothing_comes_take_no_place_from_others() {
    let served = Served::with(Deadlines::default());
    let full = served.get("/admin/export").body;
    let waiting: Vec<_> =
        (0..100).map(|_| begin(&served, &served.key, "POST /admin/import", b"some")).collect();
    served.put("/files/large", &noise(3_000_000));
    served.send("POST", "/admin/import", &[], &full).expect(200);
    drop(waiting);
}

#[test]
fn large_files_that_do_not_come_leave_places_for_other_keys_and_those_beyond_are_told() {
    let served = Served::with(Deadlines { body: Deadlines::default().body, ..short() });
    let greedy = served.new_key("write");
    let piece = noise(70_000);
    let mut uploads: Vec<_> =
        (0..49).map(|n| begin(&served, &greedy, &format!("PUT /files/{n}"), &piece)).collect();
    // One of them is one too many, and only that one is answered.
    let refused = (0..100_000).find_map(|_| {
        served.put("/files/large", &noise(300_000));
        uploads.iter().position(is_answered)
    });
    let reply = Reply::read(&mut uploads[refused.unwrap()], false);
    assert!(reply.headers.contains_key("retry-after"));
    reply.problem(503, "busy");
}

fn is_answered(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    let answered = stream.peek(&mut [0]).is_ok();
    stream.set_nonblocking(false).unwrap();
    answered
}

/// The client sends everything before it reads: a connection that is reset takes the answer along.
#[test]
fn an_answer_that_comes_before_the_body_was_sent_is_not_lost() {
    let served = Served::new();
    let body = noise(900_000);
    for _ in 0..15 {
        let wrong = [("authorization", "Bearer wrong")];
        served.bare("PUT", "/files/a", &wrong, &body).problem(401, "unauthorized");
        served.send("POST", "/admin/snapshots", &[], &body).problem(413, "too-large");
    }
}

#[test]
fn the_end_does_not_wait_for_clients_that_have_asked_for_nothing() {
    let hour = Duration::from_secs(3600);
    let served = Served::with(Deadlines { headers: hour, shutdown: hour, ..Deadlines::default() });
    let silent = served.connect();
    let mut halfway = served.connect();
    halfway.write_all(b"GET /healthz HTTP/1.1\r\n").unwrap();
    // Both were accepted before this one.
    served.get("/files/").expect(200);
    served.close();
    drop((silent, halfway));
}
