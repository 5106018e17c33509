//! Looking around and making the first things.

use crate::world::Session;

pub(crate) fn run(s: &Session) {
    around(s);
    create(s);
    get(s);
    describe(s);
    watch(s);
    s.ok(
        "delete configmap/c1 secret/s1 deployment/web namespace/shop",
        &["deployment.apps \"web\" deleted"],
    );
}

/// What a newcomer asks a server that they know nothing of.
fn around(s: &Session) {
    s.ok("version", &["Server Version: v1."]);
    s.ok("cluster-info", &["Kubernetes control plane"]);
    s.ok(
        "api-resources",
        &["deployments", "deploy", "apps/v1", "configmaps"],
    );
    s.ok("api-resources --namespaced=false -o name", &["namespaces"]);
    s.ok("api-versions", &["apps/v1", "batch/v1", "\nv1\n"]);
    s.ok(
        "explain deployment.spec.replicas",
        &["GROUP:      apps", "FIELD: replicas <integer>"],
    );
    s.ok("explain pods --recursive", &["containers\t<[]Container>"]);
    s.ok("auth can-i create deployments", &["yes"]);
    s.ok("auth can-i --list", &["*.*"]);
    s.ok("auth whoami", &["admin", "system:masters"]);
    s.ok("get --raw /readyz", &["ok"]);
    s.ok("get namespaces", &["default", "Active", "kube-system"]);
}

/// These send protobuf.
fn create(s: &Session) {
    s.ok("create namespace shop", &["namespace/shop created"]);
    s.ok(
        "create configmap c1 --from-literal=a=b",
        &["configmap/c1 created"],
    );
    s.ok(
        "create secret generic s1 --from-literal=p=q",
        &["secret/s1 created"],
    );
    s.ok(
        "create deployment web --image=nginx:1 --replicas=2",
        &["deployment.apps/web created"],
    );
    s.ok(
        "create configmap c2 --from-literal=a=b --dry-run=server -o yaml",
        &["a: b", "uid:"],
    );
    s.no("get configmap c2", &["configmaps \"c2\" not found"]);
}

fn get(s: &Session) {
    s.ok("get deployments", &["NAME", "UP-TO-DATE", "web", "/2"]);
    s.ok("get deploy -o wide", &["IMAGES", "nginx:1", "app=web"]);
    s.ok("get deploy web -o yaml", &["image: nginx:1", "uid: "]);
    s.ok("get cm/c1 -o json", &["\"data\": {", "\"a\": \"b\""]);
    s.ok("get secret s1 -o jsonpath='{.data.p}'", &["cQ=="]);
    s.ok("get deploy,cm,secret -o name", &["deployment.apps/web"]);
    s.ok("get all", &["deployment.apps/web"]);
    s.ok(
        "get deploy -o custom-columns=N:.metadata.name,R:.spec.replicas",
        &["N     R", "web   2"],
    );
    s.ok(
        "get deploy -o go-template='{{range .items}}<{{.metadata.name}}>{{end}}'",
        &["<web>"],
    );
    s.ok(
        "get deploy -l app=web --show-labels",
        &["LABELS", "app=web"],
    );
    s.ok("get deploy -l 'app in (web, db),!gone' -L app", &["APP"]);
    s.ok(
        "get deploy -l app=other",
        &["No resources found in default"],
    );
    s.ok(
        "get cm --field-selector metadata.name=c1 -o name",
        &["configmap/c1"],
    );
    let others = s.ok("get cm --field-selector metadata.name!=c1 -o name", &[]);
    assert!(!others.contains("c1"), "{others}");
    s.ok(
        "get namespaces --chunk-size=1 --sort-by=.metadata.name",
        &["default", "kube-public", "kube-system", "shop"],
    );
    s.ok("get deploy -A", &["NAMESPACE", "default"]);
    s.ok("get deploy --no-headers -n shop", &["No resources found"]);
    s.ok("get deploy web --show-managed-fields -o yaml", &["f:spec"]);
    s.ok("get cm nothing --ignore-not-found", &[]);
}

fn describe(s: &Session) {
    s.ok(
        "describe deployment web",
        &["Selector:", "app=web", "2 desired", "nginx:1"],
    );
    s.ok("describe namespace shop", &["Status:       Active"]);
    s.ok("describe secret s1", &["p:  1 bytes"]);
    s.ok("describe cm c1", &["Data", "a:"]);
    s.ok("events", &[]);
    s.ok("get events -A", &[]);
}

fn watch(s: &Session) {
    let mut table = s.begin("get cm -w --request-timeout=PATIENCE");
    let mut names =
        s.begin("get cm -w -o name --field-selector metadata.name=seen --request-timeout=PATIENCE");
    table.until("c1");
    s.ok("create configmap seen", &["created"]);
    table.until("seen");
    names.until("configmap/seen");
    s.ok("patch cm seen -p '{\"data\":{\"k\":\"v\"}}'", &["patched"]);
    table.until("seen 1");
    s.ok("delete cm seen", &["deleted"]);
    s.ok("get cm --watch-only --request-timeout=1s", &[]);
}
