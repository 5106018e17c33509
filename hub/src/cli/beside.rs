//! What belongs to an object beside policies and clusters, as the decisions that the hub shows say it.

use roadstead_plan::Around;
use roadstead_plan::deps::order::Awaited;
use roadstead_plan::deps::read::{key, needs, requirer, standing};
use roadstead_protocol::api::decision::{Decision, Spec};
use roadstead_protocol::wire::ItemKey;

/// What belongs to `item`. Whether an object that it waits for is as it was decided is not asked for.
pub(super) fn around(item: &ItemKey, decisions: &[Decision]) -> Around {
    let mut around = Around::default();
    for decision in decisions {
        let spec = &decision.spec;
        let by = template(spec);
        if by == *item {
            around.requires = needs(spec);
            around.awaited = spec
                .awaits
                .iter()
                .map(|on| awaited(key(on), decisions))
                .collect();
        }
        if spec
            .requires
            .iter()
            .any(|needed| key(&needed.item) == *item)
        {
            around.requirers.push(requirer(by, spec, item));
        }
    }
    around
}

fn awaited(key: ItemKey, decisions: &[Decision]) -> Awaited {
    let found = decisions.iter().find(|d| template(&d.spec) == key);
    Awaited {
        clusters: found.map(|d| standing(d, true)).unwrap_or_default(),
        circle: Vec::new(),
        key,
    }
}

/// What a decision is about.
fn template(spec: &Spec) -> ItemKey {
    let template = &spec.template;
    let group = template.api_version.split_once('/');
    ItemKey {
        group: group.map_or("", |(group, _)| group).to_owned(),
        kind: template.kind.clone(),
        namespace: template.namespace.clone(),
        name: template.name.clone(),
    }
}
