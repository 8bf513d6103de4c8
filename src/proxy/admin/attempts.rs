//! Wrong tokens: the answer to each further wrong token from an address is delayed for longer.
//!
//! A right token is never delayed, so nobody can lock out other people at the same address.
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Failed attempts by address.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    failed: Mutex<HashMap<IpAddr, Failed>>,
}

#[derive(Debug)]
struct Failed {
    times: u32,
    last: Instant,
    /// The number of answers that are being held back.
    held: u32,
}

/// What happens to the answer to a wrong token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// The answer is held back for this time; then the caller calls [`Attempts::answered`].
    Hold(Duration),
    /// Too many answers are held back already: the answer is sent at once, as 429, with this wait.
    TooMany(Duration),
}

impl Attempts {
    /// Records that a wrong token came from `ip`.
    pub(super) fn failed(&self, ip: IpAddr, now: Instant) -> Verdict {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if failed.len() >= MOST_ADDRESSES {
            failed.retain(|_, failed| failed.held > 0 || now < failed.last + FORGOTTEN);
        }
        if failed.len() >= MOST_ADDRESSES && !failed.contains_key(&ip) {
            return Verdict::TooMany(LONGEST);
        }
        let entry = failed.entry(ip).or_insert(Failed {
            times: 0,
            last: now,
            held: 0,
        });
        if now >= entry.last + FORGOTTEN {
            entry.times = 0;
        }
        entry.times += 1;
        entry.last = now;
        let doubled = FIRST * 2_u32.pow((entry.times - 1).min(10));
        let wait = doubled.min(LONGEST);
        if entry.held >= HELD_AT_ONCE {
            return Verdict::TooMany(wait);
        }
        entry.held += 1;
        Verdict::Hold(wait)
    }

    /// Records that a held-back answer was sent.
    pub(super) fn answered(&self, ip: IpAddr) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = failed.get_mut(&ip) {
            entry.held = entry.held.saturating_sub(1);
        }
    }
}

/// The first delay; each further one is twice as long.
const FIRST: Duration = Duration::from_millis(250);

/// The longest delay.
const LONGEST: Duration = Duration::from_secs(8);

/// An address without a wrong token for this long starts again with the first delay.
const FORGOTTEN: Duration = Duration::from_mins(15);

/// The most answers to one address that are held back at once.
const HELD_AT_ONCE: u32 = 4;

/// The most addresses that are remembered.
const MOST_ADDRESSES: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    const IP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn every_wrong_token_waits_longer_up_to_a_bound() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        let waits: Vec<u128> = (0..8)
            .map(|_| {
                let verdict = attempts.failed(IP, now);
                attempts.answered(IP);
                match verdict {
                    Verdict::Hold(wait) => wait.as_millis(),
                    Verdict::TooMany(_) => panic!("none is held back"),
                }
            })
            .collect();
        assert_eq!(waits, [250, 500, 1000, 2000, 4000, 8000, 8000, 8000]);
        let later = attempts.failed(IP, now + FORGOTTEN);
        assert_eq!(later, Verdict::Hold(FIRST));
    }

    #[test]
    fn answers_do_not_pile_up() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        for _ in 0..HELD_AT_ONCE {
            assert!(matches!(attempts.failed(IP, now), Verdict::Hold(_)));
        }
        assert!(matches!(attempts.failed(IP, now), Verdict::TooMany(_)));
        attempts.answered(IP);
        assert!(matches!(attempts.failed(IP, now), Verdict::Hold(_)));
    }

    #[test]
    fn addresses_are_bounded() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        for number in 0..2000_u32 {
            attempts.failed(IpAddr::V4(number.into()), now);
        }
        assert!(attempts.failed.lock().expect("no panic").len() <= MOST_ADDRESSES);
    }
}
