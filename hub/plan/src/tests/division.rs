//! Webster's method within bounds: sums, monotony, and agreement with the plain definition.

use proptest::prelude::*;

use crate::division::{Claimant, Division, divide};

fn claimants(weights: &[u32]) -> Vec<Claimant> {
    weights.iter().map(|w| Claimant::free(*w, 0)).collect()
}

fn check(total: u32, weights: &[u32], expected: &[u32]) {
    let division = divide(total, &claimants(weights));
    assert_eq!(
        (division.shares.as_slice(), division.unplaced),
        (expected, 0)
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
    check(u32::MAX, &[u32::MAX, 1], &[u32::MAX - 1, 1]);
    check(0, &[], &[]);
}

#[test]
fn what_nobody_may_have_is_left() {
    let none = Division {
        shares: vec![0, 0],
        unplaced: 3,
    };
    assert_eq!(divide(3, &claimants(&[0, 0])), none);
    assert_eq!(divide(3, &[]).unplaced, 3);
    let mut all = claimants(&[9, 1]);
    all[0].ceiling = 2;
    all[1].ceiling = 3;
    let most = Division {
        shares: vec![2, 3],
        unplaced: 5,
    };
    assert_eq!(divide(10, &all), most);
    assert_eq!(divide(4, &all).shares, [2, 2]);
}

#[test]
fn floors_stay_and_the_rest_goes_by_weight() {
    let mut all = claimants(&[1, 1]);
    all[1].floor = 8;
    assert_eq!(divide(10, &all).shares, [2, 8]);
    all[0].weight = 0;
    assert_eq!(divide(10, &all).shares, [0, 10]);
    // More floors than there is to divide: then they are ceilings.
    all[0].floor = 4;
    let division = divide(6, &all);
    assert_eq!(division.shares.iter().sum::<u32>(), 6);
    assert!(division.shares[0] <= 4 && division.shares[1] <= 8);
}

#[test]
fn ties_stay_where_they_were() {
    let mut both = claimants(&[1, 1]);
    assert_eq!(divide(3, &both).shares, [2, 1]);
    both[1].former = 2;
    assert_eq!(divide(3, &both).shares, [1, 2]);
}

/// The definition, one replica at a time.
fn plainly(total: u32, claimants: &[Claimant]) -> Division {
    let mut shares: Vec<u32> = claimants.iter().map(|c| c.floor).collect();
    let mut unplaced = 0;
    for _ in shares.iter().sum::<u32>()..total {
        let price = |i: usize, other: usize| {
            u64::from(claimants[i].weight) * u64::from(2 * shares[other] + 1)
        };
        let best = (0..claimants.len())
            .filter(|i| claimants[*i].weight > 0 && shares[*i] < claimants[*i].ceiling)
            .max_by(|a, b| {
                let had = |i: usize| claimants[i].former > shares[i];
                price(*a, *b)
                    .cmp(&price(*b, *a))
                    .then(had(*a).cmp(&had(*b)))
                    .then(claimants[*a].weight.cmp(&claimants[*b].weight))
                    .then(b.cmp(a))
            });
        match best {
            Some(best) => shares[best] += 1,
            None => unplaced += 1,
        }
    }
    Division { shares, unplaced }
}

fn weights() -> impl Strategy<Value = Vec<u32>> {
    proptest::collection::vec(0_u32..200, 1..8)
        .prop_filter("some weight", |weights| weights.iter().any(|w| *w > 0))
}

/// Claimants whose floors come to no more than `total`.
fn bounded(total: u32) -> impl Strategy<Value = Vec<Claimant>> {
    let one = (
        0_u32..200,
        0_u32..40,
        0_u32..40,
        prop_oneof![Just(u32::MAX), 0_u32..80],
    );
    proptest::collection::vec(one, 0..8).prop_map(move |all| {
        let mut left = total;
        let claimant = |(weight, former, floor, above): (u32, u32, u32, u32)| {
            let floor = floor.min(left);
            left -= floor;
            Claimant {
                weight,
                former,
                floor,
                ceiling: floor.saturating_add(above),
            }
        };
        all.into_iter().map(claimant).collect()
    })
}

fn case() -> impl Strategy<Value = (u32, Vec<Claimant>)> {
    (0_u32..300).prop_flat_map(|total| (Just(total), bounded(total)))
}

proptest! {
    #[test]
    fn agrees_with_the_definition((total, claimants) in case()) {
        prop_assert_eq!(divide(total, &claimants), plainly(total, &claimants));
    }

    #[test]
    fn sums_are_exact_and_bounds_are_kept(
        total in 0_u32..2_000_000,
        scale in 1_u32..50_000,
        (_, mut claimants) in case(),
    ) {
        for claimant in &mut claimants {
            claimant.floor = claimant.floor.saturating_mul(scale);
            claimant.ceiling = claimant.ceiling.saturating_mul(scale);
        }
        let division = divide(total, &claimants);
        let given: u32 = division.shares.iter().sum();
        prop_assert_eq!(given + division.unplaced, total);
        for (share, claimant) in division.shares.iter().zip(&claimants) {
            prop_assert!(*share <= claimant.ceiling.max(claimant.floor));
        }
        let floors: u64 = claimants.iter().map(|c| u64::from(c.floor)).sum();
        if floors <= u64::from(total) {
            prop_assert!(division.shares.iter().zip(&claimants).all(|(s, c)| *s >= c.floor));
        }
        let full = |(s, c): (&u32, &Claimant)| c.weight == 0 || *s >= c.ceiling;
        prop_assert!(division.unplaced == 0 || division.shares.iter().zip(&claimants).all(full));
    }

    #[test]
    fn one_more_takes_from_nobody((total, claimants) in case()) {
        let less = divide(total, &claimants);
        let more = divide(total + 1, &claimants);
        prop_assert!(less.shares.iter().zip(&more.shares).all(|(less, more)| less <= more));
    }

    #[test]
    fn more_weight_never_costs(total in 0_u32..5_000, weights in weights(), by in 1_u32..50) {
        let before = divide(total, &claimants(&weights)).shares;
        let mut heavier = weights;
        heavier[0] += by;
        let after = divide(total, &claimants(&heavier)).shares;
        prop_assert!(after[0] >= before[0]);
    }

    #[test]
    fn the_same_again_moves_nothing((total, mut claimants) in case()) {
        let first = divide(total, &claimants);
        claimants.iter_mut().zip(&first.shares).for_each(|(c, share)| c.former = *share);
        prop_assert_eq!(divide(total, &claimants), first);
    }
}
