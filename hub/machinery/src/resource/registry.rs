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
}

/// Every resource that is served, in discovery order: the core group first, then the groups in the
/// order in which they were added, the preferred version of each first.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    resources: Vec<Arc<Resource>>,
    by_plural: BTreeMap<(String, String, String), usize>,
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
        Ok(Self::of(resources))
    }

    /// What a simulated member cluster serves: Kubernetes' kinds, and none of ours.
    ///
    /// # Errors
    /// When the generated tables cannot be read.
    pub fn member() -> Result<Self, Error> {
        Ok(Self::of(build::builtin(build::Side::Member)?))
    }

    /// This registry with the kind of one more CRD object, replacing what it served before under
    /// that group and plural.
    ///
    /// # Errors
    /// When the manifest is not a CRD that can be served.
    pub fn with_crd(&self, manifest: &Value) -> Result<Self, Error> {
        let added = crd::resources(manifest, Origin::Custom)?;
        let mut resources = match added.first() {
            Some(first) => self.without(&first.group, &first.plural),
            None => self.resources.clone(),
        };
        resources.extend(added.into_iter().map(Arc::new));
        Ok(Self::index(resources))
    }

    /// This registry without the custom kind `plural` of `group`.
    pub fn without_crd(&self, group: &str, plural: &str) -> Self {
        Self::index(self.without(group, plural))
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

    fn of(resources: Vec<Resource>) -> Self {
        Self::index(resources.into_iter().map(Arc::new).collect())
    }

    fn without(&self, group: &str, plural: &str) -> Vec<Arc<Resource>> {
        let keep = |r: &&Arc<Resource>| {
            r.origin != Origin::Custom || r.group != group || r.plural != plural
        };
        self.resources.iter().filter(keep).cloned().collect()
    }

    fn index(mut resources: Vec<Arc<Resource>>) -> Self {
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
        }
    }
}
