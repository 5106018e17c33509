//! What `roadstead join --output manifest` says, for each choice.

use roadstead_protocol::host::Pin;
use roadstead_protocol::host::enrol::TokenSecret;
use serde_json::Value;

use super::*;

fn join() -> String {
    let token = JoinToken {
        addresses: vec!["hub:7443".into()],
        pins: vec![Pin([0; 32])],
        // Unquoted, YAML would make a number of it.
        id: "1234567890123e45".into(),
        secret: TokenSecret([1; 32]),
        namespace: "default".into(),
        name: "edge".into(),
    };
    token.encode().unwrap()
}

fn objects(choice: &Choice) -> Vec<Value> {
    let join = join();
    let manifest = Manifest {
        namespace: "default",
        name: "edge",
        join: &join,
        until: "2026-01-01T00:00:00Z",
        choice,
    };
    let text = text(&manifest).unwrap();
    assert!(!text.contains("${"), "{text}");
    serde_saphyr::from_multiple(&text).unwrap()
}

fn at<'a>(objects: &'a [Value], kind: &str, name: &str) -> Option<&'a Value> {
    objects
        .iter()
        .find(|o| o["kind"] == kind && o.pointer("/metadata/name") == Some(&Value::from(name)))
}

fn choice(flags: Flags<'_>) -> Choice {
    Choice::new(&flags).unwrap()
}

#[test]
fn every_gap_is_filled() {
    let all = objects(&choice(Flags {
        image: Some("r.example/a:1@sha256:0f"),
        ..Flags::default()
    }));
    let deployment = at(&all, "Deployment", "roadstead-agent").unwrap();
    let pod = &deployment["spec"]["template"];
    assert_eq!(
        pod["metadata"]["annotations"]["roadstead.dev/join"],
        "1234567890123e45"
    );
    assert_eq!(
        pod["spec"]["containers"][0]["image"],
        "r.example/a:1@sha256:0f"
    );
    assert_eq!(pod["spec"]["volumes"][0]["emptyDir"]["sizeLimit"], "1Gi");
    assert_eq!(
        at(&all, "Secret", "roadstead-agent-join").unwrap()["stringData"]["join"],
        join()
    );
    let binding = at(&all, "ClusterRoleBinding", "roadstead-agent-applies").unwrap();
    assert_eq!(binding["roleRef"]["name"], EVERYTHING_ROLE);
    assert!(at(&all, "ClusterRole", EVERYTHING_ROLE).is_some());
    assert!(at(&all, "PersistentVolumeClaim", "roadstead-agent").is_none());
}

#[test]
fn a_narrower_role_and_a_volume_of_ones_own() {
    let all = objects(&choice(Flags {
        role: Some("team:narrow"),
        storage: Some("2Gi"),
        ..Flags::default()
    }));
    let binding = at(&all, "ClusterRoleBinding", "roadstead-agent-applies").unwrap();
    assert_eq!(binding["roleRef"]["name"], "team:narrow");
    assert!(at(&all, "ClusterRole", EVERYTHING_ROLE).is_none());
    let claim = at(&all, "PersistentVolumeClaim", "roadstead-agent").unwrap();
    assert_eq!(claim["spec"]["resources"]["requests"]["storage"], "2Gi");
    let pod = &at(&all, "Deployment", "roadstead-agent").unwrap()["spec"]["template"]["spec"];
    assert_eq!(
        pod["volumes"][0]["persistentVolumeClaim"]["claimName"],
        "roadstead-agent"
    );
}

#[test]
fn a_volume_that_is_sealed_with_a_key_of_the_members() {
    let sealed = Flags {
        key_secret: Some("agent-key"),
        ..Flags::default()
    };
    let pod = |all: &[Value]| {
        let found = at(all, "Deployment", "roadstead-agent");
        found.unwrap()["spec"]["template"]["spec"].clone()
    };
    let plain = pod(&objects(&choice(Flags::default())));
    let sealed = pod(&objects(&choice(sealed)));
    let container = |pod: &Value, list: &str| {
        let all = pod["containers"][0][list].as_array().unwrap().clone();
        (all.len(), all.last().unwrap().clone())
    };
    let (count, last) = container(&sealed, "args");
    assert_eq!(last, "--key-file=/etc/roadstead-agent/key");
    assert_eq!(count, container(&plain, "args").0 + 1);
    let (_, mount) = container(&sealed, "volumeMounts");
    assert_eq!(mount["mountPath"], "/etc/roadstead-agent");
    let volume = sealed["volumes"].as_array().unwrap().last().unwrap();
    assert_eq!(volume["name"], mount["name"]);
    assert_eq!(volume["secret"]["secretName"], "agent-key");
    // The group is added for the user that the pod runs as; others may not read it.
    assert_eq!(volume["secret"]["defaultMode"], 0o400);
    assert_eq!(volume["secret"]["items"][0]["path"], "key");
    assert_eq!(plain["volumes"].as_array().unwrap().len(), 2);
}

#[test]
fn flags_that_are_no_good_are_named() {
    let bad = |flags: Flags<'_>, flag: &str| {
        let error = Choice::new(&flags).unwrap_err().to_string();
        assert!(error.starts_with(flag), "{error}");
    };
    for image in ["a b", "a\"\nx: y", ""] {
        let image = Some(image);
        let flags = Flags {
            image,
            ..Flags::default()
        };
        bad(flags, "--image");
    }
    let role = Some("-x");
    bad(
        Flags {
            role,
            ..Flags::default()
        },
        "--cluster-role",
    );
    for secret in ["", "a/b", "a\nb"] {
        let key_secret = Some(secret);
        let flags = Flags {
            key_secret,
            ..Flags::default()
        };
        bad(flags, "--key-secret");
    }
    for size in ["", "Gi", "1GB", "1.5Gi", "1 Gi", "-1"] {
        let storage = Some(size);
        bad(
            Flags {
                storage,
                ..Flags::default()
            },
            "--storage",
        );
    }
}

#[test]
fn the_pod_is_one_at_a_time_bounded_probed_and_cannot_write_its_root() {
    let all = objects(&choice(Flags::default()));
    let spec = &at(&all, "Deployment", "roadstead-agent").unwrap()["spec"];
    assert_eq!(spec["replicas"], 1);
    assert_eq!(spec["strategy"], serde_json::json!({"type": "Recreate"}));
    let container = &spec["template"]["spec"]["containers"][0];
    let texts = |list: &Value| -> Vec<String> {
        let all = list.as_array().unwrap().iter();
        all.map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    let args = texts(&container["args"]);
    let heartbeat = args.iter().find(|arg| arg.starts_with("--heartbeat="));
    let heartbeat = heartbeat.unwrap().clone();
    for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
        let command = texts(&container[probe]["exec"]["command"]);
        assert_eq!(command[1], "health", "{probe}");
        assert!(command.contains(&heartbeat), "{probe} looks elsewhere");
        let ready = command.contains(&"--ready".to_owned());
        assert_eq!(ready, probe == "readinessProbe");
    }
    for bound in ["requests", "limits"] {
        for what in ["cpu", "memory", "ephemeral-storage"] {
            let amount = container["resources"][bound][what].as_str();
            assert!(amount.is_some_and(|a| !a.is_empty()), "{bound} of {what}");
        }
    }
    let context = &container["securityContext"];
    assert_eq!(context["readOnlyRootFilesystem"], true);
    assert_eq!(context["allowPrivilegeEscalation"], false);
    // All that it writes is on volumes.
    let mounts = container["volumeMounts"].as_array().unwrap();
    let mounted = |path: &str| {
        let path = std::path::Path::new(path);
        let mut paths = mounts.iter().map(|m| m["mountPath"].as_str().unwrap());
        paths.any(|mount| path.starts_with(mount))
    };
    let data = args.iter().find_map(|arg| arg.strip_prefix("--data-dir="));
    assert!(mounted(data.unwrap()));
    assert!(mounted(heartbeat.trim_start_matches("--heartbeat=")));
}
