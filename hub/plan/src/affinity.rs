//! Which clusters a `clusterAffinity` chooses, and why not the others.

use std::collections::BTreeSet;

use roadstead_protocol::api::policy::ClusterAffinity;

use crate::cluster::{Cluster, Resolved, Viewpoint, resolve};
use crate::fields;
use crate::world::{Fleet, World};

/// Why a cluster is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chosen {
    /// The policy names it.
    Named,
    /// Its labels are selected.
    Labels,
    /// It is in a fleet that is selected.
    Member,
    /// What it is is selected.
    Fields,
    /// The policy takes all that it may name.
    All,
    /// Another object there needs it.
    Required,
    /// It is drained, and there is no other place for what it has.
    Stays,
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
    /// It has not the hardware that the policy asks for, or not enough of it free.
    Hardware,
    /// It has no room for a replica.
    NoRoom,
    /// The replicas are all placed elsewhere.
    NotNeeded,
    /// The object cannot be made for it.
    NotRendered,
    /// The policy's namespace may not name it.
    NotAllowed,
    /// Dispatching to it is suspended.
    Suspended,
    /// Something that the object waits for is not there yet.
    Awaiting,
    /// Its provider, region or zone is not selected.
    FieldsDiffer,
    /// It is in none of the fleets.
    NotInFleet,
    /// It has a taint that is not tolerated.
    Tainted,
    /// People want nothing new there.
    Cordoned,
    /// What it reports about itself is not selected.
    FactsDiffer,
    /// It does not serve the object's API.
    ApiMissing,
    /// It is not Ready.
    NotReady,
    /// It is in no group of a spread constraint.
    NoTopology,
    /// As many groups as a spread constraint allows are taken.
    NotInSpread,
    /// There are not as many groups as a spread constraint wants.
    SpreadUnmet,
    /// The workloads that the object is to be with are elsewhere.
    AwayFromPeers,
    /// A workload is there that the object is to be apart from.
    NearPeers,
    /// The rollout has not come so far.
    Wave,
    /// People want what is there elsewhere.
    Drained,
    /// People declared that it is stopped.
    Fenced,
}

impl Chosen {
    /// For people.
    pub fn text(self) -> &'static str {
        match self {
            Self::Named => "the policy names it",
            Self::Labels => "its labels are selected",
            Self::Member => "it is in the policy's fleet",
            Self::Fields => "its provider, region, zone, version or APIs are selected",
            Self::All => "the policy takes all clusters that it may name",
            Self::Required => "another object there needs it",
            Self::Stays => "it is drained, and there is no other place for it",
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
            Self::Hardware => "HardwareMissing",
            Self::NoRoom => "NoRoom",
            Self::NotNeeded => "NotNeeded",
            Self::NotRendered => "OverrideFailed",
            Self::NotAllowed => "NotAllowed",
            Self::Suspended => "Suspended",
            Self::Awaiting => "Awaiting",
            Self::FieldsDiffer => "FieldsDiffer",
            Self::NotInFleet => "NotInFleet",
            Self::Tainted => "TaintNotTolerated",
            Self::Cordoned => "Cordoned",
            Self::FactsDiffer => "FactsDiffer",
            Self::ApiMissing => "ApiMissing",
            Self::NotReady => "NotReady",
            Self::NoTopology => "NoTopology",
            Self::NotInSpread => "NotInSpread",
            Self::SpreadUnmet => "SpreadUnmet",
            Self::AwayFromPeers => "WorkloadAffinity",
            Self::NearPeers => "WorkloadAntiAffinity",
            Self::Wave => "RollingOut",
            Self::Drained => "Drained",
            Self::Fenced => "Fenced",
        }
    }

    /// Those that may change without anybody's doing, or keep away only what is not there yet: who is
    /// refused so is looked at again when a cluster reports something new.
    pub const GATES: &'static [Self] = &[
        Self::Cordoned,
        Self::Tainted,
        Self::FactsDiffer,
        Self::ApiMissing,
        Self::NotReady,
        Self::SpreadUnmet,
        Self::AwayFromPeers,
        Self::NearPeers,
        Self::Drained,
    ];

    /// For people.
    pub fn text(self) -> &'static str {
        match self {
            Self::NotNamed => "the policy's clusterNames do not name it",
            Self::LabelsDiffer => "its labels do not match the policy's labelSelector",
            Self::Excluded => "the policy excludes it",
            Self::Ambiguous => "its name is also another cluster's, and neither comes first",
            Self::Unreadable => "its spec cannot be read",
            Self::ZeroWeight => "its weight is 0, or no entry of staticWeightList names it",
            Self::Hardware => {
                "it has not the hardware that the policy's resourceConstraints ask for"
            }
            Self::NoRoom => "it has no room for a replica",
            Self::NotNeeded => "the replicas are all placed on other clusters",
            Self::NotRendered => "an override policy cannot be applied for it",
            Self::NotAllowed => {
                "its spec.allowedNamespaces does not let the policy's namespace name it"
            }
            Self::Suspended => "the policy suspends dispatching to it",
            Self::Awaiting => "what the policy's dependsOn names is not there yet",
            Self::FieldsDiffer => {
                "its provider, region or zone does not match the policy's fieldSelector"
            }
            Self::NotInFleet => "it is in none of the policy's fleets",
            Self::Tainted => "it has a taint that the policy's clusterTolerations do not tolerate",
            Self::Cordoned => "it is cordoned",
            Self::FactsDiffer => {
                "its Kubernetes version or its API groups do not match the policy's fieldSelector"
            }
            Self::ApiMissing => "it does not serve the object's API",
            Self::NotReady => "it is not Ready, and others are there to choose from",
            Self::NoTopology => "it is in no group of one of the policy's spreadConstraints",
            Self::NotInSpread => "as many groups as the policy's spreadConstraints allow are taken",
            Self::SpreadUnmet => "there are fewer groups than the policy's spreadConstraints want",
            Self::AwayFromPeers => "the workloads that it is to be with are on other clusters",
            Self::NearPeers => "a workload is there that it is to be apart from",
            Self::Wave => "the rollout of the object has not come to it",
            Self::Drained => "it is drained",
            Self::Fenced => "it is fenced: people declared that it is stopped",
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
    /// The clusters of the fleets, where any are named.
    members: BTreeSet<&'a str>,
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
            members: BTreeSet::new(),
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
        for name in &affinity.fleets {
            reading.fleet(name);
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

    /// Understands the name of a fleet: of the policy's namespace, or from above of any. A member
    /// that is no cluster may be meant for one.
    fn fleet(&mut self, name: &str) {
        let named = |fleet: &&Fleet| fleet.name == name;
        let seen = |fleet: &&Fleet| self.from.0.is_none_or(|ns| ns == fleet.namespace);
        let mut fleets = self
            .world
            .fleets
            .iter()
            .filter(named)
            .filter(seen)
            .peekable();
        if fleets.peek().is_none() {
            self.unknown.push(format!("fleet {name}"));
        }
        for fleet in fleets {
            for member in &fleet.members {
                let mut found = self.world.named(member);
                match found.find(|cluster| cluster.namespace == fleet.namespace) {
                    Some(cluster) => {
                        self.members.insert(&cluster.uid);
                    }
                    None => self.unknown.push(format!("{member} of the fleet {name}")),
                }
            }
        }
    }

    /// The names in it that mean no cluster, and those that mean several.
    pub fn unclear(self) -> (Vec<String>, Vec<(String, Vec<&'a Cluster>)>) {
        (self.unknown, self.ambiguous)
    }

    /// Whether some name in it means no cluster, or more than one.
    pub fn unresolved(&self) -> bool {
        !self.unknown.is_empty() || !self.ambiguous.is_empty()
    }

    /// Whether a cluster is chosen by all that is asked for, also by what it reports, and why (not).
    ///
    /// # Errors
    /// The reason for which it is not.
    pub fn judge(&self, cluster: &Cluster) -> Result<Chosen, Refused> {
        let chosen = self.wanted(cluster)?;
        match self.unmet(cluster) {
            None => Ok(chosen),
            Some(_) => Err(Refused::FactsDiffer),
        }
    }

    /// Why what a cluster reports is not what is asked for, if it is not.
    pub fn unmet(&self, cluster: &Cluster) -> Option<String> {
        let fields = self.affinity.field_selector.as_ref()?;
        fields::unmet(fields, cluster)
    }

    /// Whether it asks for anything that clusters report.
    pub fn goes_by_reports(&self) -> bool {
        let fields = self.affinity.field_selector.as_ref();
        fields.is_some_and(fields::goes_by_reports)
    }

    /// What a cluster has not reported yet and decides whether it is chosen.
    pub fn unknown(&self, cluster: &Cluster) -> Option<&'static str> {
        let fields = self.affinity.field_selector.as_ref()?;
        fields::unknown(fields, cluster).filter(|_| self.wanted(cluster).is_ok())
    }

    /// Whether a cluster is chosen by what people say, and why (not).
    ///
    /// # Errors
    /// The reason for which it is not.
    pub fn wanted(&self, cluster: &Cluster) -> Result<Chosen, Refused> {
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
        let by_fleet = !self.affinity.fleets.is_empty();
        if by_fleet && !self.members.contains(cluster.uid.as_str()) {
            return Err(Refused::NotInFleet);
        }
        let labels = self.affinity.label_selector.as_ref();
        if labels.is_some_and(|labels| !labels.matches(&cluster.labels)) {
            return Err(Refused::LabelsDiffer);
        }
        let fields = self.affinity.field_selector.as_ref();
        if fields.is_some_and(|fields| !fields::said(fields, cluster)) {
            return Err(Refused::FieldsDiffer);
        }
        Ok(if by_name {
            Chosen::Named
        } else if by_fleet {
            Chosen::Member
        } else if labels.is_some() {
            Chosen::Labels
        } else if fields.is_some() {
            Chosen::Fields
        } else {
            Chosen::All
        })
    }
}

/// Chooses among all clusters that can be seen from `from`, by what people say.
pub fn select<'a>(
    world: &'a World,
    from: Viewpoint<'a>,
    affinity: &'a ClusterAffinity,
) -> Selection<'a> {
    let reading = Reading::new(world, from, affinity);
    let mut selection = Selection::default();
    let visible = world.clusters.iter().map(|cluster| &**cluster);
    for cluster in visible.filter(|c| c.visible(from, world)) {
        match reading.wanted(cluster) {
            Ok(chosen) => selection.chosen.push((cluster, chosen)),
            Err(refused) => selection.refused.push((cluster, refused)),
        }
    }
    selection.unknown = reading.unknown;
    selection.ambiguous = reading.ambiguous;
    selection
}
