//! One connection that stays open: requests are written, replies are read to their end.

use crate::error::{Error, Outcome};
use crate::http::servers::Server;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Bytes that are read at once.
const BUFFER_LEN: usize = 256 * 1024;
/// The longest line that is taken: of a head, or before a piece of a body.
const LINE_LEN_MAX: u64 = 16 * 1024;

/// A connection to a server.
pub struct Connection<'s> {
    server: &'s Server,
    stream: BufReader<TcpStream>,
    request: Vec<u8>,
    line: Vec<u8>,
}

/// What a request carries.
pub enum Body<'a> {
    /// Nothing.
    None,
    /// These bytes.
    Bytes(&'a [u8]),
    /// All of this file, of so many bytes.
    File(&'a File, u64),
}

/// The head of a reply, and how long its body was.
#[derive(Debug, Default)]
pub struct Reply {
    /// The version that a stream shows.
    pub version: Option<String>,
    /// Bytes of the body.
    pub len: u64,
}

/// What stands before the body.
#[derive(Default)]
struct Head {
    status: String,
    len: Option<u64>,
    chunked: bool,
    version: Option<String>,
}

impl<'s> Connection<'s> {
    /// Connects. Waiting for the server longer than `limit` is an error.
    pub fn open(server: &'s Server, limit: Duration) -> Outcome<Self> {
        let connect = || -> io::Result<TcpStream> {
            let stream = TcpStream::connect(&server.address)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(limit))?;
            stream.set_write_timeout(Some(limit))?;
            Ok(stream)
        };
        let stream = connect().map_err(|cause| said(server, &cause))?;
        let stream = BufReader::with_capacity(BUFFER_LEN, stream);
        Ok(Self { server, stream, request: Vec::new(), line: Vec::new() })
    }

    /// Puts one file, as durably as the server is asked to.
    pub fn put(&mut self, path: &str, body: &Body<'_>) -> Outcome<()> {
        let target = format!("{}{path}{}", self.server.prefix, self.server.suffix);
        self.send("PUT", &target, body, &mut io::sink()).map(drop)
    }

    /// Gets one file.
    pub fn get(&mut self, path: &str, sink: &mut dyn Write) -> Outcome<Reply> {
        let target = format!("{}{path}", self.server.prefix);
        self.send("GET", &target, &Body::None, sink)
    }

    /// Sends a request, and what its reply carries into `sink`. What is not a success is an error.
    pub fn send(
        &mut self,
        method: &str,
        target: &str,
        body: &Body<'_>,
        sink: &mut dyn Write,
    ) -> Outcome<Reply> {
        let answered = self.request(method, target, body).and_then(|()| self.reply(sink));
        answered.map_err(|cause| said(self.server, &format!("{method} {target}: {cause}")))
    }

    fn request(&mut self, method: &str, target: &str, body: &Body<'_>) -> io::Result<()> {
        let headers = &self.server.headers;
        self.request.clear();
        write!(self.request, "{method} {target} HTTP/1.1\r\nhost: localhost\r\n{headers}")?;
        let len = match body {
            Body::None => None,
            Body::Bytes(bytes) => Some(bytes.len() as u64),
            Body::File(_, len) => Some(*len),
        };
        if let Some(len) = len {
            let kind = "application/octet-stream";
            write!(self.request, "content-type: {kind}\r\ncontent-length: {len}\r\n")?;
        }
        self.request.extend_from_slice(b"\r\n");
        let stream = self.stream.get_mut();
        match body {
            Body::None => stream.write_all(&self.request),
            Body::Bytes(bytes) => {
                self.request.extend_from_slice(bytes);
                stream.write_all(&self.request)
            }
            Body::File(file, len) => {
                stream.write_all(&self.request)?;
                let sent = io::copy(&mut file.take(*len), stream)?;
                match sent == *len {
                    true => Ok(()),
                    false => Err(io::Error::other(format!("sent {sent} bytes of {len}"))),
                }
            }
        }
    }

    fn reply(&mut self, sink: &mut dyn Write) -> io::Result<Reply> {
        let head = self.head()?;
        if !head.status.starts_with("HTTP/1.1 2") {
            let mut text = Vec::new();
            self.body(&head, &mut text)?;
            let text = String::from_utf8_lossy(&text);
            return Err(io::Error::other(format!("{}: {text}", head.status)));
        }
        let len = self.body(&head, sink)?;
        Ok(Reply { version: head.version, len })
    }

    fn head(&mut self) -> io::Result<Head> {
        let mut head = Head { status: self.line()?.to_owned(), ..Head::default() };
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Ok(head);
            }
            let Some((name, value)) = line.split_once(':') else { continue };
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                head.len = value.parse().ok();
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                head.chunked = value.eq_ignore_ascii_case("chunked");
            } else if name.eq_ignore_ascii_case("aeordb-version") {
                head.version = Some(value.to_owned());
            }
        }
    }

    fn body(&mut self, head: &Head, sink: &mut dyn Write) -> io::Result<u64> {
        if !head.chunked {
            let len = head.len.unwrap_or(0);
            self.pass(len, sink)?;
            return Ok(len);
        }
        let mut all = 0;
        loop {
            let line = self.line()?;
            let len = u64::from_str_radix(line, 16)
                .map_err(|_| io::Error::other(format!("'{line}' is no length of a piece")))?;
            self.pass(len, sink)?;
            self.line()?;
            if len == 0 {
                return Ok(all);
            }
            all += len;
        }
    }

    /// Hands so many bytes on.
    fn pass(&mut self, mut left: u64, sink: &mut dyn Write) -> io::Result<()> {
        while left > 0 {
            let bytes = self.stream.fill_buf()?;
            let len = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            if len == 0 {
                return Err(io::Error::other("the server closed the connection"));
            }
            sink.write_all(bytes.get(..len).unwrap_or_default())?;
            self.stream.consume(len);
            left -= len as u64;
        }
        Ok(())
    }

    /// One line, without its end.
    fn line(&mut self) -> io::Result<&str> {
        self.line.clear();
        (&mut self.stream).take(LINE_LEN_MAX).read_until(b'\n', &mut self.line)?;
        let Some(line) = self.line.strip_suffix(b"\r\n") else {
            return Err(io::Error::other(
                "the server closed the connection, or sent too long a line",
            ));
        };
        std::str::from_utf8(line).map_err(io::Error::other)
    }
}

fn said(server: &Server, cause: &dyn std::fmt::Display) -> Error {
    Error::new(format!("{}: {cause}", server.name))
}
