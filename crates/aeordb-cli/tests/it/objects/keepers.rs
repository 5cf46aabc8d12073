//! Servers of the tests, all on loopback: a web server that knows ranges and conditions, an S3 server
//! that is somebody else's, and a line that loses an answer.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crate::sandbox::{Run, Sandbox};

/// Reads a request: its head and its body.
pub fn request(from: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 16 * 1024];
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end + 4]).into_owned();
            let len: usize = header(&head, "content-length").map_or(0, |len| len.parse().unwrap());
            while bytes.len() < end + 4 + len {
                let read = from.read(&mut buffer).ok().filter(|read| *read > 0)?;
                bytes.extend_from_slice(&buffer[..read]);
            }
            return Some((head, bytes.split_off(end + 4)));
        }
        let read = from.read(&mut buffer).ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&buffer[..read]);
    }
}

pub fn header(head: &str, name: &str) -> Option<String> {
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}

/// Answers each connection with `answer`, for as long as the process runs.
pub fn serve(answer: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = answer.clone();
            thread::spawn(move || answer(stream));
        }
    });
    address
}

/// A web server over a directory.
pub struct Web {
    address: SocketAddr,
    count: Arc<AtomicU64>,
}

impl Web {
    pub fn start(directory: PathBuf) -> Web {
        let count = Arc::new(AtomicU64::new(0));
        let counted = count.clone();
        let address = serve(move |mut stream| {
            while let Some((head, _)) = request(&mut stream) {
                counted.fetch_add(1, Ordering::SeqCst);
                if stream.write_all(&answer(&directory, &head)).is_err() {
                    break;
                }
            }
        });
        Web { address, count }
    }

    pub fn url(&self, name: &str) -> String {
        format!("http://{}/{name}", self.address)
    }

    pub fn requests(&self) -> u64 {
        self.count.load(Ordering::SeqCst)
    }
}

fn answer(directory: &Path, head: &str) -> Vec<u8> {
    let name = head.split(' ').nth(1).unwrap_or_default().trim_start_matches('/');
    let Ok(bytes) = fs::read(directory.join(name)) else {
        return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec();
    };
    let tag = format!("\"{:x}-{}\"", bytes.len(), bytes.iter().map(|b| u64::from(*b)).sum::<u64>());
    if header(head, "if-match").is_some_and(|wanted| wanted != tag) {
        return b"HTTP/1.1 412 Precondition Failed\r\nContent-Length: 0\r\n\r\n".to_vec();
    }
    let common = format!(
        "ETag: {tag}\r\nLast-Modified: Sun, 29 Nov 2026 10:00:00 GMT\r\nAccept-Ranges: bytes\r\n"
    );
    let range = header(head, "range").and_then(|range| {
        let (from, to) = range.strip_prefix("bytes=")?.split_once('-')?;
        Some((from.parse::<usize>().ok()?, to.parse::<usize>().ok()?.min(bytes.len() - 1)))
    });
    let (status, from, to) = match range {
        Some((from, to)) => {
            let of =
                format!("206 Partial Content\r\nContent-Range: bytes {from}-{to}/{}", bytes.len());
            (of, from, to + 1)
        }
        None => ("200 OK".to_owned(), 0, bytes.len()),
    };
    let len = to - from;
    let mut all =
        format!("HTTP/1.1 {status}\r\n{common}Content-Length: {len}\r\n\r\n").into_bytes();
    if !head.starts_with("HEAD") {
        all.extend_from_slice(&bytes[from..to]);
    }
    all
}

/// An S3 server with a bucket, which ends with the test.
pub struct Bucket {
    server: Child,
    address: SocketAddr,
}

impl Bucket {
    /// Starts moto's server, from the path or from where `.ci/run` puts it.
    pub fn start() -> Option<Bucket> {
        let put = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/s3/bin/moto_server");
        let program = if put.exists() { put } else { "moto_server".into() };
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut command = Command::new(program);
        command.args(["-H", "127.0.0.1", "-p", &free.port().to_string()]);
        let Ok(server) = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn() else {
            let what = "NOT TESTED: object storage, without moto (pip install 'moto[server]')";
            let _ = writeln!(std::io::stderr(), "{what}");
            return None;
        };
        let mut bucket = Bucket { server, address: free };
        while bucket.server.try_wait().unwrap().is_none() {
            if bucket.make().is_some() {
                return Some(bucket);
            }
            thread::park_timeout(Duration::from_millis(100));
        }
        panic!("moto_server ended")
    }

    fn make(&self) -> Option<()> {
        self.reply("PUT /bucket")?.contains(" 200 ").then_some(())
    }

    /// What the server replies to a request that nobody signed.
    pub fn ask(&self, request: &str) -> String {
        self.reply(request).unwrap()
    }

    fn reply(&self, request: &str) -> Option<String> {
        let mut stream = TcpStream::connect(self.address).ok()?;
        let host = self.address;
        let headers = format!("Host: {host}\r\nContent-Length: 0\r\nConnection: close");
        write!(stream, "{request} HTTP/1.1\r\n{headers}\r\n\r\n").ok()?;
        let mut reply = String::new();
        stream.read_to_string(&mut reply).ok()?;
        Some(reply)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn command(&self, sandbox: &Sandbox, arguments: &[&str]) -> Command {
        let mut command = sandbox.command(arguments);
        command
            .env("AWS_ENDPOINT_URL", format!("http://{}", self.address))
            .env("AWS_ACCESS_KEY_ID", "key")
            .env("AWS_SECRET_ACCESS_KEY", "sesame")
            .env("AWS_REGION", "us-east-1")
            .env_remove("AWS_PROFILE");
        command
    }

    pub fn run(&self, sandbox: &Sandbox, arguments: &[&str]) -> Run {
        let run = Run::new(arguments, self.command(sandbox, arguments).output().unwrap());
        assert!(!run.err.contains("sesame"), "{}", run.err);
        run
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// A line to a server that loses the answer to the first request of a kind.
pub struct Lossy {
    address: SocketAddr,
    lost: Arc<AtomicBool>,
}

impl Lossy {
    pub fn start(server: SocketAddr, kind: String) -> Lossy {
        let lost = Arc::new(AtomicBool::new(false));
        let loses = lost.clone();
        let address = serve(move |mut stream| {
            let Some((head, body)) = request(&mut stream) else { return };
            let Ok(mut to) = TcpStream::connect(server) else { return };
            let (first, rest) = head.split_once("\r\n").unwrap();
            let _ = to.write_all(format!("{first}\r\nConnection: close\r\n{rest}").as_bytes());
            let _ = to.write_all(&body);
            let mut reply = Vec::new();
            let _ = to.read_to_end(&mut reply);
            if first.starts_with(&kind) && !loses.swap(true, Ordering::SeqCst) {
                return;
            }
            let _ = stream.write_all(&reply);
        });
        Lossy { address, lost }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn lost(&self) -> bool {
        self.lost.load(Ordering::SeqCst)
    }
}
