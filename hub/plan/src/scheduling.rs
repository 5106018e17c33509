//! What a policy says about replicas and hardware, understood.

use roadstead_protocol::api::policy::{
    Placement, ReplicaDivisionPreference, ReplicaScheduling, ReplicaSchedulingType, StaticWeight,
};
use serde_json::json;

use crate::hardware::{Constraint, Preference};

/// Where it stands.
const REPLICAS: &str = "spec.placement.replicaScheduling";
const PREFERENCE: &str = "spec.placement.preference";

/// What a policy says about replicas and hardware.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scheduling {
    /// How replicas are shared out.
    pub replicas: Replicas,
    /// Hardware without which a cluster gets nothing new.
    pub constraints: Vec<Constraint>,
    /// Hardware that is liked better.
    pub preferences: Vec<Preference>,
    /// What of it a division by capacity goes by, as people wrote it, in a form that stays the same.
    pub said: String,
}

/// How replicas are shared out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Replicas {
    /// Every cluster gets as many as the template says.
    #[default]
    Duplicated,
    /// They are divided.
    Divided {
        /// How.
        by: By,
        /// Whether the policy says `Divided` by that name: what numbers its pods itself is divided
        /// only then.
        named: bool,
    },
}

/// How replicas are divided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// By these weights; equal ones where no list is given.
    Weights(Option<Vec<StaticWeight>>),
    /// By how many each cluster has room for.
    Available,
    /// Onto as few clusters as hold them, those that are liked better first.
    Aggregated,
}

impl Replicas {
    /// The weights that a policy lists.
    pub fn weights(&self) -> &[StaticWeight] {
        match self {
            Self::Divided {
                by: By::Weights(Some(list)),
                ..
            } => list,
            Self::Duplicated
            | Self::Divided {
                by: By::Weights(None) | By::Available | By::Aggregated,
                ..
            } => &[],
        }
    }
}

impl Scheduling {
    /// Whether it matters how much room clusters have.
    pub fn goes_by_room(&self) -> bool {
        let by_room = match &self.replicas {
            Replicas::Duplicated => false,
            Replicas::Divided { by, .. } => match by {
                By::Weights(_) => false,
                By::Available | By::Aggregated => true,
            },
        };
        by_room || !self.constraints.is_empty()
    }

    /// Understands what `placement` says.
    ///
    /// # Errors
    /// When it contradicts itself or means nothing.
    pub fn read(placement: &Placement) -> Result<Self, String> {
        let constraints = placement.resource_constraints.iter().enumerate();
        let constraints = constraints.map(|(i, said)| {
            Constraint::read(said, &format!("spec.placement.resourceConstraints[{i}]"))
        });
        let preferences = placement.preference.iter().enumerate();
        let preferences =
            preferences.map(|(i, said)| Preference::read(said, &format!("{PREFERENCE}[{i}]")));
        let said = json!([placement.resource_constraints, placement.preference]);
        Ok(Self {
            replicas: replicas(
                placement.replica_scheduling.as_ref(),
                !placement.preference.is_empty(),
            )?,
            constraints: constraints.collect::<Result<_, _>>()?,
            preferences: preferences.collect::<Result<_, _>>()?,
            said: said.to_string(),
        })
    }
}

fn replicas(said: Option<&ReplicaScheduling>, liked: bool) -> Result<Replicas, String> {
    let nothing = ReplicaScheduling::default();
    let said = said.unwrap_or(&nothing);
    let preferred = said.replica_division_preference.is_some() || said.weight_preference.is_some();
    let implied = if preferred || liked {
        ReplicaSchedulingType::Divided
    } else {
        ReplicaSchedulingType::Duplicated
    };
    let by = match said.replica_scheduling_type.unwrap_or(implied) {
        ReplicaSchedulingType::Duplicated => None,
        ReplicaSchedulingType::Divided => Some(by(said, liked)?),
    };
    if liked && by != Some(By::Aggregated) {
        return Err(format!(
            "{PREFERENCE}: Forbidden: it orders clusters, which has a meaning only where \
             {REPLICAS}.replicaDivisionPreference is Aggregated or {REPLICAS} is left out"
        ));
    }
    Ok(by.map_or(Replicas::Duplicated, |by| Replicas::Divided {
        by,
        named: said.replica_scheduling_type == Some(ReplicaSchedulingType::Divided),
    }))
}

fn by(said: &ReplicaScheduling, liked: bool) -> Result<By, String> {
    let weights = said.weight_preference.as_ref();
    let preference = match (said.replica_division_preference, weights) {
        (Some(preference), _) => preference,
        (None, None) if liked => ReplicaDivisionPreference::Aggregated,
        (None, _) => ReplicaDivisionPreference::Weighted,
    };
    match (preference, weights) {
        (ReplicaDivisionPreference::Aggregated, None) => Ok(By::Aggregated),
        (ReplicaDivisionPreference::Aggregated, Some(_)) => Err(format!(
            "{REPLICAS}.weightPreference: Forbidden: may not be given with replicaDivisionPreference \
             Aggregated, which goes by what the clusters have room for"
        )),
        (ReplicaDivisionPreference::Weighted, None) => Ok(By::Weights(None)),
        (ReplicaDivisionPreference::Weighted, Some(weights)) => {
            if weights.dynamic_weight.is_some() {
                return Ok(By::Available);
            }
            let list = &weights.static_weight_list;
            Ok(By::Weights((!list.is_empty()).then(|| list.clone())))
        }
    }
}
