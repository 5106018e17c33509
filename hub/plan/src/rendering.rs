//! Renders a template for every cluster that is to get it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use roadstead_protocol::api::decision::PolicyRef;
use roadstead_protocol::wire::ItemKey;
use serde_json::Value;

use crate::affinity::{Chosen, Refused};
use crate::count;
use crate::deps::references::required;
use crate::deps::requirers::{REQUIRED, Requirer, conflicts};
use crate::finding::{Cause, Finding};
use crate::intent::{Intent, Wanted};
use crate::overrides::facts::{Judged, Verdicts};
use crate::placement::Target;
use crate::pointer::Pointer;
use crate::policy::Policy;
use crate::render::{self, Content};
use crate::rollout::bases::{Base, Bases, Late};
use crate::template::Template;
use crate::world::World;

/// What rendering came to.
pub(crate) struct Rendered {
    pub(crate) targets: Vec<Target>,
    /// Who had a part in it on some cluster.
    pub(crate) overrides: Vec<PolicyRef>,
    /// By UID, clusters that do not get what was decided for them, and why.
    pub(crate) back: BTreeMap<String, Back>,
}

/// Why a cluster does not get what was decided for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Back {
    pub(crate) cause: Cause,
    /// Its share of the replicas, where they are divided.
    pub(crate) replicas: Option<u32>,
}

/// What is made where no override has a say, by release and number of replicas.
type Plain = BTreeMap<(String, Option<u32>), Made>;

/// What is made for one cluster.
#[derive(Clone)]
struct Made {
    content: Content,
    /// What overrides make of the number of replicas, where they do.
    pinned: Option<u32>,
    /// How many replicas it comes to.
    effective: Option<u32>,
    /// Which rules by reports make it so; see [`Target::facts`].
    facts: String,
    /// What it needs beside it; nothing where that is not to go along.
    requires: Arc<BTreeSet<ItemKey>>,
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
        back: BTreeMap::new(),
    };
    let Some(object) = template.object else {
        return out;
    };
    let bases = Bases::new(world, template, object, &intent.overrides);
    let mut plain = Plain::new();
    let mut had_part: BTreeSet<PolicyRef> = BTreeSet::new();
    let followed = intent.winner.is_some_and(|p| p.options.propagate_deps);
    let follow = followed || !intent.required.is_empty();
    let mut late = Late::default();
    for wanted in std::mem::take(&mut intent.targets) {
        let Some(base) = bases.of(template, intent, &wanted) else {
            late.wait(template, &wanted, intent, &mut out);
            continue;
        };
        match render_one(template, base, &wanted, &mut plain, follow) {
            Ok((made, policies)) => {
                had_part.extend(policies);
                late.note(base, &wanted);
                out.targets.push(Target {
                    release: base.release.to_owned(),
                    behind: base.behind,
                    ..target(world, &wanted, made, intent)
                });
                intent.targets.push(wanted);
            }
            Err(problem) => {
                let cluster = wanted.cluster.path();
                intent
                    .findings
                    .push(Finding::NotRendered { cluster, problem });
                intent.refused.push((wanted.cluster, Refused::NotRendered));
                let back = Back {
                    cause: Cause::NotRendered,
                    replicas: wanted.replicas,
                };
                out.back.insert(wanted.cluster.uid.clone(), back);
            }
        }
    }
    intent.findings.extend(late.finding(template));
    let order = intent.overrides.iter().map(|o| o.identity.reference());
    out.overrides = order.filter(|o| had_part.contains(o)).collect();
    let former = had_part.into_iter().filter(|o| !out.overrides.contains(o));
    let former: Vec<PolicyRef> = former.collect();
    out.overrides.extend(former);
    out
}

fn target(world: &World, wanted: &Wanted<'_>, made: Made, intent: &Intent<'_>) -> Target {
    let required = intent.required.get(wanted.cluster.uid.as_str());
    let required = required.map(Vec::as_slice).unwrap_or_default();
    let own = intent.winner.filter(|_| wanted.chosen != Chosen::Required);
    let by = (!required.is_empty()).then_some(REQUIRED);
    let own_uid = own.map(|policy| policy.identity.uid.as_str());
    let policies = own_uid.into_iter().chain(by);
    let follows = !required.is_empty() || own.is_some_and(|p| p.options.propagate_deps);
    Target {
        policies: policies.map(str::to_owned).collect(),
        requires: if follows {
            made.requires
        } else {
            Arc::default()
        },
        cluster: wanted.cluster.uid.clone(),
        path: (
            wanted.cluster.namespace.clone(),
            wanted.cluster.name.clone(),
        ),
        replicas: wanted.replicas,
        pinned: made.pinned,
        // What only stays for now is no part of what is to be.
        facts: made.facts,
        effective: match made.pinned {
            Some(_) => made.effective,
            None => made.effective.map(|n| n.saturating_sub(wanted.extra)),
        },
        extra: wanted.extra,
        arriving: false,
        content: made.content,
        release: String::new(),
        behind: false,
        conflicts: conflicts(world, own, required),
        left: left(own, required),
        chosen: wanted.chosen,
        weight: wanted.weight,
    }
}

/// What is left to others: what its own policy says, where nothing else needs it to be as it is given.
fn left(own: Option<&Policy>, required: &[&Requirer]) -> Vec<String> {
    let own = own.filter(|_| required.is_empty());
    own.map(|policy| policy.options.left.clone())
        .unwrap_or_default()
}

/// Renders for one cluster. Contents that no override touches are made once per share.
fn render_one(
    template: &Template<'_>,
    base: &Base<'_>,
    wanted: &Wanted<'_>,
    plain: &mut Plain,
    follow: bool,
) -> Result<(Made, Vec<PolicyRef>), String> {
    let judged = base.overriding.judge(wanted.cluster);
    let concerned = judged.concerned();
    let given = (base.release.to_owned(), wanted.given());
    if !concerned && let Some(made) = plain.get(&given) {
        return Ok((made.clone(), Vec::new()));
    }
    let mut object = base.object.clone();
    let place = template
        .replicas_path
        .map(|path| Pointer::parse(&path.replace('.', "/")))
        .transpose()
        .map_err(|e| e.to_string())?;
    if let Some(share) = wanted.given() {
        count::write(template, &mut object, share)?;
    }
    let divided = place.as_ref().and_then(|place| replicas(&object, place));
    let policies = base
        .overriding
        .apply(&judged, wanted.cluster, &mut object)
        .map_err(|error| error.to_string())?;
    if concerned {
        // A policy may have written what belongs to the hub's copy.
        render::strip_hubs(&mut object);
    }
    let mut effective = place.as_ref().and_then(|place| replicas(&object, place));
    let mut facts = String::new();
    if let (Some(place), Some(now)) = (&place, effective) {
        let counted = remembered(template, base, wanted, &judged, (place, now))?;
        facts = counted.facts;
        if counted.replicas > now {
            place
                .set(&mut object, counted.replicas.into())
                .map_err(|e| e.to_string())?;
            effective = Some(counted.replicas);
        }
    }
    if let (Some(_), None, Some(place)) = (divided, effective, &place) {
        return Err(format!("an override makes {place} no number of replicas"));
    }
    let requires = if follow {
        let definition = template.around.definition.as_deref();
        required(&object, &template.key, definition).map_err(|e| e.to_string())?
    } else {
        BTreeSet::new()
    };
    let made = Made {
        requires: Arc::new(requires),
        content: render::seal(&object, &template.key).map_err(|e| e.to_string())?,
        pinned: effective.filter(|_| effective != divided),
        effective,
        facts,
    };
    if !concerned {
        plain.insert(given, made.clone());
    }
    Ok((
        made,
        policies.iter().map(|p| p.identity.reference()).collect(),
    ))
}

/// A number of replicas, and which rules by reports make it so.
struct Counted {
    replicas: u32,
    facts: String,
}

/// How many replicas a cluster has, which comes to `now` by what it reports: not fewer than by what it
/// reported before, where nothing but that has changed.
fn remembered(
    template: &Template<'_>,
    base: &Base<'_>,
    wanted: &Wanted<'_>,
    judged: &Judged,
    (place, now): (&Pointer, u32),
) -> Result<Counted, String> {
    let verdicts = base.overriding.verdicts(judged);
    let present = Counted {
        replicas: now,
        facts: verdicts.text(),
    };
    if verdicts.is_empty() {
        return Ok(present);
    }
    let mut former = template.former.iter();
    let former = former.find(|f| f.cluster == wanted.cluster.uid && !f.outside);
    let Some(former) = former else {
        return Ok(present);
    };
    let before = Verdicts::parse(&former.facts);
    if !verdicts.turned(&before) {
        return Ok(present);
    }
    let mut object = base.object.clone();
    if let Some(share) = wanted.given() {
        count::write(template, &mut object, share)?;
    }
    // What could not be made by what was reported before is no measure.
    let judged = base.overriding.as_if(judged, &before);
    let made = base.overriding.apply(&judged, wanted.cluster, &mut object);
    let then = made.ok().and_then(|_| replicas(&object, place));
    Ok(match then {
        Some(then) if then > now => Counted {
            replicas: then,
            facts: former.facts.clone(),
        },
        Some(_) | None => present,
    })
}

/// How many replicas `object` has: one where nothing is said, `None` where it is no number of them.
fn replicas(object: &Value, place: &Pointer) -> Option<u32> {
    match place.get(object) {
        None | Some(Value::Null) => Some(1),
        Some(said) => said
            .as_i64()
            .and_then(|n| i32::try_from(n).ok())
            .and_then(|n| u32::try_from(n).ok()),
    }
}
