//! Clients that take their time are closed, and others are served meanwhile.

use std::io::{Read, Write};
use std::time::Duration;

use aeordb_server::Deadlines;

use crate::served::{Served, noise};

/// Short enough for a test; nothing here asserts how long something took.
pub fn short() -> Deadlines {
    Deadlines {
        headers: Duration::from_millis(300),
        body: Duration::from_millis(300),
        answer: Duration::from_millis(300),
        shutdown: Duration::from_secs(10),
        turn: Duration::from_millis(300),
    }
}

#[test]
fn slow_headers_are_closed() {
    let served = Served::with(short());
    let mut streams: Vec<_> = (0..50).map(|_| served.connect()).collect();
    for stream in &mut streams {
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost:").unwrap();
    }
    served.put("/files/a", b"served meanwhile");
    for stream in &mut streams {
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        assert!(!bytes.starts_with(b"HTTP/1.1 200"));
    }
}

#[test]
fn slow_bodies_are_closed_and_leave_nothing() {
    let served = Served::with(short());
    let key = served.key.clone();
    for path in ["/files/slow", "/admin/import?promote", "/batch", "/files/d/?archive=tar"] {
        let method = if path.starts_with("/files") { "PUT" } else { "POST" };
        let mut stream = served.connect();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\
             content-length: 1000000\r\n\r\nsome"
        )
        .unwrap();
        served.put("/files/a", path.as_bytes());
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.starts_with("HTTP/1.1 408"), "{path}: {text}");
    }
    served.get("/files/slow").problem(404, "not-found");
}

#[test]
fn slow_readers_are_closed() {
    let served = Served::with(short());
    served.put("/files/large", &noise(40_000_000));
    let mut stream = served.connect();
    let key = &served.key;
    write!(stream, "GET /files/large HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\r\n")
        .unwrap();
    let connections = |served: &Served| {
        let text = served.get("/metrics").text();
        let line = text.lines().find(|line| line.starts_with("aeordb_connections ")).unwrap();
        line.rsplit(' ').next().unwrap().parse::<i64>().unwrap()
    };
    // Only the one that asks is left, once the other was closed.
    for _ in 0..100_000 {
        if connections(&served) == 1 {
            let mut bytes = Vec::new();
            let _ = stream.read_to_end(&mut bytes);
            assert!(bytes.len() < 40_000_000);
            return;
        }
    }
    panic!("a client that does not read was waited for");
}
