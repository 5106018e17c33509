//! Making a failing fault plan smaller: which of its faults does the failure need?
//!
//! Zeller and Hildebrandt's delta debugging over the plan, then shorter faults; bounded in runs.

use std::cell::Cell;
use std::fmt;
use std::str::FromStr;

use crate::fault::{self, Fault};
use crate::rng::Rng;
use crate::run::{CHAOS, Options, run};

/// Most runs that one shrinking may take.
pub const RUNS_MAX: usize = 60;

/// How often the length of a fault is halved at most.
const HALVINGS_MAX: u32 = 8;

/// The faults of a seed.
pub fn plan(seed: u64) -> Vec<Fault> {
    fault::plan(&Rng::new(seed), CHAOS)
}

/// One fault of a seed's plan that is kept: its place, and how often its length is halved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its place in the plan.
    pub at: usize,
    /// How often its length is halved.
    pub halved: u32,
}

impl From<usize> for Kept {
    fn from(at: usize) -> Self {
        Self { at, halved: 0 }
    }
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.halved {
            0 => write!(f, "{}", self.at),
            halved => write!(f, "{}/{halved}", self.at),
        }
    }
}

impl FromStr for Kept {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (at, halved) = text.split_once('/').unwrap_or((text, "0"));
        Ok(Self {
            at: at.trim().parse()?,
            halved: halved.trim().parse()?,
        })
    }
}

/// These faults of a seed.
pub fn keep(seed: u64, kept: &[Kept]) -> Vec<Fault> {
    let plan = plan(seed);
    let one = |kept: &Kept| {
        let fault = *plan.get(kept.at)?;
        let lasts = fault.lasts / 2_u32.pow(kept.halved.min(HALVINGS_MAX));
        Some(Fault { lasts, ..fault })
    };
    kept.iter().filter_map(one).collect()
}

/// The first violation's checker with these faults of a seed.
pub fn fails(seed: u64, kept: &[Kept]) -> Option<String> {
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
///
/// What is left is then made as short as the runs that are left allow.
pub fn shrink(seed: u64, same: &str, runs: usize) -> Vec<Kept> {
    let all: Vec<usize> = (0..plan(seed).len()).collect();
    let left = Cell::new(runs);
    let still = |kept: &[Kept]| {
        left.set(left.get().saturating_sub(1));
        fails(seed, kept).as_deref() == Some(same)
    };
    let whole = |kept: &[usize]| kept.iter().map(|at| Kept::from(*at)).collect::<Vec<_>>();
    let kept = whole(&ddmin(all, runs, |kept| still(&whole(kept))));
    shorten(kept, left.get(), still)
}

fn shorten(all: Vec<Kept>, runs: usize, fails: impl Fn(&[Kept]) -> bool) -> Vec<Kept> {
    let mut kept = all;
    let mut left = runs;
    for i in 0..kept.len() {
        while left > 0 {
            left -= 1;
            let mut shorter = kept.clone();
            let Some(fault) = shorter.get_mut(i).filter(|f| f.halved < HALVINGS_MAX) else {
                break;
            };
            fault.halved += 1;
            if !fails(&shorter) {
                break;
            }
            kept = shorter;
        }
    }
    kept
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
    fn what_is_left_is_made_shorter() {
        let kept = shorten(vec![Kept::from(3), Kept::from(5)], 100, |kept| {
            kept[0].halved <= 2 && kept[1].halved <= 99
        });
        assert_eq!(kept, [Kept { at: 3, halved: 2 }, Kept { at: 5, halved: 8 }]);
        let texts: Vec<String> = kept.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["3/2", "5/8"]);
        assert_eq!(texts[0].parse(), Ok(kept[0]));
        assert_eq!("7".parse(), Ok(Kept::from(7)));
    }

    #[test]
    fn ends_when_its_runs_are_spent() {
        let found = ddmin((0..20).collect(), 0, |_| true);
        assert_eq!(found.len(), 20);
    }
}
