//! Decisions as tables: manifests in, one line per cluster out.

mod aggregate;
mod allotment;
mod at_once;
mod awaited;
mod budget;
mod claims;
mod deps;
mod dispatch;
mod displacing;
mod division;
mod exchanging;
mod expression;
mod failover;
mod handover;
mod hardware;
mod image;
mod inherited;
mod interpreter;
mod moving;
mod namespaces;
mod overrides;
mod peers;
mod pins;
mod pipeline;
mod place;
mod pointer;
mod random;
mod removal;
mod render;
mod rollout;
mod selecting;
mod share;
mod spread;
mod staying;
mod swap;
mod zones;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use roadstead_protocol::wire::ItemKey;
use serde_json::Value;

use crate::removal::Manner;
use crate::render::identity;
use crate::{
    Around, Decided, Former, Limits, Observed, Part, Placement, Review, Template, World, place,
};

/// Reads the documents of a YAML text.
pub(super) fn yaml(text: &str) -> Vec<Value> {
    let documents = text.split("\n---\n").filter(|part| !part.trim().is_empty());
    documents
        .map(|part| serde_saphyr::from_str(part).unwrap())
        .collect()
}

/// Joined clusters of namespace `default`, each `name` or `name key=value`, Ready. A word may also be
/// `!ready` (False), `silent` (Unknown), `cordoned`, `taint=key=value:Effect`, `version=v1.30.1` or
/// `serves=v1,apps/v1`.
pub(super) fn clusters(lines: &[&str]) -> Vec<Value> {
    let cluster = |line: &&str| {
        let mut words = line.split_whitespace();
        let name = words.next().unwrap();
        let (namespace, name) = name.split_once('/').unwrap_or(("default", name));
        let labels: serde_json::Map<String, Value> = words
            .filter_map(|word| word.split_once('='))
            .filter(|(k, _)| !["allow", "taint", "version", "serves"].contains(k))
            .map(|(k, v)| (k.to_owned(), v.into()))
            .collect();
        let allow = line.split_once("allow=").map_or("Same", |(_, rest)| rest);
        let allowed = match allow.split_once(':') {
            Some((key, value)) => serde_json::json!({
                "from": "Selector", "selector": {"matchLabels": {key: value}},
            }),
            None => serde_json::json!({"from": allow}),
        };
        serde_json::json!({
            "apiVersion": "cluster.kurator.dev/v1alpha1",
            "kind": "AttachedCluster",
            "metadata": {
                "name": name, "namespace": namespace, "uid": format!("uid-{namespace}-{name}"),
                "labels": labels,
            },
            "spec": {
                "allowedNamespaces": allowed,
                "unschedulable": line.contains(" cordoned"),
                "taints": taints(line),
            },
            "status": status(line),
        })
    };
    lines.iter().map(cluster).collect()
}

fn taints(line: &str) -> Vec<Value> {
    let words = line.split_whitespace();
    let taints = words.filter_map(|word| word.strip_prefix("taint="));
    taints
        .map(|taint| {
            let (pair, effect) = taint.split_once(':').unwrap();
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            serde_json::json!({"key": key, "value": value, "effect": effect})
        })
        .collect()
}

fn status(line: &str) -> Value {
    let word = |prefix: &str| {
        let mut words = line.split_whitespace();
        words.find_map(|word| word.strip_prefix(prefix))
    };
    let ready = match (word("!ready"), word("silent")) {
        (Some(_), _) => "False",
        (None, Some(_)) => "Unknown",
        (None, None) => "True",
    };
    serde_json::json!({
        "conditions": [{
            "type": "Ready", "status": ready, "reason": "Test",
            "lastTransitionTime": "2026-11-21T12:00:00Z",
        }],
        "version": word("version=").unwrap_or_default(),
        "apiGroups": word("serves=").map(|all| all.split(',').collect::<Vec<_>>()).unwrap_or_default(),
    })
}

/// What a test is about.
#[derive(Clone, Default)]
pub(super) struct Case {
    pub(super) world: Vec<Value>,
    pub(super) template: Option<Value>,
    pub(super) deleted: BTreeSet<String>,
    pub(super) preserved: BTreeSet<String>,
    pub(super) former: Vec<Former>,
    pub(super) basis: Option<String>,
    pub(super) around: Around,
    pub(super) decided: Decided,
    pub(super) observed: BTreeMap<String, Observed>,
    pub(super) budget: Option<crate::budget::Standing>,
    pub(super) failing: crate::failover::Failing,
    pub(super) rollout: crate::rollout::Waves,
    pub(super) now: Duration,
    pub(super) limits: Limits,
}

impl Case {
    pub(super) fn new(world: &[&[Value]], template: &str) -> Self {
        Self {
            world: world.concat(),
            template: yaml(template).pop(),
            ..Self::default()
        }
    }

    pub(super) fn world(&self) -> World {
        let mut world = World::read(&self.world, self.deleted.clone(), self.limits);
        world.preserved.clone_from(&self.preserved);
        world
    }

    pub(super) fn place(&self) -> Placement {
        let world = self.world();
        let template = self.template(&world);
        let review = Review::of(
            &world,
            [&Part::of(&world, &template)],
            &crate::Approvals::new(),
        );
        place(&world, &template, Some(&review))
    }

    pub(super) fn template<'a>(&'a self, _world: &World) -> Template<'a> {
        let key = self
            .template
            .as_ref()
            .and_then(identity)
            .unwrap_or_else(web);
        let scales = ["Deployment", "StatefulSet"].contains(&key.kind.as_str());
        Template {
            replicas_path: scales.then_some(".spec.replicas"),
            key,
            object: self.template.as_ref(),
            former: self.former.clone(),
            basis: self.basis.clone(),
            pledges: Vec::new(),
            around: self.around.clone(),
            decided: self.decided.clone(),
            observed: self.observed.clone(),
            budget: self.budget.clone(),
            rollout: self.rollout.clone(),
            failing: self.failing.clone(),
            now: self.now,
        }
    }

    /// Carries out what was decided: the next decision starts from it.
    pub(super) fn carry_out(&mut self, placement: &Placement) {
        let uid = self
            .template
            .as_ref()
            .and_then(|t| t.pointer("/metadata/uid"));
        let uid = uid.and_then(Value::as_str).unwrap_or_default().to_owned();
        let kept = |former: &Former| {
            let mut kept = placement.kept.iter();
            kept.find(|k| k.cluster == former.cluster)
        };
        let kept: Vec<Former> = self
            .former
            .iter()
            .filter(|f| placement.kept.iter().any(|k| k.cluster == f.cluster))
            .cloned()
            .map(|f| Former {
                replicas: kept(&f).and_then(|kept| kept.replicas),
                given: kept(&f).and_then(|kept| kept.given),
                expired: placement.expired.get(&f.cluster).copied(),
                outside: placement
                    .kept
                    .iter()
                    .any(|k| k.cluster == f.cluster && k.outside),
                ..f
            })
            .collect();
        let given = placement.targets.iter().map(|t| Former {
            cluster: t.cluster.clone(),
            path: t.path.clone(),
            template: uid.clone(),
            policies: t.policies.clone(),
            digest: Some(t.content.digest),
            replicas: t.replicas,
            seen: t.replicas,
            pinned: t.pinned,
            facts: t.facts.clone(),
            expired: None,
            delete_contents: false,
            extra: t.extra,
            arriving: t.arriving,
            outside: false,
            given: None,
        });
        self.former = given.chain(kept).collect();
        self.basis.clone_from(&placement.basis);
        self.around.requires.clone_from(&placement.requires);
        self.decided = Decided {
            policy: placement
                .policy
                .as_ref()
                .map(|p| p.uid.clone())
                .unwrap_or_default(),
            affinity: placement.affinity.clone(),
            groups: placement.groups.clone(),
            rebalance: placement.rebalance.clone(),
            moves: placement.moves,
            failed_over: placement.failed_over.clone(),
        };
    }
}

/// The Deployment that most tests are about.
pub(super) fn web() -> ItemKey {
    ItemKey {
        group: "apps".to_owned(),
        kind: "Deployment".to_owned(),
        namespace: "default".to_owned(),
        name: "web".to_owned(),
    }
}

/// One line per cluster and finding.
pub(super) fn show(placement: &Placement) -> String {
    let name = |path: &(String, String)| match path.0.as_str() {
        "default" => path.1.clone(),
        namespace => format!("{namespace}/{}", path.1),
    };
    let mut lines = Vec::new();
    for t in &placement.targets {
        let replicas = t.replicas.map(|n| format!(" {n}")).unwrap_or_default();
        lines.push(format!("{}{replicas}", name(&t.path)));
    }
    for k in &placement.kept {
        lines.push(format!("{} kept: {}", name(&k.path), k.cause.reason()));
    }
    for r in &placement.removals {
        let how = match r.manner {
            Manner::Delete => "removed",
            Manner::Release => "released",
            Manner::DeleteContents => "removed with contents",
        };
        lines.push(format!("{} {how}: {:?}", name(&r.path), r.reason));
    }
    for uid in &placement.forgotten {
        lines.push(format!("{uid} forgotten"));
    }
    for r in &placement.refused {
        lines.push(format!(
            "refused {}: {} ({})",
            r.count,
            r.reason,
            r.samples.join(" ")
        ));
    }
    for f in &placement.findings {
        lines.push(format!("! {}", f.reason()));
    }
    lines.join("\n")
}

/// Whether a case comes out as this text, indentation aside.
pub(super) fn check(case: &Case, expected: &str) {
    let expected: Vec<&str> = expected
        .lines()
        .map(str::trim)
        .filter(|l| !l.is_empty())
        .collect();
    assert_eq!(show(&case.place()), expected.join("\n"));
}

/// A distribution policy of namespace `default` for `app: web`, with more of its spec in YAML flow.
pub(super) fn policy(name: &str, spec: &str) -> Vec<Value> {
    yaml(&format!(
        "
apiVersion: policy.kurator.dev/v1alpha1
kind: DistributionPolicy
metadata: {{name: {name}, namespace: default, uid: uid-{name}, generation: 1}}
spec: {spec}
"
    ))
}

/// The Deployment `web` with so many replicas.
pub(super) fn deployment(replicas: u32) -> String {
    format!(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web, namespace: default, uid: uid-web, labels: {{app: web}}}}
spec: {{replicas: {replicas}, template: {{spec: {{containers: [{{name: web, image: web:1}}]}}}}}}
"
    )
}
