//! How much strangers with a link may ask. In: their addresses. Out: yes, or to wait.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::attempts::{Attempts, network};
use crate::problem::{Code, Problem};

/// Requests a second of one address, and at once.
const RATE: NonZeroU32 = NonZeroU32::new(20).unwrap();
const BURST: NonZeroU32 = NonZeroU32::new(120).unwrap();
/// Addresses after which those that were quiet are forgotten.
const MANY_ADDRESSES: usize = 4096;
/// Wrong tokens of one address before it is told to wait. A right one never waits.
const FREE_TRIES: u32 = 20;
const WAIT_AFTER: Duration = Duration::from_secs(60);

/// How much strangers ask.
#[derive(Debug)]
pub(super) struct Visitors {
    rates: DefaultKeyedRateLimiter<IpAddr>,
    tries: Attempts,
}

impl Default for Visitors {
    fn default() -> Visitors {
        Visitors {
            rates: RateLimiter::keyed(Quota::per_second(RATE).allow_burst(BURST)),
            tries: Attempts::new(FREE_TRIES, WAIT_AFTER),
        }
    }
}

impl Visitors {
    pub(super) fn count(&self, address: IpAddr) -> Result<(), Problem> {
        if self.rates.len() > MANY_ADDRESSES {
            self.rates.retain_recent();
        }
        let counted = self.rates.check_key(&network(address));
        counted.map_err(|_| Problem::new(Code::RateLimited, "too many requests; wait a little"))
    }

    /// A token that opens nothing.
    pub(super) fn unknown(&self, address: IpAddr) -> Problem {
        let waits = self.tries.must_wait(address);
        let n = self.tries.failed(address);
        if waits {
            return Problem::new(Code::RateLimited, "too many wrong links; wait a minute");
        }
        tracing::warn!("a link that opens nothing, from {address}, {n} in a row");
        let detail = "this link is not open: it has ended, was revoked, or is not whole";
        Problem::new(Code::NotFound, detail)
    }
}
