//! Which clusters a `clusterAffinity` chooses, and why not the others.

use std::collections::BTreeSet;

use roadstead_protocol::api::policy::ClusterAffinity;

use crate::cluster::{Cluster, Resolved, Viewpoint, resolve};
use crate::world::World;

/// Why a cluster is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chosen {
    /// The policy names it.
    Named,
    /// Its labels are selected.
    Labels,
    /// The policy takes all that it may name.
    All,
}

/// Why a cluster is not chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refused {
    /// It is not among the names.
    NotNamed,
    /// Its labels are not selected.
    LabelsDiffer,
    /// It is among those that are left out.
    Excluded,
    /// Its name means several clusters.
    Ambiguous,
    /// What it says about itself cannot be read.
    Unreadable,
    /// Its weight is zero.
    ZeroWeight,
    /// The object cannot be made for it.
    NotRendered,
    /// The policy's namespace may not name it.
    NotAllowed,
}

impl Chosen {
    /// For people.
    pub fn text(self) -> &'static str {
        match self {
            Self::Named => "the policy names it",
            Self::Labels => "its labels are selected",
            Self::All => "the policy takes all clusters that it may name",
        }
    }
}

impl Refused {
    /// In CamelCase, for programs.
    pub fn reason(self) -> &'static str {
        match self {
            Self::NotNamed => "NotNamed",
            Self::LabelsDiffer => "LabelsDiffer",
            Self::Excluded => "Excluded",
            Self::Ambiguous => "AmbiguousName",
            Self::Unreadable => "ClusterUnreadable",
            Self::ZeroWeight => "ZeroWeight",
            Self::NotRendered => "OverrideFailed",
            Self::NotAllowed => "NotAllowed",
        }
    }

    /// For people.
    pub fn text(self) -> &'static str {
        match self {
            Self::NotNamed => "the policy's clusterNames do not name it",
            Self::LabelsDiffer => "its labels do not match the policy's labelSelector",
            Self::Excluded => "the policy excludes it",
            Self::Ambiguous => "its name is also another cluster's, and neither comes first",
            Self::Unreadable => "its spec cannot be read",
            Self::ZeroWeight => "its weight is 0, or no entry of staticWeightList names it",
            Self::NotRendered => "an override policy cannot be applied for it",
            Self::NotAllowed => {
                "its spec.allowedNamespaces does not let the policy's namespace name it"
            }
        }
    }
}

/// What an affinity chooses.
#[derive(Clone, Debug, Default)]
pub struct Selection<'a> {
    /// The clusters, by namespace and name.
    pub chosen: Vec<(&'a Cluster, Chosen)>,
    /// The other clusters that can be seen from there.
    pub refused: Vec<(&'a Cluster, Refused)>,
    /// Names that mean no cluster that can be seen from there.
    pub unknown: Vec<String>,
    /// Names that mean several clusters, with these.
    pub ambiguous: Vec<(String, Vec<&'a Cluster>)>,
}

/// An affinity with its names understood from somewhere, ready to judge many clusters.
#[derive(Clone, Debug)]
pub struct Reading<'a> {
    world: &'a World,
    from: Viewpoint<'a>,
    affinity: &'a ClusterAffinity,
    named: BTreeSet<&'a str>,
    excluded: BTreeSet<&'a str>,
    ambiguous: Vec<(String, Vec<&'a Cluster>)>,
    unknown: Vec<String>,
}

impl<'a> Reading<'a> {
    /// Understands the names of `affinity` as they are meant at `from`.
    pub fn new(world: &'a World, from: Viewpoint<'a>, affinity: &'a ClusterAffinity) -> Self {
        let mut reading = Self {
            world,
            from,
            affinity,
            named: BTreeSet::new(),
            excluded: BTreeSet::new(),
            ambiguous: Vec::new(),
            unknown: Vec::new(),
        };
        for name in &affinity.cluster_names {
            match resolve(world, from, name) {
                Resolved::One(cluster) => {
                    reading.named.insert(&cluster.uid);
                }
                Resolved::Unknown => reading.unknown.push(name.clone()),
                Resolved::Ambiguous(several) => reading.ambiguous.push((name.clone(), several)),
            }
        }
        for name in &affinity.exclude {
            match resolve(world, from, name) {
                Resolved::One(cluster) => {
                    reading.excluded.insert(&cluster.uid);
                }
                Resolved::Unknown => {}
                // Leaving out too many is the safe reading of a name that is to be left out.
                Resolved::Ambiguous(several) => {
                    reading
                        .excluded
                        .extend(several.iter().map(|c| c.uid.as_str()));
                    reading.ambiguous.push((name.clone(), several));
                }
            }
        }
        reading
    }

    /// Whether some name in it means no cluster, or more than one.
    pub fn unresolved(&self) -> bool {
        !self.unknown.is_empty() || !self.ambiguous.is_empty()
    }

    /// Whether a cluster is chosen, and why (not).
    ///
    /// # Errors
    /// The reason for which it is not.
    pub fn judge(&self, cluster: &Cluster) -> Result<Chosen, Refused> {
        if !cluster.visible(self.from, self.world) {
            return Err(Refused::NotAllowed);
        }
        if cluster.allowed.is_err() {
            return Err(Refused::Unreadable);
        }
        if self.excluded.contains(cluster.uid.as_str()) {
            return Err(Refused::Excluded);
        }
        let by_name = !self.affinity.cluster_names.is_empty();
        if by_name && !self.named.contains(cluster.uid.as_str()) {
            let several = self.ambiguous.iter().flat_map(|(_, several)| several);
            let ambiguous = several.into_iter().any(|c| c.uid == cluster.uid);
            return Err(if ambiguous {
                Refused::Ambiguous
            } else {
                Refused::NotNamed
            });
        }
        let Some(selector) = &self.affinity.label_selector else {
            return Ok(if by_name { Chosen::Named } else { Chosen::All });
        };
        match selector.matches(&cluster.labels) {
            true if by_name => Ok(Chosen::Named),
            true => Ok(Chosen::Labels),
            false => Err(Refused::LabelsDiffer),
        }
    }
}

/// Chooses among all clusters that can be seen from `from`.
pub fn select<'a>(
    world: &'a World,
    from: Viewpoint<'a>,
    affinity: &'a ClusterAffinity,
) -> Selection<'a> {
    let reading = Reading::new(world, from, affinity);
    let mut selection = Selection::default();
    for cluster in world.clusters.iter().filter(|c| c.visible(from, world)) {
        match reading.judge(cluster) {
            Ok(chosen) => selection.chosen.push((cluster, chosen)),
            Err(refused) => selection.refused.push((cluster, refused)),
        }
    }
    selection.unknown = reading.unknown;
    selection.ambiguous = reading.ambiguous;
    selection
}
