//! Which generation of an authority signs, which is only announced, and which is kept for those who
//! slept through a change.
//!
//! Pure: generations and a moment give roles. A new authority is announced to agents, beside the one
//! that signs, until its own time has come; the one before is then kept for as long as a certificate
//! that it signed can be renewed. It opens no door to anybody who never had such a certificate.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use roadstead_protocol::host::tls::AGENT_LIFE;

use crate::registrar::RENEWABLE_SECONDS;

/// An authority is replaced by itself when it ends sooner than this: two years, so that whoever sleeps
/// as long as agents may finds the old one still good.
pub const ROLLOVER_BEFORE: Duration = Duration::from_secs(730 * 24 * 3600);
/// For how long a new authority is announced before it signs. Agents renew their certificates more
/// often than this, and hear of it then at the latest.
pub const ANNOUNCED: Duration = AGENT_LIFE.saturating_add(Duration::from_secs(10 * 24 * 3600));
/// For how long a former authority is kept after its successor began to sign, in seconds.
const KEPT_SECONDS: i64 = RENEWABLE_SECONDS + AGENT_LIFE.as_secs().cast_signed() + 24 * 3600;

/// The times of one generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Times {
    /// From when on it signs.
    pub(crate) signs_from: Timestamp,
    /// Until when its own certificate is good.
    pub(crate) ends: Timestamp,
}

/// What each generation is for, by its place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Roles {
    /// Signs servers and clients.
    pub(crate) signing: usize,
    /// Will sign: agents hear of it.
    pub(crate) next: Option<usize>,
    /// Signed before and is kept for renewals, the newest first.
    pub(crate) former: Vec<usize>,
}

/// The roles of `generations`, oldest first, at `now`.
pub(crate) fn roles(generations: &[Times], now: Timestamp) -> Roles {
    let begun = |times: &Times| times.signs_from <= now;
    let signing = generations.iter().rposition(begun).unwrap_or(0);
    let kept = |place: &usize| {
        let successor = generations.get(place + 1);
        successor.is_some_and(|s| now.as_second() - s.signs_from.as_second() < KEPT_SECONDS)
    };
    Roles {
        signing,
        next: (signing + 1 < generations.len()).then_some(generations.len() - 1),
        former: (0..signing).rev().filter(kept).collect(),
    }
}

/// Whether a new generation has to be made at `now`, because the newest ends too soon.
pub(crate) fn is_due(generations: &[Times], now: Timestamp) -> bool {
    let before = SignedDuration::try_from(ROLLOVER_BEFORE).unwrap_or(SignedDuration::ZERO);
    generations
        .last()
        .is_none_or(|newest| newest.ends.duration_since(now) < before)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 24 * 3600;

    fn day(n: i64) -> Timestamp {
        Timestamp::from_second(n * DAY).unwrap()
    }

    fn times(from: i64) -> Times {
        Times {
            signs_from: day(from),
            ends: day(from + 3650),
        }
    }

    fn check(starts: &[i64], now: i64, signing: usize, next: Option<usize>, former: &[usize]) {
        let generations: Vec<_> = starts.iter().map(|n| times(*n)).collect();
        let expected = Roles {
            signing,
            next,
            former: former.to_vec(),
        };
        assert_eq!(
            roles(&generations, day(now)),
            expected,
            "{starts:?} on day {now}"
        );
    }

    #[test]
    fn an_authority_is_announced_then_signs_then_is_kept_for_a_year_and_a_life() {
        check(&[1000], 1000, 0, None, &[]);
        check(&[1000], 10, 0, None, &[]);
        check(&[1000, 1200], 1199, 0, Some(1), &[]);
        check(&[1000, 1200], 1200, 1, None, &[0]);
        check(&[1000, 1200], 1200 + 455, 1, None, &[0]);
        check(&[1000, 1200], 1200 + 456, 1, None, &[]);
        check(&[1000, 1200, 1300], 1301, 2, None, &[1, 0]);
        check(&[1000, 1200, 1300], 1250, 1, Some(2), &[0]);
    }

    #[test]
    fn a_new_one_is_made_two_years_before_the_end_and_once() {
        let old = times(0);
        assert!(!is_due(&[old], day(3650 - 731)));
        assert!(is_due(&[old], day(3650 - 729)));
        assert!(!is_due(&[old, times(3650 - 629)], day(3650 - 728)));
        assert!(is_due(&[], day(0)));
    }

    #[test]
    fn whoever_sleeps_as_long_as_agents_may_finds_the_old_authority_still_kept() {
        let asleep = AGENT_LIFE.as_secs().cast_signed() + RENEWABLE_SECONDS;
        assert!(KEPT_SECONDS > asleep);
        assert!(
            ROLLOVER_BEFORE.as_secs().cast_signed() > asleep + ANNOUNCED.as_secs().cast_signed()
        );
    }
}
