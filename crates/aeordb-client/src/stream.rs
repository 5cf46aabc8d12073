//! What a server streams: exports and patches, and files.

use std::io::{self, Read, Write};

use aeordb::Result;
use aeordb::internals::format::seal::{CLOSING_FRAME_LEN, Closing};
use aeordb::internals::format::{FRAME_HEADER_LEN, FrameHeader};
use aeordb::monitor::Monitor;
use aeordb::{Error, error::Context};
use aeordb_api::endpoint::Endpoint;
use ureq::Body;
use ureq::http::Response;

use crate::waiting::Waiting;
use crate::{Client, Payload};

/// Passes bytes on and keeps the last of them: a closing superblock, which says what the file is.
struct Tail<'o> {
    out: &'o mut dyn Write,
    last: Vec<u8>,
    len: u64,
}

impl Write for Tail<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        let new = bytes.get(written.saturating_sub(CLOSING_FRAME_LEN)..written);
        self.last.extend_from_slice(new.unwrap_or_default());
        let surplus = self.last.len().saturating_sub(CLOSING_FRAME_LEN);
        self.last.drain(..surplus);
        self.len += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Writes the export or patch that a call replies to `out`; gives its closing superblock and its
/// length.
pub fn fetch<E: Endpoint>(
    client: &Client,
    query: &E::Query,
    out: &mut dyn Write,
    monitor: &Monitor,
) -> Result<(Closing, u64)> {
    let reply = client.open::<E>(b"", query, &[], Payload::Empty)?;
    let mut tail = Tail { out, last: Vec::new(), len: 0 };
    copy(reply, &mut tail, monitor)?;
    tail.flush().context(|| "writing the output".into())?;
    let at = tail.len.saturating_sub(CLOSING_FRAME_LEN as u64);
    let cut_off = || Error::damaged("what the server sent", at, "no closing superblock at its end");
    let header = FrameHeader::parse(&tail.last).ok_or_else(cut_off)?;
    let body = tail.last.get(FRAME_HEADER_LEN..).unwrap_or_default();
    Ok((Closing::parse(at, &header, body).map_err(|_| cut_off())?, tail.len))
}

/// Copies the body of a reply to where it goes. A server ends what it cannot read to its end as it
/// ends nothing else, so a reply that stops early is damage, not data.
pub fn copy(reply: Response<Body>, out: &mut dyn io::Write, monitor: &Monitor) -> Result<()> {
    let mut body = reply.into_body().into_reader();
    let mut buffer = vec![0; 256 * 1024];
    let mut copied = 0;
    loop {
        monitor.check()?;
        let waiting = Waiting::begin();
        let read = body.read(&mut buffer);
        drop(waiting);
        let read = read.map_err(|error| ends_early(copied, &error))?;
        if read == 0 {
            return Ok(());
        }
        let piece = buffer.get(..read).unwrap_or_default();
        out.write_all(piece).context(|| "writing what the server sent".into())?;
        copied += read as u64;
        monitor.advance(0, piece.len() as u64);
    }
}

/// The body of a reply, if it has at most so many bytes; no more than that is read.
pub fn whole(reply: Response<Body>, most: u64) -> Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    let mut body = reply.into_body().into_reader().take(most.saturating_add(1));
    let waiting = Waiting::begin();
    let read = body.read_to_end(&mut bytes);
    drop(waiting);
    let len = bytes.len() as u64;
    read.map_err(|error| ends_early(len, &error))?;
    Ok(Some(bytes).filter(|_| len <= most))
}

/// What a server cannot read to its end it ends as nothing else.
fn ends_early(copied: u64, error: &io::Error) -> Error {
    let detail = format!(
        "the reply ends early: the server found stored bytes damaged, which its log says, or the \
         connection broke ({error})"
    );
    Error::damaged("the reply", copied, detail)
}
