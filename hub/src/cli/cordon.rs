//! `roadstead cordon` and `taint`: what goes to a cluster, and what may stay there.
//!
//! They write the AttachedCluster's spec, as `kubectl edit` would; the decisions that follow are made
//! by the hub.

use serde_json::{Value, json};

use crate::client::{Api, Error};
use crate::config::{Clusters, Cordon, Taint};

const ALL: &str = "/apis/cluster.kurator.dev/v1alpha1/attachedclusters";
/// How often a taint is written anew after somebody else wrote in between.
const ATTEMPTS_MAX: u32 = 5;

/// Cordons clusters. Gives the text to print.
///
/// # Errors
/// When a cluster is not there, or the hub does not answer, or refuses; those before it are done.
pub async fn cordon(args: &Cordon) -> Result<String, Error> {
    let hub = Api::connect(&args.clusters.target).await?;
    let patch = json!({"spec": {"unschedulable": true}});
    let mut lines = Vec::new();
    for (namespace, name) in paths(&hub, &args.clusters).await? {
        hub.merge(&path(&namespace, &name, "cordon"), &patch)
            .await?;
        lines.push(format!(
            "{namespace}/{name} is cordoned: nothing new goes there, and what is there stays"
        ));
    }
    Ok(shown(lines))
}

/// Changes the taints of a cluster. Gives the text to print.
///
/// # Errors
/// As [`cordon`], and when a taint cannot be read or is there with another value.
pub async fn taint(args: &Taint) -> Result<String, Error> {
    let changes: Vec<Change> = args
        .taints
        .iter()
        .map(|t| parse(t))
        .collect::<Result<_, _>>()?;
    let hub = Api::connect(&args.target).await?;
    let namespace = args.namespace.as_ref().unwrap_or(&hub.namespace);
    let name = &args.cluster;
    let taints = change(&hub, (namespace, name), &changes, args.overwrite).await?;
    let all: Vec<String> = taints.iter().map(written).collect();
    Ok(match all.as_slice() {
        [] => format!("{namespace}/{name} has no taints"),
        [one] => format!("{namespace}/{name} has the taint {one}"),
        all => format!("{namespace}/{name} has the taints {}", all.join(", ")),
    })
}

async fn change(
    hub: &Api,
    (namespace, name): (&str, &str),
    changes: &[Change],
    overwrite: bool,
) -> Result<Vec<Value>, Error> {
    let path = path(namespace, name, "taint");
    let mut left = ATTEMPTS_MAX;
    loop {
        left -= 1;
        let cluster = hub.get(&path).await?;
        let there = cluster.pointer("/spec/taints").and_then(Value::as_array);
        let taints = changed(there.cloned().unwrap_or_default(), changes, overwrite)
            .map_err(|problem| Error::Flag(format!("{namespace}/{name}: {problem}")))?;
        let version = cluster.pointer("/metadata/resourceVersion");
        let patch = json!({
            "metadata": {"resourceVersion": version},
            "spec": {"taints": (!taints.is_empty()).then_some(&taints)},
        });
        match hub.merge(&path, &patch).await {
            Ok(_) => return Ok(taints),
            Err(Error::Refused(status)) if status.code == 409 && left > 0 => {}
            Err(error) => return Err(error),
        }
    }
}

pub(super) async fn paths(hub: &Api, clusters: &Clusters) -> Result<Vec<(String, String)>, Error> {
    if clusters.all {
        let text = |cluster: &Value, pointer: &str| {
            let text = cluster.pointer(pointer).and_then(Value::as_str);
            text.unwrap_or_default().to_owned()
        };
        let all = hub.list(ALL).await?;
        let named = |c: &Value| (text(c, "/metadata/namespace"), text(c, "/metadata/name"));
        return Ok(all.iter().map(named).collect());
    }
    let namespace = clusters.namespace.as_ref().unwrap_or(&hub.namespace);
    let names = clusters.names.iter();
    Ok(names
        .map(|name| (namespace.clone(), name.clone()))
        .collect())
}

pub(super) fn path(namespace: &str, name: &str, manager: &str) -> String {
    format!(
        "/apis/cluster.kurator.dev/v1alpha1/namespaces/{namespace}/attachedclusters/{name}\
         ?fieldManager=roadstead-{manager}"
    )
}

pub(super) fn shown(lines: Vec<String>) -> String {
    if lines.is_empty() {
        return "There are no clusters.".to_owned();
    }
    lines.join("\n")
}

/// What is to become of a taint.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Change {
    key: String,
    value: String,
    /// Of a removal, `None` means every effect.
    effect: Option<String>,
    remove: bool,
}

/// Reads `key=value:Effect`, `key:Effect`, and with a `-` behind it what is to go.
fn parse(text: &str) -> Result<Change, Error> {
    let wrong = |why: &str| {
        Error::Flag(format!(
            "{text:?}: {why}; a taint is KEY=VALUE:EFFECT or KEY:EFFECT with the effect NoSchedule or \
             NoExecute, and KEY[:EFFECT]- takes it away"
        ))
    };
    let (body, remove) = match text.strip_suffix('-') {
        Some(body) => (body, true),
        None => (text, false),
    };
    let (pair, effect) = match body.split_once(':') {
        Some((pair, effect)) => (pair, Some(effect)),
        None => (body, None),
    };
    if effect.is_none() && !remove {
        return Err(wrong("the effect is missing"));
    }
    if effect.is_some_and(|effect| !["NoSchedule", "NoExecute"].contains(&effect)) {
        return Err(wrong("there is no such effect"));
    }
    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
    if key.is_empty() {
        return Err(wrong("the key is missing"));
    }
    Ok(Change {
        key: key.to_owned(),
        value: value.to_owned(),
        effect: effect.map(str::to_owned),
        remove,
    })
}

/// The taints after the changes.
fn changed(
    mut taints: Vec<Value>,
    changes: &[Change],
    overwrite: bool,
) -> Result<Vec<Value>, String> {
    let text = |taint: &Value, field: &str| {
        let text = taint.get(field).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    for change in changes {
        let same = |taint: &Value| {
            let effect = change.effect.as_ref();
            text(taint, "key") == change.key
                && effect.is_none_or(|effect| text(taint, "effect") == *effect)
        };
        let there = taints.iter().find(|taint| same(taint)).cloned();
        if change.remove {
            if there.is_none() {
                return Err(format!("there is no taint {}", change.key));
            }
            taints.retain(|taint| !same(taint));
            continue;
        }
        if let Some(there) = there.filter(|there| text(there, "value") != change.value)
            && !overwrite
        {
            let there = written(&there);
            return Err(format!(
                "it has the taint {there}; --overwrite changes its value"
            ));
        }
        taints.retain(|taint| !same(taint));
        let mut taint = json!({"key": change.key, "effect": change.effect});
        if !change.value.is_empty()
            && let Some(fields) = taint.as_object_mut()
        {
            fields.insert("value".to_owned(), change.value.as_str().into());
        }
        taints.push(taint);
    }
    Ok(taints)
}

/// A taint as it is typed.
fn written(taint: &Value) -> String {
    let text = |field: &str| taint.get(field).and_then(Value::as_str).unwrap_or_default();
    match text("value") {
        "" => format!("{}:{}", text("key"), text("effect")),
        value => format!("{}={value}:{}", text("key"), text("effect")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(before: &[&str], changes: &[&str], overwrite: bool) -> Result<String, String> {
        let parsed = |all: &[&str]| -> Result<Vec<Change>, String> {
            let each = all
                .iter()
                .map(|text| parse(text).map_err(|e| e.to_string()));
            each.collect()
        };
        let before = changed(Vec::new(), &parsed(before)?, false)?;
        let taints = changed(before, &parsed(changes)?, overwrite)?;
        let all: Vec<String> = taints.iter().map(written).collect();
        Ok(all.join(" "))
    }

    #[test]
    fn taints_are_typed_as_for_nodes() {
        let check = |before: &[&str], changes: &[&str], expected: &str| {
            assert_eq!(after(before, changes, false).unwrap(), expected);
        };
        check(&[], &["gpu=a100:NoSchedule"], "gpu=a100:NoSchedule");
        check(
            &["a:NoExecute"],
            &["b:NoSchedule"],
            "a:NoExecute b:NoSchedule",
        );
        check(
            &["a:NoExecute", "a:NoSchedule"],
            &["a:NoExecute-"],
            "a:NoSchedule",
        );
        check(
            &["a=x:NoExecute", "a:NoSchedule", "b:NoSchedule"],
            &["a-"],
            "b:NoSchedule",
        );
        check(&["a=x:NoExecute"], &["a=x:NoExecute"], "a=x:NoExecute");
    }

    #[test]
    fn what_is_wrong_is_said_with_the_way_out() {
        let check = |before: &[&str], changes: &[&str], words: &str| {
            let error = after(before, changes, false).unwrap_err();
            assert!(error.contains(words), "{error}");
        };
        check(&[], &["a"], "the effect is missing");
        check(&[], &["a:Maybe"], "no such effect");
        check(&[], &[":NoSchedule"], "the key is missing");
        check(&[], &["a-"], "there is no taint a");
        check(&["a=x:NoExecute"], &["a=y:NoExecute"], "--overwrite");
        let over = after(&["a=x:NoExecute"], &["a=y:NoExecute"], true);
        assert_eq!(over.unwrap(), "a=y:NoExecute");
    }
}
