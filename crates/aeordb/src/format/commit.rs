//! Commits: the only thing that makes appended bytes count.

use zerocopy::little_endian::{I64, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::error::Result;
use crate::format::{
    FRAME_HEADER_LEN, FrameHeader, FrameKind, check_numbers, damaged, fixed_body, newer,
};

/// A commit's body.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct Commit {
    /// The file that it was written in.
    pub file_id: [u8; 16],
    /// Where in the file it was written.
    pub offset: U64,
    /// Its number: one more than that of the commit before.
    pub sequence: U64,
    /// When it was made, in nanoseconds since 1970. Shown, never compared.
    pub time: I64,
    /// HEAD.
    pub head: [u8; 32],
    /// Root of the map of snapshots.
    pub snapshots: [u8; 32],
    /// Root of the map of history.
    pub history: [u8; 32],
    /// Root of the map of system data.
    pub system: [u8; 32],
    /// Frame hash of the commit before; zero for the first.
    pub previous: [u8; 32],
    /// BLAKE3 over the offset and the hash of every frame since the commit before.
    pub seal: [u8; 32],
    /// End of the last commit that was synced when this one was written.
    pub durable_to: U64,
    /// Offset of the newest checkpoint; zero if there is none.
    pub checkpoint: U64,
    /// Counts the collections that released bytes.
    pub epoch: U64,
    /// Zero.
    pub reserved: U64,
}

/// Bytes of a commit's frame.
pub const COMMIT_FRAME_LEN: usize = FRAME_HEADER_LEN + size_of::<Commit>();

const _: () = assert!(size_of::<Commit>() == 264);

impl Commit {
    /// The commit's frame, and its hash.
    pub fn encode(&self) -> (Vec<u8>, [u8; 32]) {
        let body = self.as_bytes();
        let header = FrameHeader::new(FrameKind::Commit, body.len() as u64).sealed([body]);
        ([header.as_bytes(), body].concat(), header.hash)
    }

    /// Reads the commit at `offset` of the file `file_id`.
    pub fn parse(
        file_id: [u8; 16],
        offset: u64,
        header: &FrameHeader,
        body: &[u8],
    ) -> Result<Self> {
        let (commit, rest) = fixed_body::<Commit>("commit", offset, header, body)?;
        if commit.file_id != file_id || commit.offset.get() != offset || !rest.is_empty() {
            return Err(damaged(offset, "a commit of another file or place"));
        }
        if commit.reserved.get() != 0 {
            return Err(newer("fields of a commit that this program does not know"));
        }
        check_numbers("commit", offset, [commit.sequence.get(), commit.epoch.get()])?;
        if commit.durable_to.get().max(commit.checkpoint.get()) > offset {
            return Err(damaged(offset, "a commit that leads to what comes after it"));
        }
        Ok(*commit)
    }
}

/// Collects what a commit seals.
#[derive(Clone, Default)]
pub struct Seal(blake3::Hasher);

impl Seal {
    /// Nothing sealed yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the frame at `offset` with this hash.
    pub fn add(&mut self, offset: u64, hash: &[u8; 32]) {
        self.0.update(&offset.to_le_bytes()).update(hash);
    }

    /// The seal over everything added.
    pub fn finish(&self) -> [u8; 32] {
        *self.0.finalize().as_bytes()
    }
}
