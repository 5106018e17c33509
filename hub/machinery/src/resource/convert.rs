//! Between the versions of a kind, and between kinds that share a store.
//!
//! Versions of custom kinds differ in `apiVersion` alone (Kubernetes' strategy `None`). Built-in
//! kinds are served in one version, save the events, which two groups show under other field
//! names.

use serde_json::Value;

use super::{Resource, qualified};
use crate::tables::extras;

impl Resource {
    /// Rewrites an object of this resource into the form in which it is stored.
    pub fn stored_form(&self, object: &mut Value) {
        let name = qualified(&self.plural, &self.group);
        let Some(stored_as) = extras::stored_as(&name) else {
            return;
        };
        for (here, there) in stored_as.renamed {
            rename(object, here, there);
        }
        self.stamp(object, &self.storage.0);
    }

    /// Rewrites a stored object into the form of this resource.
    pub fn served_form(&self, object: &mut Value) {
        let name = qualified(&self.plural, &self.group);
        if let Some(stored_as) = extras::stored_as(&name) {
            for (here, there) in stored_as.renamed {
                rename(object, there, here);
            }
        }
        self.stamp(object, &self.group);
    }

    fn stamp(&self, object: &mut Value, group: &str) {
        let Value::Object(map) = object else { return };
        let version = if group.is_empty() {
            self.version.clone()
        } else {
            format!("{group}/{}", self.version)
        };
        map.insert("apiVersion".to_owned(), Value::String(version));
        map.insert("kind".to_owned(), Value::String(self.kind.clone()));
    }
}

fn rename(object: &mut Value, from: &str, to: &str) {
    if let Value::Object(map) = object
        && let Some(value) = map.remove(from)
    {
        map.insert(to.to_owned(), value);
    }
}
