//! How many replicas each cluster gets, given what each may have and what it had.
//!
//! In this order: what a cluster may have is kept, then weights (or the order in which clusters are
//! liked) are followed, then as little moves as can be. While the basis of the division is the same
//! nothing moves at all: more replicas are only added, fewer are only taken away.

use crate::division::{Claimant, Division, divide};

/// How the replicas are divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// By the weights of the claims.
    Weights,
    /// By how many each may have.
    Available,
    /// Onto as few as hold them, those with the higher score first.
    Aggregated,
}

/// What is to be divided, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// How many replicas.
    pub total: u32,
    /// How.
    pub by: Strategy,
    /// Whether nothing changed since the former division but the total.
    pub keep: bool,
    /// Whether what somebody was given is never changed.
    pub once: bool,
}

/// What one cluster may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Whether it takes more than it had.
    pub open: bool,
    /// What it had; `None` where it had nothing, not even a share of 0.
    pub former: Option<u32>,
    /// Its weight.
    pub weight: u32,
    /// How many it has room for, with those that it had.
    pub room: u32,
    /// How much it is liked.
    pub score: u32,
    /// How many it gets before anything is divided, as far as it may have them.
    pub floor: u32,
}

impl Claim {
    fn had(&self) -> u32 {
        self.former.unwrap_or(0)
    }

    fn most(&self) -> u32 {
        if self.open {
            self.room.max(self.had())
        } else {
            self.had()
        }
    }

    fn least(&self) -> u32 {
        self.floor.min(self.most())
    }
}

/// Divides among `claims`, in their order.
pub fn allot(ask: &Ask, claims: &[Claim]) -> Division {
    let had: u64 = claims.iter().map(|c| u64::from(c.had())).sum();
    let total = u64::from(ask.total);
    if ask.once && had >= total && claims.iter().any(|c| c.former.is_some()) {
        return Division {
            shares: claims.iter().map(Claim::had).collect(),
            unplaced: 0,
        };
    }
    let shrinks = ask.keep && had > total;
    match ask.by {
        Strategy::Weights | Strategy::Available => {
            let claimants = |floors: bool| -> Vec<Claimant> {
                let floored = claims.iter().map(|c| Claim {
                    floor: if floors { c.floor } else { 0 },
                    ..*c
                });
                floored.map(|c| claimant(ask, &c, shrinks)).collect()
            };
            let all = claimants(true);
            let floors: u64 = all.iter().map(|c| u64::from(c.floor)).sum();
            // What stays goes before floors for which nothing is left.
            divide(
                ask.total,
                &if floors > total {
                    claimants(false)
                } else {
                    all
                },
            )
        }
        Strategy::Aggregated if shrinks => take(ask.total, claims),
        Strategy::Aggregated => aggregate(ask, claims),
    }
}

fn claimant(ask: &Ask, claim: &Claim, shrinks: bool) -> Claimant {
    let former = claim.had();
    let fixed = ask.once && claim.former.is_some();
    let weight = match ask.by {
        // What is taken away goes by what there is, not by what happens to be free.
        Strategy::Available if shrinks => former,
        Strategy::Available => claim.most(),
        Strategy::Weights | Strategy::Aggregated => claim.weight,
    };
    Claimant {
        weight,
        former,
        floor: if fixed {
            former
        } else if shrinks {
            claim.floor.min(former)
        } else if ask.keep {
            former.max(claim.least())
        } else {
            claim.least()
        },
        ceiling: if fixed || shrinks {
            former
        } else {
            claim.most()
        },
    }
}

/// The places of `claims`, those that are liked first, and of these those that had most.
fn by_liking(claims: &[Claim]) -> Vec<(usize, &Claim)> {
    let mut order: Vec<(usize, &Claim)> = claims.iter().enumerate().collect();
    order.sort_by_key(|(index, c)| {
        (
            std::cmp::Reverse(c.score),
            std::cmp::Reverse(c.had()),
            std::cmp::Reverse(c.most()),
            *index,
        )
    });
    order
}

/// Takes away until no more than `total` is left, from whoever is liked least and has least first.
fn take(total: u32, claims: &[Claim]) -> Division {
    let mut filling = Filling::new(total, claims.len());
    for (index, claim) in by_liking(claims) {
        filling.raise(index, claim.floor.min(claim.had()));
    }
    for (index, claim) in by_liking(claims) {
        filling.raise(index, claim.had());
    }
    filling.done()
}

/// Gives to as few as hold it, class by class of liking.
fn aggregate(ask: &Ask, claims: &[Claim]) -> Division {
    let mut filling = Filling::new(ask.total, claims.len());
    let order = by_liking(claims);
    let fixed = |claim: &Claim| claim.former.is_some() && ask.once;
    let stays = |claim: &Claim| claim.former.is_some() && (ask.keep || ask.once);
    for (index, claim) in order.iter().filter(|(_, c)| stays(c)) {
        filling.raise(*index, claim.had());
    }
    for (index, claim) in order.iter().filter(|(_, c)| !fixed(c)) {
        filling.raise(*index, claim.least());
    }
    for class in order.chunk_by(|(_, a), (_, b)| a.score == b.score) {
        let taken = |claim: &Claim| stays(claim) || claim.least() > 0;
        let (old, new): (Vec<_>, Vec<_>) = class.iter().copied().partition(|(_, c)| taken(c));
        for (index, claim) in old.into_iter().filter(|(_, c)| !fixed(c)) {
            filling.raise(index, claim.most());
        }
        let chosen = fewest(filling.left, &new);
        for (index, claim) in &chosen {
            filling.raise(*index, claim.had().min(claim.most()));
        }
        for (index, claim) in chosen {
            filling.raise(index, claim.most());
        }
    }
    filling.done()
}

/// The fewest of `claims` that hold `total`, among those the ones that had something, or all where all
/// together do not hold it.
fn fewest<'c>(total: u32, claims: &[(usize, &'c Claim)]) -> Vec<(usize, &'c Claim)> {
    let mut roomy: Vec<(usize, &Claim)> = claims.to_vec();
    roomy.retain(|(_, c)| c.most() > 0);
    roomy.sort_by_key(|(index, c)| (std::cmp::Reverse(c.most()), *index));
    let holds = |chosen: &[(usize, &Claim)]| -> u64 {
        chosen.iter().map(|(_, c)| u64::from(c.most())).sum()
    };
    let total = u64::from(total);
    if total == 0 {
        return Vec::new();
    }
    if holds(&roomy) <= total {
        return roomy;
    }
    let mut sum = 0;
    let count = roomy
        .iter()
        .take_while(|(_, c)| {
            let more = sum < total;
            sum += u64::from(c.most());
            more
        })
        .count();
    let mut chosen: Vec<(usize, &Claim)> = Vec::new();
    for (index, claim) in claims.iter().copied().filter(|(_, c)| c.had() > 0) {
        let rest = roomy
            .iter()
            .filter(|(i, _)| *i != index && chosen.iter().all(|(c, _)| c != i));
        let best: u64 = rest
            .take(count.saturating_sub(chosen.len() + 1))
            .map(|(_, c)| u64::from(c.most()))
            .sum();
        if chosen.len() < count && holds(&chosen) + u64::from(claim.most()) + best >= total {
            chosen.push((index, claim));
        }
    }
    for candidate in roomy {
        if chosen.len() < count && chosen.iter().all(|(index, _)| *index != candidate.0) {
            chosen.push(candidate);
        }
    }
    chosen
}

/// Shares that fill up.
struct Filling {
    shares: Vec<u32>,
    left: u32,
}

impl Filling {
    fn new(total: u32, claims: usize) -> Self {
        Self {
            shares: vec![0; claims],
            left: total,
        }
    }

    /// Raises a share to `count`, as far as there are any left.
    fn raise(&mut self, index: usize, count: u32) {
        if let Some(share) = self.shares.get_mut(index) {
            let more = count.saturating_sub(*share).min(self.left);
            *share += more;
            self.left -= more;
        }
    }

    fn done(self) -> Division {
        Division {
            shares: self.shares,
            unplaced: self.left,
        }
    }
}
