//! What one client can take, and what is left for others then.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use aeordb_server::Deadlines;

use crate::house::{House, Reply, noise};
use crate::slow::short;

/// Begins a request of this key and sends only so much of its body.
fn begin(house: &House, key: &str, request: &str, body: &[u8]) -> TcpStream {
    let mut stream = house.connect();
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
    let house = House::new();
    let long = |len: usize| format!("{{\"name\": \"{}\"}}", "x".repeat(len));
    house.post("/admin/snapshots", &long(100_000)).problem(413, "too-large");
    house.post("/admin/snapshots", &long(10_000)).problem(400, "invalid");
    let batch = |len: usize| {
        format!(
            r#"{{"changes": [{{"op": "put", "path": "/a", "content": "{}"}}]}}"#,
            "x".repeat(len)
        )
    };
    house.post("/batch", &batch(100_000)).expect(200);
    house.post("/batch", &batch(2_000_000)).problem(413, "too-large");
}

#[test]
fn an_import_takes_many_files_and_not_any_number() {
    let house = House::with_versions();
    house.post("/admin/export", r#"{"output": "full"}"#).expect(201);
    let import = |count: usize| {
        let names = vec!["full"; count];
        let body = serde_json::json!({ "file": names }).to_string();
        house.post("/admin/import", &body)
    };
    import(257).problem(400, "invalid");
    import(256).expect(200);
    let missing = r#"{"file": ["full", "missing"]}"#;
    house.post("/admin/import", missing).problem(404, "not-found");
}

#[test]
fn bodies_of_which_nothing_comes_take_no_place_from_others() {
    let house = House::with(Deadlines::default());
    let full = house.get("/admin/export").body;
    let waiting: Vec<_> =
        (0..100).map(|_| begin(&house, &house.key, "POST /admin/import", b"some")).collect();
    house.put("/files/large", &noise(3_000_000));
    house.send("POST", "/admin/import", &[], &full).expect(200);
    drop(waiting);
}

#[test]
fn large_files_that_do_not_come_leave_places_for_other_keys_and_those_beyond_are_told() {
    let house = House::with(Deadlines { body: Deadlines::default().body, ..short() });
    let greedy = house.new_key("write");
    let piece = noise(70_000);
    let mut uploads: Vec<_> =
        (0..49).map(|n| begin(&house, &greedy, &format!("PUT /files/{n}"), &piece)).collect();
    // One of them is one too many, and only that one is answered.
    let refused = (0..100_000).find_map(|_| {
        house.put("/files/large", &noise(300_000));
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
    let house = House::new();
    let body = noise(900_000);
    for _ in 0..15 {
        let wrong = [("authorization", "Bearer wrong")];
        house.bare("PUT", "/files/a", &wrong, &body).problem(401, "unauthorized");
        house.send("POST", "/admin/snapshots", &[], &body).problem(413, "too-large");
    }
}

#[test]
fn the_end_does_not_wait_for_clients_that_have_asked_for_nothing() {
    let hour = Duration::from_secs(3600);
    let house = House::with(Deadlines { headers: hour, shutdown: hour, ..Deadlines::default() });
    let silent = house.connect();
    let mut halfway = house.connect();
    halfway.write_all(b"GET /healthz HTTP/1.1\r\n").unwrap();
    // Both were accepted before this one.
    house.get("/files/").expect(200);
    house.close();
    drop((silent, halfway));
}
