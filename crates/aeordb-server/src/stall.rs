//! Deadlines for slow peers. A peer may make us wait for a while in all, and earns more of it by
//! what it transfers: so a slow line is served, and one that sends a byte now and then is not.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// Bytes a second that a peer must transfer on average.
const RATE_MIN: u64 = 4096;
/// Bytes that are read of a peer that has its answer already, at most.
const REST_LEN: usize = 1024 * 1024;
/// How long it is listened to then.
const REST_TIME: Duration = Duration::from_secs(2);

/// How much longer a peer may make us wait.
#[derive(Debug)]
pub struct StallTimeout {
    left: Duration,
    max: Duration,
    since: Option<Instant>,
    alarm: Option<Pin<Box<Sleep>>>,
}

impl StallTimeout {
    /// Lets a peer make us wait for `max` beyond what it earns.
    pub fn new(max: Duration) -> Self {
        StallTimeout { left: max, max, since: None, alarm: None }
    }

    /// How long the peer may take for the next piece.
    pub fn left(&self) -> Duration {
        self.left
    }

    /// The peer made us wait this long, and transferred this much.
    pub fn account(&mut self, waited: Duration, bytes: usize) {
        let earned = Duration::from_micros(bytes as u64 * 1_000_000 / RATE_MIN);
        self.left = self.left.saturating_sub(waited).saturating_add(earned).min(self.max);
    }

    /// The peer makes us wait: ready once it has done so for too long.
    fn poll_waiting(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let since = *self.since.get_or_insert_with(Instant::now);
        let deadline = since + self.left;
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if alarm.deadline() != deadline {
            alarm.as_mut().reset(deadline);
        }
        alarm.as_mut().poll(context)
    }

    /// The peer took `bytes`.
    fn moved(&mut self, bytes: usize) {
        let waited = self.since.take().map_or(Duration::ZERO, |since| since.elapsed());
        self.account(waited, bytes);
    }
}

/// A connection that fails when its peer takes too long to read what we write. How long it takes
/// to write is for whoever reads: headers and bodies have deadlines of their own.
pub struct WatchedStream<S> {
    stream: S,
    stall: StallTimeout,
    /// The peer may still be sending what nobody reads any more.
    unread: Arc<AtomicBool>,
    rest: Option<Rest>,
}

/// What is read of a peer that has its answer already.
struct Rest {
    left: usize,
    alarm: Pin<Box<Sleep>>,
}

impl<S> WatchedStream<S> {
    /// Lets the peer of `stream` make us wait for `max` beyond what it earns. At the end what it
    /// sends is read for a while, if `unread` is set.
    pub fn new(stream: S, max: Duration, unread: Arc<AtomicBool>) -> Self {
        WatchedStream { stream, stall: StallTimeout::new(max), unread, rest: None }
    }

    fn judge<T>(
        &mut self,
        context: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
        bytes: impl FnOnce(&T) -> usize,
    ) -> Poll<io::Result<T>> {
        match polled {
            Poll::Pending => match self.stall.poll_waiting(context) {
                Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
                Poll::Pending => Poll::Pending,
            },
            Poll::Ready(done) => {
                self.stall.moved(done.as_ref().map_or(0, bytes));
                Poll::Ready(done)
            }
        }
    }
}

impl<S: AsyncRead + Unpin> WatchedStream<S> {
    /// Reads what the peer still sends, within bounds. A connection that is closed with bytes
    /// unread is reset, and the peer loses the answer that it has not read yet.
    fn poll_rest(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(rest) = &mut self.rest else { return Poll::Ready(Ok(())) };
        let mut scratch = [0; 8192];
        while rest.left > 0 && rest.alarm.as_mut().poll(context).is_pending() {
            let mut buffer = ReadBuf::new(&mut scratch);
            let read = ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer));
            match buffer.filled().len() {
                len if len > 0 && read.is_ok() => rest.left = rest.left.saturating_sub(len),
                _ => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WatchedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for WatchedStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.judge(context, polled, |written| *written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.judge(context, polled, |written| *written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(context);
        self.judge(context, polled, |()| 0)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.rest.is_none() {
            let polled = Pin::new(&mut self.stream).poll_shutdown(context);
            ready!(self.judge(context, polled, |()| 0))?;
            if !self.unread.load(Relaxed) {
                return Poll::Ready(Ok(()));
            }
            let alarm = Box::pin(tokio::time::sleep(REST_TIME));
            self.rest = Some(Rest { left: REST_LEN, alarm });
        }
        self.poll_rest(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_transfers_earns_time_and_one_that_trickles_runs_out_of_it() {
        let mut stall = StallTimeout::new(Duration::from_secs(10));
        for _ in 0..1000 {
            stall.account(Duration::from_secs(1), 8192);
        }
        assert_eq!(stall.left(), Duration::from_secs(10));
        for _ in 0..11 {
            stall.account(Duration::from_secs(1), 1);
        }
        assert!(stall.left() < Duration::from_millis(10));
    }
}
