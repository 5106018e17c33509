//! What is wrong with a policy itself, whatever becomes of its objects: names and kinds that are not there,
//! nothing that it selects, objects that another policy holds.

use roadstead_plan::Finding;
use roadstead_plan::affinity::select;
use roadstead_plan::cluster::Viewpoint;
use roadstead_plan::near::{hinted, nearest};
use roadstead_plan::policy::{Overrides, Policy, Unreadable};
use roadstead_protocol::api::decision::SAMPLES_MAX;
use roadstead_protocol::api::policy::{CLUSTER_DISTRIBUTION, DISTRIBUTION, ResourceSelector};
use roadstead_store::records::object_key;

use super::{Looked, unreadable_text};
use crate::error::Error;
use crate::objects;
use crate::placement::cut;
use crate::reconciler::Reconciler;
use crate::work::Name;

/// A policy, and what is wrong with it itself, whatever becomes of its objects: names that are not there,
/// nothing that it selects, objects that another policy holds. `None` where nothing is.
pub(crate) fn problems(
    context: &Reconciler,
    kind: (&str, &str),
    name: &Name,
) -> Result<Option<(String, String)>, Error> {
    let snapshot = context.parts.store.snapshot();
    let key = object_key(kind.0, kind.1, &name.namespace, &name.name)?;
    let Some(entry) = snapshot.get(key.as_str()) else {
        return Ok(None);
    };
    let object = objects::object(entry)?;
    let world = context.world(&snapshot)?;
    let looked = Looked {
        context,
        snapshot: &snapshot,
        world: &world,
    };
    let (identity, findings) = if [DISTRIBUTION.1, CLUSTER_DISTRIBUTION.1].contains(&kind.1) {
        let policy = match Policy::read(&object) {
            Ok(policy) => policy,
            Err(unreadable) => return Ok(Some(unread(&unreadable))),
        };
        let findings = looked.counted(&policy)?.findings;
        (policy.identity.to_string(), findings)
    } else {
        let overrides = match Overrides::read(&object) {
            Ok(overrides) => overrides,
            Err(unreadable) => return Ok(Some(unread(&unreadable))),
        };
        let selected = looked.selected(&overrides.identity, &overrides.selectors)?;
        let findings = looked.override_findings(&overrides, selected.is_empty());
        (overrides.identity.to_string(), findings)
    };
    let said: Vec<String> = findings.iter().map(ToString::to_string).collect();
    Ok((!said.is_empty()).then(|| (identity, cut(&said.join("; ")))))
}

/// A policy that cannot be read, and why not.
fn unread(unreadable: &Unreadable) -> (String, String) {
    (
        unreadable.identity.to_string(),
        unreadable_text(&unreadable.problem),
    )
}

impl Looked<'_> {
    /// The kinds that a policy selects and that are not served, each with the one that may be meant; else
    /// that nothing is selected, where it is `idle`.
    pub(super) fn selecting_nothing(
        &self,
        selectors: &[ResourceSelector],
        idle: bool,
    ) -> Option<Finding> {
        let registry = self.context.registry(self.snapshot);
        let unknown = selectors.iter().filter_map(|selector| {
            let (version, kind) = (&selector.api_version, &selector.kind);
            let group = version.split_once('/').map_or("", |(group, _)| group);
            if registry.by_kind(group, kind).is_some() {
                return None;
            }
            let named = registry.iter().filter(|r| r.kind == *kind);
            let elsewhere = named.map(|r| r.api_version()).min();
            let hint = elsewhere.or_else(|| {
                let same = registry.iter().filter(|r| r.group == group);
                Some(nearest(kind, same.map(|r| r.kind.as_str()))?.to_owned())
            });
            Some(match hint {
                Some(hint) => format!("{kind} of {version} (is {hint} meant?)"),
                None => format!("{kind} of {version}"),
            })
        });
        let unknown: Vec<String> = unknown.take(SAMPLES_MAX).collect();
        match unknown.is_empty() {
            true => idle.then_some(Finding::NothingSelected),
            false => Some(Finding::UnknownKinds(unknown)),
        }
    }

    /// What is wrong with the clusters that a distribution policy names, as its decisions say it.
    pub(super) fn affinity_findings(&self, policy: &Policy) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut none = true;
        for group in &policy.selecting.groups {
            let chosen = select(self.world, policy.identity.viewpoint(), &group.affinity);
            none &= chosen.chosen.is_empty();
            if !chosen.unknown.is_empty() {
                let names = chosen.unknown.into_iter().take(SAMPLES_MAX).collect();
                findings.push(Finding::UnknownClusters(names));
            }
            for (name, several) in chosen.ambiguous.into_iter().take(SAMPLES_MAX) {
                let clusters = several.iter().take(SAMPLES_MAX).map(|c| c.path()).collect();
                findings.push(Finding::AmbiguousCluster { name, clusters });
            }
        }
        let suspended = &policy.options.suspended;
        let (unknown, _) = suspended.unclear(self.world, policy.identity.viewpoint());
        if !unknown.is_empty() {
            let names = unknown.into_iter().take(SAMPLES_MAX).collect();
            findings.push(Finding::UnknownClusters(names));
        }
        findings.truncate(SAMPLES_MAX);
        if none {
            findings.push(Finding::NoCluster);
        }
        findings
    }

    /// What is found, where each name that means no cluster comes with the one that may be meant.
    pub(super) fn hinting(&self, from: Viewpoint<'_>, findings: &[Finding]) -> Vec<Finding> {
        let hinting = |finding: &Finding| {
            let Finding::UnknownClusters(names) = finding else {
                return finding.clone();
            };
            Finding::UnknownClusters(hinted(self.world, from, names.iter().cloned()))
        };
        findings.iter().map(hinting).collect()
    }

    /// What is wrong with an override policy itself.
    pub(super) fn override_findings(&self, overrides: &Overrides, idle: bool) -> Vec<Finding> {
        let mut findings = Vec::new();
        findings.extend(self.selecting_nothing(&overrides.selectors, idle));
        for rule in &overrides.rules {
            let chosen = select(self.world, overrides.identity.viewpoint(), &rule.target);
            if !chosen.unknown.is_empty() {
                let names = hinted(self.world, overrides.identity.viewpoint(), chosen.unknown);
                findings.push(Finding::UnknownClusters(names));
            }
        }
        findings
    }
}
