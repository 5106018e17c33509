//! Divides a number of replicas by weights, by Webster's method (Sainte-Laguë), within bounds.
//!
//! Everyone starts with its floor. The rest is awarded one by one, each to the claimant below its
//! ceiling with the largest `weight / (2 × replicas so far + 1)`. Sums are exact, nobody loses when
//! the total grows, nobody loses when its own weight grows. Ties go to who had that replica before,
//! so that what runs stays; then to the larger weight, then to the earlier claimant.
//!
//! It knows nothing of clusters: who may have how much is the caller's to say.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Who gets a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claimant {
    /// Its weight; with 0 it gets its floor and no more.
    pub weight: u32,
    /// How many it had before; decides ties only.
    pub former: u32,
    /// How many it gets at the least. Where all floors together exceed the total they are what
    /// everyone gets at the most.
    pub floor: u32,
    /// How many it gets at the most; below the floor, the floor.
    pub ceiling: u32,
}

impl Claimant {
    /// Somebody without bounds.
    pub fn free(weight: u32, former: u32) -> Self {
        Self {
            weight,
            former,
            floor: 0,
            ceiling: u32::MAX,
        }
    }

    fn most(&self) -> u32 {
        if self.weight == 0 {
            self.floor
        } else {
            self.ceiling
        }
    }
}

/// How a total is divided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Division {
    /// What each claimant gets, in their order.
    pub shares: Vec<u32>,
    /// What nobody may have.
    pub unplaced: u32,
}

/// Divides `total` among `claimants`.
pub fn divide(total: u32, claimants: &[Claimant]) -> Division {
    let floors = sum(claimants.iter().map(|c| c.floor));
    let bounded: Vec<Claimant> = claimants
        .iter()
        .map(|c| {
            if floors > u64::from(total) {
                Claimant {
                    floor: 0,
                    ceiling: c.floor,
                    weight: c.weight.max(1),
                    ..*c
                }
            } else {
                Claimant {
                    ceiling: c.ceiling.max(c.floor),
                    ..*c
                }
            }
        })
        .collect();
    let most = sum(bounded.iter().map(Claimant::most));
    if let Ok(most) = u32::try_from(most)
        && most <= total
    {
        return Division {
            shares: bounded.iter().map(Claimant::most).collect(),
            unplaced: total - most,
        };
    }
    let shares = award(total, &bounded);
    Division {
        shares,
        unplaced: 0,
    }
}

fn sum(numbers: impl Iterator<Item = u32>) -> u64 {
    numbers.map(u64::from).sum()
}

/// Awards all of `total`, of which there is less than the claimants may have.
fn award(total: u32, claimants: &[Claimant]) -> Vec<u32> {
    let mut shares = secured(total, claimants);
    let given = sum(shares.iter().copied());
    let left = u64::from(total).saturating_sub(given);
    let mut bids: BinaryHeap<Bid> = claimants
        .iter()
        .zip(&shares)
        .enumerate()
        .filter_map(|(index, (claimant, share))| Bid::new(index, *claimant, *share))
        .collect();
    for _ in 0..left {
        let Some(bid) = bids.pop() else {
            break;
        };
        if let Some(share) = shares.get_mut(bid.index) {
            *share += 1;
            bids.extend(Bid::new(bid.index, bid.claimant, *share));
        }
    }
    shares
}

/// What everyone gets for certain, found without awarding one by one.
///
/// A claimant bids for its replica number `s` with a price of `(2s - 1) / 2w`, and the cheapest bids
/// are taken. For any price at which not more than `total` is asked for, all of that is awarded. The
/// highest such price on a grid finer than the steps of every claimant leaves at most one replica
/// each.
fn secured(total: u32, claimants: &[Claimant]) -> Vec<u32> {
    let heaviest = claimants.iter().map(|c| c.weight).max().unwrap_or(0);
    let grid = u32::BITS - heaviest.leading_zeros() + 1;
    let asked = |price: u128| sum(claimants.iter().map(|c| at_price(c, price, grid)));
    let weights = sum(claimants.iter().map(|c| c.weight)).max(1);
    let fits = |price: u128| asked(price) <= u64::from(total);
    // Where nobody is bounded it is near this one.
    let guess = (u128::from(total) << grid) / u128::from(weights);
    let mut step = 1;
    let (mut low, mut high) = (guess, guess);
    if fits(guess) {
        loop {
            high = low.saturating_add(step);
            if !fits(high) {
                break;
            }
            low = high;
            step *= 2;
        }
    } else {
        while low > 0 && !fits(low) {
            high = low;
            low = low.saturating_sub(step);
            step *= 2;
        }
    }
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if fits(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    claimants.iter().map(|c| at_price(c, low, grid)).collect()
}

/// How many a claimant asks for at a price of `price / 2^grid`.
fn at_price(claimant: &Claimant, price: u128, grid: u32) -> u32 {
    let half = 1_u128 << grid;
    // By d'Hondt's method, which favours the large.
    #[cfg(planted)]
    let half = match roadstead_protocol::planted::is("other-divisors") {
        true => 0,
        false => half,
    };
    let asked = u128::from(claimant.weight)
        .saturating_mul(price)
        .saturating_mul(2)
        .saturating_add(half)
        >> (grid + 1);
    let asked = u32::try_from(asked).unwrap_or(u32::MAX);
    if claimant.weight == 0 {
        claimant.floor
    } else {
        asked.clamp(claimant.floor, claimant.ceiling)
    }
}

/// A claim to one more replica.
struct Bid {
    index: usize,
    claimant: Claimant,
    share: u32,
}

impl Bid {
    /// The next claim of who has so many; `None` from who may have no more.
    fn new(index: usize, claimant: Claimant, share: u32) -> Option<Self> {
        (share < claimant.most()).then_some(Self {
            index,
            claimant,
            share,
        })
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
