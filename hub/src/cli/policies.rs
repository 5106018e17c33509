//! A policy that a command names: where it is, and what it says.

use roadstead_machinery::resource::Registry;
use roadstead_protocol::api::names::APPS_GROUP;
use serde_json::Value;

use super::kinds::{find, path};
use crate::client::{Api, Error};
use crate::config::Target;

/// What a name without a kind means.
const USUAL: &str = "distributionpolicies.policy.kurator.dev";

/// The kinds of policies that say who runs what.
const KINDS: [&str; 2] = ["DistributionPolicy", "ClusterDistributionPolicy"];

/// A policy on a hub.
pub(super) struct Policy {
    pub(super) hub: Api,
    /// As people name it: `DistributionPolicy default/web`.
    pub(super) name: String,
    /// As it is typed behind a command: `web -n default`.
    pub(super) typed: String,
    /// Where it is in the API.
    pub(super) path: String,
    /// Empty where it is cluster-scoped.
    pub(super) namespace: String,
    pub(super) object: Value,
}

impl Policy {
    /// Reads the policy that `named` means: its name, or KIND/NAME.
    ///
    /// # Errors
    /// When there is no such kind or policy, or the hub does not answer, or refuses.
    pub(super) async fn read(
        target: &Target,
        namespace: Option<&String>,
        named: &str,
    ) -> Result<Self, Error> {
        let registry = Registry::hub(roadstead_protocol::api::CRDS)
            .map_err(|e| Error::Flag(format!("the kinds of this program are damaged: {e}")))?;
        let (kind, name) = named.split_once('/').unwrap_or((USUAL, named));
        let resource = find(&registry, kind)?;
        if !KINDS.contains(&&*resource.kind) {
            return Err(Error::Flag(format!(
                "{named:?}: a {} is no policy; name a DistributionPolicy, or KIND/NAME as in \
                 clusterdistributionpolicy/web; `roadstead why KIND NAME` tells whose an object is",
                resource.kind
            )));
        }
        let hub = Api::connect(target).await?;
        let namespace = match resource.namespaced {
            true => namespace.unwrap_or(&hub.namespace).clone(),
            false => String::new(),
        };
        let path = path(&resource, &namespace, name);
        let object = hub.get(&path).await?;
        let group = match resource.group.as_str() {
            APPS_GROUP => format!(".{APPS_GROUP}"),
            _ => String::new(),
        };
        let at = match namespace.as_str() {
            "" => name.to_owned(),
            namespace => format!("{namespace}/{name}"),
        };
        let name = format!("{}{group} {at}", resource.kind);
        let typed = match namespace.as_str() {
            "" => named.to_owned(),
            namespace => format!("{named} -n {namespace}"),
        };
        Ok(Self {
            hub,
            name,
            typed,
            path,
            namespace,
            object,
        })
    }

    /// Changes it by JSON merge patch, where it still is as it was read.
    ///
    /// # Errors
    /// When somebody wrote it meanwhile, or the hub does not answer, or refuses.
    pub(super) async fn merge(&self, manager: &str, mut patch: Value) -> Result<(), Error> {
        let version = self.object.pointer("/metadata/resourceVersion");
        if let Some(patch) = patch.as_object_mut() {
            let metadata = patch
                .entry("metadata")
                .or_insert_with(|| Value::Object(serde_json::Map::new()));
            if let Some(metadata) = metadata.as_object_mut() {
                // What was read is what is written over: two at once are told so.
                metadata.insert(
                    "resourceVersion".to_owned(),
                    version.cloned().unwrap_or_default(),
                );
            }
        }
        let path = format!("{}?fieldManager=roadstead-{manager}", self.path);
        self.hub.merge(&path, &patch).await?;
        Ok(())
    }
}
