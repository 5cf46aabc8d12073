//! Clients that send one request after another on connections that stay open.

use std::fmt;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::Result;
use crate::servers::Server;

/// Bytes of a small file.
const SMALL_LEN: usize = 1024;
/// Bytes that are sent and read at once.
const PIECE_LEN: usize = 1024 * 1024;

/// What clients do.
#[derive(Clone, Copy)]
pub enum Kind {
    /// Each puts files of its own.
    Put,
    /// Each gets files that were put, of so many by each client.
    Get(u64),
}

/// One measurement.
pub struct Load<'s> {
    pub server: &'s Server,
    pub clients: usize,
    pub time: Duration,
    pub kind: Kind,
}

/// What came of it.
pub struct Outcome {
    /// Requests a second.
    rate: f64,
    p50: Duration,
    p99: Duration,
    /// The fewest files that one client put.
    pub files: u64,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |time: Duration| time.as_secs_f64() * 1000.0;
        write!(f, "{:.0} | {:.2} | {:.2}", self.rate, ms(self.p50), ms(self.p99))
    }
}

impl Load<'_> {
    /// Lets the clients work, and counts.
    pub fn run(&self) -> Result<Outcome> {
        let started = Instant::now();
        let results: Vec<std::result::Result<Vec<Duration>, String>> =
            std::thread::scope(|scope| {
                let clients: Vec<_> = (0..self.clients)
                    .map(|client| {
                        scope.spawn(move || self.client(client).map_err(|error| error.to_string()))
                    })
                    .collect();
                clients
                    .into_iter()
                    .map(|client| client.join().unwrap_or_else(|_| Err("a client died".into())))
                    .collect()
            });
        let took = started.elapsed();
        let results: Vec<Vec<Duration>> =
            results.into_iter().collect::<std::result::Result<_, _>>()?;
        let files = results.iter().map(|times| times.len() as u64).min().unwrap_or(0);
        let mut times: Vec<Duration> = results.into_iter().flatten().collect();
        times.sort_unstable();
        let at =
            |percent: usize| times.get(times.len() * percent / 100).copied().unwrap_or_default();
        let rate = times.len() as f64 / took.as_secs_f64();
        Ok(Outcome { rate, p50: at(50), p99: at(99), files })
    }

    fn client(&self, client: usize) -> Result<Vec<Duration>> {
        let mut connection = Connection::open(self.server)?;
        let mut content = vec![b'x'; SMALL_LEN];
        let mut times = Vec::new();
        let mut number = 0u64;
        let started = Instant::now();
        while started.elapsed() < self.time {
            let since = Instant::now();
            let path = |number| format!("load/{}/c{client}/f{number}", self.clients);
            match self.kind {
                Kind::Put => {
                    // No two files are alike.
                    let label = format!("{}-{client}-{number}-", self.clients);
                    if let Some(start) = content.get_mut(..label.len()) {
                        start.copy_from_slice(label.as_bytes());
                    }
                    connection.put(&path(number), &content)?;
                }
                Kind::Get(files) => {
                    let at = number.wrapping_mul(2_654_435_761) % files.max(1);
                    connection.get(&path(at), SMALL_LEN)?;
                }
            }
            times.push(since.elapsed());
            number += 1;
        }
        Ok(times)
    }
}

/// Uploads and downloads one file of `len` bytes.
pub fn large(server: &Server, len: usize) -> Result<(Duration, Duration)> {
    let mut content = vec![0u8; len];
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for word in content.chunks_mut(8) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        for (byte, random) in word.iter_mut().zip(state.to_le_bytes()) {
            *byte = random;
        }
    }
    let mut connection = Connection::open(server)?;
    let since = Instant::now();
    connection.put("large/file", &content)?;
    let up = since.elapsed();
    let since = Instant::now();
    connection.get("large/file", len)?;
    Ok((up, since.elapsed()))
}

struct Connection<'s> {
    server: &'s Server,
    stream: TcpStream,
    buffer: Vec<u8>,
    request: Vec<u8>,
}

impl<'s> Connection<'s> {
    fn open(server: &'s Server) -> Result<Self> {
        let stream = TcpStream::connect(&server.address)?;
        stream.set_nodelay(true)?;
        let (buffer, request) = (vec![0; PIECE_LEN], Vec::new());
        Ok(Connection { server, stream, buffer, request })
    }

    fn put(&mut self, path: &str, content: &[u8]) -> Result<()> {
        let Server { prefix, suffix, headers, .. } = self.server;
        self.request.clear();
        write!(
            self.request,
            "PUT {prefix}{path}{suffix} HTTP/1.1\r\nhost: x\r\n{headers}\
             content-type: application/octet-stream\r\ncontent-length: {}\r\n\r\n",
            content.len()
        )?;
        if content.len() <= SMALL_LEN {
            self.request.extend_from_slice(content);
            self.stream.write_all(&self.request)?;
        } else {
            self.stream.write_all(&self.request)?;
            self.stream.write_all(content)?;
        }
        self.reply(None)
    }

    fn get(&mut self, path: &str, len: usize) -> Result<()> {
        let Server { prefix, headers, .. } = self.server;
        self.request.clear();
        write!(self.request, "GET {prefix}{path} HTTP/1.1\r\nhost: x\r\n{headers}\r\n")?;
        self.stream.write_all(&self.request)?;
        self.reply(Some(len))
    }

    /// Reads one reply, which must be of success and of the length that is expected.
    fn reply(&mut self, expected: Option<usize>) -> Result<()> {
        let mut filled = 0;
        loop {
            let room = self.buffer.get_mut(filled..).ok_or("the reply's head is too long")?;
            let read = self.stream.read(room)?;
            if read == 0 {
                return Err("the server closed the connection".into());
            }
            filled += read;
            let bytes = self.buffer.get(..filled).unwrap_or_default();
            let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
            let head = std::str::from_utf8(bytes.get(..end).unwrap_or_default())?;
            if !head.starts_with("HTTP/1.1 2") {
                let text = String::from_utf8_lossy(bytes).into_owned();
                return Err(format!("the server said: {text}").into());
            }
            let len = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
            });
            let len: usize = len.unwrap_or(0);
            if expected.is_some_and(|expected| expected != len) {
                return Err(format!("expected {expected:?} bytes, found {len}").into());
            }
            let mut left = (end + 4 + len).saturating_sub(filled);
            while left > 0 {
                let room = left.min(self.buffer.len());
                let read = self.stream.read(self.buffer.get_mut(..room).unwrap_or_default())?;
                if read == 0 {
                    return Err("the server closed the connection".into());
                }
                left -= read;
            }
            return Ok(());
        }
    }
}

/// Puts one file.
pub fn probe(server: &Server) -> Result<()> {
    Connection::open(server)?.put("probe", b"probe")
}
