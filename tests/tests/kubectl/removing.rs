//! Deleting, waiting for it, and what a namespace takes with it.

use crate::world::Session;

pub(crate) fn run(s: &Session) {
    delete(s);
    namespace(s);
}

fn delete(s: &Session) {
    s.ok("create configmap kept", &["created"]);
    s.ok(
        "patch cm kept --type=merge -p '{\"metadata\":{\"finalizers\":[\"example.com/kept\"]}}'",
        &["patched"],
    );
    s.ok("delete cm kept --wait=false", &["deleted"]);
    s.ok(
        "get cm kept -o jsonpath='{.metadata.deletionTimestamp}'",
        &["T"],
    );
    let mut gone = s.begin("wait cm/kept --for=delete --timeout=PATIENCE");
    let mut seen = s.begin("get cm kept -w --output-watch-events --request-timeout=PATIENCE");
    seen.until("ADDED");
    s.ok(
        "patch cm kept --type=merge -p '{\"metadata\":{\"finalizers\":null}}'",
        &["patched"],
    );
    seen.until("DELETED");
    gone.ends();
    s.ok("delete cm kept --ignore-not-found", &[]);

    s.ok("create cm a1", &["created"]);
    s.ok("create cm a2", &["created"]);
    s.ok("label cm a1 a2 group=a", &["labeled"]);
    s.ok(
        "delete cm -l group=a",
        &["\"a1\" deleted", "\"a2\" deleted"],
    );
    s.no("get cm a1", &["not found"]);
    s.ok("delete deploy app --cascade=foreground", &["deleted"]);
}

fn namespace(s: &Session) {
    s.ok("create namespace tmp", &["created"]);
    s.ok("create cm in -n tmp", &["created"]);
    s.ok("create secret generic in -n tmp", &["created"]);
    s.ok("create deployment in -n tmp --image=x", &["created"]);
    s.ok(
        "delete namespace tmp --timeout=30s",
        &["namespace \"tmp\" deleted"],
    );
    s.no("get namespace tmp", &["namespaces \"tmp\" not found"]);
    s.ok("create namespace tmp", &["created"]);
    let left = s.ok("get cm,secret,deploy -n tmp -o name", &[]);
    assert!(!left.contains("/in"), "{left}");
    s.ok("delete namespace tmp --timeout=30s", &["deleted"]);
}
