//! Links: where the next patch starts, in a patch that was put together of several. What stands
//! between a link and the next leads from its base to its target.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::error::Result;
use crate::format::{FRAME_HEADER_LEN, FrameHeader, FrameKind, damaged, fixed_body};

/// The body of a link.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct Link {
    /// The version that the patch starts from.
    pub base: [u8; 32],
    /// The version that it leads to.
    pub target: [u8; 32],
}

/// Bytes of a link's body.
pub const LINK_LEN: usize = size_of::<Link>();

const _: () = assert!(LINK_LEN == 64 && FRAME_HEADER_LEN == 64);

impl Link {
    /// The frame.
    pub fn encode(&self) -> Vec<u8> {
        let body = self.as_bytes();
        let header = FrameHeader::new(FrameKind::Link, body.len() as u64).sealed([body]);
        [header.as_bytes(), body].concat()
    }

    /// Reads the link at `offset`.
    pub fn parse(offset: u64, header: &FrameHeader, body: &[u8]) -> Result<Self> {
        let (link, rest) = fixed_body::<Link>("link", offset, header, body)?;
        if !rest.is_empty() {
            return Err(damaged(offset, "a link of another length"));
        }
        Ok(*link)
    }
}
