//! Making a failing fault plan smaller: which of its faults does the failure need?
//!
//! Zeller and Hildebrandt's delta debugging over the plan, bounded in runs.

use crate::fault::{self, Fault};
use crate::rng::Rng;
use crate::run::{CHAOS, Options, run};

/// Most runs that one shrinking may take.
pub const RUNS_MAX: usize = 60;

/// The faults of a seed.
pub fn plan(seed: u64) -> Vec<Fault> {
    fault::plan(&Rng::new(seed), CHAOS)
}

/// The faults of a seed at these places.
pub fn keep(seed: u64, kept: &[usize]) -> Vec<Fault> {
    let plan = plan(seed);
    kept.iter().filter_map(|i| plan.get(*i)).copied().collect()
}

/// The first violation's checker with these faults of a seed.
pub fn fails(seed: u64, kept: &[usize]) -> Option<String> {
    let options = Options {
        faults: Some(keep(seed, kept)),
        ..Options::seed(seed)
    };
    match run(options) {
        Err(_) => Some("panic".to_owned()),
        Ok(outcome) => outcome.violations.first().map(|v| checker(v).to_owned()),
    }
}

/// The checker that a violation names.
pub fn checker(violation: &str) -> &str {
    violation.split(':').next().unwrap_or_default()
}

/// The places of those faults of a seed without which its failure does not happen, as far as `runs`
/// runs can tell. A failure counts as the same if the same checker finds it.
pub fn shrink(seed: u64, same: &str, runs: usize) -> Vec<usize> {
    let all: Vec<usize> = (0..plan(seed).len()).collect();
    ddmin(all, runs, |kept| fails(seed, kept).as_deref() == Some(same))
}

fn ddmin(all: Vec<usize>, runs: usize, fails: impl Fn(&[usize]) -> bool) -> Vec<usize> {
    let mut kept = all;
    let mut left = runs;
    let mut pieces = 2;
    let mut try_it = |candidate: &[usize]| {
        left = left.checked_sub(1)?;
        Some(fails(candidate))
    };
    match try_it(&[]) {
        Some(true) => return Vec::new(),
        Some(false) => {}
        None => return kept,
    }
    while kept.len() >= 2 {
        let size = kept.len().div_ceil(pieces);
        let mut smaller = None;
        for start in (0..kept.len()).step_by(size) {
            let without: Vec<usize> = kept
                .iter()
                .enumerate()
                .filter(|(i, _)| *i < start || *i >= start + size)
                .map(|(_, at)| *at)
                .collect();
            match try_it(&without) {
                None => return kept,
                Some(true) => {
                    smaller = Some(without);
                    break;
                }
                Some(false) => {}
            }
        }
        match smaller {
            Some(smaller) => {
                kept = smaller;
                pieces = (pieces - 1).max(2);
            }
            None if size == 1 => break,
            None => pieces = (pieces * 2).min(kept.len()),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(needed: &[usize], expected: &[usize]) {
        let found = ddmin((0..20).collect(), 200, |kept| {
            needed.iter().all(|n| kept.contains(n))
        });
        assert_eq!(found, expected);
    }

    #[test]
    fn finds_what_is_needed() {
        check(&[], &[]);
        check(&[7], &[7]);
        check(&[0, 19], &[0, 19]);
        check(&[3, 4, 11], &[3, 4, 11]);
    }

    #[test]
    fn ends_when_its_runs_are_spent() {
        let found = ddmin((0..20).collect(), 0, |_| true);
        assert_eq!(found.len(), 20);
    }
}
