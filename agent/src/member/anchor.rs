//! The one small object on the member that says which agent writes there, and how far it is.
//!
//! A ConfigMap. It is only read and written here; what it means is the agent's `anchor`'s to say.

use roadstead_protocol::wire::Stamp;
use roadstead_protocol::wire::item::ItemKey;
use serde_json::{Value, json};

use super::client::Member;
use super::discovery::Resource;
use super::error::{Class, Error};
use super::own::{NAMESPACE, core};
use crate::plan::content::parse_stamp;

/// The name of the object.
pub const NAME: &str = "roadstead-agent";

/// What the object says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Anchor {
    /// The boot counter of the agent that writes here.
    pub boot: u64,
    /// The random number of that start.
    pub nonce: u64,
    /// The owner label of what it applies; empty before it joined.
    pub owner: String,
    /// Up to where its disk was.
    pub position: Option<Stamp>,
}

/// The object as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchored {
    /// What it says.
    pub anchor: Anchor,
    /// Its resource version.
    version: String,
}

impl Member {
    /// The UID of the member's `kube-system` namespace, which names the member.
    ///
    /// # Errors
    /// Whatever keeps the API from answering.
    pub async fn member_uid(&self) -> Result<String, Error> {
        let object = self
            .fetch("/api/v1/namespaces/kube-system", "application/json")
            .await?;
        match object.pointer("/metadata/uid").and_then(Value::as_str) {
            Some(uid) if !uid.is_empty() => Ok(uid.to_owned()),
            Some(_) | None => Err(Error::new(
                Class::Answer,
                "NoUid",
                "the namespace kube-system has no uid",
            )),
        }
    }

    /// Reads the object; `None` where there is none.
    ///
    /// # Errors
    /// Whatever keeps the API from answering.
    pub async fn read_anchor(&self) -> Result<Option<Anchored>, Error> {
        Ok(self
            .get(&config_maps(), &key())
            .await?
            .map(|object| read(&object)))
    }

    /// Writes the object over `before`, as which it was read.
    ///
    /// # Errors
    /// [`Class::Conflict`] or [`Class::AlreadyExists`] where somebody else wrote it meanwhile.
    pub async fn write_anchor(
        &self,
        anchor: &Anchor,
        before: Option<&Anchored>,
    ) -> Result<Anchored, Error> {
        let position = anchor
            .position
            .map(|stamp| stamp.to_string())
            .unwrap_or_default();
        let data = json!({
            "boot": anchor.boot.to_string(),
            "nonce": format!("{:016x}", anchor.nonce),
            "owner": anchor.owner,
            "position": position,
        });
        if let Some(before) = before {
            let patch = json!({ "metadata": { "resourceVersion": before.version }, "data": data });
            return Ok(read(&self.merge(&config_maps(), &key(), &patch).await?));
        }
        let object = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": { "name": NAME, "namespace": NAMESPACE },
            "data": data,
        });
        Ok(read(&self.create_own(&config_maps(), &object).await?))
    }
}

fn read(object: &Value) -> Anchored {
    let text = |pointer: &str| {
        object
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let anchor = Anchor {
        boot: text("/data/boot").parse().unwrap_or_default(),
        nonce: u64::from_str_radix(text("/data/nonce"), 16).unwrap_or_default(),
        owner: text("/data/owner").to_owned(),
        position: parse_stamp(text("/data/position")),
    };
    Anchored {
        anchor,
        version: text("/metadata/resourceVersion").to_owned(),
    }
}

fn key() -> ItemKey {
    ItemKey {
        group: String::new(),
        kind: "ConfigMap".to_owned(),
        namespace: NAMESPACE.to_owned(),
        name: NAME.to_owned(),
    }
}

fn config_maps() -> Resource {
    core("ConfigMap", "configmaps", true)
}
