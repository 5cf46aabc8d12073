//! Random mutations of bytes, the same for the same seed.

/// A stream of mutated copies.
pub struct Mutations {
    random: blake3::OutputReader,
}

impl Mutations {
    /// The mutations of this seed.
    pub fn new(seed: u64) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&seed.to_le_bytes());
        Mutations { random: hasher.finalize_xof() }
    }

    fn number(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.random.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// A number below `limit`; zero if there is none.
    pub fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.number() % limit).unwrap_or(0)
    }

    /// A copy with one to four changes: bytes flipped, set to an extreme, cut, doubled, moved.
    pub fn mutate(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut copy = bytes.to_vec();
        for _ in 0..=self.below(4) {
            self.change(&mut copy);
        }
        copy
    }

    fn change(&mut self, bytes: &mut Vec<u8>) {
        let at = self.below(bytes.len());
        let len = 1 + self.below(16);
        let end = at.saturating_add(len).min(bytes.len());
        match self.below(8) {
            0..=2 => {
                let bit = 1 << self.below(8);
                bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= bit);
            }
            3 => {
                let extremes = [0, 0x7f, 0x80, 0xff];
                let extreme = extremes.get(self.below(4)).copied().unwrap_or(0);
                bytes.iter_mut().skip(at).take(len).for_each(|byte| *byte = extreme);
            }
            4 => bytes.truncate(at),
            5 => drop(bytes.drain(at..end)),
            6 => {
                let part = bytes.get(at..end).unwrap_or_default().to_vec();
                let to = self.below(bytes.len() + 1);
                drop(bytes.splice(to..to, part));
            }
            _ => {
                let noise = self.number().to_le_bytes();
                let noise = noise.into_iter().cycle();
                bytes.iter_mut().skip(at).take(len).zip(noise).for_each(|(byte, new)| *byte = new);
            }
        }
    }
}
