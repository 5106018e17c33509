//! What is said about bad input.

use crate::world::Session;

pub(crate) fn run(s: &Session) {
    missing(s);
    manifests(s);
    values(s);
    patches(s);
}

fn missing(s: &Session) {
    s.no("get nothing", &["doesn't have a resource type \"nothing\""]);
    s.no(
        "get deploy nothing",
        &["Error from server (NotFound): deployments.apps \"nothing\" not found"],
    );
    s.no(
        "delete deploy nothing",
        &["deployments.apps \"nothing\" not found"],
    );
    s.no(
        "create cm x -n nowhere",
        &["namespaces \"nowhere\" not found"],
    );
    s.ok(
        "get cm -n nowhere",
        &["No resources found in nowhere namespace"],
    );
    s.no(
        "get deploy --field-selector metadata.nam=web",
        &["(BadRequest)", "field label not supported: metadata.nam"],
    );
    s.no("get deploy -l 'a in b'", &["unable to parse requirement"]);
    s.no(
        "create namespace default",
        &["namespaces \"default\" already exists"],
    );
    s.no(
        "delete namespace default",
        &["this namespace may not be deleted"],
    );
}

fn manifests(s: &Session) {
    s.file(
        "typo.yaml",
        "{apiVersion: apps/v1, kind: Deployment, metadata: {name: typo}, spec: {replcas: 3}}",
    );
    s.no("apply -f typo.yaml", &["unknown field \"spec.replcas\""]);
    s.no("create -f typo.yaml", &["unknown field \"spec.replcas\""]);
    s.no(
        "apply --server-side -f typo.yaml",
        &[".spec.replcas: field not declared in schema"],
    );
    s.file(
        "name.yaml",
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: Bad_Name}}",
    );
    s.no(
        "apply -f name.yaml",
        &[
            "The ConfigMap \"Bad_Name\" is invalid: metadata.name: Invalid value: \"Bad_Name\"",
            "RFC 1123 subdomain",
        ],
    );
    s.file(
        "kind.yaml",
        "{apiVersion: nope.dev/v1, kind: Nope, metadata: {name: nope}}",
    );
    s.no(
        "apply -f kind.yaml",
        &["no matches for kind \"Nope\" in version \"nope.dev/v1\""],
    );
}

fn values(s: &Session) {
    s.no(
        "label deploy app 'bad key=1'",
        &["metadata.labels: Invalid value: \"bad key\""],
    );
    s.no("create namespace Bad_Name", &["RFC 1123 label"]);
    s.file(
        "type.yaml",
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: t}, data: {size: 1}}",
    );
    s.no(
        "create -f type.yaml",
        &["cannot unmarshal number into Go struct field ConfigMap.data.size of type string"],
    );
    // Somebody else was faster.
    s.file(
        "old.yaml",
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: c, resourceVersion: \"1\"}}",
    );
    s.ok("create configmap c", &["created"]);
    s.no(
        "replace -f old.yaml",
        &[
            "(Conflict)",
            "the object has been modified; please apply your changes to the latest version",
        ],
    );
    s.ok("delete configmap c", &["deleted"]);
}

fn patches(s: &Session) {
    s.no(
        "patch deploy app -p '{\"spec\":{\"replicas\":\"four\"}}'",
        &["(BadRequest)", "spec.replicas"],
    );
    s.no(
        "patch deploy app --type=json -p '[{\"op\":\"replace\",\"path\":\"/spec/nope\",\"value\":3}]'",
        &["The request is invalid"],
    );
    s.ok(
        "patch deploy app -p '{\"spec\":{\"nope\":4}}'",
        &["Warning: unknown field \"spec.nope\"", "no change"],
    );
}
