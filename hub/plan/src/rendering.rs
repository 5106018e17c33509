//! Renders a template for every cluster that is to get it.

use std::collections::{BTreeMap, BTreeSet};

use roadstead_protocol::api::decision::PolicyRef;
use serde_json::Value;

use crate::affinity::Refused;
use crate::finding::Finding;
use crate::intent::{Intent, Wanted};
use crate::overrides::Overriding;
use crate::placement::Target;
use crate::pointer::Pointer;
use crate::policy::Policy;
use crate::render::{self, Content};
use crate::template::Template;
use crate::world::World;

/// What rendering came to.
pub(crate) struct Rendered {
    pub(crate) targets: Vec<Target>,
    /// Who had a part in it on some cluster.
    pub(crate) overrides: Vec<PolicyRef>,
    /// UIDs of clusters for which it cannot be made.
    pub(crate) failed: BTreeSet<String>,
}

/// Renders for every cluster that is to get it.
pub(crate) fn render_all(
    world: &World,
    template: &Template<'_>,
    intent: &mut Intent<'_>,
) -> Rendered {
    let mut out = Rendered {
        targets: Vec::new(),
        overrides: Vec::new(),
        failed: BTreeSet::new(),
    };
    let Some(object) = template.object else {
        return out;
    };
    let base = render::strip(object);
    let overriding = Overriding::new(world, &intent.overrides);
    let mut plain: BTreeMap<Option<u32>, Content> = BTreeMap::new();
    let mut had_part: BTreeSet<PolicyRef> = BTreeSet::new();
    for wanted in std::mem::take(&mut intent.targets) {
        match render_one(template, &base, &overriding, &wanted, &mut plain) {
            Ok((content, policies)) => {
                had_part.extend(policies);
                out.targets.push(target(&wanted, content, intent.winner));
                intent.targets.push(wanted);
            }
            Err(problem) => {
                let cluster = wanted.cluster.path();
                intent
                    .findings
                    .push(Finding::NotRendered { cluster, problem });
                intent.refused.push((wanted.cluster, Refused::NotRendered));
                out.failed.insert(wanted.cluster.uid.clone());
            }
        }
    }
    let order = intent.overrides.iter().map(|o| o.identity.reference());
    out.overrides = order.filter(|o| had_part.contains(o)).collect();
    out
}

fn target(wanted: &Wanted<'_>, content: Content, policy: Option<&Policy>) -> Target {
    Target {
        cluster: wanted.cluster.uid.clone(),
        path: (
            wanted.cluster.namespace.clone(),
            wanted.cluster.name.clone(),
        ),
        replicas: wanted.replicas,
        content,
        overwrite: policy.is_some_and(|p| p.overwrite),
        chosen: wanted.chosen,
        weight: wanted.weight,
    }
}

/// Renders for one cluster. Contents that no override touches are made once per share.
fn render_one(
    template: &Template<'_>,
    base: &Value,
    overriding: &Overriding<'_>,
    wanted: &Wanted<'_>,
    plain: &mut BTreeMap<Option<u32>, Content>,
) -> Result<(Content, Vec<PolicyRef>), String> {
    let concerned = overriding.concern(wanted.cluster);
    if !concerned && let Some(content) = plain.get(&wanted.replicas) {
        return Ok((content.clone(), Vec::new()));
    }
    let mut object = base.clone();
    if let (Some(share), Some(path)) = (wanted.replicas, template.replicas_path) {
        let pointer = Pointer::parse(&path.replace('.', "/")).map_err(|e| e.to_string())?;
        pointer
            .set(&mut object, Value::from(share))
            .map_err(|e| e.to_string())?;
    }
    let policies = overriding
        .apply(wanted.cluster, &mut object)
        .map_err(|error| format!("{error}: {}", error.source))?;
    let content = render::seal(&object, &template.key).map_err(|e| e.to_string())?;
    if !concerned {
        plain.insert(wanted.replicas, content.clone());
    }
    Ok((
        content,
        policies.iter().map(|p| p.identity.reference()).collect(),
    ))
}
