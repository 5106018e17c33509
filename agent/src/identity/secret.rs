//! The Secret as an object of the member's API: read, written, created with its namespace.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use roadstead_protocol::wire::Digest;
use roadstead_protocol::wire::item::ItemKey;
use serde_json::{Value, json};

use super::Keeper;
use crate::Error;
use crate::member::Resource;
use crate::member::own::{Failed, NAMESPACE, core};
use crate::store::record::{Former, Identity, Joining, Past, Spent, decode, encode};

/// The Secret's type: nobody else's.
const TYPE: &str = "roadstead.dev/agent-identity";
/// Longest record that is read, in bytes, before it is decoded.
const RECORD_BYTES_MAX: usize = 256 * 1024;

/// What the Secret holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Who the agent is, once it has joined.
    pub identity: Option<Identity>,
    /// Who it was, and whom it believed.
    pub former: Former,
    /// The key that a join string was, or is being, redeemed for.
    pub joining: Option<Joining>,
    /// The join strings that it has joined with.
    pub spent: Spent,
    /// The clusters that it was before.
    pub past: Past,
    /// Whether its hub said that the cluster was detached, when the agent was this identity: the next pod
    /// is to know it too.
    pub detached: bool,
    /// The UID of the `kube-system` namespace of the member that this belongs to.
    pub member_uid: String,
}

/// The Secret as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What it holds.
    pub kept: Kept,
    version: String,
}

impl Keeper {
    pub(super) async fn read(&self) -> Result<Option<Found>, Failed> {
        let Some(object) = self.member.get(&secrets(), &self.key()).await? else {
            return Ok(None);
        };
        let version = object
            .pointer("/metadata/resourceVersion")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        let kept = parse(&object).map_err(|why| {
            Failed::Fatal(Error::Identity(format!(
                "the Secret {NAMESPACE}/{} holds {why}; start the release that wrote it, or delete the Secret",
                self.name
            )))
        })?;
        Ok(Some(Found { kept, version }))
    }

    /// Writes the Secret over `before`, as which it was read; a write in between is a conflict.
    pub(super) async fn write(&self, kept: &Kept, before: Option<&Found>) -> Result<(), Failed> {
        let data = data(kept);
        if let Some(before) = before {
            let mut all: BTreeMap<&str, Value> = FIELDS.iter().map(|f| (*f, Value::Null)).collect();
            all.extend(data);
            let patch = json!({"metadata": {"resourceVersion": before.version}, "data": all});
            self.member.merge(&secrets(), &self.key(), &patch).await?;
            return Ok(());
        }
        let object = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "type": TYPE,
            "metadata": {"name": self.name, "namespace": NAMESPACE},
            "data": data,
        });
        self.member.create_own(&secrets(), &object).await?;
        Ok(())
    }

    fn key(&self) -> ItemKey {
        ItemKey {
            group: String::new(),
            kind: "Secret".to_owned(),
            namespace: NAMESPACE.to_owned(),
            name: self.name.clone(),
        }
    }
}

const IDENTITY: &str = "identity";
const FORMER: &str = "former";
const JOINING: &str = "joining";
const SPENT: &str = "spent";
const PAST: &str = "past";
const DETACHED: &str = "detached";
const MEMBER_UID: &str = "memberUid";
const HUB: &str = "hub";
const CLUSTER: &str = "cluster";
/// All that we write; the last two are for people.
const FIELDS: [&str; 9] = [
    IDENTITY, FORMER, JOINING, SPENT, PAST, DETACHED, MEMBER_UID, HUB, CLUSTER,
];

/// The records are those of the disk, so that every release that reads a disk reads a Secret.
fn data(kept: &Kept) -> BTreeMap<&'static str, Value> {
    let mut data = BTreeMap::new();
    let mut put = |field, bytes: &[u8]| {
        data.insert(field, Value::from(STANDARD.encode(bytes)));
    };
    put(MEMBER_UID, kept.member_uid.as_bytes());
    if let Some(identity) = &kept.identity {
        put(IDENTITY, &encode(identity));
        put(FORMER, &encode(&kept.former));
        put(HUB, identity.hub.as_bytes());
        put(CLUSTER, identity.cluster.as_bytes());
    }
    if let Some(joining) = &kept.joining {
        put(JOINING, &encode(joining));
    }
    if !kept.spent.tokens.is_empty() {
        put(SPENT, &encode(&kept.spent));
    }
    if !kept.past.clusters.is_empty() {
        put(PAST, &encode(&kept.past));
    }
    if let Some(identity) = kept.identity.as_ref().filter(|_| kept.detached) {
        put(DETACHED, detachment(identity).as_bytes());
    }
    data
}

/// What stands in [`DETACHED`]: which identity was detached, by the cluster's UID and the fingerprint of
/// its certificate. A release that does not know the field leaves it behind when it joins anew, and what
/// it says of another identity says nothing.
fn detachment(identity: &Identity) -> String {
    let leaf = identity.certificates.first();
    let fingerprint = Digest::of(leaf.map(Vec::as_slice).unwrap_or_default());
    format!("{} {fingerprint}", identity.cluster)
}

fn parse(object: &Value) -> Result<Kept, String> {
    let field = |name: &str| {
        let text = object.pointer("/data")?.get(name)?.as_str()?;
        Some(match text.len() {
            0..=RECORD_BYTES_MAX => STANDARD
                .decode(text)
                .map_err(|_| format!("a {name} that is not base64")),
            _ => Err(format!("a {name} of more than {RECORD_BYTES_MAX} bytes")),
        })
    };
    let identity = field(IDENTITY).transpose()?.map(|bytes| {
        decode(&bytes).map_err(|error| format!("an identity that cannot be read ({error})"))
    });
    let identity: Option<Identity> = identity.transpose()?;
    let former = field(FORMER).transpose()?.map(|bytes| {
        decode(&bytes).map_err(|error| format!("former identities that cannot be read ({error})"))
    });
    let joining = field(JOINING).transpose()?.map(|bytes| {
        decode(&bytes).map_err(|error| format!("a joining key that cannot be read ({error})"))
    });
    let past = field(PAST).transpose()?.map(|bytes| {
        decode(&bytes).map_err(|error| format!("former clusters that cannot be read ({error})"))
    });
    let spent = field(SPENT).transpose()?.map(|bytes| {
        decode(&bytes).map_err(|error| format!("spent join tokens that cannot be read ({error})"))
    });
    let detached = field(DETACHED).transpose()?;
    let detached = detached.zip(identity.as_ref());
    let detached = detached.is_some_and(|(was, is)| was == detachment(is).as_bytes());
    let member_uid = field(MEMBER_UID).transpose()?.unwrap_or_default();
    Ok(Kept {
        identity,
        former: former.transpose()?.unwrap_or_default(),
        joining: joining.transpose()?,
        spent: spent.transpose()?.unwrap_or_default(),
        past: past.transpose()?.unwrap_or_default(),
        detached,
        member_uid: String::from_utf8(member_uid).map_err(|_| "a memberUid that is no text")?,
    })
}

fn secrets() -> Resource {
    core("Secret", "secrets", true)
}
