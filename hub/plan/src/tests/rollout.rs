//! Rollouts: what placement gives under one, when runs begin and end, and steps against a slow model.

mod giving;
mod stepping;
mod steps;
mod turning;

use roadstead_protocol::api::rollout::Strategy;
use serde_json::Value;

use crate::rollout::Rollout;

/// A rollout as a policy says it, in YAML flow.
fn rollout(said: &str) -> Result<Rollout, String> {
    let said: Strategy = serde_saphyr::from_str(said).map_err(|e| e.to_string())?;
    Rollout::read(&said)
}

#[test]
fn what_a_policy_says_is_understood_whole_or_refused() {
    let names = |said: &str| {
        let read = rollout(said).unwrap();
        let names = read.stages.iter().map(|stage| stage.name.clone());
        names.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names("{}"), "rest");
    assert_eq!(
        names("{stages: [{name: canary, share: 1}, {name: half, share: 50%}]}"),
        "canary half rest"
    );
    assert_eq!(
        names("{stages: [{name: canary, share: 1}, {name: rest, maxConcurrent: 25%}]}"),
        "canary rest"
    );
    let check = |said: &str, words: &str| {
        let error = rollout(said).unwrap_err();
        assert!(error.contains(words), "{said}: {error}");
    };
    check("{stages: [{share: 1}]}", "stages[0].name");
    check(
        "{stages: [{name: a, share: 1}, {name: a, share: 2}]}",
        "stages[1].name",
    );
    check("{stages: [{name: a}]}", "clusterAffinity or share");
    check(
        "{stages: [{name: rest, share: 1}]}",
        "is the name of the last",
    );
    check(
        "{stages: [{name: a, share: 1, clusterAffinity: {}}]}",
        "only one of",
    );
    check("{stages: [{name: a, share: 101%}]}", "stages[0].share");
    check("{stages: [{name: a, share: 0}]}", "from 1");
    check("{stages: [{name: a, share: x}]}", "a percentage");
    check("{maxUnavailable: -1}", "spec.rollout.maxUnavailable");
    check("{revisionHistoryLimit: 0}", "between 1 and 50");
    check("{progressDeadlineSeconds: 0}", "progressDeadlineSeconds");
    let gate = |gate: &str| format!("{{stages: [{{name: a, share: 1, gates: [{gate}]}}]}}");
    check(&gate("{}"), "exactly one");
    check(&gate("{healthy: true, expression: 'true'}"), "exactly one");
    check(&gate("{condition: {}}"), "condition.type");
    check(&gate("{expression: 'objekt.x'}"), "gates[0].expression");
}

#[test]
fn gates_look_at_what_is_on_the_cluster() {
    use crate::rollout::gates::{Copy, judge};
    let stage = |gate: &str| {
        let said = format!("{{stages: [{{name: a, share: 1, gates: [{gate}]}}]}}");
        rollout(&said).unwrap().stages.remove(0).gates
    };
    let copy = |health: &'static str, status: &str| Copy {
        kind: "Deployment",
        name: "Deployment web".to_owned(),
        there: Ok(()),
        health,
        status: serde_json::from_str(status).unwrap(),
        object: serde_json::json!({"spec": {"replicas": 3}}),
    };
    let check = |gate: &str, copies: &[Copy<'_>], expected: Result<(), &str>| {
        let found = judge(&stage(gate), copies);
        assert_eq!(found, expected.map_err(str::to_owned), "{gate}");
    };
    let well = copy("Healthy", r#"{"readyReplicas": 3}"#);
    let ill = copy("Degraded", "null");
    check("{healthy: true}", std::slice::from_ref(&well), Ok(()));
    check(
        "{healthy: true}",
        &[well.clone(), ill.clone()],
        Err("Deployment web is Degraded"),
    );
    check(
        "{healthy: true, kind: Job}",
        std::slice::from_ref(&ill),
        Ok(()),
    );
    let late = Copy {
        there: Err("it is on its way".to_owned()),
        ..well.clone()
    };
    check(
        "{healthy: true, kind: Job}",
        &[late],
        Err("Deployment web: it is on its way"),
    );
    let expression = "{expression: object.status.readyReplicas == object.spec.replicas}";
    check(expression, std::slice::from_ref(&well), Ok(()));
    assert!(judge(&stage(expression), std::slice::from_ref(&ill)).is_err());
    let condition = "{condition: {type: Proven}}";
    let of = |status: &str| {
        let text = format!(r#"{{"conditions": [{{"type": "Proven", "status": "{status}"}}]}}"#);
        copy("Healthy", &text)
    };
    check(condition, &[well.clone(), of("True")], Ok(()));
    check(
        condition,
        &[of("False"), of("True")],
        Err("Deployment web has the condition Proven=False"),
    );
    check(
        condition,
        &[well],
        Err("nothing has the condition Proven yet"),
    );
}

#[test]
fn what_is_written_down_is_read_by_later_releases() {
    use crate::rollout::state::{Admitted, Run, State};
    let state = State {
        live: "b".to_owned(),
        good: "a".to_owned(),
        run: Some(Run {
            number: 2,
            name: "web-2".to_owned(),
            target: "b".to_owned(),
            from: "a".to_owned(),
            stage: 1,
            passed: ["canary".to_owned()].into(),
            paused: true,
            halted: Some("no".to_owned()),
            ..Run::default()
        }),
        declined: Some("c".to_owned()),
        undo: "a 1".to_owned(),
        problem: Some("too many".to_owned()),
        runs: 2,
        void: 1,
        turns: 7,
    };
    let text = r#"{"live":"b","good":"a","run":{"number":2,"name":"web-2","target":"b","from":"a","cause":"Change","stage":1,"passed":["canary"],"paused":true,"halted":"no"},"declined":"c","undo":"a 1","problem":"too many","runs":2,"void":1,"turns":7}"#;
    assert_eq!(serde_json::to_string(&state).unwrap(), text);
    assert_eq!(serde_json::from_str::<State>(text).unwrap(), state);
    // What was written before stages had names there begins at the first.
    let former = text.replace(r#""passed":["canary"],"#, "");
    let former: State = serde_json::from_str(&former).unwrap();
    assert!(former.run.unwrap().passed.is_empty());
    let admitted = Admitted {
        release: "b".to_owned(),
        run: 2,
    };
    let text = r#"{"release":"b","run":2}"#;
    assert_eq!(serde_json::to_string(&admitted).unwrap(), text);
    assert_eq!(serde_json::from_str::<Admitted>(text).unwrap(), admitted);
    assert!(state.counts(&admitted));
    assert!(!state.counts(&Admitted { run: 1, ..admitted }));
}

#[test]
fn a_release_is_what_people_wrote_without_the_number_of_replicas() {
    use crate::rollout::release::{Part, make};
    let made = |object: &Value, overrides: &[Value]| {
        let part = Part {
            key: super::web(),
            object,
            replicas_path: Some(".spec.replicas"),
            own: true,
        };
        make(&[part], overrides).unwrap()
    };
    let object = |replicas: u32| super::yaml(&super::deployment(replicas)).remove(0);
    let one = made(&object(3), &[]);
    assert_eq!(one.id, made(&object(7), &[]).id, "scaling is no change");
    let mut changed = object(3);
    changed["metadata"]["resourceVersion"] = "7".into();
    changed["status"] = serde_json::json!({"replicas": 3});
    assert_eq!(one.id, made(&changed, &[]).id, "what the hub adds is none");
    changed["spec"]["template"]["spec"]["containers"][0]["image"] = "web:2".into();
    assert_ne!(one.id, made(&changed, &[]).id);
    let mut policy = serde_json::json!({
        "apiVersion": "policy.kurator.dev/v1alpha1", "kind": "OverridePolicy",
        "metadata": {"name": "o", "namespace": "default", "uid": "u", "generation": 1},
        "spec": {"overrideRules": []},
    });
    let with = made(&object(3), &[policy.clone()]);
    assert_ne!(one.id, with.id, "an override is a part of it");
    policy["metadata"]["generation"] = 2.into();
    assert_eq!(with.id, made(&object(3), &[policy.clone()]).id);
    policy["spec"] = serde_json::json!({"overrideRules": [{}]});
    assert_ne!(with.id, made(&object(3), &[policy.clone()]).id);
    let same = |other: &Value, overrides: &[Value]| {
        let other = made(other, overrides).release;
        one.release.says_same(&other, &super::web())
    };
    assert!(same(&object(7), &[]) && !same(&changed, &[]) && !same(&object(3), &[policy.clone()]));
    let less = make(&[], &[]).unwrap();
    assert!(!less.release.says_same(&less.release, &super::web()));
    assert!(less.release.is_less_than(&one.release));
    assert!(!one.release.is_less_than(&less.release));
    assert!(!one.release.is_less_than(&one.release));
}

#[test]
fn a_release_is_bounded_in_bytes_and_says_so() {
    use crate::rollout::release::{CONTENTS_BYTES_MAX, Error, RECORD_BYTES_MAX, fits, make};
    let large = serde_json::json!({
        "kind": "OverridePolicy", "metadata": {"name": "o"},
        "spec": {"text": "x".repeat(RECORD_BYTES_MAX)},
    });
    let said = make(&[], &[large]).unwrap_err();
    assert!(matches!(said, Error::Record(_)), "{said}");
    assert!(said.to_string().contains("2097152"), "{said}");
    fits(RECORD_BYTES_MAX, CONTENTS_BYTES_MAX).unwrap();
    let said = fits(0, CONTENTS_BYTES_MAX + 1).unwrap_err();
    assert_eq!(said, Error::Contents(CONTENTS_BYTES_MAX + 1));
}

#[test]
fn what_overrode_an_object_that_stays_is_not_merely_left_out() {
    use crate::rollout::release::{Part, Release, make};
    let named = |name: &str| {
        let text = super::deployment(1).replace("web", name);
        super::yaml(&text).remove(0)
    };
    let (web, api) = (named("web"), named("api"));
    fn part(object: &Value) -> Part<'_> {
        Part {
            key: crate::render::identity(object).unwrap(),
            object,
            replicas_path: None,
            own: true,
        }
    }
    let made = |objects: &[&Value], overrides: &[Value]| -> Release {
        let parts: Vec<Part<'_>> = objects.iter().map(|o| part(o)).collect();
        make(&parts, overrides).unwrap().release
    };
    let policy = |selector: &str| {
        super::yaml(&format!(
            "
apiVersion: policy.kurator.dev/v1alpha1
kind: OverridePolicy
metadata: {{name: o, namespace: default, uid: uid-o}}
spec:
  resourceSelectors: [{{apiVersion: apps/v1, kind: Deployment{selector}}}]
  overrideRules: []
"
        ))
    };
    let of_web = policy(", labelSelector: {matchLabels: {app: web}}");
    let good = made(&[&web, &api], &of_web);
    let less =
        |objects: &[&Value], overrides: &[Value]| made(objects, overrides).is_less_than(&good);
    assert!(!less(&[&web, &api], &[]), "web changes");
    assert!(!less(&[&web], &[]), "web changes");
    assert!(less(&[&api], &[]), "it overrode only what is left out");
    assert!(less(&[&web], &of_web));
    let good = made(&[&web, &api], &policy(""));
    assert!(!made(&[&api], &[]).is_less_than(&good), "api changes");
}
