//! Bodies: taken in with a deadline and a limit, given out as they are read.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Body;
use bytes::Bytes;
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use crate::digest::Digests;
use crate::problem::Problem;
use crate::service::counters::Counter;
use crate::service::permits::{Permits, Taken};
use crate::service::pieces::Pieces;
use crate::stall::StallTimeout;

/// Longest body of JSON, in bytes, where nothing else is said.
const JSON_LEN_MAX: usize = 64 * 1024;
/// Pieces of an output that may wait for a slow reader.
const PIECES_WAITING: usize = 4;
/// Bytes of such a piece.
const PIECE_LEN: usize = 256 * 1024;

/// What of a body is in memory.
pub type Held = Arc<Mutex<Option<Taken>>>;

/// What bodies of requests take of what all share.
pub struct Intake {
    /// Bytes of them in memory.
    pub memory: Permits,
    /// How long one may take, beyond what it earns by its bytes.
    pub deadline: Duration,
    /// Bytes that came.
    pub bytes: Counter,
}

/// The body of a request.
pub struct Incoming {
    key: String,
    held: Held,
    body: Body,
    digests: Digests,
    stall: StallTimeout,
    intake: Arc<Intake>,
}

impl Incoming {
    /// Takes `body` in, which is sent with this key and must have these digests. What is kept of it
    /// in memory is counted as long as `held` is there.
    pub fn new(intake: &Arc<Intake>, key: &str, held: &Held, body: Body, digests: Digests) -> Self {
        let stall = StallTimeout::new(intake.deadline);
        let (key, held, intake) = (key.to_owned(), held.clone(), intake.clone());
        Incoming { key, held, body, digests, stall, intake }
    }

    /// The whole body, of at most `limit` bytes.
    pub async fn all(mut self, limit: usize) -> Result<Vec<u8>, Problem> {
        let mut whole = Vec::new();
        while let Some(bytes) = self.next_kept().await? {
            if whole.len() + bytes.len() > limit {
                return Err(Problem::too_large("this body", limit as u64));
            }
            whole.extend_from_slice(&bytes);
        }
        Ok(whole)
    }

    /// The body as JSON, whatever its Content-Type says. No body at all is an empty object.
    pub async fn json<T: DeserializeOwned>(self) -> Result<T, Problem> {
        self.json_up_to(JSON_LEN_MAX).await
    }

    /// The same, of at most `limit` bytes.
    pub async fn json_up_to<T: DeserializeOwned>(self, limit: usize) -> Result<T, Problem> {
        let whole = self.all(limit).await?;
        let text: &[u8] = if whole.is_empty() { b"{}" } else { &whole };
        // An array of the members' values, in order, would be taken for the object.
        if text.trim_ascii_start().first() == Some(&b'[') {
            return Err(Problem::invalid("the body is a JSON array, an object is wanted here"));
        }
        serde_json::from_slice(text).map_err(|error| {
            Problem::invalid(format!("the body is not the JSON that is wanted here: {error}"))
        })
    }
}

impl Pieces for Incoming {
    async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        loop {
            let since = Instant::now();
            let frame = tokio::time::timeout(self.stall.left(), self.body.frame()).await;
            let frame = match frame.map_err(|_| Problem::too_slow())? {
                None => {
                    std::mem::take(&mut self.digests).check()?;
                    return Ok(None);
                }
                Some(Err(_)) => return Err(Problem::damaged_upload("the body was cut off")),
                Some(Ok(frame)) => frame,
            };
            let bytes = match frame.into_data() {
                Ok(bytes) => bytes,
                Err(frame) => {
                    let trailers = frame.into_trailers().unwrap_or_default();
                    self.digests.take_trailers(&trailers)?;
                    continue;
                }
            };
            self.digests.update(&bytes);
            self.stall.account(since.elapsed(), bytes.len());
            self.intake.bytes.add(bytes.len() as u64);
            if !bytes.is_empty() {
                return Ok(Some(bytes));
            }
        }
    }

    async fn next_kept(&mut self) -> Result<Option<Bytes>, Problem> {
        let Some(bytes) = self.next().await? else { return Ok(None) };
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let taken = self.intake.memory.take(&self.key, len).await?;
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        match held.as_mut() {
            Some(held) => held.merge(taken),
            None => *held = Some(taken),
        }
        Ok(Some(bytes))
    }
}

/// What a thread writes and a client reads, as slowly as it likes within its deadline.
pub struct Pipe {
    pieces: mpsc::Sender<io::Result<Bytes>>,
    piece: Vec<u8>,
    sent: Counter,
}

/// The piece that comes after the last.
pub const END: Bytes = Bytes::new();

/// The other end of a [`Pipe`].
pub type PipeEnd = mpsc::Receiver<io::Result<Bytes>>;

impl Pipe {
    /// A pipe and its end; what is sent is counted.
    pub fn new(sent: Counter) -> (Self, PipeEnd) {
        let (pieces, end) = mpsc::channel(PIECES_WAITING);
        (Pipe { pieces, piece: Vec::new(), sent }, end)
    }

    /// Says that what was written is whole. A pipe that is dropped without is not: what wrote into
    /// it may have panicked.
    pub fn finish(mut self) -> io::Result<()> {
        self.send()?;
        self.pieces.blocking_send(Ok(END)).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    /// Says that what was written is not whole: the connection is aborted, never ended cleanly.
    pub fn fail(self, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) {
        let _ = self.pieces.blocking_send(Err(io::Error::other(error)));
    }

    fn send(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = Bytes::from(std::mem::take(&mut self.piece));
        self.sent.add(piece.len() as u64);
        // Nobody reads any more: whoever writes stops.
        self.pieces.blocking_send(Ok(piece)).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl io::Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE_LEN {
            self.send()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send()
    }
}
