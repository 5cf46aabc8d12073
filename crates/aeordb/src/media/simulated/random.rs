//! Random numbers that a seed decides (SplitMix64): the same on every machine, for ever.

/// A sequence of numbers that follows from its seed.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    /// The sequence for this seed and these further numbers, all of which change it.
    pub(super) fn new(seed: u64, further: &[u64]) -> Self {
        let mut random = Random(seed);
        for number in further {
            random = Random(random.next() ^ number);
        }
        random
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is not 0. Too slightly uneven to matter here.
    pub(super) fn below(&mut self, end: usize) -> usize {
        let below = self.next() % end as u64;
        usize::try_from(below).unwrap_or(0) // it is below a usize
    }

    pub(super) fn fill(&mut self, bytes: &mut [u8]) {
        for piece in bytes.chunks_mut(8) {
            piece.copy_from_slice(&self.next().to_le_bytes()[..piece.len()]);
        }
    }
}
