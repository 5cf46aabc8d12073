//! Checkpoints: which runs are the index, and which bytes are void.

use zerocopy::little_endian::U64;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::error::Result;
use crate::format::{FrameHeader, FrameKind, damaged, fixed_body, run};
use crate::limits::RUNS_MAX;

/// The fixed start of a checkpoint's body; the runs and the voids follow it.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct CheckpointHead {
    /// The file that it was written in.
    pub file_id: [u8; 16],
    /// Where in the file it was written.
    pub offset: U64,
    /// Number of runs.
    pub runs: U64,
    /// Number of voids.
    pub voids: U64,
}

/// A run of the index.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct RunRef {
    /// Offset of its frame.
    pub offset: U64,
    /// Number of its records.
    pub records: U64,
}

/// Bytes that nothing needs.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct VoidRef {
    /// Offset of the first byte.
    pub offset: U64,
    /// Number of bytes.
    pub len: U64,
}

/// Largest body of a checkpoint: what a reader is ready to hold in memory.
pub const BODY_LEN_MAX: u64 = 64 * 1024 * 1024;

/// A checkpoint.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Checkpoint {
    /// The runs, oldest first. A hash that is in several is where the newest says.
    pub runs: Vec<RunRef>,
    /// The voids, by offset; none touches another.
    pub voids: Vec<VoidRef>,
}

impl Checkpoint {
    /// The frame of this checkpoint at `offset` of the file `file_id`.
    pub fn encode(&self, file_id: [u8; 16], offset: u64) -> Vec<u8> {
        let head = CheckpointHead {
            file_id,
            offset: offset.into(),
            runs: (self.runs.len() as u64).into(),
            voids: (self.voids.len() as u64).into(),
        };
        let parts = [head.as_bytes(), self.runs.as_bytes(), self.voids.as_bytes()];
        let len: usize = parts.iter().map(|part| part.len()).sum();
        let header = FrameHeader::new(FrameKind::Checkpoint, len as u64).sealed(parts);
        [&[header.as_bytes()], &parts[..]].concat().concat()
    }

    /// Reads the checkpoint at `offset` of the file `file_id`.
    pub fn parse(
        file_id: [u8; 16],
        offset: u64,
        header: &FrameHeader,
        body: &[u8],
    ) -> Result<Self> {
        let bad = |detail: String| damaged(offset, detail);
        let (head, rest) = fixed_body::<CheckpointHead>("checkpoint", offset, header, body)?;
        if head.file_id != file_id || head.offset.get() != offset {
            return Err(bad("a checkpoint of another file or place".into()));
        }
        let runs = usize::try_from(head.runs.get()).unwrap_or(usize::MAX);
        let voids = usize::try_from(head.voids.get()).unwrap_or(usize::MAX);
        if runs > RUNS_MAX {
            return Err(bad(format!("a checkpoint of {runs} runs, the limit is {RUNS_MAX}")));
        }
        let (runs, rest) = <[RunRef]>::ref_from_prefix_with_elems(rest, runs)
            .map_err(|_| bad("the runs of a checkpoint are cut off".into()))?;
        let voids = <[VoidRef]>::ref_from_bytes_with_elems(rest, voids)
            .map_err(|_| bad("the voids of a checkpoint do not fill it".into()))?;
        for RunRef { offset: at, records } in runs {
            let records = records.get();
            if records == 0
                || records > u64::from(u32::MAX)
                || at.get().saturating_add(run::body_len(records)) > offset
            {
                return Err(bad(format!(
                    "a run of {records} records at {at} after its checkpoint"
                )));
            }
        }
        let mut end = 0;
        for VoidRef { offset: at, len } in voids {
            let (at, len) = (at.get(), len.get());
            let next = at.checked_add(len).filter(|next| at >= end && *next <= offset);
            end = next.ok_or_else(|| bad(format!("a void of {len} bytes at {at} out of place")))?;
        }
        Ok(Checkpoint { runs: runs.to_vec(), voids: voids.to_vec() })
    }
}
