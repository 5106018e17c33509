//! Requests that make no sense are answered, not suffered: no panic, no success by accident, and
//! every refusal is a Status or a plain 404.

mod support;

use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use roadstead_machinery::resource::Registry;
use roadstead_rest::{NoHooks, Options};
use support::Client;

/// How many requests are made up.
const CASES: u32 = 3000;

/// Parts of paths, among them such as lead somewhere.
fn segment() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("api".to_owned()),
        Just("apis".to_owned()),
        Just("v1".to_owned()),
        Just("apps".to_owned()),
        Just("namespaces".to_owned()),
        Just("default".to_owned()),
        Just("configmaps".to_owned()),
        Just("deployments".to_owned()),
        Just("status".to_owned()),
        Just("scale".to_owned()),
        Just("finalize".to_owned()),
        Just("watch".to_owned()),
        Just("openapi".to_owned()),
        Just("%2e%2e".to_owned()),
        Just("a%2Fb".to_owned()),
        Just("%00".to_owned()),
        Just("%ff".to_owned()),
        "[a-z0-9.%_-]{0,12}",
    ]
}

fn path() -> impl Strategy<Value = String> {
    let any = prop::collection::vec(segment(), 0..8).prop_map(|s| format!("/{}", s.join("/")));
    let object = prop::collection::vec(segment(), 0..3)
        .prop_map(|s| format!("/api/v1/namespaces/default/configmaps/{}", s.join("/")));
    let template = prop::collection::vec(segment(), 0..3).prop_map(|s| {
        format!(
            "/apis/apps/v1/namespaces/default/deployments/{}",
            s.join("/")
        )
    });
    prop_oneof![any, object, template]
}

fn query() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "labelSelector",
        "fieldSelector",
        "limit",
        "continue",
        "resourceVersion",
        "resourceVersionMatch",
        "sendInitialEvents",
        "dryRun",
        "fieldManager",
        "fieldValidation",
        "force",
        "propagationPolicy",
        "includeObject",
        "pretty",
    ]);
    let pair = (name, "[ -~]{0,16}").prop_map(|(n, v)| {
        let value: String = form_urlencoded::byte_serialize(v.as_bytes()).collect();
        format!("{n}={value}")
    });
    prop::collection::vec(pair, 0..4).prop_map(|pairs| pairs.join("&"))
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    let json = prop::sample::select(vec![
        r#"{"metadata":{"name":"a"},"data":{"a":"b"}}"#,
        r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","managedFields":[{"fieldsV1":{"f:x":1}}]}}"#,
        r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":[]}"#,
        r#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"d","labels":[1]},"spec":7}"#,
        r#"[{"op":"add","path":"/a~2b","value":1},{"op":"move","from":"/x","path":"/y"}]"#,
        r#"{"spec":{"$patch":"bogus","template":{"spec":{"containers":[{"$patch":"delete"}]}}}}"#,
        r#"{"spec":{"replicas":-1e400}}"#,
        "null",
        "7",
        "a: &a [*a]",
        "k8s\0\u{a}\u{2}v1",
    ]);
    prop_oneof![
        json.prop_map(|s| s.as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..64),
    ]
}

fn media() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "application/json",
        "application/yaml",
        "application/vnd.kubernetes.protobuf",
        "application/json-patch+json",
        "application/merge-patch+json",
        "application/strategic-merge-patch+json",
        "application/apply-patch+yaml",
        "text/plain; charset=utf-8",
    ])
}

fn method() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS",
    ])
}

#[test]
fn nonsense_is_answered() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    let runtime = runtime.expect("a runtime");
    let client = runtime.block_on(async {
        let registry = Registry::member().expect("tables");
        Client::over(registry, Options::member(), Arc::new(NoHooks)).await
    });
    let mut runner = TestRunner::new(ProptestConfig {
        cases: CASES,
        ..ProptestConfig::default()
    });
    let requests = (method(), path(), query(), media(), body());
    let outcome = runner.run(&requests, |(method, path, query, media, body)| {
        let uri = format!("{path}?{query}");
        // Watches do not end, and an HTTP server has refused what is no URI.
        if uri.parse::<http::Uri>().is_err() || path.contains("/watch") {
            return Ok(());
        }
        let headers = [("content-type", media)];
        let answer = runtime.block_on(client.send(method, &uri, &headers, &body));
        prop_assert!(answer.code < 600);
        let message = answer.body["message"].as_str().unwrap_or_default();
        prop_assert!(!message.starts_with("Internal error"), "{message}");
        if answer.code >= 400 {
            let status = answer.body["kind"] == "Status" && answer.body["code"] == answer.code;
            prop_assert!(
                status || answer.code == 404,
                "{} {}",
                answer.code,
                answer.body
            );
        }
        Ok(())
    });
    outcome.expect("an answer to everything");
}
