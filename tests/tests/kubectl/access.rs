//! Users at the hub: a certificate each, roles in the usual words, and what kubectl says of them.

use crate::world::{Session, World};

const ROLES: &str = include_str!("../../../deploy/examples/roles.yaml");
const POLICY: &str = "
apiVersion: policy.kurator.dev/v1alpha1
kind: DistributionPolicy
metadata: {name: harbour}
spec:
  resourceSelectors:
  - {apiVersion: v1, kind: ConfigMap, labelSelector: {matchLabels: {app: harbour}}}
  placement:
    clusterAffinity: {clusterNames: [north]}
";
const MAP: &str = "{apiVersion: v1, kind: ConfigMap, metadata: {name: harbour}}";
const APPROVE: &str = "/apis/roadstead.dev/v1alpha1/namespaces/default/rollouts/none/approve";

pub(crate) fn run(world: &World, release: &str) {
    let admin = world.hub(release);
    let author = world.user(release, "ann", "authors");
    let approver = world.user(release, "bob", "approvers");
    author.no(
        "get configmaps",
        &["User \"ann\" cannot list resource \"configmaps\""],
    );
    author.ok("auth whoami", &["ann", "authors", "system:authenticated"]);
    author.ok("api-resources", &["distributionpolicies"]);
    admin.file("roles.yaml", ROLES);
    admin.ok(
        "apply -f roles.yaml",
        &["rolebinding.rbac.authorization.k8s.io/authors"],
    );

    author.file("policy.yaml", POLICY);
    author.ok("apply -f policy.yaml", &["harbour created"]);
    author.ok(
        "apply --server-side --force-conflicts -f policy.yaml",
        &["harbour serverside-applied"],
    );
    author.ok("explain dpol.spec", &["DistributionPolicy"]);
    author.no(
        "get secrets -n kube-system",
        &["in the namespace \"kube-system\""],
    );
    author.no("get attachedclusters -A", &["at the cluster scope"]);
    author.no(
        "create clusterrolebinding me --clusterrole=cluster-admin --user=ann",
        &["cannot create resource \"clusterrolebindings\""],
    );
    author.file("nothing.json", "{}");
    author.no(
        &format!("create --raw {APPROVE} -f nothing.json"),
        &["cannot create resource \"rollouts/approve\""],
    );
    own_words(world, &author);
    author.ok("auth can-i update dpol", &["yes"]);
    author.no("auth can-i create rollouts --subresource=approve", &["no"]);
    author.ok(
        "auth can-i --list",
        &["deployments.apps", "[/roadstead.dev/drift"],
    );

    approver.file("nothing.json", "{}");
    approver.file("policy.yaml", POLICY);
    approver.ok("auth can-i create rollouts --subresource=approve", &["yes"]);
    approver.no(
        &format!("create --raw {APPROVE} -f nothing.json"),
        &["not found"],
    );
    approver.ok("get dpol harbour", &["harbour"]);
    approver.no(
        "apply -f policy.yaml --server-side",
        &["cannot patch resource \"distributionpolicies\""],
    );
    approver.no("delete dpol harbour", &["cannot delete resource"]);

    admin.ok(
        "auth can-i create deployments --as ann --as-group authors",
        &["yes"],
    );
    admin.no(
        "auth can-i create rollouts --subresource=approve --as ann --as-group authors",
        &["no"],
    );
    admin.no("get configmaps --as eve", &["User \"eve\" cannot list"]);
    author.no(
        "get dpol --as bob",
        &["cannot impersonate resource \"users\""],
    );
    admin.ok("delete rolebinding authors", &["deleted"]);
    author.no("get dpol", &["User \"ann\" cannot list"]);
}

/// Our own command line needs no more than the role gives.
fn own_words(world: &World, author: &Session) {
    author.file("map.json", MAP);
    author.ok("apply -f map.json", &["harbour created"]);
    let said = world.roadstead("ann", &["rebalance", "cm/harbour"]);
    assert!(said.is_ok(), "{said:?}");
    let said = world.roadstead("bob", &["rebalance", "cm/harbour"]);
    let said = format!("{said:?}");
    assert!(said.contains("cannot get resource"), "{said}");
}
