//! Changing what is there: patches, labels, an editor, scale and status.

use crate::world::Session;

pub(crate) fn run(s: &Session) {
    patch(s);
    label(s);
    edit(s);
    scale(s);
    status(s);
}

fn field(s: &Session, path: &str, expected: &str) {
    let found = s.ok(&format!("get deploy app -o jsonpath='{path}'"), &[]);
    assert_eq!(found, expected, "{path}");
}

fn patch(s: &Session) {
    s.ok(
        "patch deploy app -p '{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"b\",\"image\":\"b:2\"}]}}}}'",
        &["deployment.apps/app patched"],
    );
    field(s, "{.spec.template.spec.containers[*].image}", "a:1 b:2");
    s.ok(
        "patch deploy app --type=json -p '[{\"op\":\"replace\",\"path\":\"/spec/replicas\",\"value\":3}]'",
        &["patched"],
    );
    field(s, "{.spec.replicas}", "3");
    s.ok(
        "patch deploy app --type=merge -p '{\"spec\":{\"replicas\":4}}'",
        &["patched"],
    );
    field(s, "{.spec.replicas}", "4");
    s.ok(
        "patch deploy app --type=merge -p '{\"spec\":{\"replicas\":4}}'",
        &["patched (no change)"],
    );
    s.ok("set image deploy/app a=a:7", &["image updated"]);
    field(s, "{.spec.template.spec.containers[*].image}", "a:7 b:2");
}

fn label(s: &Session) {
    s.ok("label deploy app tier=front", &["labeled"]);
    s.no(
        "label deploy app tier=back",
        &["'tier' already has a value (front), and --overwrite is false"],
    );
    s.ok("label deploy app tier=back --overwrite", &["labeled"]);
    s.ok("label deploy app --list", &["tier=back"]);
    s.ok("get deploy -l tier=back -o name", &["deployment.apps/app"]);
    s.ok("label deploy app tier-", &["unlabeled"]);
    s.ok("annotate deploy app note=hello", &["annotated"]);
    field(s, "{.metadata.annotations.note}", "hello");
    s.ok("annotate deploy app note-", &["annotated"]);
    field(s, "{.metadata.annotations.note}", "");
}

fn edit(s: &Session) {
    s.edit("edit deploy app", "s/a:7/a:8/", 0, &["app edited"]);
    field(s, "{.spec.template.spec.containers[0].image}", "a:8");
    s.edit(
        "edit deploy app",
        "s/x/x/",
        0,
        &["Edit cancelled, no changes made"],
    );
    s.edit(
        "edit deploy app",
        "s/image:.a:8/image:\\ []/",
        1,
        &[
            "could not be patched",
            "Container.spec.template.spec.containers.image of type string",
        ],
    );
}

fn scale(s: &Session) {
    s.ok("scale deploy app --replicas=5", &["app scaled"]);
    field(s, "{.spec.replicas}", "5");
    s.no(
        "scale deploy app --current-replicas=9 --replicas=1",
        &["Expected replicas to be 9, was 5"],
    );
    s.ok(
        "get deploy app --subresource=scale -o jsonpath='{.kind} {.spec.replicas} {.status.selector}'",
        &["Scale 5 app=app"],
    );
    s.ok(
        "patch deploy app --subresource=scale --type=merge -p '{\"spec\":{\"replicas\":2}}'",
        &["patched"],
    );
    s.ok(
        "wait deploy/app --for=jsonpath='{.spec.replicas}'=2 --timeout=20s",
        &["condition met"],
    );
    s.no(
        "wait deploy/app --for=jsonpath='{.spec.replicas}'=3 --timeout=1s",
        &["timed out waiting for the condition"],
    );
}

fn status(s: &Session) {
    let before = s.ok("get deploy app -o jsonpath='{.metadata.generation}'", &[]);
    s.ok(
        "patch deploy app --subresource=status --type=merge -p '{\"spec\":{\"paused\":true},\"status\":{\"collisionCount\":7}}'",
        &["patched"],
    );
    // On a cluster a controller puts it right at once.
    if !s.is_member() {
        s.ok(
            "get deploy app --subresource=status -o jsonpath='{.status.collisionCount}'",
            &["7"],
        );
    }
    field(s, "{.spec.paused}", "");
    let patch = "patch deploy app --type=merge -p '{\"status\":{\"collisionCount\":8}}'";
    s.ok(patch, &["patched (no change)"]);
    field(s, "{.metadata.generation}", &before);
    if s.is_member() {
        s.ok(
            "wait deploy/app --for=condition=Available --timeout=30s",
            &["condition met"],
        );
        s.ok(
            "rollout status deploy/app --timeout=30s",
            &["successfully rolled out"],
        );
        s.ok("get pods -l app=app -o wide", &["Running", "node-"]);
    }
}
