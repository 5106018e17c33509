//! When agents are to come back to a hub that goes down on purpose.
//!
//! Evenly, not only at random: each agent gets a slot of its own and a random place in it, so that
//! what the hub has to bear when it is up again is bounded, however many there are.

use std::time::Duration;

use roadstead_protocol::wire::limits::{RESTART_AFTER, RESTART_SPREAD_EACH, RESTART_SPREAD_MAX};

/// How long the last frames have to leave, at the least.
const PATIENCE_MIN: Duration = Duration::from_millis(200);
/// How much longer for each agent.
const PATIENCE_EACH: Duration = Duration::from_millis(1);
/// How long at the most.
const PATIENCE_MAX: Duration = Duration::from_secs(3);

/// How long to wait until `count` agents have heard.
pub(crate) fn patience(count: usize) -> Duration {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    (PATIENCE_MIN + PATIENCE_EACH.saturating_mul(count)).min(PATIENCE_MAX)
}

/// Over how long a time `count` agents come back.
pub(crate) fn spread(count: usize) -> Duration {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    RESTART_SPREAD_EACH
        .saturating_mul(count)
        .min(RESTART_SPREAD_MAX)
}

/// How long the agent with number `index` of `count` waits. `random` is a number over the whole
/// range of its type.
pub(crate) fn wait(index: usize, count: usize, random: u32) -> Duration {
    let part = f64::from(random) / f64::from(u32::MAX);
    let index = u32::try_from(index).unwrap_or(u32::MAX);
    let count = u32::try_from(count.max(1)).unwrap_or(u32::MAX);
    let place = (f64::from(index) + part) / f64::from(count);
    RESTART_AFTER + spread(usize::try_from(count).unwrap_or(usize::MAX)).mul_f64(place.min(1.0))
}

#[cfg(test)]
mod tests {
    use roadstead_protocol::session::Backoff;

    use super::*;

    /// What an agent's back-off begins and ends with.
    const FLOOR: Duration = Duration::from_millis(500);
    const CEILING: Duration = Duration::from_secs(30);

    /// When each of `count` agents is back, with what it adds itself.
    fn arrivals(count: usize) -> Vec<Duration> {
        let agent = |index: usize| {
            let seed = u64::try_from(index).unwrap();
            let mut backoff = Backoff::new(seed, FLOOR, CEILING);
            let random = u32::try_from(seed.wrapping_mul(2_654_435_761) % (1 << 32)).unwrap();
            backoff.asked(wait(index, count, random))
        };
        (0..count).map(agent).collect()
    }

    /// The most that arrive within `window`.
    fn peak(mut arrivals: Vec<Duration>, window: Duration) -> usize {
        arrivals.sort();
        let within = |(at, from): (usize, &Duration)| {
            arrivals.partition_point(|to| *to < *from + window) - at
        };
        arrivals.iter().enumerate().map(within).max().unwrap_or(0)
    }

    #[test]
    fn a_thousand_agents_come_back_spread() {
        let back = arrivals(1_000);
        let (first, last) = (back.iter().min().unwrap(), back.iter().max().unwrap());
        assert!(*first >= RESTART_AFTER, "{first:?}");
        assert!(
            *last <= (RESTART_AFTER + spread(1_000)).mul_f64(1.5),
            "{last:?}"
        );
        let tenth = Duration::from_millis(100);
        let even = 1_000 * 100 / usize::try_from(spread(1_000).as_millis()).unwrap();
        assert!(
            peak(back.clone(), tenth) <= even * 3 / 2,
            "{}",
            peak(back, tenth)
        );
    }

    #[test]
    fn a_few_are_back_at_once_and_very_many_within_bounds() {
        assert!(arrivals(3).into_iter().max().unwrap() < Duration::from_secs(1));
        let longest = arrivals(50_000).into_iter().max().unwrap();
        assert!(longest <= CEILING * 3 / 2, "{longest:?}");
        assert_eq!(spread(50_000), RESTART_SPREAD_MAX);
        assert!(wait(7, 0, u32::MAX) >= RESTART_AFTER);
        assert_eq!(patience(50_000), PATIENCE_MAX);
    }
}
