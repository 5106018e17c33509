//! What placement gives while a policy has a rollout: what a release says, never what merely stands on
//! the hub.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::placement::Placement;
use crate::rollout::release;
use crate::rollout::waves::{Given, Rolling, Waves};
use crate::tests::{Case, clusters, deployment, policy, show, yaml};

const SPEC: &str = "{resourceSelectors: [{apiVersion: apps/v1, kind: Deployment}], \
                    rollout: {stages: [{name: canary, share: 1}]}, \
                    placement: {clusterAffinity: {clusterNames: [a, b, c]}}}";
const DIVIDED: &str = "{resourceSelectors: [{apiVersion: apps/v1, kind: Deployment}], rollout: {}, \
     placement: {clusterAffinity: {clusterNames: [a, b]}, \
     replicaScheduling: {replicaSchedulingType: Divided, weightPreference: {staticWeightList: [\
     {targetCluster: {clusterNames: [a]}, weight: 3}, \
     {targetCluster: {clusterNames: [b]}, weight: 1}]}}}}";

/// The Deployment `web` of an image.
fn web(replicas: u32, image: &str) -> String {
    deployment(replicas).replace("web:1", image)
}

fn given(name: &str, object: Option<&str>) -> Arc<Given> {
    let object = object.map(|text| yaml(text).remove(0));
    Arc::new(Given {
        release: name.to_owned(),
        object: object.map(|object| release::base(&object, Some(".spec.replicas"))),
        overrides: Vec::new(),
    })
}

fn waves(good: &Arc<Given>, admitted: &[(&str, &Arc<Given>)]) -> Waves {
    let admitted = admitted.iter();
    let rolling = Rolling {
        good: Some(Arc::clone(good)),
        admitted: admitted
            .map(|(name, given)| (format!("uid-default-{name}"), Some(Arc::clone(given))))
            .collect(),
        coming: true,
        active: true,
        says: "p-1 is at stage canary".to_owned(),
    };
    Waves {
        policies: BTreeMap::from([("uid-p".to_owned(), rolling)]),
        ..Waves::default()
    }
}

fn case(spec: &str, template: &str) -> Case {
    let world = [clusters(&["a", "b", "c"]), policy("p", spec)];
    Case::new(&[&world[0], &world[1]], template)
}

/// `name: image replicas release`, with a `*` behind what is behind.
fn gets(placement: &Placement) -> Vec<String> {
    let one = |t: &crate::Target| {
        let content: Value = serde_json::from_slice(&t.content.bytes).unwrap();
        let image = &content["spec"]["template"]["spec"]["containers"][0]["image"];
        let (image, replicas) = (image.as_str().unwrap(), &content["spec"]["replicas"]);
        let star = if t.behind { " *" } else { "" };
        format!("{}: {image} {replicas} {}{star}", t.path.1, t.release)
    };
    placement.targets.iter().map(one).collect()
}

#[test]
fn only_who_was_let_to_a_change_gets_it_and_all_get_numbers_of_replicas() {
    let mut case = case(SPEC, &web(5, "web:2"));
    let (old, new) = (
        given("old", Some(&web(1, "web:1"))),
        given("new", Some(&web(1, "web:2"))),
    );
    case.rollout = waves(&old, &[("b", &new)]);
    let placement = case.place();
    assert_eq!(
        gets(&placement),
        ["a: web:1 5 old *", "b: web:2 5 new", "c: web:1 5 old *"]
    );
    let said: Vec<String> = placement.findings.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        ["the change has not reached 2 clusters (default/a, default/c): p-1 is at stage canary"]
    );
}

#[test]
fn an_edit_reaches_nobody_before_a_release_was_made_of_it() {
    let mut case = case(SPEC, &web(2, "web:3"));
    let old = given("old", Some(&web(1, "web:1")));
    case.rollout = waves(&old, &[]);
    for line in gets(&case.place()) {
        assert!(line.ends_with("web:1 2 old *"), "{line}");
    }
    // Nor where nobody has looked at the policy yet.
    let unseen = Rolling::default();
    case.rollout = Waves {
        policies: BTreeMap::from([("uid-p".to_owned(), unseen)]),
        ..Waves::default()
    };
    assert_eq!(
        show(&case.place()),
        "refused 3: RollingOut (default/a default/b default/c)\n! RollingOut"
    );
}

#[test]
fn what_is_new_waits_and_what_runs_is_kept() {
    let mut case = case(SPEC, &web(2, "web:1"));
    let placement = case.place();
    case.carry_out(&placement);
    case.template = yaml(&web(3, "web:2")).pop();
    let (none, new) = (given("old", None), given("new", Some(&web(1, "web:2"))));
    case.rollout = waves(&none, &[("a", &new)]);
    let placement = case.place();
    assert_eq!(gets(&placement), ["a: web:2 3 new"]);
    assert_eq!(
        show(&placement),
        "a\nb kept: RollingOut\nc kept: RollingOut\n! RollingOut"
    );
    case.former.clear();
    assert_eq!(
        show(&case.place()),
        "a\nrefused 2: RollingOut (default/b default/c)\n! RollingOut"
    );
}

#[test]
fn a_release_that_cannot_be_read_changes_nothing() {
    let mut case = case(SPEC, &web(2, "web:1"));
    let placement = case.place();
    case.carry_out(&placement);
    let old = given("old", Some(&web(1, "web:1")));
    case.rollout = waves(&old, &[]);
    if let Some(rolling) = case.rollout.policies.get_mut("uid-p") {
        rolling.admitted.insert("uid-default-b".to_owned(), None);
    }
    assert_eq!(
        show(&case.place()),
        "a\nc\nb kept: RollingOut\n! RollingOut"
    );
}

#[test]
fn shares_are_those_of_the_live_template() {
    let mut case = case(DIVIDED, &web(8, "web:2"));
    let old = given("old", Some(&web(4, "web:1")));
    case.rollout = waves(&old, &[]);
    let placement = case.place();
    assert_eq!(gets(&placement), ["a: web:1 6 old *", "b: web:1 2 old *"]);
    case.carry_out(&placement);
    case.template = yaml(&web(4, "web:2")).pop();
    assert_eq!(
        gets(&case.place()),
        ["a: web:1 3 old *", "b: web:1 1 old *"]
    );
}

#[test]
fn overrides_are_those_of_the_release() {
    let overriding = |image: &str| {
        let text = format!(
            "
apiVersion: policy.kurator.dev/v1alpha1
kind: OverridePolicy
metadata: {{name: o, namespace: default, uid: uid-o}}
spec:
  resourceSelectors: [{{apiVersion: apps/v1, kind: Deployment}}]
  overrideRules:
    - overriders: {{imageOverrider: [{{component: Tag, operator: replace, value: {image}}}]}}
"
        );
        yaml(&text)
    };
    let mut case = case(SPEC, &web(2, "web:1"));
    case.world.extend(overriding("live"));
    let with = |name: &str, tag: &str| {
        let mut given = given(name, Some(&web(1, "web:1"))).as_ref().clone();
        let read = crate::policy::Overrides::read(&overriding(tag)[0]);
        given.overrides.push(read.unwrap());
        Arc::new(given)
    };
    case.rollout = waves(&with("old", "former"), &[("c", &with("new", "live"))]);
    assert_eq!(
        gets(&case.place()),
        [
            "a: web:former 2 old *",
            "b: web:former 2 old *",
            "c: web:live 2 new"
        ]
    );
}

#[test]
fn removals_come_last() {
    let mut case = case(SPEC, &web(2, "web:1"));
    let placement = case.place();
    case.carry_out(&placement);
    case.template = None;
    case.deleted.insert("uid-web".to_owned());
    let old = given("old", Some(&web(1, "web:1")));
    case.rollout = waves(&old, &[]);
    if let Some(rolling) = case.rollout.policies.get_mut("uid-p") {
        rolling.coming = false;
        rolling.active = false;
    }
    let kept = "a kept: RollingOut\nb kept: RollingOut\nc kept: RollingOut\n! RollingOut";
    assert_eq!(show(&case.place()), kept, "the good release still has it");
    case.rollout = waves(&given("less", None), &[]);
    if let Some(rolling) = case.rollout.policies.get_mut("uid-p") {
        rolling.coming = false;
    }
    let gone = "a removed: TemplateDeleted\nb removed: TemplateDeleted\nc removed: TemplateDeleted";
    assert_eq!(show(&case.place()), gone);
    // A policy that was deleted holds nothing back.
    case.world.pop();
    case.deleted.insert("uid-p".to_owned());
    case.rollout = waves(&old, &[]);
    assert_eq!(show(&case.place()), gone);
}

#[test]
fn what_goes_along_waits_where_it_is_not_known_what_the_rollout_gives() {
    use crate::rollout::waves::Source;
    let mut waves = Waves::default();
    let nobody = || std::iter::empty::<&str>();
    assert!(matches!(waves.source(None, nobody(), "a"), Source::Live));
    waves.unknown.insert("a".to_owned());
    assert!(matches!(waves.source(None, nobody(), "a"), Source::Waits));
    assert!(matches!(waves.source(None, nobody(), "b"), Source::Live));
    // Its own policy, and another that can be read, still say what they say.
    assert!(matches!(
        waves.source(Some("q"), nobody(), "a"),
        Source::Live
    ));
    let given = given("old", Some(&web(1, "web:1")));
    let rolling = Rolling {
        good: Some(given),
        ..Rolling::default()
    };
    waves.policies.insert("uid-p".to_owned(), rolling);
    let by = ["uid-q", "uid-p"].into_iter();
    assert!(matches!(waves.source(None, by, "a"), Source::Given(_)));
}
