//! What a distribution policy says beside where and how many: what goes along, what is waited for,
//! what is held back, what stays.

use std::collections::BTreeSet;

use roadstead_protocol::api::policy::{DistributionSpec, Drift, DriftCorrection};
use roadstead_protocol::wire::ItemKey;

use crate::cluster::{Cluster, Resolved, Viewpoint, resolve};
use crate::pointer::Pointer;
use crate::world::World;

/// Most objects that a policy's objects wait for.
pub const AWAITED_MAX: usize = 32;
/// Most fields that are left to others.
pub const LEFT_MAX: usize = 32;
/// Longest pointer to one, in bytes.
pub const LEFT_BYTES_MAX: usize = 256;
/// What names an object, or holds what does.
const NEVER_LEFT: &[&str] = &[
    "/apiVersion",
    "/kind",
    "/metadata",
    "/metadata/name",
    "/metadata/namespace",
];

/// The options of a policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Whether what its objects need goes along with them.
    pub propagate_deps: bool,
    /// What its objects wait for, with an empty namespace where it is that of the object that waits.
    pub depends_on: Vec<ItemKey>,
    /// Where nothing is given and nothing taken.
    pub suspended: Suspended,
    /// Whether what its objects are on clusters stays there when a user deletes them, or the policy.
    pub preserve: bool,
    /// JSON pointers to fields of its objects that are given once and then left to others; the empty
    /// one where what others change is only reported.
    pub left: Vec<String>,
}

/// Where nothing is given and nothing taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Suspended {
    /// On all clusters.
    pub everywhere: bool,
    /// On the clusters of these names.
    pub names: Vec<String>,
}

impl Options {
    /// Reads them.
    ///
    /// # Errors
    /// When something that is waited for has no kind or no name, is in another namespace, or is one
    /// too many; when a field cannot be left to others.
    pub(crate) fn read(spec: &DistributionSpec, from: Viewpoint<'_>) -> Result<Self, String> {
        if spec.depends_on.len() > AWAITED_MAX {
            let count = spec.depends_on.len();
            return Err(format!(
                "spec.dependsOn: Too many: {count}: must have at most {AWAITED_MAX} items"
            ));
        }
        let mut depends_on = Vec::new();
        for (i, said) in spec.depends_on.iter().enumerate() {
            if said.kind.is_empty() || said.name.is_empty() || said.api_version.is_empty() {
                return Err(format!(
                    "spec.dependsOn[{i}]: Required value: apiVersion, kind and name"
                ));
            }
            if !said.namespace.is_empty() && from.0.is_some_and(|own| own != said.namespace) {
                return Err(format!(
                    "spec.dependsOn[{i}].namespace: Invalid value: {:?}: can only be the policy's own",
                    said.namespace
                ));
            }
            let group = said.api_version.split_once('/').map_or("", |(g, _)| g);
            depends_on.push(ItemKey {
                group: group.to_owned(),
                kind: said.kind.clone(),
                namespace: said.namespace.clone(),
                name: said.name.clone(),
            });
        }
        let suspension = spec.suspension.clone().unwrap_or_default();
        let on = suspension.dispatching_on_clusters.unwrap_or_default();
        Ok(Self {
            propagate_deps: spec.propagate_deps,
            depends_on,
            suspended: Suspended {
                everywhere: suspension.dispatching,
                names: on.cluster_names,
            },
            preserve: spec.preserve_resources_on_deletion,
            left: left(spec.drift.clone().unwrap_or_default())?,
        })
    }

    /// What the object `key` waits for: all that is named but itself.
    pub fn awaited(&self, key: &ItemKey) -> Vec<ItemKey> {
        let named = self.depends_on.iter().map(|named| ItemKey {
            namespace: match named.namespace.as_str() {
                "" => key.namespace.clone(),
                namespace => namespace.to_owned(),
            },
            ..named.clone()
        });
        named.filter(|named| named != key).collect()
    }
}

/// The fields that are left to others.
fn left(drift: Drift) -> Result<Vec<String>, String> {
    let path = "spec.drift.ignoreFields";
    let said = drift.ignore_fields;
    if said.len() > LEFT_MAX {
        let count = said.len();
        return Err(format!(
            "{path}: Too many: {count}: must have at most {LEFT_MAX} items"
        ));
    }
    let mut left = BTreeSet::new();
    for (i, pointer) in said.into_iter().enumerate() {
        let invalid = |why: &str| Err(format!("{path}[{i}]: Invalid value: {pointer:?}: {why}"));
        if let Err(error) = Pointer::parse(&pointer) {
            return invalid(&error.to_string());
        }
        if pointer.len() > LEFT_BYTES_MAX {
            return invalid("is too long");
        }
        if NEVER_LEFT.contains(&pointer.as_str()) {
            return invalid("says what the object is");
        }
        left.insert(pointer);
    }
    if drift.correction == DriftCorrection::Report {
        left.insert(String::new());
    }
    Ok(left.into_iter().collect())
}

impl Suspended {
    /// The names in it that mean no cluster to a policy that looks from `from`, and those that mean
    /// several, with these. Where it is suspended everywhere, no name matters.
    pub fn unclear<'a>(
        &self,
        world: &'a World,
        from: Viewpoint<'_>,
    ) -> (Vec<String>, Vec<(String, Vec<&'a Cluster>)>) {
        let (mut unknown, mut ambiguous) = (Vec::new(), Vec::new());
        let names = self.names.iter().filter(|_| !self.everywhere);
        for name in names {
            match resolve(world, from, name) {
                Resolved::One(_) => {}
                Resolved::Unknown => unknown.push(name.clone()),
                Resolved::Ambiguous(several) => ambiguous.push((name.clone(), several)),
            }
        }
        (unknown, ambiguous)
    }

    /// Whether a policy that looks from `from` suspends `cluster`. A name that may mean several
    /// clusters suspends all of them.
    pub fn covers(&self, world: &World, from: Viewpoint<'_>, cluster: &Cluster) -> bool {
        let named = |name: &String| match resolve(world, from, name) {
            Resolved::One(one) => one.uid == cluster.uid,
            Resolved::Ambiguous(several) => several.iter().any(|c| c.uid == cluster.uid),
            Resolved::Unknown => false,
        };
        self.everywhere || self.names.iter().any(named)
    }
}
