//! Spreading: against every choice that there is.

use proptest::prelude::*;

use super::*;
use crate::spread::{By, Candidate, Spread, choose, floors};

const NAMES: [&str; 8] = ["0", "1", "2", "3", "4", "5", "6", "7"];

/// Clusters, each in a region: has something, may get something, region, score.
type Drawn = (bool, bool, usize, u64);

fn candidates(drawn: &[Drawn]) -> Vec<Candidate<'static>> {
    let candidate = |(at, (has, open, region, score)): (usize, &Drawn)| Candidate {
        groups: vec![NAMES[*region], NAMES[at]],
        has: *has,
        open: *open,
        able: true,
        score: *score,
    };
    drawn.iter().enumerate().map(candidate).collect()
}

fn spreads(region: (usize, usize), cluster: (usize, usize)) -> Vec<Spread> {
    let spread = |by, (min, more): (usize, usize)| Spread {
        by,
        min,
        max: min + more,
    };
    vec![spread(By::Region, region), spread(By::Cluster, cluster)]
}

/// How many groups of each constraint a choice has that count.
fn counted(candidates: &[Candidate<'_>], chosen: &[bool], constraint: usize) -> usize {
    let counts = candidates
        .iter()
        .zip(chosen)
        .filter(|(c, chosen)| **chosen && (c.has || c.open));
    counts
        .map(|(c, _)| c.groups[constraint])
        .collect::<BTreeSet<_>>()
        .len()
}

fn within(spreads: &[Spread], candidates: &[Candidate<'_>], chosen: &[bool]) -> bool {
    spreads.iter().enumerate().all(|(at, spread)| {
        let count = counted(candidates, chosen, at);
        (spread.min..=spread.max).contains(&count)
    })
}

/// Every choice among those that count.
fn every(candidates: &[Candidate<'_>]) -> impl Iterator<Item = Vec<bool>> {
    let counts: Vec<bool> = candidates.iter().map(|c| c.has || c.open).collect();
    (0..1_u32 << counts.len())
        .map(move |bits| {
            (0..counts.len())
                .map(|i| bits & (1 << i) != 0)
                .collect::<Vec<bool>>()
        })
        .zip(std::iter::repeat(
            candidates
                .iter()
                .map(|c| c.has || c.open)
                .collect::<Vec<bool>>(),
        ))
        .filter(|(choice, counts)| {
            choice
                .iter()
                .zip(counts)
                .all(|(chosen, counts)| !chosen || *counts)
        })
        .map(|(choice, _)| choice)
}

fn drawn() -> impl Strategy<Value = Vec<Drawn>> {
    proptest::collection::vec((any::<bool>(), any::<bool>(), 0..3_usize, 0..3_u64), 1..8)
}

proptest! {
    #[test]
    fn a_choice_is_found_wherever_there_is_one(
        drawn in drawn(),
        region in (1..3_usize, 0..2_usize),
        cluster in (1..4_usize, 0..3_usize),
    ) {
        let (candidates, spreads) = (candidates(&drawn), spreads(region, cluster));
        let possible = every(&candidates).any(|choice| within(&spreads, &candidates, &choice));
        match choose(&spreads, &candidates) {
            Ok(chosen) => {
                prop_assert!(possible);
                prop_assert!(within(&spreads, &candidates, &chosen), "{chosen:?}");
                // Each of the smallest number of groups is sure of one.
                let floors = floors(&spreads, &candidates, &chosen);
                let given: Vec<bool> = floors.iter().map(|floor| *floor > 0).collect();
                for (at, spread) in spreads.iter().enumerate().filter(|(_, s)| s.min > 1) {
                    prop_assert!(counted(&candidates, &given, at) >= spread.min);
                }
                let sure = given.iter().zip(&chosen).all(|(given, chosen)| !given || *chosen);
                prop_assert!(sure);
            }
            Err(unmet) => {
                prop_assert!(!possible, "{unmet:?}");
                prop_assert!(unmet.found < spreads[unmet.constraint].min);
            }
        }
    }

    #[test]
    fn what_was_chosen_is_chosen_again_whatever_opens(
        drawn in drawn(),
        opened in proptest::collection::vec(any::<bool>(), 8),
        region in (1..3_usize, 0..2_usize),
        cluster in (1..4_usize, 0..3_usize),
    ) {
        let (mut candidates, spreads) = (candidates(&drawn), spreads(region, cluster));
        let Ok(chosen) = choose(&spreads, &candidates) else {
            return Ok(());
        };
        for ((candidate, chosen), opened) in candidates.iter_mut().zip(&chosen).zip(opened) {
            candidate.has = *chosen && (candidate.has || candidate.open);
            candidate.open = opened;
        }
        let again = choose(&spreads, &candidates);
        prop_assert!(again.is_ok());
        for (candidate, chosen) in candidates.iter().zip(again.unwrap()) {
            prop_assert!(!candidate.has || chosen, "what runs stays");
        }
    }
}

const SELECT: &str = "resourceSelectors: [{apiVersion: apps/v1, kind: Deployment}]";

fn case(joined: &[&str], placement: &str) -> Case {
    let policy = policy("p", &format!("{{{SELECT}, placement: {{{placement}}}}}"));
    Case::new(&[&clusters(joined), &policy], &deployment(6))
}

const JOINED: [&str; 5] = [
    "a topology.kubernetes.io/region=eu",
    "b topology.kubernetes.io/region=eu",
    "c topology.kubernetes.io/region=us",
    "d topology.kubernetes.io/region=us tier=x",
    "e",
];

#[test]
fn at_most_so_many_regions_and_who_is_in_none_gets_nothing() {
    let one = "spreadConstraints: [{spreadByField: region, maxGroups: 1}]";
    check(
        &case(&JOINED, one),
        "a
         b
         refused 1: NoTopology (default/e)
         refused 2: NotInSpread (default/c default/d)",
    );
    let label = "spreadConstraints: [{spreadByLabel: tier}]";
    check(
        &case(&JOINED, label),
        "d\n refused 4: NoTopology (default/a default/b default/c default/e)",
    );
}

#[test]
fn at_least_so_many_or_nothing_new_goes_anywhere() {
    let three = "spreadConstraints: [{spreadByField: region, minGroups: 3}]";
    let fresh = case(&JOINED, three);
    check(
        &fresh,
        "refused 1: NoTopology (default/e)
         refused 4: SpreadUnmet (default/a default/b default/c default/d)
         ! SpreadUnmet",
    );
    let said = fresh.place().findings.pop().unwrap().to_string();
    assert_eq!(
        said,
        "it wants at least 3 groups by region, and there can be 2"
    );
    // What runs stays.
    let mut running = case(&["a", "c"], "");
    let placement = running.place();
    running.carry_out(&placement);
    let mut unmet = fresh;
    unmet.former.clone_from(&running.former);
    unmet.decided.clone_from(&running.decided);
    let placement = unmet.place();
    assert_eq!((placement.targets.len(), placement.removals.len()), (2, 0));
}

#[test]
fn clusters_are_taken_from_as_many_regions_as_are_wanted() {
    let two = "spreadConstraints: [{spreadByField: region, minGroups: 2}, {spreadByField: cluster, maxGroups: 2}]";
    check(
        &case(&JOINED, two),
        "a
         c
         refused 1: NoTopology (default/e)
         refused 2: NotInSpread (default/b default/d)",
    );
}

const DIVIDED: &str = "replicaScheduling: {replicaSchedulingType: Divided, weightPreference: {staticWeightList: [\
    {targetCluster: {clusterNames: [a, b]}, weight: 100}, {targetCluster: {clusterNames: [c]}, weight: 1}]}}";

#[test]
fn the_floor_is_laid_before_the_division() {
    let two = "spreadConstraints: [{spreadByField: region, minGroups: 2}]";
    check(&case(&JOINED[..3], DIVIDED), "a 3\n b 3\n c 0");
    let spread = case(&JOINED[..3], &format!("{DIVIDED}, {two}"));
    check(&spread, "a 3\n b 2\n c 1");
    let mut one = spread;
    one.template = yaml(&deployment(1)).pop();
    let placement = one.place();
    assert_eq!(placement.findings.len(), 1, "{}", show(&placement));
    let said = placement.findings[0].to_string();
    assert_eq!(
        said,
        "it wants at least 2 groups by region, and there can be 1"
    );
}

#[test]
fn where_nobody_takes_anything_that_is_what_is_said() {
    let one = "spreadConstraints: [{spreadByField: cluster, maxGroups: 1}]";
    check(
        &case(&["a cordoned", "b silent"], one),
        "refused 1: Cordoned (default/a)
         refused 1: NotReady (default/b)
         ! NothingOpen",
    );
}

#[test]
fn a_cluster_that_turns_ready_takes_nothing_from_another() {
    let two = "spreadConstraints: [{spreadByField: region, maxGroups: 1}, {spreadByField: cluster, minGroups: 2}]";
    let join = |b: &str| {
        [
            "a1 topology.kubernetes.io/region=r1".to_owned(),
            "a2 topology.kubernetes.io/region=r1".to_owned(),
            format!("b1 topology.kubernetes.io/region=r2 {b}"),
            format!("b2 topology.kubernetes.io/region=r2 {b}"),
        ]
    };
    let of = |lines: &[String]| {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        case(&lines, two)
    };
    let mut running = of(&join("!ready"));
    let placement = running.place();
    running.carry_out(&placement);
    // A user detaches a2: one region does not hold two clusters any more.
    let left = |b: &str| {
        let mut lines = join(b).to_vec();
        lines.remove(1);
        let mut left = of(&lines);
        left.deleted.insert("uid-default-a2".to_owned());
        left
    };
    let mut alone = left("!ready");
    alone.former.clone_from(&running.former);
    let placement = alone.place();
    assert_eq!(placement.removals, []);
    alone.carry_out(&placement);
    let mut turned = left("");
    turned.former.clone_from(&alone.former);
    turned.decided.clone_from(&alone.decided);
    check(
        &turned,
        "a1
         refused 2: SpreadUnmet (default/b1 default/b2)
         ! SpreadUnmet",
    );
    // A user who asks for it gets it.
    let asked = turned.template.as_mut().unwrap();
    asked["metadata"]["annotations"] = serde_json::json!({"roadstead.dev/rebalance": "1"});
    check(
        &turned,
        "b1
         b2
         a1 kept: Replacing
         refused 1: NotInSpread (default/a1)
         ! Replacing",
    );
}
