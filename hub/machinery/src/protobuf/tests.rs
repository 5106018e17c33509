use std::path::PathBuf;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::resource::Registry;
use crate::validate::fit;

/// A field of a hand-written message: tag and length-delimited value.
fn bytes(tag: u8, value: impl AsRef<[u8]>) -> Vec<u8> {
    let value = value.as_ref();
    let mut out = vec![tag << 3 | 2, u8::try_from(value.len()).unwrap()];
    out.extend(value);
    out
}

fn number(tag: u8, value: u8) -> Vec<u8> {
    vec![tag << 3, value]
}

fn envelope(api_version: &str, kind: &str, raw: &[u8]) -> Vec<u8> {
    let meta = [bytes(1, api_version), bytes(2, kind)].concat();
    [MAGIC.to_vec(), bytes(1, meta), bytes(2, raw)].concat()
}

fn check(api_version: &str, kind: &str, raw: &[u8], expected: Value) {
    assert_eq!(decode(&envelope(api_version, kind, raw)).unwrap(), expected);
}

#[test]
fn a_namespace_loses_what_nobody_set() {
    let zero_time = bytes(8, []);
    let meta = [bytes(1, "blue"), bytes(2, ""), zero_time].concat();
    let raw = [bytes(1, meta), bytes(2, []), bytes(3, bytes(1, ""))].concat();
    let expected = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "blue"}});
    check("v1", "Namespace", &raw, expected);
}

#[test]
fn bytes_are_base64_and_maps_are_maps() {
    let entry = [bytes(1, "k"), bytes(2, [1, 2, 255])].concat();
    let raw = [bytes(1, bytes(1, "s")), bytes(2, entry), bytes(3, "Opaque")].concat();
    let expected = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"},
        "data": {"k": "AQL/"}, "type": "Opaque"
    });
    check("v1", "Secret", &raw, expected);
}

#[test]
fn pointers_keep_their_zero_and_plain_scalars_do_not() {
    let spec = [number(1, 0), number(5, 0)].concat();
    let raw = [bytes(1, bytes(1, "d")), bytes(2, spec)].concat();
    let expected = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"},
        "spec": {"replicas": 0}
    });
    check("apps/v1", "Deployment", &raw, expected);
}

#[test]
fn inlined_messages_stand_in_their_parent() {
    let volume = [bytes(1, "v"), bytes(2, bytes(2, []))].concat();
    let spec = bytes(2, bytes(1, volume));
    let raw = bytes(2, bytes(3, spec));
    let raw = [bytes(1, bytes(1, "d")), raw].concat();
    let expected = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"},
        "spec": {"template": {"spec": {"volumes": [{"name": "v", "emptyDir": {}}]}}}
    });
    check("apps/v1", "Deployment", &raw, expected);
}

#[test]
fn times_and_ports_have_their_own_form() {
    let micro = [vec![1 << 3, 0x80, 0xb8, 0x99, 0xc9, 0x06], number(2, 0)].concat();
    let raw = [bytes(1, bytes(1, "l")), bytes(2, bytes(4, micro))].concat();
    let expected = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "l"},
        "spec": {"renewTime": "2025-11-26T01:46:40.000000Z"}
    });
    check("coordination.k8s.io/v1", "Lease", &raw, expected);
    let named = [number(1, 1), bytes(3, "http")].concat();
    let port = [number(3, 80), bytes(4, named)].concat();
    let raw = [bytes(1, bytes(1, "s")), bytes(2, bytes(1, port))].concat();
    let expected = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"},
        "spec": {"ports": [{"port": 80, "targetPort": "http"}]}
    });
    check("v1", "Service", &raw, expected);
}

#[test]
fn delete_options_come_under_any_version() {
    let raw = bytes(4, "Background");
    let expected = json!({
        "apiVersion": "apps/v1", "kind": "DeleteOptions", "propagationPolicy": "Background"
    });
    check("apps/v1", "DeleteOptions", &raw, expected);
}

#[test]
fn damaged_bodies_are_refused() {
    assert!(matches!(decode(b"{}"), Err(Error::Prefix)));
    let unknown = envelope("x.example.io/v1", "Thing", &[]);
    assert!(matches!(decode(&unknown), Err(Error::Kind { .. })));
    let whole = envelope("v1", "Namespace", &bytes(1, bytes(1, "blue")));
    for end in MAGIC.len() + 1..whole.len() {
        // Cut anywhere, it is an error or another message, never a panic.
        drop(decode(whole.get(..end).unwrap()));
    }
    let mut deep = bytes(1, []);
    for _ in 0..30 {
        deep = bytes(1, deep);
    }
    drop(decode(&envelope("v1", "Pod", &deep)));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(raw in prop::collection::vec(any::<u8>(), 0..100)) {
        for (version, kind) in [
            ("v1", "Pod"),
            ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
            ("authorization.k8s.io/v1", "SubjectAccessReview"),
        ] {
            drop(decode(&envelope(version, kind, &raw)));
        }
        drop(decode(&[MAGIC, &raw].concat()));
    }
}

/// Every kind that the tables describe decodes to what Kubernetes' own fixtures say, and has every
/// field that they have.
#[test]
fn the_fixtures_of_kubernetes_decode_to_their_json() {
    let Some(folder) = fixtures() else {
        println!("skipped: k8s.io/api is not in the Go module cache");
        return;
    };
    let registry = Registry::member().unwrap();
    let mut seen = 0;
    for row in tables::get().unwrap().rows() {
        let group = if row.group.is_empty() {
            "core"
        } else {
            row.group
        };
        let stem = folder.join(format!("{group}.{}.{}", row.version, row.kind));
        let Ok(body) = std::fs::read(stem.with_added_extension("pb")) else {
            assert_eq!(row.kind, "CustomResourceDefinition", "no fixture {stem:?}");
            continue;
        };
        let json = std::fs::read(stem.with_added_extension("json")).unwrap();
        let expected: Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(decode(&body).unwrap(), expected, "{stem:?}");
        if let Some(resource) = registry.by_gvk(row.group, row.version, row.kind) {
            let mut object = expected.clone();
            assert_eq!(fit(resource, &mut object).unwrap(), Vec::<String>::new());
            assert_eq!(object, expected, "{stem:?}");
        }
        seen += 1;
    }
    assert!(seen > 50, "only {seen} fixtures");
}

fn fixtures() -> Option<PathBuf> {
    let out = std::process::Command::new("go")
        .args(["env", "GOMODCACHE"])
        .output();
    let cache = String::from_utf8(out.ok()?.stdout).ok()?;
    let folder = PathBuf::from(cache.trim()).join("k8s.io/api@v0.36.3/testdata/HEAD");
    folder.is_dir().then_some(folder)
}
