//! Places that many want and few have at once. Nobody waits for one without end, and no key can
//! take so many that nothing is left for others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A number of places.
#[derive(Debug)]
pub struct Places {
    all: Arc<Semaphore>,
    share: usize,
    /// By the id of the key: as many as there are keys.
    shares: Mutex<HashMap<String, Arc<Semaphore>>>,
}

/// Places that are taken, free again when this is dropped.
#[derive(Debug)]
pub struct Taken {
    of_key: OwnedSemaphorePermit,
    of_all: OwnedSemaphorePermit,
}

impl Places {
    /// So many places; one key may have three quarters of them.
    pub fn new(count: usize) -> Self {
        let share = count - count / 4;
        Places { all: Arc::new(Semaphore::new(count)), share, shares: Mutex::default() }
    }

    /// Takes `count` places for a key, waiting for them up to `wait`.
    pub async fn take(&self, key: &str, count: u32, wait: Duration) -> Option<Taken> {
        let share = self.share_of(key);
        let both = async {
            // Whoever waits for its own share stands in nobody's way.
            let of_key = share.acquire_many_owned(count).await.ok()?;
            let of_all = self.all.clone().acquire_many_owned(count).await.ok()?;
            Some(Taken { of_key, of_all })
        };
        tokio::time::timeout(wait, both).await.ok().flatten()
    }

    fn share_of(&self, key: &str) -> Arc<Semaphore> {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = shares.get(key) {
            return share.clone();
        }
        let share = Arc::new(Semaphore::new(self.share));
        shares.insert(key.to_owned(), share.clone());
        share
    }
}

impl Taken {
    /// Adds places of the same key.
    pub fn merge(&mut self, more: Taken) {
        self.of_key.merge(more.of_key);
        self.of_all.merge(more.of_all);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_key_that_takes_all_it_can_leaves_places_for_another_and_is_told_in_time() {
        let places = Places::new(8);
        let mut taken = Vec::new();
        for _ in 0..6 {
            taken.push(places.take("greedy", 1, Duration::ZERO).await.unwrap());
        }
        assert!(places.take("greedy", 1, Duration::ZERO).await.is_none());
        let other = places.take("other", 2, Duration::ZERO).await.unwrap();
        assert!(places.take("third", 1, Duration::ZERO).await.is_none());
        drop(other);
        drop(taken);
        assert!(places.take("greedy", 6, Duration::ZERO).await.is_some());
    }
}
