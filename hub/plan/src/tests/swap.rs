//! New before old: what moves leaves where it is once what replaces it was seen healthy.

use proptest::prelude::*;
use roadstead_protocol::wire::report::Health;

use super::*;
use crate::observed::State;

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

/// What the agent of a cluster reports: whether all is well there, and how many are ready.
pub(super) fn report(case: &mut Case, name: &str, healthy: bool, ready: u32) {
    let seen = Observed {
        applied: true,
        away: false,
        state: State::Applied,
        health: if healthy {
            Health::Healthy
        } else {
            Health::Progressing
        },
        ready: Some(u64::from(ready)),
        ..Observed::default()
    };
    case.observed.insert(format!("uid-default-{name}"), seen);
}

/// What clusters have, by name.
pub(super) fn given(case: &Case) -> BTreeMap<String, u32> {
    let all = case.former.iter();
    all.map(|f| (f.path.1.clone(), f.replicas.unwrap_or(1) + f.extra))
        .collect()
}

pub(super) fn shown(given: &BTreeMap<String, u32>) -> String {
    let each: Vec<String> = given.iter().map(|(k, v)| format!("{k} {v}")).collect();
    each.join(" ")
}

/// A policy that divides by weights, those of 0 left out.
fn weights(weights: &[u32]) -> Vec<Value> {
    let each = NAMES.iter().zip(weights);
    let list: Vec<String> = each
        .map(|(name, weight)| {
            format!("{{targetCluster: {{clusterNames: [{name}]}}, weight: {weight}}}")
        })
        .collect();
    policy(
        "p",
        &format!(
            "{{resourceSelectors: [{{apiVersion: apps/v1, kind: Deployment}}], placement: {{replicaScheduling: \
             {{replicaSchedulingType: Divided, weightPreference: {{staticWeightList: [{}]}}}}}}}}",
            list.join(", ")
        ),
    )
}

/// A policy that sends whole copies to clusters by name.
pub(super) fn copies(names: &str) -> Vec<Value> {
    policy(
        "p",
        &format!(
            "{{resourceSelectors: [{{apiVersion: apps/v1, kind: Deployment}}], placement: {{clusterAffinity: {{clusterNames: [{names}]}}}}}}"
        ),
    )
}

pub(super) fn decide(case: &mut Case) -> Placement {
    let placement = case.place();
    case.carry_out(&placement);
    placement
}

/// All that was given is well, and what waited for that is done.
pub(super) fn settle(case: &mut Case) -> Placement {
    for _ in 0..2 {
        for (name, given) in given(case) {
            report(case, &name, true, given);
        }
        decide(case);
    }
    case.place()
}

#[test]
fn a_share_leaves_once_it_is_healthy_elsewhere() {
    let joined = clusters(&NAMES);
    let mut case = Case::new(&[&joined, &weights(&[1, 1, 0, 0])], &deployment(20));
    decide(&mut case);
    assert_eq!(shown(&given(&case)), "a 10 b 10");
    case.world = [joined, weights(&[1, 3, 0, 0])].concat();
    let placement = decide(&mut case);
    assert_eq!(shown(&given(&case)), "a 10 b 15", "a waits for b");
    assert_eq!(placement.targets[0].effective, Some(5));
    let said: Vec<String> = placement.findings.iter().map(ToString::to_string).collect();
    assert!(
        said[0].starts_with(
            "stays on 1 cluster (default/a) until what replaces it is healthy (default/b: on its way); \
             to let it go all the same: kubectl -n default annotate deployment.apps web"
        ),
        "{said:?}"
    );
    report(&mut case, "b", false, 13);
    decide(&mut case);
    assert_eq!(shown(&given(&case)), "a 7 b 15");
    report(&mut case, "b", false, 15);
    decide(&mut case);
    assert_eq!(shown(&given(&case)), "a 6 b 15", "ready, but not healthy");
    report(&mut case, "b", true, 15);
    let placement = decide(&mut case);
    assert_eq!(shown(&given(&case)), "a 5 b 15");
    assert!(placement.findings.is_empty() && !placement.watches);
}

#[test]
fn a_copy_leaves_once_another_is_healthy() {
    let joined = clusters(&NAMES);
    let mut case = Case::new(&[&joined, &copies("a, b")], &deployment(2));
    decide(&mut case);
    case.world = [joined.clone(), copies("b, c")].concat();
    for _ in 0..2 {
        check(
            &case,
            "b
             c
             a kept: Replacing
             refused 2: NotNamed (default/a default/d)
             ! Replacing",
        );
        decide(&mut case);
    }
    // How others are does not matter.
    report(&mut case, "b", false, 0);
    report(&mut case, "c", true, 2);
    report(&mut case, "a", true, 2);
    check(
        &case,
        "b
         c
         a removed: NotChosen
         refused 2: NotNamed (default/a default/d)",
    );
    // One that is away is not taken from while it cannot hear of it.
    case.observed.remove("uid-default-a");
    assert_eq!(case.place().kept[0].cause.reason(), "Replacing");
    // What is wanted there again stays there, and counts again.
    report(&mut case, "a", true, 2);
    case.world = [joined, copies("a, b")].concat();
    check(
        &case,
        "a
         b
         c removed: NotChosen
         refused 2: NotNamed (default/c default/d)",
    );
}

#[test]
fn what_nothing_replaces_goes_at_once() {
    let joined = clusters(&NAMES);
    let mut case = Case::new(&[&joined, &copies("a, b")], &deployment(2));
    decide(&mut case);
    let removed = "b
         a removed: NotChosen
         refused 3: NotNamed (default/a default/c default/d)";
    case.world = [joined.clone(), copies("b")].concat();
    check(&case, removed);
    // Neither does a deletion wait, while something is on its way.
    case.world = [joined.clone(), copies("b, c")].concat();
    decide(&mut case);
    case.template = None;
    case.deleted.insert("uid-web".to_owned());
    let placement = case.place();
    assert_eq!((placement.removals.len(), placement.kept.len()), (3, 0));
    // Nor who scales down.
    let mut down = Case::new(&[&joined, &weights(&[1, 1, 0, 0])], &deployment(20));
    decide(&mut down);
    down.template = yaml(&deployment(4)).pop();
    decide(&mut down);
    assert_eq!(shown(&given(&down)), "a 2 b 2");
}

#[test]
fn a_user_may_let_it_go_all_the_same() {
    let joined = clusters(&NAMES);
    let mut case = Case::new(&[&joined, &copies("a, b")], &deployment(2));
    decide(&mut case);
    case.world = [joined.clone(), copies("b, c")].concat();
    let placement = decide(&mut case);
    let finding = placement.findings[0].to_string();
    let (_, token) = finding.rsplit_once('=').unwrap();
    case.template.as_mut().unwrap()["metadata"]["annotations"] =
        serde_json::json!({"roadstead.dev/confirm-at-once": token});
    let placement = decide(&mut case);
    assert_eq!(placement.removals.len(), 1);
    // It confirmed nothing else.
    case.world = [joined, copies("c, d")].concat();
    assert_eq!(case.place().removals, []);
}

#[test]
fn a_held_newcomer_lowers_nobody_who_had_all() {
    let joined = clusters(&NAMES);
    let mut case = Case::new(&[&joined, &copies("a, b")], &deployment(6));
    decide(&mut case);
    let mut divided = weights(&[1, 1, 1, 0]);
    divided[0]["spec"]["suspension"] =
        serde_json::json!({"dispatchingOnClusters": {"clusterNames": ["c"]}});
    case.world = [joined, divided].concat();
    for _ in 0..2 {
        decide(&mut case);
        assert_eq!(shown(&given(&case)), "a 6 b 6");
    }
}

/// What happens.
#[derive(Clone, Debug)]
enum Step {
    /// A user gives the clusters these weights.
    Weights(Vec<u32>),
    /// A user drains a cluster, or no longer.
    Drain(usize, bool),
    /// So many more become ready on a cluster.
    Ready(usize, u32),
}

fn step() -> impl Strategy<Value = Step> {
    let who = || 0..NAMES.len();
    prop_oneof![
        2 => proptest::collection::vec(0..3_u32, NAMES.len()).prop_filter("no weight at all", |all| all.iter().any(|w| *w > 0)).prop_map(Step::Weights),
        1 => (who(), any::<bool>()).prop_map(|(who, to)| Step::Drain(who, to)),
        4 => (who(), 1..12_u32).prop_map(|(who, more)| Step::Ready(who, more)),
    ]
}

/// The clusters beside the planner: how many replicas are ready on each.
struct Fleet {
    case: Case,
    ready: BTreeMap<String, u32>,
}

impl Fleet {
    fn apply(&mut self, step: &Step) {
        match step {
            Step::Weights(all) => {
                self.case
                    .world
                    .retain(|o| o["kind"] != "DistributionPolicy");
                self.case.world.extend(weights(all));
            }
            Step::Drain(who, drained) => {
                let named = |o: &&mut Value| o["metadata"]["name"] == NAMES[*who];
                let cluster = self.case.world.iter_mut().find(named);
                cluster.unwrap()["spec"]["drain"] = serde_json::json!(drained);
            }
            Step::Ready(who, more) => {
                let given = given(&self.case);
                let ready = self.ready.entry(NAMES[*who].to_owned()).or_default();
                let most = given.get(NAMES[*who]).copied().unwrap_or(0);
                *ready = (*ready + more).min(most);
            }
        }
        self.observe();
    }

    fn observe(&mut self) {
        let given = given(&self.case);
        self.ready.retain(|name, _| given.contains_key(name));
        for (name, given) in given {
            let ready = self.ready.entry(name.clone()).or_default();
            *ready = (*ready).min(given);
            report(&mut self.case, &name, *ready == given, *ready);
        }
    }

    fn well(&self) -> u32 {
        self.ready.values().sum()
    }
}

proptest! {
    /// Whatever is moved, never are fewer ready because of it than there are to be, or than were.
    #[test]
    fn moves_take_nothing_that_is_not_replaced(steps in proptest::collection::vec(step(), 1..30)) {
        const TOTAL: u32 = 12;
        let mut fleet = Fleet {
            case: Case::new(&[&clusters(&NAMES), &weights(&[1, 1, 1, 0])], &deployment(TOTAL)),
            ready: BTreeMap::new(),
        };
        decide(&mut fleet.case);
        fleet.ready = given(&fleet.case);
        fleet.observe();
        for step in &steps {
            fleet.apply(step);
            let before = fleet.well();
            decide(&mut fleet.case);
            fleet.observe();
            prop_assert!(fleet.well() >= before.min(TOTAL), "{step:?}: {}", shown(&given(&fleet.case)));
            let again = given(&fleet.case);
            decide(&mut fleet.case);
            prop_assert_eq!(&given(&fleet.case), &again, "not at rest");
        }
        // Once all is well and nothing contradicts anything, everything is where it should be.
        for who in 0..NAMES.len() {
            fleet.apply(&Step::Drain(who, false));
        }
        fleet.apply(&Step::Weights(vec![1, 2, 1, 1]));
        decide(&mut fleet.case);
        fleet.observe();
        for _ in 0..3 {
            for who in 0..NAMES.len() {
                fleet.apply(&Step::Ready(who, TOTAL));
            }
            decide(&mut fleet.case);
            fleet.observe();
        }
        let placement = decide(&mut fleet.case);
        let moving = placement.kept.iter().any(|k| k.outside);
        prop_assert!(!moving && fleet.case.former.iter().all(|f| f.extra == 0), "{}", show(&placement));
        prop_assert_eq!(given(&fleet.case).values().sum::<u32>(), TOTAL);
    }
}

#[test]
fn what_stays_for_another_reason_is_said() {
    let joined = clusters(&NAMES);
    let mut case = Case::new(&[&joined, &copies("a, b")], &deployment(2));
    decide(&mut case);
    case.world = [joined.clone(), copies("b, c")].concat();
    decide(&mut case);
    let mut suspended = copies("b, c");
    suspended[0]["spec"]["suspension"] =
        serde_json::json!({"dispatchingOnClusters": {"clusterNames": ["a"]}});
    case.world = [joined, suspended].concat();
    for name in ["a", "b", "c"] {
        report(&mut case, name, true, 2);
    }
    let placement = decide(&mut case);
    assert_eq!(placement.kept[0].cause.reason(), "Suspended");
    assert!(placement.kept[0].outside);
    let said: Vec<String> = placement.findings.iter().map(ToString::to_string).collect();
    assert!(
        said.iter().any(|said| said.contains("default/a")),
        "{said:?}"
    );
}
