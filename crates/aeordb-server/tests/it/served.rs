//! A server with a database of its own, and a client that says exactly what it is told.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::Duration;

use aeordb_server::{Config, Deadlines, Level, Server, Stop};
use serde_json::Value;
use tempfile::TempDir;

/// A running server. Dropping it stops it.
pub struct Served {
    directory: TempDir,
    pub address: SocketAddr,
    /// A key that may do everything.
    pub key: String,
    stop: Stop,
    thread: Option<JoinHandle<aeordb::Result<()>>>,
}

/// What a server replied.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
    /// False if the connection ended before the body did.
    pub complete: bool,
}

impl Served {
    pub fn new() -> Self {
        Served::with(Deadlines::default())
    }

    pub fn with(deadlines: Deadlines) -> Self {
        Served::on(tempfile::tempdir().unwrap(), "", deadlines)
    }

    /// A server of the database in a directory; `key` is used if the database has one already.
    pub fn on(directory: TempDir, key: &str, deadlines: Deadlines) -> Self {
        let mut config =
            Config::new(directory.path().join("data.aeordb"), "127.0.0.1:0".parse().unwrap());
        config.deadlines = deadlines;
        config.level = Level::Errors;
        let server = Server::start(config).unwrap();
        let (address, stop) = (server.address(), server.stop());
        let key = server.first_key().unwrap_or(key).to_owned();
        let thread = Some(std::thread::spawn(move || server.run()));
        Served { directory, address, key, stop, thread }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn stop(&self) {
        self.stop.stop();
    }

    /// Stops the server and waits for its end.
    pub fn close(mut self) -> TempDir {
        self.stop.stop();
        self.thread.take().unwrap().join().unwrap().unwrap();
        let empty = tempfile::tempdir().unwrap();
        std::mem::replace(&mut self.directory, empty)
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream
    }

    /// One request with the key of everything.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let key = format!("Bearer {}", self.key);
        let mut all = vec![("authorization", key.as_str())];
        all.extend_from_slice(headers);
        self.bare(method, path, &all, body)
    }

    /// One request with these headers alone.
    pub fn bare(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let mut stream = self.connect();
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() || matches!(method, "PUT" | "POST") {
            head.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        // A server that refuses may close before it has read all.
        let _ = stream.write_all(body);
        Reply::read(&mut stream, method == "HEAD")
    }

    pub fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], b"")
    }

    pub fn put(&self, path: &str, body: &[u8]) -> Value {
        let reply = self.send("PUT", path, &[], body);
        assert!(matches!(reply.status, 200 | 201), "{path}: {reply:?}");
        reply.json()
    }

    pub fn post(&self, path: &str, body: &str) -> Reply {
        self.send("POST", path, &[("content-type", "application/json")], body.as_bytes())
    }

    /// A key with these scopes.
    pub fn new_key(&self, scopes: &str) -> String {
        let words: Vec<&str> = scopes.split(',').collect();
        let body = serde_json::json!({ "name": scopes, "scopes": words });
        let reply = self.post("/admin/keys", &body.to_string()).expect(201);
        reply.json()["key"].as_str().unwrap().to_owned()
    }

    pub fn head(&self) -> String {
        self.get("/readyz").expect(200).json()["head"].as_str().unwrap().to_owned()
    }

    /// A server with `v1` and `v2`: a file added, one changed, one removed.
    pub fn with_versions() -> Self {
        let served = Served::new();
        served.put("/files/docs/a.txt", b"alpha");
        served.put("/files/docs/gone.txt", b"gone");
        served.post("/admin/snapshots", r#"{"name": "v1"}"#).expect(201);
        served.put("/files/docs/a.txt", b"alpha, changed");
        served.put("/files/docs/b.txt", b"beta");
        served.send("DELETE", "/files/docs/gone.txt", &[], b"").expect(204);
        served.post("/admin/snapshots", r#"{"name": "v2"}"#).expect(201);
        served
    }

    pub fn backup_names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("backups")).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Reply {
    /// Reads one reply.
    pub fn read(stream: &mut impl Read, is_head: bool) -> Self {
        let mut bytes = Vec::new();
        let ended = stream.read_to_end(&mut bytes);
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let end = end.unwrap_or_else(|| panic!("no reply: {ended:?}"));
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: BTreeMap<String, String> = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let rest = &bytes[end + 4..];
        let (body, complete) = match headers.get("content-length") {
            _ if is_head || matches!(status, 204 | 304) => (rest.to_vec(), true),
            Some(len) => (rest.to_vec(), rest.len() == len.parse::<usize>().unwrap()),
            None => dechunked(rest),
        };
        Reply { status, headers, body, complete }
    }

    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        assert!(self.complete);
        self
    }

    /// A problem document of this status and type.
    pub fn problem(self, status: u16, kind: &str) -> Value {
        let reply = self.expect(status);
        assert_eq!(reply.headers["content-type"], "application/problem+json");
        let problem = reply.json();
        assert_eq!(problem["type"], format!("urn:aeordb:problem:{kind}"), "{problem}");
        assert_eq!(problem["status"], status);
        assert!(problem["title"].is_string() && problem["detail"].is_string());
        problem
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| {
            panic!("{error}: {}", String::from_utf8_lossy(&self.body));
        })
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    /// The names of the members of an object, in their order.
    pub fn members(&self) -> Vec<String> {
        self.json().as_object().unwrap().keys().cloned().collect()
    }
}

fn dechunked(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        let Some(line) = rest.windows(2).position(|two| two == b"\r\n") else {
            return (body, false);
        };
        let len = std::str::from_utf8(&rest[..line]).unwrap();
        let len = usize::from_str_radix(len, 16).unwrap();
        rest = &rest[line + 2..];
        if len == 0 {
            return (body, true);
        }
        if rest.len() < len + 2 {
            return (body, false);
        }
        body.extend_from_slice(&rest[..len]);
        rest = &rest[len + 2..];
    }
}

/// Bytes that neither repeat nor compress.
pub fn noise(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    bytes
}
