//! The beginning of a store's life: its epoch and its first revision.
//!
//! Pure: the clock's time and the random numbers are arguments.

use std::collections::BTreeSet;

use jiff::Timestamp;
use roadstead_protocol::wire::limits::LINEAGE_MAX;
use roadstead_protocol::wire::{Epoch, EpochRange, Lineage, Revision};

/// No clock of a machine that runs this is earlier: 2026-01-01.
const CLOCK_MIN_SECONDS: i64 = 1_767_225_600;
/// No clock of a machine that runs this is later: 2200-01-01.
const CLOCK_MAX_SECONDS: i64 = 7_258_118_400;
/// Where the clock is behind, revisions jump by this and up to as much again (in microseconds: some
/// 13 days), so that nobody's earlier life can have reached them.
const JUMP_MIN: u64 = 1 << 40;

/// Whether the clock can be right at all.
pub(crate) fn plausible(now: Timestamp) -> bool {
    (CLOCK_MIN_SECONDS..CLOCK_MAX_SECONDS).contains(&now.as_second())
}

/// Begins a new epoch in `lineage`, whose last revision on disk is `last`.
///
/// The epoch before ends at `last`, and vanishes if it has written nothing. `random` names the
/// epoch, and draws the jump. Where there are too many epochs, those go first, oldest first, that
/// nothing which is there now was written in (`revisions`): what has no epoch has no stamp, and
/// could not be given to a cluster any more.
pub(crate) fn begin(
    lineage: Lineage,
    last: Option<Revision>,
    now: Timestamp,
    random: [u64; 2],
    revisions: impl FnOnce() -> BTreeSet<Revision>,
) -> Lineage {
    let mut ranges = lineage.0;
    for range in &mut ranges {
        range.last = range.last.or(last).or(Some(Revision(0)));
    }
    ranges.retain(|range| range.last.is_some_and(|last| range.first <= last));
    let excess = (ranges.len() + 1).saturating_sub(LINEAGE_MAX);
    if excess > 0 {
        forget(&mut ranges, excess, &revisions());
    }

    let mut epoch = Epoch(random[0]);
    while epoch.0 == 0 || ranges.iter().any(|range| range.epoch == epoch) {
        epoch = Epoch(epoch.0.wrapping_add(1));
    }
    ranges.push(EpochRange {
        epoch,
        first: first(last, now, random[1]),
        last: None,
    });
    Lineage(ranges)
}

/// Takes `excess` epochs out, the unused ones before the used ones, each oldest first.
fn forget(ranges: &mut Vec<EpochRange>, mut excess: usize, revisions: &BTreeSet<Revision>) {
    let used = |range: &EpochRange| {
        let until = range.last.unwrap_or(range.first);
        revisions.range(range.first..=until).next().is_some()
    };
    ranges.retain(|range| {
        let goes = excess > 0 && !used(range);
        excess -= usize::from(goes);
        !goes
    });
    ranges.drain(..excess);
}

fn first(last: Option<Revision>, now: Timestamp, random: u64) -> Revision {
    let clock = u64::try_from(now.as_microsecond()).unwrap_or(0);
    let last = last.map_or(0, |last| last.0);
    if clock > last {
        return Revision(clock);
    }
    Revision(
        last.saturating_add(JUMP_MIN)
            .saturating_add(random % JUMP_MIN),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(epoch: u64, first: u64, last: Option<u64>) -> EpochRange {
        EpochRange {
            epoch: Epoch(epoch),
            first: Revision(first),
            last: last.map(Revision),
        }
    }

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_microsecond(micros).unwrap()
    }

    fn check(before: &[EpochRange], last: Option<u64>, now: i64, expected: &[EpochRange]) {
        let lineage = begin(
            Lineage(before.to_vec()),
            last.map(Revision),
            at(now),
            [7, 3],
            BTreeSet::new,
        );
        assert_eq!(lineage.0, expected);
    }

    #[test]
    fn a_life_begins_at_the_clock_and_ends_the_one_before() {
        check(&[], None, 500, &[range(7, 500, None)]);
        check(
            &[range(1, 100, None)],
            Some(120),
            500,
            &[range(1, 100, Some(120)), range(7, 500, None)],
        );
    }

    #[test]
    fn a_life_that_wrote_nothing_leaves_no_trace() {
        let before = [range(1, 100, Some(120)), range(2, 300, None)];
        check(
            &before,
            Some(120),
            500,
            &[range(1, 100, Some(120)), range(7, 500, None)],
        );
        check(&[range(1, 100, None)], None, 500, &[range(7, 500, None)]);
    }

    #[test]
    fn a_clock_that_is_behind_makes_a_jump() {
        let first = 120 + JUMP_MIN + 3;
        check(
            &[range(1, 100, None)],
            Some(120),
            120,
            &[range(1, 100, Some(120)), range(7, first, None)],
        );
    }

    #[test]
    fn epochs_are_unlike_each_other() {
        check(
            &[range(7, 100, None)],
            Some(120),
            500,
            &[range(7, 100, Some(120)), range(8, 500, None)],
        );
    }

    #[test]
    fn the_lineage_is_bounded() {
        let before = (0..LINEAGE_MAX as u64 + 9)
            .map(|i| range(i + 10, i, Some(i)))
            .collect();
        let used = || BTreeSet::from([Revision(0), Revision(3)]);
        let (last, now) = (Some(Revision(10_000)), at(20_000));
        let lineage = begin(Lineage(before), last, now, [7, 3], used);
        assert_eq!(lineage.0.len(), LINEAGE_MAX);
        assert_eq!(lineage.0.last().map(|r| r.epoch), Some(Epoch(7)));
        let kept: Vec<u64> = lineage.0.iter().take(3).map(|r| r.epoch.0).collect();
        assert_eq!(kept, [10, 13, 22], "what is there keeps its epoch");
        assert!(lineage.is_ordered());
    }

    #[test]
    fn where_every_epoch_is_in_use_the_oldest_go() {
        let before = (0..LINEAGE_MAX as u64).map(|i| range(i + 10, i, Some(i)));
        let all = || (0..LINEAGE_MAX as u64).map(Revision).collect();
        let (last, now) = (Some(Revision(10_000)), at(20_000));
        let lineage = begin(Lineage(before.collect()), last, now, [7, 3], all);
        assert_eq!(lineage.0.len(), LINEAGE_MAX);
        assert_eq!(lineage.0.first().map(|r| r.epoch), Some(Epoch(11)));
    }

    #[test]
    fn absurd_clocks_are_known() {
        assert!(!plausible(Timestamp::UNIX_EPOCH));
        assert!(!plausible("2025-12-31T23:59:59Z".parse().unwrap()));
        assert!(plausible("2026-01-01T00:00:00Z".parse().unwrap()));
        assert!(plausible("2199-12-31T23:59:59Z".parse().unwrap()));
        assert!(!plausible("2200-01-01T00:00:00Z".parse().unwrap()));
    }
}
