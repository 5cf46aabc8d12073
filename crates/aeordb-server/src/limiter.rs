//! Limits failures by address, in constant memory. Only failures are ever held back: a valid key
//! is never locked out by what others try.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Addresses share this many buckets.
const BUCKETS: usize = 4096;

/// Counts failures.
#[derive(Debug)]
pub struct Limiter {
    buckets: Mutex<Vec<(Instant, f64)>>,
    hasher: RandomState,
    rate: f64,
    burst: f64,
}

impl Limiter {
    /// Nobody has failed yet. An address may fail `rate` times a second for ever, and `burst`
    /// times at once.
    pub fn new(rate: f64, burst: f64) -> Self {
        let buckets = Mutex::new(vec![(Instant::now(), burst); BUCKETS]);
        Limiter { buckets, hasher: RandomState::new(), rate, burst }
    }

    /// Counts a failure of `address`; false if it has too many.
    pub fn failure(&self, address: IpAddr) -> bool {
        self.failure_at(address, Instant::now())
    }

    fn failure_at(&self, address: IpAddr, now: Instant) -> bool {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        // The remainder is below BUCKETS.
        let hash = self.hasher.hash_one(network(address)) % BUCKETS as u64;
        let bucket = usize::try_from(hash).ok().and_then(|index| buckets.get_mut(index));
        let Some((last, left)) = bucket else { return false };
        let since = now.saturating_duration_since(*last).min(Duration::from_secs(3600));
        *left = (*left + since.as_secs_f64() * self.rate).min(self.burst);
        *last = now;
        if *left < 1.0 {
            return false;
        }
        *left -= 1.0;
        true
    }
}

/// Who has one IPv6 address has a whole network of them.
pub fn network(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => {
            let mut octets = v6.octets();
            if v6.to_ipv4_mapped().is_none() {
                octets[8..].fill(0);
            }
            octets
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_fail_thirty_times_a_second_for_ever_and_another_is_not_touched() {
        let limiter = Limiter::new(50.0, 100.0);
        let (a, b): (IpAddr, IpAddr) =
            ("10.0.0.1".parse().unwrap(), "2001:db8::1".parse().unwrap());
        let start = Instant::now();
        let second = |n: u64| start + Duration::from_secs(n);
        for n in 0..600 {
            assert!((0..30).all(|_| limiter.failure_at(a, second(n))));
        }
        let allowed = (0..1000).filter(|_| limiter.failure_at(a, second(600))).count();
        assert!((50..=100).contains(&allowed), "{allowed}");
        if limiter.hasher.hash_one(network(a)) % 4096 != limiter.hasher.hash_one(network(b)) % 4096
        {
            assert!(limiter.failure_at(b, second(600)));
        }
    }

    #[test]
    fn addresses_of_one_ipv6_network_count_together() {
        let (a, b) = ("2001:db8::1".parse().unwrap(), "2001:db8::ffff".parse().unwrap());
        assert_eq!(network(a), network(b));
    }
}
