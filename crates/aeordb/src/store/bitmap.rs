//! Sets of entries by their dense numbers: one bit an entry, so that a walk over a large version
//! fits in memory.

/// A set of numbers below a limit. The default has none below it.
#[derive(Default)]
pub struct Bitmap(Vec<u64>);

impl Bitmap {
    /// The empty set of numbers below `limit`.
    pub fn new(limit: u64) -> Self {
        // One bit for each entry of an index that was read: far below what memory addresses.
        Bitmap(vec![0; usize::try_from(limit.div_ceil(64)).unwrap_or(usize::MAX)])
    }

    /// Adds a number; true if it was not there. Numbers from the limit on are never there.
    pub fn insert(&mut self, number: u64) -> bool {
        match usize::try_from(number / 64).ok().and_then(|word| self.0.get_mut(word)) {
            Some(word) => {
                let bit = 1 << (number % 64);
                let new = *word & bit == 0;
                *word |= bit;
                new
            }
            None => true,
        }
    }

    /// True if the number is there.
    pub fn contains(&self, number: u64) -> bool {
        let word = usize::try_from(number / 64).ok().and_then(|word| self.0.get(word));
        word.is_some_and(|word| word & (1 << (number % 64)) != 0)
    }

    /// How many numbers are there.
    pub fn len(&self) -> u64 {
        self.0.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    /// True if no number is there.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_new_once() {
        let mut set = Bitmap::new(130);
        for number in [0, 63, 64, 129] {
            assert!(!set.contains(number));
            assert!(set.insert(number));
            assert!(!set.insert(number));
            assert!(set.contains(number));
        }
        assert_eq!(set.len(), 4);
        assert!(!set.contains(1_000));
    }
}
