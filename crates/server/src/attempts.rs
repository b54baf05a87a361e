//! Who guesses. In: addresses whose password or key was wrong. Out: whether an address has to wait.
//! One address never makes another wait.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Addresses remembered; beyond it the one that was quiet for longest is forgotten.
const MAX_ADDRESSES: usize = 4096;

/// Wrong attempts of each address.
#[derive(Debug)]
pub(crate) struct Attempts {
    /// So many are free.
    free: u32,
    /// An address is forgotten after so long without a wrong attempt.
    window: Duration,
    of_address: Mutex<BTreeMap<IpAddr, (u32, Instant)>>,
}

impl Attempts {
    pub(crate) fn new(free: u32, window: Duration) -> Attempts {
        Attempts {
            free,
            window,
            of_address: Mutex::default(),
        }
    }

    /// Whether this address has to wait.
    pub(crate) fn must_wait(&self, address: IpAddr) -> bool {
        let attempts = self.of_address();
        let found = attempts.get(&network(address));
        found.is_some_and(|(n, latest)| *n >= self.free && latest.elapsed() <= self.window)
    }

    /// Counts a wrong attempt; says how many there were in a row.
    pub(crate) fn failed(&self, address: IpAddr) -> u32 {
        let mut attempts = self.of_address();
        let now = Instant::now();
        attempts.retain(|_, (_, latest)| now.duration_since(*latest) <= self.window);
        let address = network(address);
        if attempts.len() >= MAX_ADDRESSES && !attempts.contains_key(&address) {
            let oldest = attempts.iter().min_by_key(|(_, (_, latest))| *latest);
            let oldest = oldest.map(|(address, _)| *address);
            oldest.and_then(|address| attempts.remove(&address));
        }
        let (n, latest) = attempts.entry(address).or_insert((0, now));
        (*n, *latest) = (n.saturating_add(1), now);
        *n
    }

    /// Forgets the wrong attempts of an address.
    pub(crate) fn succeeded(&self, address: IpAddr) {
        self.of_address().remove(&network(address));
    }

    fn of_address(&self) -> MutexGuard<'_, BTreeMap<IpAddr, (u32, Instant)>> {
        self.of_address
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// What counts as one address: an IPv6 client has a whole /64.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) if !v6.is_loopback() => {
            let bits = v6.to_bits() >> 64 << 64;
            Ipv6Addr::from_bits(bits).into()
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_waits_and_another_does_not() {
        let attempts = Attempts::new(3, Duration::from_secs(60));
        let [thief, owner] = ["192.0.2.1", "192.0.2.2"].map(|a| a.parse().unwrap());
        for n in 1..=3 {
            assert!(!attempts.must_wait(thief));
            assert_eq!(attempts.failed(thief), n);
        }
        assert!(attempts.must_wait(thief) && !attempts.must_wait(owner));
        attempts.succeeded(thief);
        assert!(!attempts.must_wait(thief));
        for n in 0..2 * MAX_ADDRESSES as u32 {
            attempts.failed(IpAddr::from((0x0a00_0000 + n).to_be_bytes()));
        }
        assert_eq!(attempts.of_address().len(), MAX_ADDRESSES);
    }

    #[test]
    fn a_v6_client_is_its_network_and_a_mapped_v4_address_is_v4() {
        let network = |text: &str| network(text.parse().unwrap()).to_string();
        assert_eq!(network("2001:db8::1:2:3:4"), "2001:db8::");
        assert_eq!(network("::ffff:192.0.2.1"), "192.0.2.1");
        assert_eq!(network("::1"), "::1");
    }
}
