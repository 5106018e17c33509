//! The fleet's own kinds at the hub: the manifests that users have, and what is said of wrong ones.

use std::path::Path;

use crate::world::Session;

const POLICY: &str = "
apiVersion: policy.kurator.dev/v1alpha1
kind: DistributionPolicy
metadata: {name: spread}
spec:
  resourceSelectors:
  - {apiVersion: apps/v1, kind: Deployment, labelSelector: {matchLabels: {app: shop}}}
  placement:
    clusterAffinity: {clusterNames: [north, south]}
";

pub(crate) fn run(s: &Session) {
    kinds(s);
    policy(s);
    cluster(s);
    faults(s);
    given(s);
}

fn kinds(s: &Session) {
    s.ok(
        "api-resources",
        &[
            "dpol",
            "DistributionPolicy",
            "opol",
            "attachedclusters",
            "Fleet",
            "decisions",
        ],
    );
    s.ok(
        "explain dpol.spec.placement.clusterAffinity.clusterNames",
        &[
            "KIND:       DistributionPolicy",
            "FIELD: clusterNames <[]string>",
            "DESCRIPTION",
        ],
    );
    s.ok("explain fleet.spec --recursive", &["clusters\t<[]Object>"]);
}

fn policy(s: &Session) {
    s.file("policy.yaml", POLICY);
    s.ok(
        "apply -f policy.yaml",
        &["distributionpolicy.policy.kurator.dev/spread created"],
    );
    s.ok("apply -f policy.yaml", &["unchanged"]);
    s.ok(
        "wait dpol/spread --for=condition=Valid --timeout=20s",
        &["condition met"],
    );
    s.ok(
        "create deployment shop --image=nginx --replicas=4",
        &["created"],
    );
    s.ok(
        "wait dpol/spread --for=jsonpath='{.status.selected}'=1 --timeout=20s",
        &["condition met"],
    );
    s.ok("get dpol", &["SELECTED", "CLUSTERS", "READY", "spread"]);
    s.ok("get dpol -o wide", &["REASON", "UnknownClusters"]);
    s.ok(
        "describe dpol spread",
        &[
            "north, south",
            "Observed Generation:",
            "Events:",
            "UnknownClusters",
        ],
    );
    s.ok(
        "wait decision/deployment.apps.shop --for=jsonpath='{.spec.policy.name}'=spread --timeout=20s",
        &["condition met"],
    );
    s.ok(
        "get decisions",
        &["TEMPLATE", "POLICY", "deployment.apps.shop"],
    );
    let mut news = s.begin("get events -w --request-timeout=PATIENCE");
    news.until("deployment/shop");
    s.ok("events --for deployment/shop", &["UnknownClusters"]);
    s.no(
        "scale dpol spread --replicas=2",
        &["could not find the requested resource"],
    );
    let events = s.ok(
        "get events",
        &["LAST SEEN", "UnknownClusters", "deployment/shop"],
    );
    assert!(!events.contains("NAME"), "{events}");
    s.ok(
        "patch dpol spread --type=merge -p '{\"spec\":{\"placement\":{\"clusterAffinity\":{\"clusterNames\":[\"west\"]}}}}'",
        &["patched"],
    );
    s.ok(
        "get dpol spread -o jsonpath='{.metadata.generation}'",
        &["2"],
    );
    s.edit("edit dpol spread", "s/west/east/", 0, &["spread edited"]);
    s.ok(
        "wait dpol/spread --for=jsonpath='{.status.observedGeneration}'=3 --timeout=20s",
        &["condition met"],
    );
    s.ok("delete dpol/spread deploy/shop", &["deleted"]);
    s.ok(
        "wait decision/deployment.apps.shop --for=delete --timeout=20s",
        &[],
    );
}

fn cluster(s: &Session) {
    s.file(
        "fleet.yaml",
        "{apiVersion: cluster.kurator.dev/v1alpha1, kind: AttachedCluster, metadata: {name: north}}
---
{apiVersion: fleet.kurator.dev/v1alpha1, kind: Fleet, metadata: {name: all},
 spec: {clusters: [{name: north, kind: AttachedCluster}]}}",
    );
    s.ok(
        "apply --server-side -f fleet.yaml",
        &["fleet.kurator.dev/all serverside-applied"],
    );
    s.ok(
        "wait acl/north --for=condition=Ready=Unknown --timeout=20s",
        &["condition met"],
    );
    s.ok(
        "wait fleet/all --for=jsonpath='{.status.unReadyClusters}'=1 --timeout=20s",
        &["condition met"],
    );
    s.ok(
        "get fleet,acl",
        &["PHASE", "fleet.kurator.dev/all", "NotJoined"],
    );
    s.ok("describe acl north", &["no agent has joined yet"]);
    s.ok("delete -f fleet.yaml", &["deleted"]);
}

fn faults(s: &Session) {
    let manifest = |name: &str, text: &str| s.file(name, text);
    manifest(
        "plugin.yaml",
        "{apiVersion: fleet.kurator.dev/v1alpha1, kind: Fleet, metadata: {name: f},
          spec: {clusters: [{name: a, kind: AttachedCluster}], plugin: {metric: {}}}}",
    );
    s.no(
        "apply -f plugin.yaml",
        &["strict decoding error: unknown field \"spec.plugin\""],
    );
    s.no(
        "apply --server-side -f plugin.yaml",
        &[".spec.plugin: field not declared in schema"],
    );
    manifest(
        "values.yaml",
        "{apiVersion: policy.kurator.dev/v1alpha1, kind: DistributionPolicy, metadata: {name: p},
          spec: {resourceSelectors: [],
                 placement: {replicaScheduling: {replicaDivisionPreference: Heavy}}}}",
    );
    s.no(
        "apply -f values.yaml",
        &[
            "The DistributionPolicy \"p\" is invalid:",
            "* spec.placement.replicaScheduling.replicaDivisionPreference: Unsupported value: \"Heavy\": supported values: ",
            "* spec.resourceSelectors: Invalid value: 0: spec.resourceSelectors in body should have at least 1 items",
        ],
    );
    manifest(
        "override.yaml",
        "{apiVersion: policy.kurator.dev/v1alpha1, kind: OverridePolicy, metadata: {name: o},
          spec: {overrideRules: [{overrides: [{path: no-slash, op: frob, value: 1}]}]}}",
    );
    s.no(
        "create -f override.yaml",
        &[
            "spec.resourceSelectors: Required value",
            "overrides[0].op: Unsupported value: \"frob\": supported values: \"add\"",
            "overrides[0].path: Invalid value: \"no-slash\"",
        ],
    );
    s.no(
        "patch fleet x -p '{\"spec\":{}}'",
        &["fleets.fleet.kurator.dev \"x\" not found"],
    );
}

/// What users have, as it is.
fn given(s: &Session) {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let check = |path: &str, says: &[&str]| {
        let path = shared.join(path);
        if !path.exists() {
            println!("skipped: {} is not there", path.display());
            return;
        }
        let path = path.display();
        s.ok(&format!("apply -f {path}"), says);
        s.ok(&format!("apply -f {path}"), &["unchanged"]);
        s.ok(&format!("diff -f {path}"), &[]);
        s.ok(&format!("apply --server-side -f {path}"), &["applied"]);
        s.ok(&format!("delete -f {path}"), &["deleted"]);
    };
    check(
        "seed/distribution-policy.yaml",
        &[
            "distributionpolicy.policy.kurator.dev/example-distribution created",
            "overridepolicy.policy.kurator.dev/example-override created",
        ],
    );
    check(
        "kurator/examples/application/common",
        &[
            "attachedcluster.cluster.kurator.dev/kurator-member1 created",
            "fleet.fleet.kurator.dev/quickstart created",
        ],
    );
}
