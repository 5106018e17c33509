//! Why a cluster is chosen, and why it is not: for programs and for people.

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
    /// The object was failed over from it.
    FailedOver,
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
            Self::FailedOver => "FailedOver",
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
        Self::FailedOver,
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
            Self::FailedOver => "the object was failed over from it",
        }
    }
}
