//! Applying and replacing manifests.

use crate::world::Session;

const MANIFEST: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: app, labels: {app: app}}
spec:
  replicas: 2
  selector: {matchLabels: {app: app}}
  template:
    metadata: {labels: {app: app}}
    spec:
      containers:
      - {name: a, image: \"a:1\"}
      - {name: b, image: \"b:1\"}
";

pub(crate) fn run(s: &Session) {
    s.file("one.yaml", MANIFEST);
    s.file("two.yaml", &MANIFEST.replace("a:1", "a:2"));
    s.file(
        "fewer.yaml",
        &MANIFEST.replace("      - {name: b, image: \"b:1\"}\n", ""),
    );
    client_side(s);
    server_side(s);
    replace(s);
}

fn image(s: &Session, name: &str, expected: &str) {
    let line = "get deploy app -o jsonpath='{range .spec.template.spec.containers[*]}{.name}={.image};{end}'";
    let found = s.ok(line, &[]);
    let found = found
        .split(';')
        .find_map(|c| c.strip_prefix(&format!("{name}=")));
    assert_eq!(found.unwrap_or_default(), expected, "image of {name}");
}

fn client_side(s: &Session) {
    s.ok("apply -f one.yaml", &["deployment.apps/app created"]);
    s.ok("apply -f one.yaml", &["deployment.apps/app unchanged"]);
    s.ok("diff -f one.yaml", &[]);
    s.no(
        "diff -f two.yaml",
        &["-      - image: a:1", "+      - image: a:2"],
    );
    s.ok(
        "apply -f two.yaml --dry-run=server",
        &["configured (server dry run)"],
    );
    image(s, "a", "a:1");
    s.ok("apply -f two.yaml", &["deployment.apps/app configured"]);
    image(s, "a", "a:2");
    s.ok("apply -f fewer.yaml", &["configured"]);
    image(s, "b", "");
    s.ok("apply view-last-applied deploy/app", &["image: a:1"]);
    s.ok("delete -f one.yaml", &["deleted"]);
}

fn server_side(s: &Session) {
    s.ok("apply --server-side -f one.yaml", &["serverside-applied"]);
    s.no(
        "apply --server-side --field-manager=other -f two.yaml",
        &["conflict with \"kubectl\": .spec.template.spec.containers[name=\"a\"].image"],
    );
    s.no(
        "diff --server-side -f two.yaml",
        &["-      - image: a:1", "+      - image: a:2"],
    );
    s.ok(
        "apply --server-side --field-manager=other --force-conflicts -f two.yaml",
        &["serverside-applied"],
    );
    image(s, "a", "a:2");
    s.ok(
        "apply --server-side --force-conflicts -f one.yaml",
        &["serverside-applied"],
    );
    // Of what two apply, one that lets go takes nothing away.
    s.ok("apply --server-side -f fewer.yaml", &["serverside-applied"]);
    image(s, "b", "b:1");
    s.ok(
        "apply --server-side --field-manager=other --force-conflicts -f fewer.yaml",
        &["serverside-applied"],
    );
    image(s, "b", "");
    // From one kind of apply to the other.
    s.ok("apply -f two.yaml", &["configured"]);
    s.ok("apply --server-side -f two.yaml", &["serverside-applied"]);
}

fn replace(s: &Session) {
    s.ok("replace -f one.yaml", &["deployment.apps/app replaced"]);
    image(s, "a", "a:1");
    s.ok(
        "replace --force -f two.yaml",
        &["deployment.apps/app replaced"],
    );
    s.no(
        "create -f one.yaml",
        &["deployments.apps \"app\" already exists"],
    );
    s.ok("delete -f one.yaml", &["deleted"]);
    s.no(
        "replace -f one.yaml",
        &["deployments.apps \"app\" not found"],
    );
    s.ok("create -f one.yaml --save-config", &["created"]);
}
