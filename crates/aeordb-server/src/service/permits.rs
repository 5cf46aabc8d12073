//! Permits that many want and few have at once. Nobody waits for one without end, and no key can
//! take so many that nothing is left for others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::problem::Problem;

/// A number of permits.
#[derive(Debug)]
pub struct Permits {
    all: Arc<Semaphore>,
    share: usize,
    /// How long somebody waits for one.
    wait: Duration,
    /// By the id of the key: as many as there are keys.
    shares: Mutex<HashMap<String, Arc<Semaphore>>>,
}

/// Places that are taken, free again when this is dropped.
#[derive(Debug)]
pub struct Taken {
    of_key: OwnedSemaphorePermit,
    of_all: OwnedSemaphorePermit,
}

impl Permits {
    /// So many permits, waited for up to `wait`; one key may have three quarters of them.
    pub fn new(count: usize, wait: Duration) -> Self {
        let (share, all) = (count - count / 4, Arc::new(Semaphore::new(count)));
        Permits { all, share, wait, shares: Mutex::default() }
    }

    /// Takes `count` permits for a key, waiting for them in bounds.
    pub async fn take(&self, key: &str, count: u32) -> Result<Taken, Problem> {
        let share = self.share_of(key);
        let both = async {
            // Whoever waits for its own share stands in nobody's way.
            let of_key = share.acquire_many_owned(count).await.ok()?;
            let of_all = self.all.clone().acquire_many_owned(count).await.ok()?;
            Some(Taken { of_key, of_all })
        };
        let taken = tokio::time::timeout(self.wait, both).await.ok().flatten();
        let busy = "as many bodies as the server takes in at once are under way";
        taken.ok_or_else(|| Problem::busy(busy))
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
    /// Adds permits of the same key.
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
        let permits = Permits::new(8, Duration::ZERO);
        let mut taken = Vec::new();
        for _ in 0..6 {
            taken.push(permits.take("greedy", 1).await.unwrap());
        }
        assert!(permits.take("greedy", 1).await.is_err());
        let other = permits.take("other", 2).await.unwrap();
        assert!(permits.take("third", 1).await.is_err());
        drop(other);
        drop(taken);
        assert!(permits.take("greedy", 6).await.is_ok());
    }
}
