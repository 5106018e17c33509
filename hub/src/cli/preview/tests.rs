//! Files that are read, and what is shown of an answer.

use serde_json::json;

use super::*;
use crate::preview::{Cluster, Written};

fn map(value: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "greeting", "namespace": "default"},
        "data": {"hello": value, "more": "the same"},
    })
}

fn secret(value: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "key", "namespace": "default"},
        "data": {"turned": value, "same": "c2FtZQ=="},
    })
}

fn cluster(name: &str, change: &str, (before, after): (Option<&str>, Option<&str>)) -> Cluster {
    Cluster {
        cluster: format!("default/{name}"),
        change: change.to_owned(),
        replicas: (None, None),
        before: before.map(str::to_owned),
        after: after.map(str::to_owned),
    }
}

fn answer() -> Answer {
    let written = |object: &str, result: &str| Written {
        object: object.to_owned(),
        result: result.to_owned(),
    };
    let policy = "DistributionPolicy default/all".to_owned();
    let mut web = cluster("prod", "create", (None, Some("w1")));
    web.replicas = (None, Some(3));
    let mut moved = cluster("edge", "update", (Some("w2"), Some("w1")));
    moved.replicas = (Some(5), Some(3));
    Answer {
        notes: Vec::new(),
        objects: vec![
            written(
                "DistributionPolicy.policy.kurator.dev default/all",
                "changed",
            ),
            written("ConfigMap default/greeting", "unchanged"),
        ],
        templates: vec![
            Template {
                object: "ConfigMap default/greeting".to_owned(),
                policy: policy.clone(),
                says: String::new(),
                refused: vec!["default/far (NotSelected)".to_owned()],
                clusters: vec![
                    cluster("prod", "update", (Some("m1"), Some("m2"))),
                    cluster("edge", "update", (Some("m1"), Some("m2"))),
                    cluster("far", "delete", (Some("m1"), None)),
                ],
            },
            Template {
                object: "Deployment.apps default/web".to_owned(),
                policy: policy.clone(),
                says: "Placed=False (Held): it waits".to_owned(),
                refused: Vec::new(),
                clusters: vec![web, moved],
            },
            Template {
                object: "Secret default/key".to_owned(),
                policy,
                clusters: vec![cluster("prod", "update", (Some("s1"), Some("s2")))],
                ..Template::default()
            },
        ],
        looked_at: 3,
        more: 0,
        contents: [
            ("m1", map("world")),
            ("m2", map("fleet")),
            ("w1", json!({"kind": "Deployment", "spec": {"replicas": 3}})),
            ("w2", json!({"kind": "Deployment", "spec": {"replicas": 5}})),
            ("s1", secret("b2xk")),
            ("s2", secret("bmV3")),
        ]
        .map(|(digest, content)| (digest.to_owned(), content))
        .into(),
    }
}

/// Compares with what was shown when it was released.
fn check(name: &str, shown: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("golden")
        .join(name);
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        shown.trim_end(),
        golden.trim_end(),
        "{} should hold\n{shown}",
        path.display()
    );
}

#[test]
fn a_preview_is_shown_as_it_was() {
    check("preview.txt", &text(&answer(), false));
    let brief = text(&answer(), true);
    assert!(!brief.contains("@@"), "{brief}");
}

#[test]
fn secrets_are_not_shown() {
    let shown = text(&answer(), false);
    assert!(
        !shown.contains("b2xk") && !shown.contains("bmV3"),
        "{shown}"
    );
    assert!(!shown.contains("c2FtZQ=="), "{shown}");
    assert!(shown.contains("*** (before)") && shown.contains("*** (after)"));
}

#[test]
fn what_changes_and_what_does_not_are_told_apart() {
    assert!(differs(&answer()));
    let mut same = answer();
    same.objects.remove(0);
    same.templates.clear();
    assert!(!differs(&same));
    let shown = text(&same, false);
    assert!(
        shown.contains("Nothing would change on any cluster."),
        "{shown}"
    );
    same.objects[0].result = "created".to_owned();
    assert!(differs(&same), "on the hub it does");
}

#[test]
fn contents_that_were_left_out_are_said_to_be() {
    let mut answer = answer();
    answer.contents.clear();
    answer.more = 7;
    let shown = text(&answer, false);
    assert!(shown.contains("is left out, there is too much"), "{shown}");
    assert!(shown.contains("and 7 more"), "{shown}");
}

#[test]
fn files_hold_documents_and_lists() {
    let two = "kind: A\n---\n---\nkind: List\nitems: [{kind: B}, {kind: C}]\n";
    let kinds: Vec<Value> = parse(two)
        .unwrap()
        .iter()
        .map(|o| o["kind"].clone())
        .collect();
    assert_eq!(kinds, ["A", "B", "C"]);
    assert_eq!(parse("{\"kind\": \"A\"}").unwrap().len(), 1);
    for (text, named) in [
        ("", "no object"),
        ("- a", "no object"),
        ("{", "no YAML"),
        ("kind: List", "without items"),
    ] {
        let error = parse(text).unwrap_err();
        assert!(error.contains(named), "{text:?}: {error}");
    }
    let missing = read(Path::new("/nowhere/x.yaml")).unwrap_err().to_string();
    assert!(
        missing.starts_with("--filename /nowhere/x.yaml"),
        "{missing}"
    );
}

#[test]
fn a_folder_means_the_files_in_it_as_kubectl_takes_them() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let said = files(folder.path()).unwrap_err().to_string();
    assert!(said.contains(".yaml, .yml or .json"), "{said}");
    for name in ["b.yml", "a.yaml", "c.json", "notes.txt"] {
        std::fs::write(at(name), "{}").unwrap();
    }
    std::fs::create_dir(at("d.yaml")).unwrap();
    let found = files(folder.path()).unwrap();
    assert_eq!(found, [at("a.yaml"), at("b.yml"), at("c.json")]);
    assert_eq!(files(&at("notes.txt")).unwrap(), [at("notes.txt")]);
    let dash = Path::new("-");
    assert_eq!(files(dash).unwrap(), [dash]);
}
