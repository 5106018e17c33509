//! What is running stays: random histories of users' acts and of facts that merely change. Facts add
//! where replicas wait, and never take; shares and what is left always come to the total; who is closed
//! gets no more; a decision carried out is at rest.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const NAMES: [&str; 4] = ["a", "b", "c", "d"];
const WAYS: [&str; 3] = [
    "{replicaSchedulingType: Divided}",
    "{replicaDivisionPreference: Weighted, weightPreference: {dynamicWeight: AvailableReplicas}}",
    "{replicaDivisionPreference: Aggregated}",
];

#[derive(Clone, Debug)]
enum Step {
    /// A user scales.
    Scale(u32),
    /// A user chooses another way of dividing.
    Divide(usize),
    /// A user asks for a rebalancing.
    Rebalance(u32),
    /// A user cordons a cluster, or lets it take pods again.
    Cordon(usize, bool),
    /// A cluster turns Ready, or not.
    Ready(usize, &'static str),
    /// A cluster has so many places free.
    Free(usize, u32),
}

impl Step {
    fn is_act(&self) -> bool {
        matches!(self, Self::Scale(_) | Self::Divide(_) | Self::Rebalance(_))
    }
}

fn step() -> impl Strategy<Value = Step> {
    let who = || 0..NAMES.len();
    let ready = prop_oneof![Just("True"), Just("False"), Just("Unknown")];
    prop_oneof![
        1 => (0_u32..30).prop_map(Step::Scale),
        1 => (0..WAYS.len()).prop_map(Step::Divide),
        1 => (0_u32..5).prop_map(Step::Rebalance),
        1 => (who(), any::<bool>()).prop_map(|(who, to)| Step::Cordon(who, to)),
        1 => (who(), ready).prop_map(|(who, to)| Step::Ready(who, to)),
        3 => (who(), 0_u32..20).prop_map(|(who, free)| Step::Free(who, free)),
    ]
}

fn cluster<'c>(case: &'c mut Case, name: &str) -> &'c mut Value {
    let mut clusters = case.world.iter_mut();
    clusters
        .find(|o| o["kind"] == "AttachedCluster" && o["metadata"]["name"] == name)
        .unwrap()
}

fn free(case: &mut Case, name: &str, places: u32) {
    cluster(case, name)["status"]["nodeShapes"] = json!([{
        "count": 1, "allocatable": {"pods": "110"}, "free": {"pods": places.to_string()},
    }]);
}

fn divide(case: &mut Case, way: usize) {
    let spec = format!(
        "{{resourceSelectors: [{{apiVersion: apps/v1, kind: Deployment, name: web}}], placement: {{replicaScheduling: {}}}}}",
        WAYS[way]
    );
    case.world.retain(|o| o["kind"] != "DistributionPolicy");
    case.world.extend(policy("p", &spec));
}

fn apply(case: &mut Case, step: &Step) {
    let template = case.template.as_mut().unwrap();
    match step {
        Step::Scale(replicas) => template["spec"]["replicas"] = json!(replicas),
        Step::Divide(way) => divide(case, *way),
        Step::Rebalance(token) => {
            template["metadata"]["annotations"] =
                json!({"roadstead.dev/rebalance": token.to_string()});
        }
        Step::Cordon(who, cordoned) => {
            cluster(case, NAMES[*who])["spec"]["unschedulable"] = json!(cordoned);
        }
        Step::Ready(who, to) => {
            cluster(case, NAMES[*who])["status"]["conditions"][0]["status"] = json!(to);
        }
        Step::Free(who, places) => free(case, NAMES[*who], *places),
    }
}

fn is_open(case: &mut Case, name: &str) -> bool {
    let cluster = cluster(case, name);
    let cordoned = cluster["spec"]["unschedulable"] == true;
    let ready = &cluster["status"]["conditions"][0]["status"];
    !cordoned && *ready == "True"
}

fn shares(placement: &Placement) -> Vec<(String, u32)> {
    let targets = placement.targets.iter();
    targets
        .map(|t| (t.path.1.clone(), t.replicas.unwrap()))
        .collect()
}

fn had(case: &Case, name: &str) -> Option<u32> {
    let former = case.former.iter().find(|f| f.path.1 == name)?;
    former.replicas
}

/// What the next look sees free after so many more were placed.
fn consume(case: &mut Case, name: &str, more: u32) {
    let shape = &cluster(case, name)["status"]["nodeShapes"][0]["free"]["pods"];
    let places: u32 = shape.as_str().unwrap().parse().unwrap();
    free(case, name, places.saturating_sub(more));
}

fn decide(case: &mut Case, step: &Step) -> Result<(), TestCaseError> {
    let placement = case.place();
    let total = case.template.as_ref().unwrap()["spec"]["replicas"].as_u64();
    let total = total.and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
    let given: u32 = shares(&placement).iter().map(|(_, share)| share).sum();
    let left = placement.unplaced.as_ref().map_or(0, |u| u.replicas);
    prop_assert!(placement.kept.is_empty() && placement.removals.is_empty());
    // Who divides by nothing but weights, with nobody open, has nothing to say of the rest.
    prop_assert!(
        given + left == total || placement.targets.is_empty(),
        "{}",
        show(&placement)
    );
    for former in &case.former {
        let kept = placement
            .targets
            .iter()
            .any(|t| t.cluster == former.cluster);
        prop_assert!(kept, "{} lost it", former.cluster);
    }
    for (name, share) in shares(&placement) {
        let before = had(case, &name).unwrap_or(0);
        prop_assert!(
            step.is_act() || share >= before,
            "{name} lost {before} -> {share}"
        );
        prop_assert!(
            is_open(case, &name) || share <= before,
            "{name} is closed and got more"
        );
    }
    for (name, share) in shares(&placement) {
        let before = had(case, &name).unwrap_or(0);
        consume(case, &name, share.saturating_sub(before));
    }
    case.carry_out(&placement);
    prop_assert_eq!(shares(&case.place()), shares(&placement), "not at rest");
    Ok(())
}

proptest! {
    #[test]
    fn only_users_take(steps in proptest::collection::vec(step(), 1..30)) {
        let joined = NAMES.map(|name| format!("{name} version=v1.36.3"));
        let joined: Vec<&str> = joined.iter().map(String::as_str).collect();
        let mut case = Case::new(&[&clusters(&joined)], &deployment(10));
        for name in NAMES {
            free(&mut case, name, 8);
        }
        divide(&mut case, 0);
        decide(&mut case, &Step::Divide(0))?;
        for step in &steps {
            apply(&mut case, step);
            decide(&mut case, step)?;
        }
    }
}

/// Facts about a cluster: Ready, and how it is not; places it in a region.
const READY: [&str; 3] = ["True", "False", "Unknown"];

proptest! {
    /// A user spreads what runs anew, detaches a cluster or not, and from then on only facts change.
    #[test]
    fn a_spread_takes_nothing_when_facts_change(
        regions in proptest::collection::vec(0..3_usize, 4),
        before in (1..3_usize, 0..2_usize, 1..4_usize, 0..3_usize),
        after in (1..3_usize, 0..2_usize, 1..4_usize, 0..3_usize),
        detached in 0..5_usize,
        ready in proptest::collection::vec((0..4_usize, 0..3_usize), 0..8),
        first in proptest::collection::vec((0..4_usize, 0..3_usize), 0..4),
    ) {
        let joined: Vec<String> = NAMES.iter().zip(&regions).map(|(name, region)| {
            format!("{name} version=v1.36.3 topology.kubernetes.io/region=r{region}")
        }).collect();
        let joined: Vec<&str> = joined.iter().map(String::as_str).collect();
        let mut case = Case::new(&[&clusters(&joined)], &deployment(4));
        spread(&mut case, before);
        let turn = |case: &mut Case, (who, to): (usize, usize)| {
            let found = case.world.iter_mut().find(|o| {
                o["kind"] == "AttachedCluster" && o["metadata"]["name"] == NAMES[who]
            });
            if let Some(cluster) = found {
                cluster["status"]["conditions"][0]["status"] = json!(READY[to]);
            }
        };
        let placement = case.place();
        case.carry_out(&placement);
        for fact in first {
            turn(&mut case, fact);
        }
        if let Some(name) = NAMES.get(detached) {
            case.world.retain(|o| o["kind"] != "AttachedCluster" || o["metadata"]["name"] != *name);
            case.deleted.insert(format!("uid-default-{name}"));
        }
        spread(&mut case, after);
        let placement = case.place();
        case.carry_out(&placement);
        swap::settle(&mut case);
        for fact in ready {
            turn(&mut case, fact);
            let placement = case.place();
            prop_assert!(
                placement.removals.is_empty() && placement.kept.is_empty(),
                "{}", show(&placement)
            );
            case.carry_out(&placement);
        }
    }
}

fn spread(case: &mut Case, (region, more_regions, cluster, more): (usize, usize, usize, usize)) {
    let spec = format!(
        "{{resourceSelectors: [{{apiVersion: apps/v1, kind: Deployment, name: web}}], placement: {{\
         spreadConstraints: [{{spreadByField: region, minGroups: {region}, maxGroups: {}}}, \
         {{spreadByField: cluster, minGroups: {cluster}, maxGroups: {}}}]}}}}",
        region + more_regions,
        cluster + more,
    );
    case.world.retain(|o| o["kind"] != "DistributionPolicy");
    case.world.extend(policy("p", &spec));
}
