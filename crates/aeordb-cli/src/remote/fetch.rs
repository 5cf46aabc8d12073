//! Exports and patches that a server streams.

use std::io::{self, Write};

use aeordb::Result;
use aeordb::format::seal::{CLOSING_FRAME_LEN, Closing};
use aeordb::format::{FRAME_HEADER_LEN, FrameHeader};
use aeordb::watch::Watch;
use aeordb::{Error, error::Context};
use aeordb_api::endpoint::Endpoint;

use super::client::{self, Client, Payload};

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
    watch: &Watch,
) -> Result<(Closing, u64)> {
    let reply = client.open::<E>(b"", query, &[], Payload::Empty)?;
    let mut tail = Tail { out, last: Vec::new(), len: 0 };
    client::copy(reply, &mut tail, watch)?;
    tail.flush().context(|| "writing the output".into())?;
    let at = tail.len.saturating_sub(CLOSING_FRAME_LEN as u64);
    let cut_off = || Error::damaged("what the server sent", at, "no closing superblock at its end");
    let header = FrameHeader::parse(&tail.last).ok_or_else(cut_off)?;
    let body = tail.last.get(FRAME_HEADER_LEN..).unwrap_or_default();
    Ok((Closing::parse(at, &header, body).map_err(|_| cut_off())?, tail.len))
}
