//! Which clusters a `clusterAffinity` chooses, and why not the others.

mod reasons;

use std::collections::BTreeSet;

use roadstead_protocol::api::policy::ClusterAffinity;

use crate::cluster::{Cluster, Resolved, Viewpoint, resolve};
use crate::fields;
use crate::world::{Fleet, World};

pub use self::reasons::{Chosen, Refused};

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
