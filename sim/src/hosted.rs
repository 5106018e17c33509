//! Clusters by kubeconfig: what the hub's own agents are given here. Their disks outlive the hub's
//! process as a folder beside its own would, and their clusters are reached through the same gates.

use std::sync::{Arc, Mutex, Weak};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use roadstead_agent::Opener;
use roadstead_agent::store::OpenError;
use roadstead_hub::hosted::{AGENTS_CALL_WITHIN, Disks, HOSTED_MAX, Hosting, Members};
use roadstead_protocol::env::BoxFuture;
use serde_json::{Value, json};

use crate::check::ready;
use crate::gate::Gate;
use crate::trace;
use crate::world::{Site, World, lock};

/// What stands for a join string where none is needed.
pub const BY_KUBECONFIG: &str = "by kubeconfig";

/// The place of a cluster that the hub looks after.
#[derive(Debug, Default)]
pub struct Slot {
    /// The UID of the cluster whose state is on the site's disk; empty where there is none.
    pub of: Mutex<String>,
    taken: Mutex<Weak<()>>,
}

/// What a hub of this world hosts agents with.
pub fn hosting(world: &Arc<World>) -> Hosting {
    let own = Arc::new(Own(Arc::clone(world)));
    Hosting {
        disks: Arc::clone(&own) as Arc<dyn Disks>,
        members: own,
        max: HOSTED_MAX,
        calls_within: AGENTS_CALL_WITHIN,
    }
}

/// The name of the Secret with a site's kubeconfig.
pub fn secret_name(site: &Site) -> String {
    format!("kubeconfig-{}", site.name)
}

/// The Secret with a site's kubeconfig.
pub fn secret(site: &Site) -> Value {
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "it",
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        "clusters": [{"name": "it", "cluster": {"server": format!("{SCHEME}{}", site.name)}}],
        "users": [{"name": "it", "user": {"token": "simulated"}}],
    });
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": secret_name(site)},
        "data": {"value": STANDARD.encode(config.to_string())},
    })
}

/// Whether what is on a site's disk is of this cluster.
pub fn is_of(site: &Site, uid: &str) -> bool {
    let slot = site.hosted.as_ref();
    slot.is_none_or(|slot| *lock(&slot.of) == uid)
}

const SCHEME: &str = "https://";

struct Own(Arc<World>);

impl Own {
    /// The site of a cluster: of which something is on its disk, or as whose the hub knows it.
    fn site(&self, uid: &str) -> Option<(&Site, &Slot)> {
        let all = || {
            let slots = self.0.sites.iter();
            slots.filter_map(|site| Some((site, site.hosted.as_ref()?)))
        };
        let mut there = all();
        if let Some(found) = there.find(|(_, slot)| *lock(&slot.of) == uid) {
            return Some(found);
        }
        let known = ready::all(&self.0);
        let cluster = known.iter().find(|c| c.metadata.uid == uid)?;
        let mut named = all();
        named.find(|(site, _)| site.name == cluster.metadata.name)
    }
}

impl Disks for Own {
    fn is_there(&self, uid: &str) -> bool {
        let there = self.site(uid);
        there.is_some_and(|(_, slot)| *lock(&slot.of) == uid)
    }

    fn take(&self, uid: &str) -> Result<Opener, OpenError> {
        let nobody = || OpenError::Other(format!("no simulated cluster has the UID {uid}"));
        let (site, slot) = self.site(uid).ok_or_else(nobody)?;
        let mut taken = lock(&slot.taken);
        if taken.upgrade().is_some() {
            return Err(OpenError::InUse);
        }
        let mut of = lock(&slot.of);
        if *of != uid {
            site.disk.restore(&[]);
            uid.clone_into(&mut of);
        }
        trace::count("sometimes: a hub looked after a cluster by its kubeconfig");
        site.lives
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let guard = Arc::new(());
        *taken = Arc::downgrade(&guard);
        let disk = site.disk.clone();
        Ok(Arc::new(move || {
            let _held = &guard;
            disk.open()
        }))
    }

    fn forget(&self, uid: &str) {
        let Some((site, slot)) = self.site(uid) else {
            return;
        };
        let free = lock(&slot.taken).upgrade().is_none();
        let mut of = lock(&slot.of);
        if free && *of == uid {
            site.disk.restore(&[]);
            of.clear();
        }
    }
}

impl Members for Own {
    fn client(&self, kubeconfig: Bytes) -> BoxFuture<Result<kube::Client, String>> {
        let config: Value = serde_json::from_slice(&kubeconfig).unwrap_or_default();
        let server = config.pointer("/clusters/0/cluster/server");
        let name = server.and_then(Value::as_str).unwrap_or_default();
        let name = name.strip_prefix(SCHEME).unwrap_or_default();
        let at = self.0.sites.iter().position(|site| site.name == name);
        let client = at.map(|at| kube::Client::new(Gate::new(Arc::clone(&self.0), at), "default"));
        let client = client.ok_or_else(|| format!("there is no {name:?}"));
        Box::pin(std::future::ready(client))
    }
}
