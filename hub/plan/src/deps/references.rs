//! What an object names that has to be beside it on a cluster: ConfigMaps, Secrets, ServiceAccounts
//! and claims of its pods, a StatefulSet's Service, an Ingress' certificates, and the definition of its
//! kind.
//!
//! Only names of the object's own namespace count: nothing ever brings another namespace's secrets
//! along. What a cluster makes by itself (the `default` service account, `kube-root-ca.crt`) is left
//! to it.

use std::collections::BTreeSet;

use roadstead_protocol::wire::ItemKey;
use serde_json::{Map, Value};

use crate::pod;

/// Most objects that one object takes along.
pub const REQUIRED_MAX: usize = 500;
/// What every namespace of every cluster has of its own.
const OF_CLUSTER: &[(&str, &str)] = &[
    ("ServiceAccount", "default"),
    ("ConfigMap", "kube-root-ca.crt"),
];

/// There are too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it names more than {REQUIRED_MAX} objects that would have to go along")]
pub struct TooMany;

/// What `object`, which is `key`, needs beside it. `definition` is the name of the
/// CustomResourceDefinition of its kind, where it has one.
///
/// # Errors
/// When it names more than [`REQUIRED_MAX`].
pub fn required(
    object: &Value,
    key: &ItemKey,
    definition: Option<&str>,
) -> Result<BTreeSet<ItemKey>, TooMany> {
    let mut found = Found {
        namespace: &key.namespace,
        all: BTreeSet::new(),
    };
    if !key.namespace.is_empty() {
        for spec in pod::specs(object) {
            found.pod(spec);
        }
        found.by_kind(object, key);
    }
    if let Some(name) = definition {
        found.all.insert(ItemKey {
            group: "apiextensions.k8s.io".to_owned(),
            kind: "CustomResourceDefinition".to_owned(),
            namespace: String::new(),
            name: name.to_owned(),
        });
    }
    found.all.remove(key);
    if found.all.len() > REQUIRED_MAX {
        return Err(TooMany);
    }
    Ok(found.all)
}

struct Found<'a> {
    namespace: &'a str,
    all: BTreeSet<ItemKey>,
}

impl Found<'_> {
    /// Notes an object of the core group by its kind and the text that names it.
    fn add(&mut self, kind: &str, name: Option<&Value>) {
        let Some(name) = name.and_then(Value::as_str).filter(|n| !n.is_empty()) else {
            return;
        };
        if !OF_CLUSTER.contains(&(kind, name)) {
            self.all.insert(ItemKey {
                group: String::new(),
                kind: kind.to_owned(),
                namespace: self.namespace.to_owned(),
                name: name.to_owned(),
            });
        }
    }

    fn by_kind(&mut self, object: &Value, key: &ItemKey) {
        match (key.group.as_str(), key.kind.as_str()) {
            ("apps", "StatefulSet") => self.add("Service", object.pointer("/spec/serviceName")),
            ("", "ServiceAccount") => {
                for secret in list(object.get("imagePullSecrets")) {
                    self.add("Secret", secret.get("name"));
                }
            }
            ("networking.k8s.io", "Ingress") => {
                for tls in list(object.pointer("/spec/tls")) {
                    self.add("Secret", tls.get("secretName"));
                }
            }
            _ => {}
        }
    }

    fn pod(&mut self, spec: &Map<String, Value>) {
        self.add("ServiceAccount", spec.get("serviceAccountName"));
        self.add("ServiceAccount", spec.get("serviceAccount"));
        for secret in list(spec.get("imagePullSecrets")) {
            self.add("Secret", secret.get("name"));
        }
        for volume in list(spec.get("volumes")) {
            self.volume(volume);
        }
        for container in pod::containers(spec) {
            for variable in list(container.get("env")) {
                self.add(
                    "ConfigMap",
                    variable.pointer("/valueFrom/configMapKeyRef/name"),
                );
                self.add("Secret", variable.pointer("/valueFrom/secretKeyRef/name"));
            }
            for source in list(container.get("envFrom")) {
                self.add("ConfigMap", source.pointer("/configMapRef/name"));
                self.add("Secret", source.pointer("/secretRef/name"));
            }
        }
    }

    fn volume(&mut self, volume: &Value) {
        self.add("ConfigMap", volume.pointer("/configMap/name"));
        self.add("Secret", volume.pointer("/secret/secretName"));
        self.add("Secret", volume.pointer("/azureFile/secretName"));
        self.add("Secret", volume.pointer("/csi/nodePublishSecretRef/name"));
        let claim = volume.pointer("/persistentVolumeClaim/claimName");
        self.add("PersistentVolumeClaim", claim);
        for source in list(volume.pointer("/projected/sources")) {
            self.add("ConfigMap", source.pointer("/configMap/name"));
            self.add("Secret", source.pointer("/secret/name"));
        }
        // Of the older kinds of volumes each has its secret in the same place.
        for source in volume.as_object().into_iter().flat_map(Map::values) {
            self.add("Secret", source.pointer("/secretRef/name"));
        }
    }
}

fn list(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    value.and_then(Value::as_array).into_iter().flatten()
}
