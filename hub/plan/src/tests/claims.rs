//! Which of several policies has an object: who holds it keeps it, and the rest is an order.

use proptest::prelude::*;
use serde_json::json;

use super::*;

const DEPLOYMENTS: &str = "{apiVersion: apps/v1, kind: Deployment";

/// A policy that selects `web` this widely (`name`, `labels`, `kind`), with more of its spec.
fn claiming(name: &str, width: &str, more: &str) -> Vec<Value> {
    let by = match width {
        "name" => ", name: web",
        "labels" => ", labelSelector: {matchLabels: {app: web}}",
        _ => "",
    };
    policy(
        name,
        &format!("{{resourceSelectors: [{DEPLOYMENTS}{by}}}]{more}}}"),
    )
}

fn scoped(mut policy: Vec<Value>) -> Vec<Value> {
    for object in &mut policy {
        object["kind"] = json!("ClusterDistributionPolicy");
        object["metadata"]
            .as_object_mut()
            .unwrap()
            .remove("namespace");
    }
    policy
}

fn of_apps(mut policy: Vec<Value>) -> Vec<Value> {
    for object in &mut policy {
        object["apiVersion"] = json!("apps.kurator.dev/v1alpha1");
    }
    policy
}

fn created(mut policy: Vec<Value>, at: &str) -> Vec<Value> {
    for object in &mut policy {
        object["metadata"]["creationTimestamp"] = json!(at);
    }
    policy
}

/// Who has it, and who gives way.
fn order(case: &Case) -> String {
    let placement = case.place();
    let names = placement.policy.iter().chain(&placement.contenders);
    let names: Vec<&str> = names.map(|p| p.name.as_str()).collect();
    names.join(" ")
}

#[test]
fn what_nobody_holds_goes_by_priority_width_scope_age_and_name() {
    let case = Case::new(
        &[
            &clusters(&["a"]),
            &created(claiming("younger", "labels", ""), "2026-06-01T00:00:00Z"),
            &created(claiming("older", "labels", ""), "2026-01-01T00:00:00Z"),
            &scoped(claiming("scoped", "labels", "")),
            &claiming("kind", "kind", ""),
            &scoped(claiming("scoped-name", "name", "")),
            &claiming("high", "kind", ", priority: 7"),
            &of_apps(created(
                claiming("apps", "labels", ""),
                "2026-07-01T00:00:00Z",
            )),
        ],
        &deployment(1),
    );
    assert_eq!(
        order(&case),
        "high scoped-name older younger apps scoped kind"
    );
}

#[test]
fn who_holds_it_keeps_it() {
    let mut case = Case::new(
        &[&clusters(&["a"]), &claiming("p", "kind", "")],
        &deployment(1),
    );
    let placement = case.place();
    case.carry_out(&placement);
    for challenger in [
        claiming("q", "name", ""),
        claiming("q", "name", ", priority: 5"),
        claiming("q", "name", ", preemption: Always"),
        claiming("q", "name", ", priority: -1, preemption: Always"),
    ] {
        let mut challenged = case.clone();
        challenged.world.extend(challenger);
        assert_eq!(order(&challenged), "p q");
        // Where the decision is lost, the ledger still says who put it there.
        challenged.decided = Decided::default();
        assert_eq!(order(&challenged), "p q");
        challenged.former.clear();
        let fresh = challenged
            .world
            .iter()
            .all(|o| o["spec"]["priority"] != json!(-1));
        assert_eq!(order(&challenged), if fresh { "q p" } else { "p q" });
    }
    let mut taken = case.clone();
    taken
        .world
        .extend(claiming("q", "kind", ", priority: 1, preemption: Always"));
    assert_eq!(order(&taken), "q p");
    // Who no longer selects it holds nothing.
    case.template.as_mut().unwrap()["metadata"]["labels"] = json!({"app": "web", "tier": "x"});
    let other = DEPLOYMENTS.replace('{', "{labelSelector: {matchLabels: {tier: blue}}, ");
    case.world[1] = policy("p", &format!("{{resourceSelectors: [{other}}}]}}")).remove(0);
    case.world.extend(claiming("q", "kind", ""));
    assert_eq!(order(&case), "q");
}

#[test]
fn handing_over_writes_no_tombstone() {
    let mut case = Case::new(
        &[&clusters(&["a", "b"]), &claiming("p", "labels", "")],
        &deployment(1),
    );
    let placement = case.place();
    case.carry_out(&placement);
    let narrow =
        ", priority: 1, preemption: Always, placement: {clusterAffinity: {clusterNames: [a]}}";
    case.world.extend(claiming("q", "name", narrow));
    // The holder before still wants it on b: nobody said that it goes there.
    check(
        &case,
        "a
         b kept: Contended
         refused 1: NotNamed (default/b)
         ! Contended",
    );
    case.world.retain(|o| o["metadata"]["name"] != "p");
    case.deleted.insert("uid-p".to_owned());
    check(
        &case,
        "a
         b removed: PolicyDeleted
         refused 1: NotNamed (default/b)",
    );
}

#[test]
fn a_policy_of_the_other_group_is_one_like_any() {
    let case = Case::new(
        &[&clusters(&["a"]), &of_apps(claiming("p", "name", ""))],
        &deployment(1),
    );
    let policy = case.place().policy.unwrap();
    assert_eq!(
        policy.to_string(),
        "DistributionPolicy.apps.kurator.dev default/p"
    );
    assert_eq!(policy.group(), "apps.kurator.dev");
}

#[test]
fn what_every_cluster_has_of_its_own_is_never_sent() {
    let all = |kind: &str, namespace: &str| {
        let of = format!("{{resourceSelectors: [{{apiVersion: v1, kind: {kind}}}]}}");
        let mut policy = scoped(policy("p", &of));
        policy.extend(clusters(&[&format!("{namespace}/a allow=All")]));
        policy
    };
    let refused = |kind: &str, object: &str| {
        let world = all(kind, "default");
        let case = Case::new(&[&world], object);
        assert_eq!(show(&case.place()), "! NeverPropagated", "{object}");
        let mut before = case;
        before.former = vec![Former {
            cluster: "uid-default-a".to_owned(),
            template: "u".to_owned(),
            policies: vec!["uid-p".to_owned()],
            ..Former::default()
        }];
        assert_eq!(before.place().removals.len(), 0, "{object}");
        assert_eq!(before.place().kept.len(), 1, "{object}");
    };
    refused(
        "Namespace",
        "{apiVersion: v1, kind: Namespace, metadata: {name: kube-public, uid: u, labels: {roadstead.dev/template: 'true'}}}",
    );
    refused(
        "ConfigMap",
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: x, namespace: kube-system, uid: u}}",
    );
    refused(
        "ConfigMap",
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: kube-root-ca.crt, namespace: shop, uid: u}}",
    );
    refused(
        "ServiceAccount",
        "{apiVersion: v1, kind: ServiceAccount, metadata: {name: default, namespace: shop, uid: u, labels: {roadstead.dev/template: 'true'}}}",
    );
    for kind in [
        "kubernetes.io/service-account-token",
        "bootstrap.kubernetes.io/token",
    ] {
        refused(
            "Secret",
            &format!(
                "{{apiVersion: v1, kind: Secret, type: {kind}, metadata: {{name: x, namespace: shop, uid: u}}}}"
            ),
        );
    }
    let fine = Case::new(
        &[&all("Secret", "default")],
        "{apiVersion: v1, kind: Secret, type: Opaque, metadata: {name: x, namespace: shop, uid: u}}",
    );
    assert_eq!(show(&fine.place()), "a");
}

/// A policy as the model knows it.
#[derive(Clone, Debug)]
struct Claimed {
    priority: i32,
    always: bool,
    width: usize,
    scoped: bool,
}

fn claimed() -> impl Strategy<Value = Claimed> {
    (-1..2_i32, any::<bool>(), 0..3_usize, any::<bool>()).prop_map(
        |(priority, always, width, scoped)| Claimed {
            priority,
            always,
            width,
            scoped,
        },
    )
}

/// The slow and obvious reading of the rules: who of these wins, where `holder` has it.
fn obviously(all: &[Claimed], holder: Option<usize>) -> usize {
    let better = |a: usize, b: usize| {
        let (x, y) = (&all[a], &all[b]);
        if x.priority != y.priority {
            return x.priority > y.priority;
        }
        if x.width != y.width {
            return x.width > y.width;
        }
        if x.scoped != y.scoped {
            return !x.scoped;
        }
        a < b
    };
    let may = |i: usize| match holder {
        None => true,
        Some(h) => i == h || (all[i].always && all[i].priority > all[h].priority),
    };
    let takers: Vec<usize> = (0..all.len()).filter(|i| may(*i)).collect();
    let takers = match holder {
        Some(h) if takers.len() > 1 => takers.into_iter().filter(|i| *i != h).collect(),
        Some(_) | None => takers,
    };
    let wins = |i: &&usize| takers.iter().all(|j| j == *i || better(**i, *j));
    *takers.iter().find(wins).unwrap()
}

proptest! {
    #[test]
    fn the_claim_is_what_the_rules_say(
        all in proptest::collection::vec(claimed(), 1..6),
        holder in proptest::option::of(0..6_usize),
        turn in 0..6_usize,
    ) {
        let holder = holder.filter(|h| *h < all.len());
        let mut world = clusters(&["a"]);
        let mut policies: Vec<Value> = all.iter().enumerate().flat_map(|(i, c)| {
            let width = ["kind", "labels", "name"][c.width];
            let preemption = if c.always { "Always" } else { "Never" };
            let more = format!(", priority: {}, preemption: {preemption}", c.priority);
            let policy = claiming(&format!("p{i}"), width, &more);
            if c.scoped { scoped(policy) } else { policy }
        }).collect();
        // The order in which things are read means nothing.
        policies.rotate_left(turn % all.len());
        world.extend(policies);
        let mut case = Case::new(&[&world], &deployment(1));
        case.decided.policy = holder.map(|h| format!("uid-p{h}")).unwrap_or_default();
        let placement = case.place();
        let winner = obviously(&all, holder);
        prop_assert_eq!(placement.policy.as_ref().unwrap().name.clone(), format!("p{winner}"));
        prop_assert_eq!(placement.contenders.len(), all.len() - 1);
        let labels = [("app".to_owned(), "web".to_owned())].into();
        let holders: BTreeSet<&str> = Some(case.decided.policy.as_str())
            .filter(|holder| !holder.is_empty())
            .into_iter()
            .collect();
        let world = case.world();
        let same = crate::claim::winner(&world, &web(), &labels, &holders);
        prop_assert_eq!(same.map(|p| p.identity.reference()), placement.policy.clone());
        case.carry_out(&placement);
        let again = case.place();
        prop_assert_eq!(again.policy, placement.policy);
    }
}

#[test]
fn ten_thousand_policies_over_one_object_are_an_order_like_any() {
    let mut world = clusters(&["a"]);
    for i in 0..10_000 {
        world.extend(claiming(&format!("p{i:05}"), "labels", ""));
    }
    let case = Case::new(&[&world], &deployment(1));
    let placement = case.place();
    assert_eq!(placement.policy.unwrap().name, "p00000");
    assert_eq!(placement.contenders.len(), 9_999);
}
