//! What is sent, no faster than it may be.

use std::io::{self, Read};
use std::thread;
use std::time::{Duration, Instant};

/// Time for which is sent at once.
const PIECE: Duration = Duration::from_millis(50);

/// Bytes at a rate.
pub struct Throttle<R> {
    inner: R,
    /// Bytes a second, if there is a limit.
    rate: Option<u64>,
    began: Option<Instant>,
    sent: u64,
}

impl<R: Read> Throttle<R> {
    /// The bytes of `inner`, at most `rate` of them a second.
    pub fn new(inner: R, rate: Option<u64>) -> Self {
        Throttle { inner, rate, began: None, sent: 0 }
    }
}

impl<R: Read> Read for Throttle<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(rate) = self.rate else { return self.inner.read(buffer) };
        let began = *self.began.get_or_insert_with(Instant::now);
        // It may be woken before its time.
        while let Some(left) = due(self.sent, rate).checked_sub(began.elapsed())
            && !left.is_zero()
        {
            thread::park_timeout(left);
        }
        // Time in which nothing was sent is not made up for: a line that was idle is not flooded.
        if due(self.sent, rate) + PIECE < began.elapsed() {
            (self.began, self.sent) = (Some(Instant::now()), 0);
        }
        let piece = usize::try_from((rate / 20).max(1)).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.inner.read(buffer.get_mut(..piece).unwrap_or_default())?;
        self.sent += read as u64;
        Ok(read)
    }
}

/// When so many bytes may have been sent.
fn due(sent: u64, rate: u64) -> Duration {
    let microseconds = u128::from(sent) * 1_000_000 / u128::from(rate.max(1));
    Duration::from_micros(u64::try_from(microseconds).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_bytes_come_in_pieces_that_are_due() {
        let bytes: Vec<u8> = (0..=255).cycle().take(3000).collect();
        let mut sent = Vec::new();
        let began = Instant::now();
        Throttle::new(bytes.as_slice(), Some(20_000)).read_to_end(&mut sent).unwrap();
        assert_eq!(sent, bytes);
        // No load makes it faster: the last piece of 1,000 bytes is sent when 2,000 are due.
        assert!(began.elapsed() >= due(2000, 20_000));
        let mut piece = [0; 3000];
        assert_eq!(Throttle::new(bytes.as_slice(), Some(20_000)).read(&mut piece).unwrap(), 1000);
        assert_eq!(Throttle::new(bytes.as_slice(), Some(1)).read(&mut piece).unwrap(), 1);
        assert_eq!(Throttle::new(bytes.as_slice(), None).read(&mut piece).unwrap(), 3000);
    }

    #[test]
    fn a_rate_is_no_limit_to_how_much_is_sent_in_all() {
        assert_eq!(due(2_000_000, 1_000_000), Duration::from_secs(2));
        assert!(due(u64::MAX, 1) > Duration::from_secs(1));
    }
}
