//! Whether a cluster that is wanted may get something new.
//!
//! A closed gate takes nothing away: it is made of facts (what members report) and of what people say
//! about new objects only (cordoned). Taints are judged with the tolerations.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::affinity::{Reading, Refused};
use crate::cluster::Cluster;
use crate::selecting::Workload;
use crate::template::Template;
use crate::world::World;

/// What opens for one template.
pub(crate) struct Gate<'t> {
    group: &'t str,
    /// The group version that the object needs; empty where it is not known.
    api: &'t str,
    /// Whether what does not go to one cluster can go to another. A whole copy waits for its cluster,
    /// so then it does not matter who is Ready.
    choice: bool,
    /// UIDs of the clusters with the workloads that it is to be with, if there are any.
    together: Option<&'t BTreeSet<String>>,
    /// UIDs of the clusters with the workloads that it is to be apart from.
    apart: Option<&'t BTreeSet<String>>,
}

impl<'t> Gate<'t> {
    pub(crate) fn new(template: &'t Template<'_>, workload: &Workload, choice: bool) -> Self {
        let peers = |label: &Option<String>| template.around.peers.get(label.as_ref()?);
        let api = template.object.and_then(|o| o.get("apiVersion"));
        Self {
            group: &template.key.group,
            api: api.and_then(Value::as_str).unwrap_or_default(),
            choice,
            together: peers(&workload.together).filter(|peers| !peers.is_empty()),
            apart: peers(&workload.apart),
        }
    }

    /// Whether a cluster may get something new; why not, with the figures.
    pub(crate) fn open(
        &self,
        world: &World,
        reading: &Reading<'_>,
        cluster: &Cluster,
    ) -> Result<(), (Refused, String)> {
        let plainly = |why: Refused| (why, why.text().to_owned());
        let cordoned = cluster.cordoned;
        #[cfg(planted)]
        let cordoned = cordoned && !roadstead_protocol::planted::is("cordoned-takes");
        if cordoned {
            return Err(plainly(Refused::Cordoned));
        }
        if let Some(unmet) = reading.unmet(cluster) {
            return Err((Refused::FactsDiffer, unmet));
        }
        if !self.served(world, cluster) {
            let figure = format!("it does not serve {}", self.api);
            return Err((Refused::ApiMissing, figure));
        }
        if self
            .together
            .is_some_and(|peers| !peers.contains(&cluster.uid))
        {
            return Err(plainly(Refused::AwayFromPeers));
        }
        if self.apart.is_some_and(|peers| peers.contains(&cluster.uid)) {
            return Err(plainly(Refused::NearPeers));
        }
        if self.choice && cluster.ready != Some(true) {
            return Err(plainly(Refused::NotReady));
        }
        Ok(())
    }

    /// Whether a cluster serves the object's API, or is given its definition too, or has not said yet
    /// what it serves.
    fn served(&self, world: &World, cluster: &Cluster) -> bool {
        let defined = world.defined.get(self.group);
        self.api.is_empty()
            || cluster.api_groups.is_empty()
            || cluster.api_groups.contains(self.api)
            || defined.is_some_and(|clusters| clusters.contains(&cluster.uid))
    }
}
