//! Bytes piece by piece: in from whoever sends them, out to whoever reads them.

use std::io;

use bytes::Bytes;

use super::problem::Problem;

/// Bytes that are sent in, through any door.
pub trait Pieces: Send {
    /// The next bytes; `None` at the end of what is as it was sent.
    fn next(&mut self) -> impl Future<Output = Result<Option<Bytes>, Problem>> + Send;

    /// The next bytes, to be kept in memory: waits in bounds until they may be.
    fn next_kept(&mut self) -> impl Future<Output = Result<Option<Bytes>, Problem>> + Send;
}

/// Gives bytes piece by piece; may wait for the disk.
pub trait Source: Send + Unpin + 'static {
    /// The next piece; empty at the end.
    fn next_piece(&mut self) -> io::Result<Bytes>;
}
