//! Webster's method: sums, monotony, and agreement with the plain definition.

use proptest::prelude::*;

use crate::division::{Claimant, divide};

fn claimants(weights: &[u32]) -> Vec<Claimant> {
    weights
        .iter()
        .map(|weight| Claimant {
            weight: *weight,
            former: 0,
        })
        .collect()
}

fn check(total: u32, weights: &[u32], expected: &[u32]) {
    assert_eq!(
        divide(total, &claimants(weights)).as_deref(),
        Some(expected)
    );
}

#[test]
fn divides_by_weight() {
    check(20, &[90, 10], &[18, 2]);
    check(10, &[1, 1, 1], &[4, 3, 3]);
    check(0, &[90, 10], &[0, 0]);
    check(1, &[90, 10], &[1, 0]);
    check(7, &[0, 5], &[0, 7]);
    check(5, &[1_000_000, 1], &[5, 0]);
    check(u32::MAX, &[1, 1], &[2_147_483_648, 2_147_483_647]);
}

#[test]
fn nobody_to_give_to_is_no_division() {
    assert_eq!(divide(3, &claimants(&[0, 0])), None);
    assert_eq!(divide(3, &[]), None);
    assert_eq!(divide(0, &[]), Some(Vec::new()));
}

#[test]
fn ties_stay_where_they_were() {
    let mut both = claimants(&[1, 1]);
    assert_eq!(divide(3, &both), Some(vec![2, 1]));
    both[1].former = 2;
    assert_eq!(divide(3, &both), Some(vec![1, 2]));
}

/// The definition, one replica at a time.
fn plainly(total: u32, weights: &[u32]) -> Vec<u32> {
    let mut shares = vec![0_u32; weights.len()];
    for _ in 0..total {
        let best = (0..weights.len()).max_by(|a, b| {
            let bid = |i: usize, j: usize| u64::from(weights[i]) * u64::from(2 * shares[j] + 1);
            bid(*a, *b)
                .cmp(&bid(*b, *a))
                .then(weights[*a].cmp(&weights[*b]))
                .then(b.cmp(a))
        });
        shares[best.unwrap()] += 1;
    }
    shares
}

fn weights() -> impl Strategy<Value = Vec<u32>> {
    proptest::collection::vec(0_u32..200, 1..8)
        .prop_filter("some weight", |weights| weights.iter().any(|w| *w > 0))
}

proptest! {
    #[test]
    fn agrees_with_the_definition(total in 0_u32..300, weights in weights()) {
        prop_assert_eq!(divide(total, &claimants(&weights)).unwrap(), plainly(total, &weights));
    }

    #[test]
    fn sums_are_exact(total in 0_u32..2_000_000, weights in weights()) {
        let shares = divide(total, &claimants(&weights)).unwrap();
        prop_assert_eq!(shares.iter().sum::<u32>(), total);
        prop_assert!(shares.iter().zip(&weights).all(|(share, w)| *w > 0 || *share == 0));
    }

    #[test]
    fn one_more_takes_from_nobody(total in 0_u32..5_000, weights in weights()) {
        let less = divide(total, &claimants(&weights)).unwrap();
        let more = divide(total + 1, &claimants(&weights)).unwrap();
        prop_assert!(less.iter().zip(&more).all(|(less, more)| less <= more));
    }

    #[test]
    fn more_weight_never_costs(total in 0_u32..5_000, weights in weights(), by in 1_u32..50) {
        let before = divide(total, &claimants(&weights)).unwrap();
        let mut heavier = weights;
        heavier[0] += by;
        let after = divide(total, &claimants(&heavier)).unwrap();
        prop_assert!(after[0] >= before[0]);
    }

    #[test]
    fn the_same_again_moves_nothing(
        total in 0_u32..5_000,
        weights in weights(),
        former in proptest::collection::vec(0_u32..100, 8),
    ) {
        let mut all = claimants(&weights);
        all.iter_mut().zip(&former).for_each(|(c, former)| c.former = *former);
        let first = divide(total, &all).unwrap();
        all.iter_mut().zip(&first).for_each(|(c, share)| c.former = *share);
        prop_assert_eq!(divide(total, &all).unwrap(), first);
    }
}
