//! The pipelines of applies and updates, on small objects.

mod world;

use serde_json::json;

use super::{Conflict, Error, Options, Reset, apply, settle};
use world::{V1, World, config, options};

#[test]
fn an_applier_owns_what_it_says() {
    let mut world = World::new();
    let applied = world.apply("m", json!({"region": "eu", "tags": ["x"]}));
    assert!(applied.changed);
    let fields = json!({"f:spec": {"f:region": {}, "f:tags": {"v:\"x\"": {}}}});
    let expected = ("m".to_owned(), "Apply".to_owned(), Some(1), fields);
    assert_eq!(world.entries(), [expected]);
}

#[test]
fn applying_the_same_again_changes_nothing() {
    let mut world = World::new();
    world.apply("m", json!({"region": "eu"}));
    let before = world.live.clone();
    let applied = world.apply("m", json!({"region": "eu"}));
    assert!(!applied.changed);
    assert_eq!(world.live, before);
}

#[test]
fn one_conflict_is_said_on_one_line() {
    let mut world = World::new();
    world.apply("m1", json!({"replicas": 1}));
    let error = world
        .try_apply("m2", false, &config(json!({"replicas": 2})))
        .unwrap_err();
    let conflicts = vec![Conflict {
        message: "conflict with \"m1\"".into(),
        field: ".spec.replicas".into(),
    }];
    let message = "Apply failed with 1 conflict: conflict with \"m1\": .spec.replicas".into();
    assert_eq!(error, Error::Conflicts { message, conflicts });
    assert_eq!(world.spec(), &json!({"replicas": 1}));
}

#[test]
fn many_conflicts_are_grouped_by_owner() {
    let mut world = World::new();
    world.apply("b", json!({"replicas": 1, "args": ["1"]}));
    world.update("a", |object| {
        object["spec"]["ports"] = json!([{"port": 1, "name": "p"}])
    });
    let spec = json!({"replicas": 2, "args": ["2"], "ports": [{"port": 1, "name": "q"}]});
    let error = world.try_apply("m", false, &config(spec)).unwrap_err();
    let expected = "Apply failed with 3 conflicts: \
                    conflicts with \"a\" using x.example.io/v1:\n\
                    - .spec.ports[port=1,protocol=\"TCP\"].name\n\
                    conflicts with \"b\":\n- .spec.args\n- .spec.replicas";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn force_takes_the_field_and_its_owner_goes() {
    let mut world = World::new();
    world.apply("m1", json!({"replicas": 1}));
    world
        .try_apply("m2", true, &config(json!({"replicas": 2})))
        .unwrap();
    assert_eq!(world.managers(), ["m2"]);
    assert_eq!(world.spec(), &json!({"replicas": 2}));
}

#[test]
fn what_is_left_out_goes_unless_somebody_else_owns_it() {
    let mut world = World::new();
    world.apply(
        "m1",
        json!({"tags": ["x", "y"], "limits": {"cpu": "1"}, "region": "eu"}),
    );
    world.apply("m2", json!({"tags": ["y"]}));
    world.apply("m1", json!({"region": "eu"}));
    assert_eq!(world.spec(), &json!({"region": "eu", "tags": ["y"]}));
}

#[test]
fn an_updater_owns_what_it_changes_and_takes_it_from_others() {
    let mut world = World::new();
    world.apply("m", json!({"replicas": 1, "region": "eu"}));
    world.update("u", |object| object["spec"]["replicas"] = json!(5));
    assert_eq!(world.fields_of("m"), json!({"f:spec": {"f:region": {}}}));
    assert_eq!(world.fields_of("u"), json!({"f:spec": {"f:replicas": {}}}));
    let second = world.entries().last().and_then(|entry| entry.2);
    assert_eq!(second, Some(2));
}

#[test]
fn an_update_that_changes_nothing_is_not_recorded() {
    let mut world = World::new();
    world.apply("m", json!({"replicas": 1}));
    let before = world.live.clone();
    world.update("u", |_| {});
    assert_eq!(world.live, before);
}

#[test]
fn the_empty_manager_is_called_unknown() {
    let mut world = World::new();
    world.update("", |object| object["spec"]["replicas"] = json!(1));
    assert_eq!(world.managers(), ["unknown"]);
}

#[test]
fn resetting_managed_fields_forgets_all_and_the_next_apply_begins_anew() {
    for reset in [json!([{}]), json!([])] {
        let mut world = World::new();
        world.apply("m", json!({"replicas": 1, "region": "eu"}));
        world.update("u", |object| {
            object["metadata"]["managedFields"] = reset.clone()
        });
        assert_eq!(world.managers(), [""; 0]);
        world.update("u", |object| object["spec"]["replicas"] = json!(2));
        assert_eq!(
            world.managers(),
            [""; 0],
            "an untracked object stays untracked"
        );
        world.apply("m", json!({"region": "eu"}));
        assert_eq!(world.managers(), ["m", "before-first-apply"]);
        let times: Vec<_> = world.entries().iter().map(|entry| entry.2).collect();
        assert_eq!(
            times,
            [None, Some(4)],
            "an apply that changes nothing has no time"
        );
        assert_eq!(world.spec()["replicas"], 2);
    }
}

#[test]
fn entries_of_the_request_count_if_they_can_be_read() {
    let mut world = World::new();
    world.apply("m", json!({"replicas": 1}));
    let entry = |manager: &str, kind: &str| {
        json!([{"manager": manager, "operation": "Apply", "apiVersion": V1,
                "fieldsType": kind, "fieldsV1": {"f:spec": {"f:replicas": {}}}}])
    };
    world.update("u", |object| {
        object["metadata"]["managedFields"] = entry("n", "FieldsV2")
    });
    assert_eq!(world.managers(), ["m"]);
    world.update("u", |object| {
        object["metadata"]["managedFields"] = entry("n", "FieldsV1")
    });
    assert_eq!(world.managers(), ["n"]);
}

#[test]
fn old_updaters_share_one_entry() {
    let mut world = World::new();
    for at in 0..14 {
        world.update(&format!("u{at:02}"), |object| {
            object["metadata"]["labels"][format!("l{at}")] = json!("x");
        });
    }
    let managers = world.managers();
    assert_eq!(managers.len(), 10);
    assert_eq!(
        managers.first().map(String::as_str),
        Some("ancient-changes")
    );
    let ancient = world.fields_of("ancient-changes");
    let labels = ancient["f:metadata"]["f:labels"].as_object().unwrap();
    assert_eq!(
        labels.keys().collect::<Vec<_>>(),
        [".", "f:l0", "f:l1", "f:l2", "f:l3", "f:l4"]
    );
}

#[test]
fn appliers_are_not_capped() {
    let mut world = World::new();
    for at in 0..14 {
        world.apply(&format!("m{at:02}"), json!({"tags": [format!("t{at}")]}));
    }
    assert_eq!(world.managers().len(), 14);
}

#[test]
fn status_is_written_through_its_own_endpoint_only() {
    let mut world = World::new();
    world.apply("m", json!({"replicas": 1}));
    let mut with_status = config(json!({"replicas": 1}));
    with_status["status"] = json!({"replicas": 7});
    let applied = world.try_apply("m", false, &with_status).unwrap();
    assert!(!applied.changed);
    assert!(applied.object.get("status").is_none());

    let mut status = config(json!({"replicas": 9}));
    status["status"] = json!({"replicas": 1});
    let options = Options {
        subresource: "status",
        reset: Reset::AllButStatus,
        ..options("m", false, 10)
    };
    let applied = apply(
        &world.schema,
        world.ty,
        world.live.as_ref(),
        &status,
        &options,
    )
    .unwrap();
    assert!(applied.changed);
    world.live = Some(applied.object);
    assert_eq!(world.spec(), &json!({"replicas": 1}));
    let entries = world.entries();
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[1].3, json!({"f:status": {"f:replicas": {}}}));
}

#[test]
fn kubectl_moves_from_client_side_apply_without_conflicts() {
    let name = "kubectl.kubernetes.io/last-applied-configuration";
    let mut world = World::new();
    world.update("kubectl-client-side-apply", |object| {
        *object = config(json!({"region": "eu", "replicas": 2}));
        let applied = object.to_string();
        object["metadata"]["annotations"] = json!({name: applied});
    });
    let new = config(json!({"region": "us", "replicas": 3}));
    world.try_apply("other", false, &new).unwrap_err();
    world.try_apply("kubectl", false, &new).unwrap();
    let annotation = &world.live.as_ref().unwrap()["metadata"]["annotations"][name];
    assert_eq!(*annotation, json!(format!("{new}\n")));

    // What somebody else changed since then is a conflict, and only that.
    world.update("scaler", |object| object["spec"]["replicas"] = json!(9));
    let error = world.try_apply(
        "kubectl",
        false,
        &config(json!({"region": "ap", "replicas": 4})),
    );
    let message = error.unwrap_err().to_string();
    let expected = "Apply failed with 1 conflict: \
                    conflict with \"scaler\" using x.example.io/v1: .spec.replicas";
    assert_eq!(message, expected);
}

#[test]
fn the_annotation_is_written_as_go_writes_json() {
    let config = json!({"a": "<&>", "metadata": {"annotations": {}}});
    let object = json!({"metadata": {"annotations": {super::kubectl::LAST_APPLIED: "{}"}}});
    let object = super::kubectl::refresh_last_applied("kubectl", &config, object);
    let text = &object["metadata"]["annotations"][super::kubectl::LAST_APPLIED];
    let expected = "{\"a\":\"\\u003c\\u0026\\u003e\",\"metadata\":{\"annotations\":{}}}\n";
    assert_eq!(text, expected);
}

#[test]
fn a_config_must_not_have_managed_fields_nor_another_version() {
    let mut world = World::new();
    let mut with_fields = config(json!({}));
    with_fields["metadata"]["managedFields"] = json!([]);
    let error = world.try_apply("m", false, &with_fields).unwrap_err();
    assert_eq!(
        error,
        Error::BadRequest("metadata.managedFields must be nil".into())
    );
    let mut other = config(json!({}));
    other["apiVersion"] = json!("x.example.io/v2");
    let error = world.try_apply("m", false, &other).unwrap_err();
    assert!(matches!(error, Error::BadRequest(text) if text.contains("x.example.io/v2")));
}

#[test]
fn a_config_that_does_not_fit_names_the_object_and_the_field() {
    let mut world = World::new();
    let error = world
        .try_apply("m", false, &config(json!({"bogus": 1})))
        .unwrap_err();
    let expected = "failed to create typed patch object (/a; x.example.io/v1, Kind=X): \
                    .spec.bogus: field not declared in schema";
    assert_eq!(error, Error::Schema(expected.into()));
}

#[test]
fn an_update_of_what_does_not_fit_the_schema_loses_its_managed_fields() {
    let mut world = World::new();
    world.apply("m", json!({"replicas": 1}));
    world.update("u", |object| object["spec"]["bogus"] = json!(1));
    assert_eq!(world.managers(), [""; 0]);
    assert_eq!(world.spec()["bogus"], 1);
}

#[test]
fn managers_of_versions_of_other_groups_are_forgotten() {
    let mut world = World::new();
    world.apply("m", json!({"replicas": 1}));
    let live = world.live.as_mut().unwrap();
    live["metadata"]["managedFields"][0]["apiVersion"] = json!("gone.example.io/v1");
    world.apply("n", json!({"region": "eu"}));
    assert_eq!(world.managers(), ["n"]);
    let live = world.live.as_mut().unwrap();
    live["metadata"]["managedFields"][0]["apiVersion"] = json!("x.example.io/v1beta1");
    world.apply("o", json!({"tags": ["t"]}));
    assert_eq!(world.managers(), ["n", "o"]);
}

#[test]
fn settling_keeps_the_times_where_nothing_else_changed() {
    let mut world = World::new();
    world.apply("m", json!({"replicas": 1}));
    let live = world.live.clone().unwrap();
    let mut later = live.clone();
    later["metadata"]["managedFields"][0]["time"] = json!("2030-01-01T00:00:00Z");
    later["metadata"]["resourceVersion"] = json!("7");
    let settled = settle(&live, later.clone());
    assert_eq!(
        settled["metadata"]["managedFields"],
        live["metadata"]["managedFields"]
    );
    later["spec"]["replicas"] = json!(2);
    assert_eq!(settle(&live, later.clone()), later);
}
