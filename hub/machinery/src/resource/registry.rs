//! The set of resources, and how to find one.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::{Origin, Resource, build};
use crate::crd;

/// Why a registry could not be built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The generated tables cannot be read: the binary was built from a damaged file.
    #[error("failed to read the tables of the built-in kinds")]
    Tables(#[from] crate::tables::Error),
    /// A CRD manifest cannot be served.
    #[error("failed to read a custom resource definition")]
    Crd(#[from] crd::Error),
    /// A user's CRD names a kind that is always served.
    #[error("{0} is already served")]
    Taken(String),
}

/// Every resource that is served, in discovery order: the core group first, then the groups in the
/// order in which they were added, the preferred version of each first.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    resources: Vec<Arc<Resource>>,
    by_plural: BTreeMap<(String, String, String), usize>,
    /// Whether custom kinds are templates here, as they are on the hub.
    templates: bool,
}

impl Registry {
    /// What the hub serves: Kubernetes' kinds as templates and the kinds described by `own_crds`
    /// (CRD manifests in YAML, one or more documents each).
    ///
    /// # Errors
    /// When a manifest or the generated tables cannot be read.
    pub fn hub(own_crds: &[&str]) -> Result<Self, Error> {
        let mut resources = build::builtin(build::Side::Hub)?;
        for text in own_crds {
            for manifest in crd::documents(text)? {
                resources.extend(crd::resources(&manifest, Origin::Own)?);
            }
        }
        Ok(Self::index(arcs(resources), true))
    }

    /// What a simulated member cluster serves: Kubernetes' kinds, and none of ours.
    ///
    /// # Errors
    /// When the generated tables cannot be read.
    pub fn member() -> Result<Self, Error> {
        let resources = build::builtin(build::Side::Member)?;
        Ok(Self::index(arcs(resources), false))
    }

    /// This registry with the kind of one more CRD object, replacing what it served before under
    /// that group and plural.
    ///
    /// # Errors
    /// When the manifest is not a CRD that can be served, or names a kind that is no user's.
    pub fn with_crd(&self, manifest: &Value) -> Result<Self, Error> {
        let mut added = crd::resources(manifest, Origin::Custom)?;
        let text = |pointer: &str| {
            let found = manifest.pointer(pointer).and_then(Value::as_str);
            found.unwrap_or_default()
        };
        let (group, plural) = (text("/spec/group"), text("/spec/names/plural"));
        let mut resources = self.without(group, plural);
        if resources
            .iter()
            .any(|r| r.group == group && r.plural == plural)
        {
            return Err(Error::Taken(format!("{plural}.{group}")));
        }
        for resource in &mut added {
            resource.template = self.templates;
        }
        resources.extend(arcs(added));
        Ok(Self::index(resources, self.templates))
    }

    /// Why the names that a definition wants are not free, if they are not.
    pub fn taken(&self, manifest: &Value) -> Option<String> {
        let text = |pointer: &str| {
            let found = manifest.pointer(pointer).and_then(Value::as_str);
            found.unwrap_or_default()
        };
        let (group, plural) = (text("/spec/group"), text("/spec/names/plural"));
        let kind = text("/spec/names/kind");
        let named = |r: &&Arc<Resource>| r.group == group && (r.plural == plural || r.kind == kind);
        let other = self.iter().find(named)?;
        let (kind, plural) = (other.qualified_kind(), other.qualified());
        Some(format!("{kind} is served already, as {plural}"))
    }

    /// This registry without the custom kind `plural` of `group`.
    pub fn without_crd(&self, group: &str, plural: &str) -> Self {
        Self::index(self.without(group, plural), self.templates)
    }

    /// The resource at `/apis/group/version/plural`.
    pub fn lookup(&self, group: &str, version: &str, plural: &str) -> Option<&Arc<Resource>> {
        let key = (group.to_owned(), version.to_owned(), plural.to_owned());
        self.resources.get(*self.by_plural.get(&key)?)
    }

    /// The preferred version of a kind.
    pub fn by_kind(&self, group: &str, kind: &str) -> Option<&Arc<Resource>> {
        self.resources
            .iter()
            .find(|r| r.group == group && r.kind == kind)
    }

    /// A kind in one version.
    pub fn by_gvk(&self, group: &str, version: &str, kind: &str) -> Option<&Arc<Resource>> {
        self.resources
            .iter()
            .find(|r| r.group == group && r.version == version && r.kind == kind)
    }

    /// The preferred version of the resource whose objects are stored under `group` and `plural`.
    pub fn by_storage(&self, group: &str, plural: &str) -> Option<&Arc<Resource>> {
        self.resources
            .iter()
            .find(|r| r.group == group && r.plural == plural)
    }

    /// Every resource, in discovery order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.resources.iter()
    }

    /// The groups in discovery order, each with its versions, the preferred one first.
    pub fn groups(&self) -> Vec<(&str, Vec<&str>)> {
        let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
        for resource in &self.resources {
            let at = groups.iter().position(|(name, _)| *name == resource.group);
            let at = at.unwrap_or_else(|| {
                groups.push((&resource.group, Vec::new()));
                groups.len() - 1
            });
            if let Some((_, versions)) = groups.get_mut(at)
                && !versions.contains(&resource.version.as_str())
            {
                versions.push(&resource.version);
            }
        }
        for (_, versions) in &mut groups {
            versions.sort_by(|a, b| build::version_order(a, b));
        }
        groups
    }

    /// Whether any resource is served at `/apis/group/version`.
    pub fn serves(&self, group: &str, version: &str) -> bool {
        self.resources
            .iter()
            .any(|r| r.group == group && r.version == version)
    }

    fn without(&self, group: &str, plural: &str) -> Vec<Arc<Resource>> {
        let keep = |r: &&Arc<Resource>| {
            r.origin != Origin::Custom || r.group != group || r.plural != plural
        };
        self.resources.iter().filter(keep).cloned().collect()
    }

    fn index(mut resources: Vec<Arc<Resource>>, templates: bool) -> Self {
        build::order(&mut resources);
        let key = |r: &Resource| (r.group.clone(), r.version.clone(), r.plural.clone());
        let by_plural = resources
            .iter()
            .enumerate()
            .map(|(i, r)| (key(r), i))
            .collect();
        Self {
            resources,
            by_plural,
            templates,
        }
    }
}

fn arcs(resources: Vec<Resource>) -> Vec<Arc<Resource>> {
    resources.into_iter().map(Arc::new).collect()
}
