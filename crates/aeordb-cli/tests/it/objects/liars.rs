//! Web servers that do not keep to what they say: nothing that is not what the file says becomes data, and
//! nothing grows without end.

use std::io::Write;
use std::net::TcpStream;

use super::keepers::{header, request, serve};
use crate::sandbox::Sandbox;
use crate::trees;

/// What was asked for, and the right answer to it.
struct Asked {
    /// The number of the request.
    number: u64,
    /// The status, the range and the bytes.
    status: &'static str,
    range: String,
    bytes: Vec<u8>,
}

impl Asked {
    fn answer(&self, tag: &str, len: usize, bytes: &[u8]) -> Vec<u8> {
        let Asked { status, range, .. } = self;
        let head = format!(
            "HTTP/1.1 {status}\r\nETag: {tag}\r\nLast-Modified: Sun, 29 Nov 2026 10:00:00 GMT\r\n\
             {range}Content-Length: {len}\r\n\r\n"
        );
        [head.as_bytes(), bytes].concat()
    }
}

/// Writes an answer; true if the line stays open.
type Lie = fn(&Asked, &mut TcpStream) -> bool;

fn send(stream: &mut TcpStream, bytes: &[u8]) -> bool {
    stream.write_all(bytes).is_ok()
}

const LIES: &[(&str, Lie)] = &[
    ("more is announced than comes", |asked, stream| {
        let len = asked.bytes.len() + 100;
        send(stream, &asked.answer("\"t\"", len, &asked.bytes));
        false
    }),
    ("half of it is all of it", |asked, stream| {
        let half = &asked.bytes[..asked.bytes.len() / 2];
        send(stream, &asked.answer("\"t\"", half.len(), half))
    }),
    ("more comes than was asked for", |asked, stream| {
        let more = [&asked.bytes[..], &[7; 1000]].concat();
        send(stream, &asked.answer("\"t\"", more.len(), &more))
    }),
    ("another file each time, which the tag says", |asked, stream| {
        let tag = format!("\"{}\"", asked.number);
        send(stream, &asked.answer(&tag, asked.bytes.len(), &asked.bytes))
    }),
    ("another file each time, which nothing says", |asked, stream| {
        let turn = |byte: &u8| byte ^ u8::from(asked.number > 1);
        let other: Vec<u8> = asked.bytes.iter().map(turn).collect();
        send(stream, &asked.answer("\"t\"", other.len(), &other))
    }),
    ("the line is cut", |asked, stream| {
        let half = &asked.bytes[..asked.bytes.len() / 2];
        send(stream, &asked.answer("\"t\"", asked.bytes.len(), half));
        false
    }),
    ("another range than was asked for", |asked, stream| {
        let asked = Asked { range: asked.range.replace("bytes ", "bytes 1"), ..asked.clone() };
        send(stream, &asked.answer("\"t\"", asked.bytes.len(), &asked.bytes))
    }),
    ("the file is as long as files can be", |asked, stream| {
        let (range, _) = asked.range.rsplit_once('/').unwrap_or((&asked.range, ""));
        let range = format!("{range}/9223372036854775807\r\n");
        let asked = Asked { range, ..asked.clone() };
        send(stream, &asked.answer("\"t\"", asked.bytes.len(), &asked.bytes))
    }),
    ("the answer has no end", |asked, stream| {
        let mut goes_on = send(stream, &asked.answer("\"t\"", usize::MAX / 2, &asked.bytes));
        while goes_on {
            goes_on = send(stream, &[0; 64 * 1024]);
        }
        false
    }),
    ("the way there leads in a circle", |_, stream| {
        send(stream, b"HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n")
    }),
    ("it is a page of words", |_, stream| {
        send(
            stream,
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\nsorry",
        )
    }),
];

impl Clone for Asked {
    fn clone(&self) -> Self {
        let Asked { number, status, range, bytes } = self;
        Asked { number: *number, status, range: range.clone(), bytes: bytes.clone() }
    }
}

/// A server that lies about a file.
fn start(bytes: Vec<u8>, lie: Lie) -> String {
    let count = std::sync::atomic::AtomicU64::new(0);
    let address = serve(move |mut stream| {
        while let Some((head, _)) = request(&mut stream) {
            let number = 1 + count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let last = bytes.len() - 1;
            let range = header(&head, "range").and_then(|range| {
                let (from, to) = range.strip_prefix("bytes=")?.split_once('-')?;
                Some((from.parse::<usize>().ok()?, to.parse::<usize>().ok()?.min(last)))
            });
            let asked = match range {
                Some((from, to)) => Asked {
                    number,
                    status: "206 Partial Content",
                    range: format!("Content-Range: bytes {from}-{to}/{}\r\n", bytes.len()),
                    bytes: bytes.get(from..=to).unwrap_or_default().to_vec(),
                },
                None => {
                    let bytes = bytes.clone();
                    Asked { number, status: "200 OK", range: String::new(), bytes }
                }
            };
            if !lie(&asked, &mut stream) {
                break;
            }
        }
    });
    format!("http://{address}/full.aeordb")
}

#[test]
fn a_server_that_lies_about_a_backup_is_found_out_and_nothing_is_made_of_it() {
    let sandbox = Sandbox::with_v1();
    sandbox.write("noise", trees::noise(1, 900_000));
    sandbox.ok(&["put", "noise", "/noise"]);
    sandbox.ok(&["export", "--output", "full.aeordb"]);
    let full = sandbox.read("full.aeordb");
    let before = sandbox.entries();
    // What takes memory without end is to be stopped before the machine is.
    let bounded = ["sh", "-c", "ulimit -v 4000000; exec \"$0\" \"$@\""];
    std::thread::scope(|scope| {
        for (name, lie) in LIES {
            let (sandbox, full) = (&sandbox, full.clone());
            scope.spawn(move || {
                let url = start(full, *lie);
                for verb in [
                    &["import", &url, "-d", &format!("{}.new", name.len())] as &[&str],
                    &["verify", "--deep", &url],
                    &["cat", "/noise", "-d", &url],
                    &["repair", "--from", &url, "-d", "full.aeordb"],
                ] {
                    let run = sandbox.run_through(&bounded, verb);
                    let code = run.code;
                    assert!(matches!(code, 1 | 14), "{name}: {verb:?}: {run:?}");
                    assert!(!run.err.contains("panicked"), "{name}: {verb:?}: {run:?}");
                    assert!(run.bytes.is_empty() || code == 14, "{name}: {verb:?}: {run:?}");
                }
            });
        }
    });
    assert_eq!(sandbox.entries(), before);
}
