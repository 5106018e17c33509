//! What is rendered for a cluster: what stands on the hub, or what a release says.

use std::collections::BTreeMap;

use roadstead_protocol::api::ObjectMeta;
use roadstead_protocol::api::decision::SAMPLES_MAX;
use serde::Deserialize;
use serde_json::Value;

use super::release;
use super::waves::{Given, Source};
use crate::affinity::{Chosen, Refused};
use crate::claim::overriding_of;
use crate::finding::{Cause, Finding};
use crate::intent::{Intent, Wanted};
use crate::overrides::Overriding;
use crate::overrides::rule::Overrides;
use crate::render;
use crate::rendering::{Back, Rendered};
use crate::template::Template;
use crate::world::World;

/// What is rendered, with its override policies.
pub(crate) struct Base<'a> {
    /// The release; empty for what stands on the hub.
    pub(crate) release: &'a str,
    /// The object, with its number of replicas.
    pub(crate) object: Value,
    /// Its override policies.
    pub(crate) overriding: Overriding<'a>,
    /// Whether that is something else than what stands on the hub.
    pub(crate) behind: bool,
}

/// What there is to render of a template, by release.
pub(crate) struct Bases<'a>(BTreeMap<&'a str, Base<'a>>);

impl<'a> Bases<'a> {
    /// Of a template whose object is `object`, and which these policies override as it stands on the hub.
    pub(crate) fn new(
        world: &'a World,
        template: &'a Template<'_>,
        object: &Value,
        overrides: &[&'a Overrides],
    ) -> Self {
        let live = Base {
            release: "",
            object: render::strip(object),
            overriding: Overriding::new(world, overrides),
            behind: false,
        };
        let mut bases = BTreeMap::from([("", live)]);
        let rolling = template.rollout.policies.values();
        let all = rolling.flat_map(|r| r.admitted.values().flatten().chain(&r.good));
        for given in all {
            if !bases.contains_key(given.release.as_str())
                && let Some(base) = of_release(world, template, object, (given, overrides))
            {
                bases.insert(&given.release, base);
            }
        }
        Self(bases)
    }

    /// What a cluster is given; `None` while it waits.
    pub(crate) fn of(
        &self,
        template: &Template<'_>,
        intent: &Intent<'_>,
        wanted: &Wanted<'_>,
    ) -> Option<&Base<'a>> {
        let own = intent.winner.filter(|_| wanted.chosen != Chosen::Required);
        let own = own.map(|policy| policy.identity.uid.as_str());
        let cluster = wanted.cluster.uid.as_str();
        let required = intent.required.get(cluster);
        let by = required.into_iter().flatten();
        let by = by.filter_map(|requirer| requirer.policy.as_deref());
        match template.rollout.source(own, by, cluster) {
            Source::Live => self.0.get(""),
            Source::Given(given) => self.0.get(given.release.as_str()),
            Source::Waits => None,
        }
    }
}

/// What a release says, with the number of replicas that stands on the hub.
fn of_release<'a>(
    world: &'a World,
    template: &Template<'_>,
    live: &Value,
    (given, live_overrides): (&'a Given, &[&Overrides]),
) -> Option<Base<'a>> {
    let said = given.object.as_ref()?;
    let metadata = said.get("metadata").unwrap_or(&Value::Null);
    let labels = ObjectMeta::deserialize(metadata).unwrap_or_default().labels;
    let overrides = overriding_of(&given.overrides, &template.key, &labels);
    let same = overrides.len() == live_overrides.len()
        && overrides
            .iter()
            .zip(live_overrides)
            .all(|(a, b)| a.rules == b.rules);
    let behind = !same || release::base(live, template.replicas_path) != *said;
    let mut object = said.clone();
    release::count(&mut object, live, template.replicas_path);
    Some(Base {
        release: &given.release,
        object,
        overriding: Overriding::new(world, &overrides),
        behind,
    })
}

/// Who is not given what stands on the hub.
#[derive(Default)]
pub(crate) struct Late {
    count: u32,
    samples: Vec<String>,
}

impl Late {
    fn add(&mut self, path: String) {
        self.count = self.count.saturating_add(1);
        if self.samples.len() < SAMPLES_MAX {
            self.samples.push(path);
        }
    }

    /// Takes note of who is given something.
    pub(crate) fn note(&mut self, base: &Base<'_>, wanted: &Wanted<'_>) {
        if base.behind {
            self.add(wanted.cluster.path());
        }
    }

    /// A cluster that waits: it keeps what it has, or gets nothing yet.
    pub(crate) fn wait<'a>(
        &mut self,
        template: &Template<'_>,
        wanted: &Wanted<'a>,
        intent: &mut Intent<'a>,
        out: &mut Rendered,
    ) {
        let cluster = wanted.cluster;
        if template.former.iter().any(|f| f.cluster == cluster.uid) {
            let back = Back {
                cause: Cause::Wave,
                replicas: wanted.replicas,
            };
            out.back.insert(cluster.uid.clone(), back);
            return;
        }
        self.add(cluster.path());
        let says = template.rollout.says();
        if !says.is_empty() {
            let figure = format!("the rollout has not come to it: {says}");
            intent.figures.insert(cluster.uid.clone(), figure);
        }
        intent.refused.push((cluster, Refused::Wave));
    }

    /// What is to be said of it.
    pub(crate) fn finding(self, template: &Template<'_>) -> Option<Finding> {
        let says = match template.rollout.says().as_str() {
            "" => "its rollout is being prepared".to_owned(),
            says => says.to_owned(),
        };
        (self.count > 0).then_some(Finding::Behind {
            count: self.count,
            samples: self.samples,
            says,
        })
    }
}
