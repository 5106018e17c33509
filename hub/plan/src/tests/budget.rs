//! Disruption budgets: as many are changed or taken at a time as may be unwell, whatever for.

mod along;
mod holding;
mod reading;

use roadstead_protocol::wire::Digest;
use roadstead_protocol::wire::report::Health;

use super::*;
use crate::budget::{How, Standing, Unwell};
use crate::finding::Cause;
use crate::observed::State;
use crate::removal::Reason;

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];
const SELECTS: &str = "resourceSelectors: [{apiVersion: apps/v1, kind: Deployment}]";

/// A policy that sends whole copies to clusters by name.
fn copies(names: &str, most: &str) -> Vec<Value> {
    let placement = format!("placement: {{clusterAffinity: {{clusterNames: [{names}]}}}}");
    let budget = format!("disruptionBudget: {{maxUnavailable: {most}}}");
    policy("p", &format!("{{{SELECTS}, {placement}, {budget}}}"))
}

/// A policy that divides replicas by weights.
fn shares(weights: &[u32], most: &str) -> Vec<Value> {
    let each = NAMES.iter().zip(weights);
    let list: Vec<String> = each
        .map(|(name, weight)| {
            format!("{{targetCluster: {{clusterNames: [{name}]}}, weight: {weight}}}")
        })
        .collect();
    let placement = format!(
        "placement: {{replicaScheduling: {{replicaSchedulingType: Divided, weightPreference: \
         {{staticWeightList: [{}]}}}}}}",
        list.join(", ")
    );
    let budget = format!("disruptionBudget: {{maxUnavailable: {most}}}");
    policy("p", &format!("{{{SELECTS}, {placement}, {budget}}}"))
}

fn uid(name: &str) -> String {
    format!("uid-default-{name}")
}

/// How a cluster is, beside the planner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Is {
    /// It reports that what it was given last is well.
    Well,
    /// It reports that it is not, and that a part of it runs.
    Weak,
    /// It reports that nothing of it runs.
    Ill,
    /// It has not reported what it was given last.
    Late,
    /// Nothing is heard of it.
    Away,
}

/// The clusters beside the planner.
struct Fleet {
    case: Case,
    is: BTreeMap<&'static str, Is>,
    /// All contents that there were.
    contents: BTreeMap<Digest, Value>,
}

impl Fleet {
    fn new(policy: &[Value], replicas: u32) -> Self {
        let mut fleet = Self {
            case: Case::new(&[&clusters(&NAMES), policy], &deployment(replicas)),
            is: BTreeMap::new(),
            contents: BTreeMap::new(),
        };
        fleet.decide();
        for name in NAMES {
            fleet.report(name, Is::Well);
        }
        fleet.decide();
        fleet
    }

    fn report(&mut self, name: &'static str, is: Is) {
        if self.had(name).is_some() {
            self.is.insert(name, is);
        } else {
            self.is.remove(name);
        }
    }

    fn had(&self, name: &str) -> Option<&Former> {
        self.case.former.iter().find(|f| f.cluster == uid(name))
    }

    fn edit(&mut self, image: &str) {
        let template = self.case.template.as_mut().unwrap();
        template["spec"]["template"]["spec"]["containers"][0]["image"] = image.into();
    }

    fn scale(&mut self, replicas: u32) {
        self.case.template.as_mut().unwrap()["spec"]["replicas"] = replicas.into();
    }

    fn obey(&mut self, policy: &[Value]) {
        let world = &mut self.case.world;
        world.retain(|o| o["kind"] != "DistributionPolicy");
        world.extend(policy.to_vec());
    }

    fn drain(&mut self, name: &str, to: bool) {
        let named = |o: &&mut Value| o["metadata"]["name"] == name;
        let cluster = self.case.world.iter_mut().find(named).unwrap();
        cluster["spec"]["drain"] = to.into();
    }

    /// Who counts, and how they are, the slow way.
    fn standing(&self) -> Standing {
        let mut standing = Standing {
            contents: self.contents.clone(),
            ..Standing::default()
        };
        for (name, is) in &self.is {
            let had = self.had(name).unwrap();
            let how = match is {
                Is::Well => How::Well,
                Is::Weak => How::Weak,
                Is::Ill => How::Ill,
                Is::Late | Is::Away => How::Unseen,
            };
            standing.own.insert(uid(name), how);
            if had.outside {
                continue;
            }
            standing.holders += 1;
            let unwell = match is {
                Is::Well => continue,
                Is::Weak | Is::Ill => Unwell::Ill,
                Is::Late => Unwell::Changing,
                Is::Away => Unwell::Away,
            };
            standing
                .unwell
                .insert(uid(name), (unwell, "web".to_owned()));
        }
        standing
    }

    fn observed(&self) -> BTreeMap<String, Observed> {
        let seen = |(name, is): (&&str, &Is)| {
            let replicas = self
                .had(name)
                .map_or(0, |f| f.replicas.unwrap_or(1) + f.extra);
            let well = *is == Is::Well;
            let seen = Observed {
                applied: matches!(is, Is::Well | Is::Weak | Is::Ill),
                away: *is == Is::Away,
                state: State::Applied,
                health: if well {
                    Health::Healthy
                } else {
                    Health::Degraded
                },
                ready: Some(if well { replicas.into() } else { 0 }),
                ..Observed::default()
            };
            (uid(name), seen)
        };
        self.is.iter().map(seen).collect()
    }

    fn think(&mut self) -> Placement {
        self.case.observed = self.observed();
        self.case.budget = Some(self.standing());
        self.case.place()
    }

    /// Decides, and does it: who was given something has not reported it yet.
    fn decide(&mut self) -> Placement {
        let placement = self.think();
        let before = self.case.former.clone();
        self.case.carry_out(&placement);
        for target in &placement.targets {
            let content = serde_json::from_slice(&target.content.bytes).unwrap();
            self.contents.insert(target.content.digest, content);
            let same = before.iter().find(|f| f.cluster == target.cluster);
            if same.and_then(|f| f.digest) != Some(target.content.digest) {
                let name = NAMES.iter().find(|n| uid(n) == target.cluster).unwrap();
                let away = self.is.get(name) == Some(&Is::Away);
                self.is.insert(name, if away { Is::Away } else { Is::Late });
            }
        }
        self.is.retain(|name, _| {
            let mut former = self.case.former.iter();
            former.any(|f| f.cluster == uid(name))
        });
        placement
    }

    /// `a 2 web:1, ...`
    fn shown(&self) -> String {
        let each = NAMES.iter().filter_map(|name| {
            let content = self.contents.get(&self.had(name)?.digest?)?;
            let image = &content["spec"]["template"]["spec"]["containers"][0]["image"];
            let image = image.as_str().unwrap_or_default();
            Some(format!("{name} {} {image}", content["spec"]["replicas"]))
        });
        each.collect::<Vec<_>>().join(", ")
    }
}

fn said(placement: &Placement) -> Vec<String> {
    placement.findings.iter().map(ToString::to_string).collect()
}

#[test]
fn an_edit_reaches_one_cluster_after_the_other() {
    let mut fleet = Fleet::new(&copies("a, b, c", "1"), 2);
    fleet.edit("web:2");
    let placement = fleet.decide();
    assert_eq!(placement.spends, ["uid-p".to_owned()].into());
    assert_eq!(fleet.shown(), "a 2 web:2, b 2 web:1, c 2 web:1");
    assert_eq!(
        said(&placement),
        [
            "waits on 2 clusters (default/b, default/c): the disruption budget of its policy is 1 of 3 clusters, \
          and not all is well on 1 cluster (default/a: Deployment.apps default/web is being changed); it goes on once it is, or with a larger \
          maxUnavailable, and a cluster that is lost counts no more once it is fenced (roadstead fence)"
        ]
    );
    let placement = fleet.decide();
    assert!(placement.spends.is_empty(), "nothing new is taken");
    assert_eq!(fleet.shown(), "a 2 web:2, b 2 web:1, c 2 web:1");
    fleet.report("a", Is::Ill);
    fleet.decide();
    assert_eq!(fleet.shown(), "a 2 web:2, b 2 web:1, c 2 web:1");
    // What mends is never held, and passes over those that wait.
    fleet.edit("web:3");
    fleet.decide();
    assert_eq!(fleet.shown(), "a 2 web:3, b 2 web:1, c 2 web:1");
    fleet.report("a", Is::Well);
    fleet.decide();
    assert_eq!(fleet.shown(), "a 2 web:3, b 2 web:3, c 2 web:1");
    fleet.report("b", Is::Well);
    let placement = fleet.decide();
    assert_eq!(fleet.shown(), "a 2 web:3, b 2 web:3, c 2 web:3");
    assert_eq!(placement.findings, []);
}

#[test]
fn who_is_away_counts_and_is_no_excuse() {
    let mut fleet = Fleet::new(&copies("a, b, c", "1"), 2);
    fleet.report("b", Is::Away);
    fleet.edit("web:2");
    fleet.decide();
    // What is behind a cut link may run: it takes of the budget like any other.
    assert_eq!(fleet.shown(), "a 2 web:1, b 2 web:2, c 2 web:1");
    fleet.report("c", Is::Away);
    fleet.edit("web:3");
    fleet.decide();
    assert_eq!(fleet.shown(), "a 2 web:1, b 2 web:2, c 2 web:1");
    let mut all = Fleet::new(&copies("a, b, c", "50%"), 2);
    for name in ["a", "b", "c"] {
        all.report(name, Is::Away);
    }
    all.edit("web:2");
    all.decide();
    assert_eq!(all.shown(), "a 2 web:1, b 2 web:1, c 2 web:1");
}

/// Something of it runs everywhere, and nowhere well: it is mended, and not everywhere at once.
#[test]
fn what_runs_in_part_is_changed_one_by_one() {
    let mut fleet = Fleet::new(&copies("a, b, c", "1"), 2);
    for name in ["a", "b", "c"] {
        fleet.report(name, Is::Weak);
    }
    fleet.edit("web:2");
    fleet.decide();
    assert_eq!(fleet.shown(), "a 2 web:2, b 2 web:1, c 2 web:1");
    fleet.decide();
    assert_eq!(fleet.shown(), "a 2 web:2, b 2 web:1, c 2 web:1");
    // However it is then.
    fleet.report("a", Is::Weak);
    fleet.decide();
    assert_eq!(fleet.shown(), "a 2 web:2, b 2 web:2, c 2 web:1");
    // Of what runs nothing at all there is nothing to take.
    fleet.report("c", Is::Ill);
    fleet.decide();
    assert_eq!(fleet.shown(), "a 2 web:2, b 2 web:2, c 2 web:2");
}

/// What was stopped, and runs elsewhere, is not kept running twice because of something else.
#[test]
fn what_is_replaced_leaves_whatever_is_unwell_beside_it() {
    let mut fleet = Fleet::new(&shares(&[1, 1, 1, 0, 0], "1"), 12);
    let named = |o: &&mut Value| o["metadata"]["name"] == "a";
    let cluster = fleet.case.world.iter_mut().find(named).unwrap();
    cluster["spec"]["fenced"] = true.into();
    fleet.decide();
    fleet.report("b", Is::Well);
    fleet.report("c", Is::Well);
    fleet.case.budget = None;
    let mut standing = fleet.standing();
    let down = (uid("elsewhere"), (Unwell::Ill, "db".to_owned()));
    standing.unwell.extend([down]);
    fleet.case.observed = fleet.observed();
    fleet.case.budget = Some(standing);
    let placement = fleet.case.place();
    let removed: Vec<Reason> = placement.removals.iter().map(|r| r.reason).collect();
    assert_eq!(removed, [Reason::Replaced]);
}

#[test]
fn what_comes_up_and_what_people_take_away_wait_for_nothing() {
    let mut fleet = Fleet::new(&copies("a, b, c", "1"), 2);
    for name in ["a", "b"] {
        fleet.report(name, Is::Away);
    }
    fleet.scale(5);
    fleet.decide();
    assert_eq!(fleet.shown(), "a 5 web:1, b 5 web:1, c 5 web:1");
    fleet.scale(1);
    fleet.decide();
    assert_eq!(fleet.shown(), "a 1 web:1, b 1 web:1, c 1 web:1");
    fleet.obey(&copies("a, b, c, d", "1"));
    fleet.decide();
    assert_eq!(fleet.shown(), "a 1 web:1, b 1 web:1, c 1 web:1, d 1 web:1");
    // An edit of the policy is an edit.
    fleet.obey(&copies("a, b, d", "1"));
    let placement = fleet.decide();
    assert_eq!(placement.kept[0].cause, Cause::Budget);
    assert!(placement.kept[0].outside);
    fleet.case.template = None;
    fleet.case.deleted.insert("uid-web".to_owned());
    let placement = fleet.think();
    assert_eq!((placement.removals.len(), placement.kept.len()), (4, 0));
}

#[test]
fn a_drain_and_a_rebalance_wait_too() {
    let mut fleet = Fleet::new(&shares(&[1, 1, 1, 0, 0], "1"), 12);
    fleet.drain("a", true);
    fleet.decide();
    assert_eq!(fleet.shown(), "a 4 web:1, b 6 web:1, c 6 web:1");
    fleet.report("b", Is::Well);
    fleet.report("c", Is::Well);
    fleet.decide();
    assert_eq!(fleet.shown(), "b 6 web:1, c 6 web:1");
    fleet.drain("a", false);
    fleet.decide();
    assert_eq!(fleet.shown(), "a 4 web:1, b 6 web:1, c 6 web:1");
    fleet.report("a", Is::Well);
    fleet.decide();
    // One comes down after the other.
    assert_eq!(fleet.shown(), "a 4 web:1, b 4 web:1, c 6 web:1");
    fleet.decide();
    assert_eq!(fleet.shown(), "a 4 web:1, b 4 web:1, c 6 web:1");
    fleet.report("b", Is::Well);
    let placement = fleet.decide();
    assert_eq!(fleet.shown(), "a 4 web:1, b 4 web:1, c 4 web:1");
    assert_eq!(placement.findings, []);
    // Who drains takes nothing while another is not well.
    let mut fleet = Fleet::new(&shares(&[1, 1, 1, 0, 0], "1"), 12);
    fleet.drain("a", true);
    fleet.decide();
    fleet.report("b", Is::Well);
    fleet.report("c", Is::Ill);
    let placement = fleet.decide();
    assert_eq!(fleet.shown(), "a 4 web:1, b 6 web:1, c 6 web:1");
    assert!(placement.kept.iter().all(|kept| kept.outside));
}

#[test]
fn nothing_is_asked_without_a_budget_or_without_an_act() {
    let mut plain = copies("a, b", "1");
    plain[0]["spec"]
        .as_object_mut()
        .unwrap()
        .remove("disruptionBudget");
    let mut fleet = Fleet::new(&plain, 2);
    fleet.case.budget = None;
    fleet.edit("web:2");
    assert!(!fleet.case.place().asks);
    let mut fleet = Fleet::new(&copies("a, b", "1"), 2);
    fleet.case.budget = None;
    assert!(!fleet.case.place().asks);
    fleet.edit("web:2");
    assert!(fleet.case.place().asks);
}
