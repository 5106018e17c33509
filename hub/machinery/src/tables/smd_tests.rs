//! The merge schema against the one that Kubernetes' own client carries.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;

use crate::schema::{Atom, MapRel, Scalar, Schema, TypeId, smd};

/// Compares two types and all that they are made of.
struct Comparison<'s> {
    ours: &'s Schema,
    theirs: &'s Schema,
    seen: BTreeSet<(TypeId, TypeId)>,
    faults: Vec<String>,
}

impl Comparison<'_> {
    fn types(&mut self, path: &str, (our, their): (TypeId, TypeId)) {
        if !self.seen.insert((our, their)) {
            return;
        }
        let (ours, theirs) = (self.ours.get(our).clone(), self.theirs.get(their).clone());
        if !same_scalar(&ours, &theirs) {
            let fault = format!("{path}: {:?}, not {:?}", ours.scalar, theirs.scalar);
            self.faults.push(fault);
        }
        match (&ours.list, &theirs.list) {
            (Some(a), Some(b)) if a.relation == b.relation => {
                self.types(&format!("{path}[]"), (a.element, b.element));
            }
            (None, None) => {}
            (a, b) => self.faults.push(format!("{path}: list {a:?}, not {b:?}")),
        }
        let (Some(a), Some(b)) = (&ours.map, &theirs.map) else {
            if ours.map.is_some() != theirs.map.is_some() {
                self.faults.push(format!("{path}: only one is a map"));
            }
            return;
        };
        if (a.relation == MapRel::Atomic) != (b.relation == MapRel::Atomic) {
            let fault = format!("{path}: map {:?}, not {:?}", a.relation, b.relation);
            self.faults.push(fault);
        }
        match (a.element, b.element) {
            (Some(a), Some(b)) => self.types(&format!("{path}{{}}"), (a, b)),
            (None, None) => {}
            _ => self
                .faults
                .push(format!("{path}: only one has an element type")),
        }
        let names = a.fields().iter().chain(b.fields()).map(|f| f.name.clone());
        for name in names.collect::<BTreeSet<_>>() {
            let path = format!("{path}.{name}");
            match (a.field(&name), b.field(&name)) {
                (Some(a), Some(b)) => {
                    let (ours, theirs) = (&a.default, &b.default);
                    if ours != theirs && !theirs.as_ref().is_some_and(Value::is_object) {
                        let fault = format!("{path}: default {ours:?}, not {theirs:?}");
                        self.faults.push(fault);
                    }
                    self.types(&path, (a.ty, b.ty));
                }
                (a, _) => {
                    let ours = a.is_some();
                    self.faults
                        .push(format!("{path}: ours: {ours}, theirs: {}", !ours));
                }
            }
        }
    }
}

/// Their schema has one kind of number, and none for what is a number or a text.
fn same_scalar(ours: &Atom, theirs: &Atom) -> bool {
    let coarse = |scalar: Option<Scalar>| {
        scalar.map(|s| match s {
            Scalar::Integer | Scalar::Number => Scalar::Number,
            Scalar::IntOrString | Scalar::Untyped => Scalar::Untyped,
            Scalar::String => Scalar::String,
            Scalar::Boolean => Scalar::Boolean,
        })
    };
    coarse(ours.scalar) == coarse(theirs.scalar)
}

#[test]
fn the_merge_schema_is_that_of_kubernetes_client() {
    let Some(theirs) = theirs() else {
        println!("skipped: k8s.io/client-go is not in the Go module cache");
        return;
    };
    let ours = super::get().unwrap().schema();
    let mut comparison = Comparison {
        ours,
        theirs: &theirs,
        seen: BTreeSet::new(),
        faults: Vec::new(),
    };
    let mut compared = 0;
    for (name, their) in theirs.names() {
        let short = name.strip_prefix("io.k8s.api.");
        if let Some(our) = short.and_then(|short| ours.named(short)) {
            comparison.types(name, (our, their));
            compared += 1;
        }
    }
    let faults = comparison.faults;
    assert!(
        faults.is_empty(),
        "{} differences\n{}",
        faults.len(),
        faults.join("\n")
    );
    assert!(compared > 300, "only {compared} types");
}

fn theirs() -> Option<Schema> {
    let out = std::process::Command::new("go")
        .args(["env", "GOMODCACHE"])
        .output();
    let cache = String::from_utf8(out.ok()?.stdout).ok()?;
    let path = "k8s.io/client-go@v0.36.3/applyconfigurations/internal/internal.go";
    let text = std::fs::read_to_string(PathBuf::from(cache.trim()).join(path)).ok()?;
    let (_, yaml) = text.split_once("YAMLObject(`")?;
    let (yaml, _) = yaml.split_once("`)")?;
    let options = serde_saphyr::options! { budget: None };
    let schema: Value = serde_saphyr::from_str_with_options(yaml, options).unwrap();
    Some(smd::load(&schema))
}
