//! Bodies of answers that are made while they are sent.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::body::{END, PipeEnd};
use crate::service::counters::Counter;
use crate::service::pieces::Source;

/// What a thread writes into a [`crate::body::Pipe`]. It is whole once [`END`] came: if the other
/// side is gone before, the connection is aborted.
pub struct Piped {
    first: Option<Bytes>,
    end: Option<PipeEnd>,
    /// Dropped with the body.
    _reader: Box<dyn Send>,
}

impl Piped {
    /// The body that starts with `first`, which was taken out already; `reader` is dropped when
    /// nobody reads it any more.
    pub fn body(first: Option<Bytes>, end: PipeEnd, reader: impl Send + 'static) -> Body {
        Body::new(Piped { first, end: Some(end), _reader: Box::new(reader) })
    }
}

/// The body of an answer to HEAD whose length only sending it would tell. Nothing of it is sent.
pub fn unmeasured() -> Body {
    Piped::body(None, mpsc::channel(1).1, ())
}

impl HttpBody for Piped {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let first = self.first.take().map(Ok);
        let Some(end) = &mut self.end else { return Poll::Ready(None) };
        let piece = match first {
            Some(first) => Some(first),
            None => ready!(end.poll_recv(context)),
        };
        let gone = || Err(io::Error::other("what makes the answer ended before the answer did"));
        let piece = piece.unwrap_or_else(gone);
        let piece = Some(piece).filter(|piece| !matches!(piece, Ok(bytes) if *bytes == END));
        if !matches!(piece, Some(Ok(_))) {
            self.end = None;
        }
        Poll::Ready(piece.map(|piece| piece.map(Frame::data)))
    }
}

/// What a source gives, read on a blocking thread one piece ahead of the client: one that reads
/// slowly holds no thread.
pub struct Pulled<S> {
    reading: Option<JoinHandle<(S, io::Result<Bytes>)>>,
    left: u64,
    sent: Counter,
}

impl<S: Source> Pulled<S> {
    /// The body of `len` bytes of `source`, which has so many at least; what is sent is counted.
    pub fn body(sent: &Counter, source: S, len: u64) -> Body {
        let reading = (len > 0).then(|| read(source));
        Body::new(Pulled { reading, left: len, sent: sent.clone() })
    }

    fn take(&mut self, source: S, piece: io::Result<Bytes>) -> io::Result<Bytes> {
        let mut piece = piece?;
        piece.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
        if piece.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= piece.len() as u64;
        self.sent.add(piece.len() as u64);
        if self.left > 0 {
            self.reading = Some(read(source));
        }
        Ok(piece)
    }
}

fn read<S: Source>(mut source: S) -> JoinHandle<(S, io::Result<Bytes>)> {
    tokio::task::spawn_blocking(move || {
        let piece = source.next_piece();
        (source, piece)
    })
}

impl<S: Source> HttpBody for Pulled<S> {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let Some(reading) = &mut self.reading else { return Poll::Ready(None) };
        let read = ready!(Pin::new(reading).poll(context));
        self.reading = None;
        // An error aborts the connection: what was sent must not look complete.
        let piece = match read {
            Ok((source, piece)) => self.take(source, piece),
            Err(error) => Err(io::Error::other(error)),
        };
        Poll::Ready(Some(piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0 && self.reading.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
