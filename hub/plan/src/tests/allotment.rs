//! Who gets how many: against what can be said without the algorithm, and by trying all.

use proptest::prelude::*;

use crate::allotment::{Ask, Claim, Strategy as By, allot};
use crate::division::Division;

fn ask(total: u32, by: By, keep: bool) -> Ask {
    Ask {
        total,
        by,
        keep,
        once: false,
    }
}

fn claim(former: Option<u32>, room: u32) -> Claim {
    Claim {
        open: true,
        former,
        weight: 1,
        room,
        score: 0,
        floor: 0,
    }
}

fn check(ask: &Ask, claims: &[Claim], shares: &[u32], unplaced: u32) {
    let division = allot(ask, claims);
    assert_eq!(
        (division.shares.as_slice(), division.unplaced),
        (shares, unplaced)
    );
}

#[test]
fn the_available_go_by_room() {
    let rooms = [claim(None, 30), claim(None, 10), claim(None, 0)];
    check(&ask(20, By::Available, false), &rooms, &[15, 5, 0], 0);
    check(&ask(50, By::Available, false), &rooms, &[30, 10, 0], 10);
    // Fewer: taken by what there is.
    let had = [claim(Some(15), 90), claim(Some(5), 6), claim(None, 100)];
    check(&ask(12, By::Available, true), &had, &[9, 3, 0], 0);
    check(&ask(21, By::Available, true), &had, &[15, 5, 1], 0);
}

#[test]
fn the_aggregated_go_onto_as_few_as_hold_them() {
    let rooms = [claim(None, 4), claim(None, 9), claim(None, 5)];
    let by = By::Aggregated;
    check(&ask(7, by, false), &rooms, &[0, 7, 0], 0);
    check(&ask(12, by, false), &rooms, &[0, 9, 3], 0);
    check(&ask(30, by, false), &rooms, &[4, 9, 5], 12);
    // Who has it keeps it, if that makes no more clusters.
    let had = [claim(Some(3), 4), claim(None, 9), claim(None, 5)];
    check(&ask(3, by, false), &had, &[3, 0, 0], 0);
    check(&ask(5, by, false), &had, &[0, 5, 0], 0);
    check(&ask(5, by, true), &had, &[4, 1, 0], 0);
    let mut liked = rooms;
    liked[0].score = 100;
    check(&ask(7, by, false), &liked, &[4, 3, 0], 0);
    // Fewer: whoever is liked least and has least goes first.
    let had = [claim(Some(3), 4), claim(Some(6), 9), claim(Some(1), 5)];
    check(&ask(7, by, true), &had, &[1, 6, 0], 0);
}

#[test]
fn closed_clusters_keep_what_they_have_and_get_no_more() {
    let shut = Claim {
        open: false,
        ..claim(Some(5), 100)
    };
    for by in [By::Weights, By::Available, By::Aggregated] {
        check(
            &ask(20, by, true),
            &[shut, claim(Some(5), 100)],
            &[5, 15],
            0,
        );
        let fresh = allot(&ask(20, by, false), &[shut, claim(Some(5), 100)]);
        assert!(
            fresh.shares[0] <= 5 && fresh.unplaced == 0,
            "{by:?} {fresh:?}"
        );
    }
    check(&ask(20, By::Weights, true), &[shut, shut], &[5, 5], 10);
}

#[test]
fn what_is_divided_once_stays() {
    let once = |total| Ask {
        once: true,
        ..ask(total, By::Weights, false)
    };
    let free = claim(None, u32::MAX);
    check(&once(10), &[free, free], &[5, 5], 0);
    check(&once(10), &[claim(Some(8), 99), free], &[8, 2], 0);
    check(&once(10), &[claim(Some(8), 99)], &[8], 2);
    check(&once(4), &[claim(Some(8), 99), free], &[8, 0], 0);
}

fn any_claim() -> impl Strategy<Value = Claim> {
    let former = prop_oneof![Just(None), (0_u32..12).prop_map(Some)];
    let floor = prop_oneof![3 => Just(0), 1 => 1_u32..4];
    (any::<bool>(), former, 1_u32..20, 0_u32..15, 0_u32..3, floor).prop_map(
        |(open, former, weight, more, score, floor)| Claim {
            open,
            former,
            weight,
            room: former.unwrap_or(0) + more,
            score,
            floor,
        },
    )
}

fn any_case() -> impl Strategy<Value = (Ask, Vec<Claim>)> {
    let by = prop_oneof![Just(By::Weights), Just(By::Available), Just(By::Aggregated)];
    let ask =
        (0_u32..60, by, any::<bool>(), any::<bool>()).prop_map(|(total, by, keep, once)| Ask {
            total,
            by,
            keep,
            once,
        });
    (ask, proptest::collection::vec(any_claim(), 0..6))
}

fn had(claim: &Claim) -> u32 {
    claim.former.unwrap_or(0)
}

fn most(claim: &Claim) -> u32 {
    if claim.open { claim.room } else { had(claim) }
}

/// The fewest claims that hold `total`, by trying all sets of them.
fn fewest(total: u32, claims: &[Claim]) -> Option<u32> {
    let sets = 0_u32..1 << claims.len();
    let holds = |set: &u32| {
        let chosen = (0..claims.len()).filter(|i| set & (1 << i) != 0);
        chosen.map(|i| most(&claims[i])).sum::<u32>() >= total
    };
    sets.filter(holds).map(u32::count_ones).min()
}

fn next(claims: &[Claim], division: &Division) -> Vec<Claim> {
    let claims = claims.iter().zip(&division.shares);
    let after = claims.map(|(claim, share)| Claim {
        former: (claim.former.is_some() || *share > 0).then_some(*share),
        ..*claim
    });
    after.collect()
}

proptest! {
    #[test]
    fn sums_are_exact_and_nobody_gets_more_than_it_may((ask, claims) in any_case()) {
        let division = allot(&ask, &claims);
        let given: u32 = division.shares.iter().sum();
        let fixed: u32 = claims.iter().map(had).sum();
        let total = if ask.once { ask.total.max(fixed.min(given)) } else { ask.total };
        prop_assert_eq!(given + division.unplaced, total);
        for (share, claim) in division.shares.iter().zip(&claims) {
            prop_assert!(*share <= most(claim).max(had(claim)));
            prop_assert!(claim.open || *share <= had(claim), "a closed one got more");
        }
        let full = |(s, c): (&u32, &Claim)| *s >= most(c) || (ask.once && c.former.is_some());
        prop_assert!(division.unplaced == 0 || division.shares.iter().zip(&claims).all(full));
    }

    #[test]
    fn floors_are_laid_first((ask, claims) in any_case()) {
        let ask = Ask { keep: false, once: false, ..ask };
        let floor = |c: &Claim| c.floor.min(most(c));
        prop_assume!(claims.iter().map(floor).sum::<u32>() <= ask.total);
        let division = allot(&ask, &claims);
        for (share, claim) in division.shares.iter().zip(&claims) {
            prop_assert!(*share >= floor(claim));
        }
    }

    #[test]
    fn while_the_basis_is_the_same_more_is_only_added_and_less_only_taken(
        (ask, claims) in any_case(),
    ) {
        let ask = Ask { keep: true, once: false, ..ask };
        let division = allot(&ask, &claims);
        let before: u32 = claims.iter().map(had).sum();
        for (share, claim) in division.shares.iter().zip(&claims) {
            prop_assert!(before > ask.total || *share >= had(claim));
            prop_assert!(before < ask.total || *share <= had(claim));
        }
    }

    #[test]
    fn its_own_result_is_at_rest((ask, claims) in any_case(), fresh in any::<bool>()) {
        let ask = Ask { keep: ask.keep && !fresh, ..ask };
        let first = allot(&ask, &claims);
        let again = next(&claims, &first);
        // By room alone a closed cluster weighs what it has: divided anew, it may have less each time.
        let keep = !fresh || ask.by == By::Available;
        prop_assert_eq!(allot(&Ask { keep, ..ask }, &again), first);
    }

    #[test]
    fn the_aggregated_are_as_few_as_can_be(total in 0_u32..60, claims in proptest::collection::vec(any_claim(), 0..6)) {
        let plain = claims.into_iter().map(|c| Claim { score: 0, floor: 0, ..c });
        let claims: Vec<Claim> = plain.collect();
        let division = allot(&ask(total, By::Aggregated, false), &claims);
        let used = division.shares.iter().filter(|s| **s > 0).count();
        if let Some(least) = fewest(total, &claims) {
            prop_assert_eq!(division.unplaced, 0);
            prop_assert_eq!(used, least as usize);
        }
    }

    #[test]
    fn who_is_liked_less_gets_what_is_left((ask, claims) in any_case()) {
        let ask = Ask { by: By::Aggregated, keep: false, once: false, ..ask };
        let plain = claims.into_iter().map(|c| Claim { floor: 0, ..c });
        let claims: Vec<Claim> = plain.collect();
        let shares = allot(&ask, &claims).shares;
        for (i, claim) in claims.iter().enumerate() {
            let better = claims.iter().zip(&shares).filter(|(c, _)| c.score > claim.score);
            let full = better.clone().all(|(c, share)| *share >= most(c));
            prop_assert!(shares[i] == 0 || full);
        }
    }

    #[test]
    fn a_cluster_that_changes_places_changes_nothing(
        total in 0_u32..60,
        claims in proptest::collection::vec(any_claim(), 2..6),
    ) {
        // Where no two weigh the same; among those that do, the first goes first.
        let claims = claims.into_iter().zip(0..);
        let claims: Vec<Claim> = claims
            .map(|(claim, place): (Claim, u32)| Claim {
                weight: claim.weight * 6 + place,
                ..claim
            })
            .collect();
        let ask = ask(total, By::Weights, false);
        let straight = allot(&ask, &claims).shares;
        let turned: Vec<Claim> = claims.iter().rev().copied().collect();
        let mut back = allot(&ask, &turned).shares;
        back.reverse();
        prop_assert_eq!(straight, back);
    }
}
