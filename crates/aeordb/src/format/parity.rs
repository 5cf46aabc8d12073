//! The head of a file of parity, and where in it what stands: all of that follows from the head.

use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::error::{Error, Result};
use crate::hash::HASH_LEN;

/// First bytes of the file.
pub const PARITY_MAGIC: [u8; 8] = *b"aeorpar\x8a";
/// The version of what follows.
pub const PARITY_VERSION: u32 = 1;
/// Bytes that a head takes, zeros after it included.
pub const HEAD_LEN: u64 = 4096;
/// Most pieces of one set: with as much parity as there mostly is, a power of two.
pub const SET_MAX: u64 = 14_336;
/// Fewest and most bytes of a piece.
pub const PIECE_LEN: [u64; 2] = [1024, 65_536];
/// Pieces are a multiple of so many bytes long, as the code wants them.
pub const PIECE_STEP: u64 = 64;
/// Bytes of the check of a piece: the beginning of its BLAKE3.
pub const CHECK_LEN: usize = 8;
/// Checks of one page of the table, after which comes the page's own.
pub const PAGE_CHECKS: usize = 512;
/// Parity is at most as much as what it is for.
pub const MILLIONTHS: u32 = 1_000_000;
/// Longest file that there is parity for: a pebibyte, far below what sums of lengths hold.
pub const COVERED_MAX: u64 = 1 << 50;

/// The head.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct ParityHead {
    /// [`PARITY_MAGIC`].
    pub magic: [u8; 8],
    /// [`PARITY_VERSION`].
    pub version: U32,
    /// Bytes of a piece.
    pub piece_len: U32,
    /// Where in the file that it is for the first piece begins.
    pub start: U64,
    /// Bytes from there on that it is for.
    pub len: U64,
    /// Pieces of parity for a million pieces.
    pub share: U32,
    /// Zero.
    pub reserved: [u8; 4],
    /// The `file_id` of the file that it is for.
    pub file_id: [u8; 16],
    /// BLAKE3 of the bytes that it is for.
    pub content: [u8; HASH_LEN],
    /// BLAKE3 of all of the head before this.
    pub check: [u8; HASH_LEN],
}

impl ParityHead {
    /// For `len` bytes from `start` on, with `share` pieces of parity for a million.
    pub fn new(start: u64, len: u64, share: u32, file_id: [u8; 16]) -> Result<Self> {
        let [least, most] = PIECE_LEN;
        let piece = len.div_ceil(SET_MAX).next_multiple_of(PIECE_STEP).clamp(least, most);
        let head = ParityHead {
            magic: PARITY_MAGIC,
            version: PARITY_VERSION.into(),
            piece_len: u32::try_from(piece).unwrap_or(u32::MAX).into(),
            start: start.into(),
            len: len.into(),
            share: share.into(),
            reserved: [0; 4],
            file_id,
            content: [0; HASH_LEN],
            check: [0; HASH_LEN],
        };
        match head.is_sane() {
            true => Ok(head),
            false => Err(Error::Limit {
                what: "the bytes that parity is made for".into(),
                limit: COVERED_MAX,
                found: len,
            }),
        }
    }

    fn is_sane(&self) -> bool {
        let (piece, [least, most]) = (u64::from(self.piece_len.get()), PIECE_LEN);
        let share = self.share.get();
        (least..=most).contains(&piece)
            && piece.is_multiple_of(PIECE_STEP)
            && (1..=MILLIONTHS).contains(&share)
            && self.start.get() <= COVERED_MAX
            && (1..=COVERED_MAX).contains(&self.len.get())
    }

    fn own_check(&self) -> [u8; HASH_LEN] {
        let bytes = self.as_bytes();
        let len = bytes.len() - HASH_LEN;
        *blake3::hash(bytes.get(..len).unwrap_or_default()).as_bytes()
    }

    /// The same with its check.
    pub fn sealed(mut self) -> Self {
        self.check = self.own_check();
        self
    }

    /// The head that these bytes begin with; `None` if there is none that is whole.
    pub fn parse(bytes: &[u8]) -> Result<Option<Self>> {
        let Ok((head, _)) = ParityHead::read_from_prefix(bytes) else { return Ok(None) };
        if head.magic != PARITY_MAGIC || head.check != head.own_check() {
            return Ok(None);
        }
        if head.version.get() != PARITY_VERSION {
            let needs = format!("version {} of files of parity", head.version);
            return Err(Error::newer("the parity", needs));
        }
        Ok(head.is_sane().then_some(head))
    }

    /// Bytes of a piece.
    pub fn piece(&self) -> u64 {
        self.piece_len.get().into()
    }

    /// Pieces of what it is for. The last one ends with zeros.
    pub fn pieces(&self) -> u64 {
        self.len.get().div_ceil(self.piece())
    }

    /// Sets of pieces: neighbours are of different sets, so that what hits many of them hits each set
    /// little.
    pub fn sets(&self) -> u64 {
        self.pieces().div_ceil(SET_MAX)
    }

    /// Pieces of a set: those of numbers that leave `set` when they are divided by the sets.
    pub fn pieces_of(&self, set: u64) -> u64 {
        self.pieces().saturating_sub(set).div_ceil(self.sets())
    }

    /// Pieces of parity of a set.
    pub fn parity_of(&self, set: u64) -> u64 {
        let share = u64::from(self.share.get());
        (self.pieces_of(set) * share).div_ceil(MILLIONTHS.into()).max(1)
    }

    /// The number of the first piece of parity of a set, after all pieces of parity before it.
    pub fn first_parity_of(&self, set: u64) -> u64 {
        // Sets have as many pieces as the first, or one less from some set on.
        let larger = self.pieces() % self.sets();
        let before = if larger == 0 { set } else { set.min(larger) };
        let last = self.sets().saturating_sub(1);
        before * self.parity_of(0) + (set - before) * self.parity_of(last)
    }

    /// Pieces of parity in all.
    pub fn parity_pieces(&self) -> u64 {
        self.first_parity_of(self.sets())
    }

    /// Pages of the table of checks: of the pieces, then of those of parity.
    pub fn pages(&self) -> u64 {
        (self.pieces() + self.parity_pieces()).div_ceil(PAGE_CHECKS as u64)
    }

    /// Bytes of the table.
    pub fn table_len(&self) -> u64 {
        self.pages() * ((PAGE_CHECKS + 1) * CHECK_LEN) as u64
    }

    /// Where the two tables begin.
    pub fn tables(&self) -> [u64; 2] {
        [HEAD_LEN, self.parity_at(self.parity_pieces())]
    }

    /// Where a piece of parity begins.
    pub fn parity_at(&self, number: u64) -> u64 {
        HEAD_LEN + self.table_len() + number * self.piece()
    }

    /// Length of the file of parity: a head, a table, parity, a table, a head.
    pub fn file_len(&self) -> u64 {
        self.parity_at(self.parity_pieces()) + self.table_len() + HEAD_LEN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_piece_is_of_one_set_and_every_set_has_its_parity() {
        let lens = [1, 1024, 1025, 15_000_000, 1 << 30, (1 << 30) + 7, 3_000_000_000, 1 << 40];
        for len in lens {
            for share in [1, 50_000, MILLIONTHS] {
                let head = ParityHead::new(8192, len, share, [7; 16]).unwrap().sealed();
                assert_eq!(ParityHead::parse(head.as_bytes()).unwrap(), Some(head));
                let sets = head.sets();
                let (mut pieces, mut parity) = (0, 0);
                for set in 0..sets {
                    assert_eq!(head.first_parity_of(set), parity, "{len} {set}");
                    assert!((1..=SET_MAX).contains(&head.pieces_of(set)));
                    pieces += head.pieces_of(set);
                    parity += head.parity_of(set);
                }
                assert_eq!((pieces, parity), (head.pieces(), head.parity_pieces()), "{len}");
                assert!(head.pieces() * head.piece() >= len);
            }
        }
        assert!(ParityHead::new(0, 0, 1, [0; 16]).is_err());
        assert!(ParityHead::new(0, u64::MAX, 1, [0; 16]).is_err());
        assert!(ParityHead::new(0, 1, 0, [0; 16]).is_err());
    }

    #[test]
    fn a_head_with_any_bit_flipped_is_none() {
        let head = ParityHead::new(0, 5000, 50_000, [7; 16]).unwrap().sealed();
        for at in 0..size_of::<ParityHead>() {
            let mut bytes = head.as_bytes().to_vec();
            bytes[at] ^= 4;
            assert_eq!(ParityHead::parse(&bytes).unwrap(), None, "{at}");
        }
        let mut newer = head;
        newer.version = 2.into();
        assert!(matches!(ParityHead::parse(newer.sealed().as_bytes()), Err(Error::Newer { .. })));
    }
}
