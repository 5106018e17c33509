//! Random histories of users' acts and of things that merely vanish or break: nothing is removed
//! without an act, nothing is left with no cluster by less than a deletion, shares always sum up.

use proptest::prelude::*;
use serde_json::json;

use super::*;

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

/// What happens.
#[derive(Clone, Debug)]
enum Act {
    /// The policy of this number is written: these clusters, with these weights.
    Policy(usize, Vec<u32>),
    /// It is deleted by a user.
    Delete(usize),
    /// It vanishes without a record.
    Vanish(usize),
    /// It can no longer be read.
    Break(usize),
    /// The template gets so many replicas.
    Scale(u32),
    /// The template's label no longer is what the policies select, or is again.
    Label(bool),
    /// A cluster is not there for one decision.
    Blink(usize),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0..2_usize, proptest::collection::vec(0..4_u32, NAMES.len()))
            .prop_map(|(which, weights)| Act::Policy(which, weights)),
        1 => (0..2_usize).prop_map(Act::Delete),
        1 => (0..2_usize).prop_map(Act::Vanish),
        1 => (0..2_usize).prop_map(Act::Break),
        2 => (0..40_u32).prop_map(Act::Scale),
        1 => any::<bool>().prop_map(Act::Label),
        1 => (0..NAMES.len()).prop_map(Act::Blink),
    ]
}

impl Case {
    /// Whether the policies that gave a cluster what it has are all readable, or were deleted by a
    /// user.
    fn says_otherwise(&self, cluster: &str) -> bool {
        let world = self.world();
        let former = self.former.iter().find(|f| f.cluster == cluster);
        let acted = |uid: &String| world.policy(uid).is_some() || world.deleted.contains(uid);
        former.is_some_and(|f| f.policies.iter().all(acted))
    }
}

/// The world beside the planner: what users did, and nothing of what it thinks.
struct Model {
    case: Case,
    written: u32,
    /// Whether the act before this decision was one by which a user may remove something.
    edited: bool,
    deleted: bool,
    /// Whether something was held back when it was edited: that edit may take effect later, when what
    /// held it back is gone.
    owed: bool,
}

fn uid(object: &Value) -> String {
    object
        .pointer("/metadata/uid")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

impl Model {
    fn new() -> Self {
        let case = Case::new(&[&clusters(&NAMES)], &deployment(10));
        Self {
            case,
            written: 0,
            edited: false,
            deleted: false,
            owed: false,
        }
    }

    fn take(&mut self, which: usize) -> Option<Value> {
        let name = format!("p{which}");
        let at = self
            .case
            .world
            .iter()
            .position(|o| o["metadata"]["name"] == name.as_str())?;
        Some(self.case.world.remove(at))
    }

    fn apply(&mut self, act: &Act) {
        (self.edited, self.deleted) = (false, false);
        match act {
            Act::Policy(which, weights) => self.write(*which, weights),
            Act::Delete(which) => {
                if let Some(policy) = self.take(*which) {
                    self.case.deleted.insert(uid(&policy));
                    self.deleted = true;
                }
            }
            Act::Vanish(which) => {
                self.take(*which);
            }
            Act::Break(which) => {
                if let Some(mut policy) = self.take(*which) {
                    policy["spec"]["resourceSelectors"] = json!("everything");
                    self.case.world.push(policy);
                }
            }
            Act::Scale(replicas) => {
                self.case.template.as_mut().unwrap()["spec"]["replicas"] = json!(replicas);
            }
            Act::Label(selected) => {
                let label = if *selected { "web" } else { "other" };
                self.case.template.as_mut().unwrap()["metadata"]["labels"] = json!({"app": label});
                self.edited = true;
            }
            Act::Blink(_) => {}
        }
    }

    fn write(&mut self, which: usize, weights: &[u32]) {
        let former = self.take(which);
        self.written += 1;
        let uid = former.map_or_else(|| format!("uid-p{which}-{}", self.written), |f| uid(&f));
        let chosen: Vec<&str> = NAMES
            .iter()
            .zip(weights)
            .filter(|(_, w)| **w > 0)
            .map(|(n, _)| *n)
            .collect();
        let list: Vec<Value> = NAMES
            .iter()
            .zip(weights)
            .map(|(n, w)| json!({"targetCluster": {"clusterNames": [n]}, "weight": w}))
            .collect();
        self.case.world.push(json!({
            "apiVersion": "policy.kurator.dev/v1alpha1", "kind": "DistributionPolicy",
            "metadata": {"name": format!("p{which}"), "namespace": "default", "uid": uid},
            "spec": {
                "resourceSelectors": [{
                    "apiVersion": "apps/v1", "kind": "Deployment",
                    "labelSelector": {"matchLabels": {"app": "web"}},
                }],
                "placement": {
                    "clusterAffinity": {"clusterNames": chosen},
                    "replicaScheduling": {"weightPreference": {"staticWeightList": list}},
                },
            },
        }));
        self.edited = true;
    }

    /// One decision, judged by what users did.
    fn decide(&mut self, act: &Act) -> Result<(), TestCaseError> {
        let mut seen = self.case.clone();
        if let Act::Blink(which) = act {
            seen.world
                .retain(|o| o["metadata"]["name"] != NAMES[*which]);
        }
        let before = seen.former.len();
        let placement = seen.place();
        let (removed, kept) = (placement.removals.len(), placement.kept.len());
        if !self.edited && !self.deleted {
            // What an earlier act still allows must have happened then, or have been held back by
            // another policy; and then who put it there is there and says otherwise.
            let late = placement
                .removals
                .iter()
                .all(|r| seen.says_otherwise(&r.cluster));
            let allowed = removed == 0 || (self.owed && late);
            prop_assert!(allowed, "removed without an act: {:?}", act);
        }
        self.owed = kept > 0 && (self.owed || self.edited || self.deleted);
        // A deletion that another policy held back may take its effect at an edit.
        let by_edit = |r: &crate::Removal| r.reason != crate::removal::Reason::PolicyDeleted;
        if self.edited && placement.removals.iter().any(by_edit) {
            prop_assert!(
                placement.targets.len() + kept > 0 || before == 0,
                "an edit left it nowhere: {}",
                show(&placement)
            );
        }
        let accounted = placement.removals.iter().map(|r| &r.cluster);
        let accounted = accounted.chain(placement.kept.iter().map(|k| &k.cluster));
        let accounted: BTreeSet<&String> = accounted
            .chain(placement.targets.iter().map(|t| &t.cluster))
            .collect();
        prop_assert!(seen.former.iter().all(|f| accounted.contains(&f.cluster)));
        if !placement.targets.is_empty() {
            let wanted = self.case.template.as_ref().unwrap()["spec"]["replicas"]
                .as_u64()
                .unwrap();
            let sum: u64 = placement
                .targets
                .iter()
                .filter_map(|t| t.replicas)
                .map(u64::from)
                .sum();
            prop_assert_eq!(sum, wanted);
        }
        self.case.carry_out(&placement);
        let again = seen_again(&self.case, act).place();
        prop_assert!(again.removals.is_empty(), "not at rest: {}", show(&again));
        Ok(())
    }
}

fn seen_again(case: &Case, act: &Act) -> Case {
    let mut seen = case.clone();
    if let Act::Blink(which) = act {
        seen.world
            .retain(|o| o["metadata"]["name"] != NAMES[*which]);
    }
    seen
}

proptest! {
    #[test]
    fn only_acts_remove(acts in proptest::collection::vec(act(), 1..30)) {
        let mut model = Model::new();
        for act in &acts {
            model.apply(act);
            model.decide(act)?;
        }
    }
}
