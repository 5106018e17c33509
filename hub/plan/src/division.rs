//! Divides a number of replicas by weights, by Webster's method (Sainte-Laguë).
//!
//! Replicas are awarded one by one, each to the claimant with the largest
//! `weight / (2 × replicas so far + 1)`. Sums are exact, nobody loses when the total grows, nobody
//! loses when its own weight grows. Ties go to who had that replica before, so that what runs
//! stays; then to the larger weight, then to the earlier claimant.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Who gets a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claimant {
    /// Its weight.
    pub weight: u32,
    /// How many it had before; decides ties only.
    pub former: u32,
}

/// Divides `total` among `claimants`, in their order. `None` where something is to be divided and
/// every weight is zero (or nobody is there).
pub fn divide(total: u32, claimants: &[Claimant]) -> Option<Vec<u32>> {
    if total == 0 {
        return Some(vec![0; claimants.len()]);
    }
    let sum: u128 = claimants.iter().map(|c| u128::from(c.weight)).sum();
    if sum == 0 {
        return None;
    }
    let mut shares = secured(total, claimants, sum);
    let mut left = total - shares.iter().sum::<u32>();
    let mut bids: BinaryHeap<Bid> = claimants
        .iter()
        .zip(&shares)
        .enumerate()
        .filter(|(_, (claimant, _))| claimant.weight > 0)
        .map(|(index, (claimant, share))| Bid::new(index, *claimant, *share))
        .collect();
    while left > 0 {
        let bid = bids.pop()?;
        let share = shares.get_mut(bid.index)?;
        *share += 1;
        left -= 1;
        bids.push(Bid::new(bid.index, bid.claimant, *share));
    }
    Some(shares)
}

/// What everyone gets for certain, found without awarding one by one.
///
/// With the divisor `sum / t` where `t = total - claimants / 2`, quotients rounded half up sum to
/// at most `total`; so each of those replicas outbids all that are not among them.
fn secured(total: u32, claimants: &[Claimant], sum: u128) -> Vec<u32> {
    let half = u32::try_from(claimants.len().div_ceil(2)).unwrap_or(u32::MAX);
    let t = u128::from(total.saturating_sub(half));
    let share = |claimant: &Claimant| {
        let quotient = (2 * u128::from(claimant.weight) * t + sum) / (2 * sum);
        u32::try_from(quotient).unwrap_or(0)
    };
    if t == 0 {
        return vec![0; claimants.len()];
    }
    claimants
        .iter()
        .map(|c| if c.weight == 0 { 0 } else { share(c) })
        .collect()
}

/// A claim to one more replica.
struct Bid {
    index: usize,
    claimant: Claimant,
    share: u32,
}

impl Bid {
    fn new(index: usize, claimant: Claimant, share: u32) -> Self {
        Self {
            index,
            claimant,
            share,
        }
    }

    /// Whether it had the replica that it bids for.
    fn had(&self) -> bool {
        self.claimant.former > self.share
    }
}

impl Ord for Bid {
    fn cmp(&self, other: &Self) -> Ordering {
        let mine = u128::from(self.claimant.weight) * (2 * u128::from(other.share) + 1);
        let theirs = u128::from(other.claimant.weight) * (2 * u128::from(self.share) + 1);
        mine.cmp(&theirs)
            .then_with(|| self.had().cmp(&other.had()))
            .then_with(|| self.claimant.weight.cmp(&other.claimant.weight))
            .then_with(|| other.index.cmp(&self.index))
    }
}

impl PartialOrd for Bid {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Bid {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Bid {}
