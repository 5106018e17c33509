//! `roadstead suspend` and `resume`: the one command that stops what a policy does, and the one that lets
//! it go on.
//!
//! They write `spec.suspension`, as `kubectl edit` would. What runs goes on and is kept as it is; nothing
//! new is given, and nothing is taken away, deletions included.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::policies::Policy;
use crate::client::Error;
use crate::config::Suspend;

/// What the changes are ascribed to.
const MANAGER: &str = "suspend";

/// Holds back what a policy does. Gives the text to print.
///
/// # Errors
/// When there is no such policy, somebody wrote it meanwhile, or the hub does not answer, or refuses.
pub async fn suspend(args: &Suspend) -> Result<String, Error> {
    let policy = Policy::read(&args.target, args.namespace.as_ref(), &args.policy).await?;
    if everywhere(&policy.object) {
        return Ok(format!(
            "{} is suspended everywhere already; `roadstead resume {}` lets it go on",
            policy.name, policy.typed
        ));
    }
    let patch = suspended(&policy.object, &args.clusters);
    policy
        .merge(MANAGER, json!({"spec": {"suspension": patch}}))
        .await?;
    let at = match args.clusters.as_slice() {
        [] => "everywhere".to_owned(),
        clusters => format!("on {}", clusters.join(", ")),
    };
    Ok(format!(
        "{} is suspended {at}: nothing is given or taken there until `roadstead resume {}`; what runs goes on",
        policy.name, policy.typed
    ))
}

/// Lets a policy do again what it says. Gives the text to print.
///
/// # Errors
/// As [`suspend`].
pub async fn resume(args: &Suspend) -> Result<String, Error> {
    let policy = Policy::read(&args.target, args.namespace.as_ref(), &args.policy).await?;
    let name = &policy.name;
    let Some((patch, left)) = resumed(&policy.object, &args.clusters) else {
        return Ok(format!(
            "{name} is not suspended{}",
            match args.clusters.as_slice() {
                [] => String::new(),
                clusters => format!(" on {}", clusters.join(", ")),
            }
        ));
    };
    if left == Left::Everything {
        return Err(Error::Flag(format!(
            "{name} is suspended everywhere; `roadstead resume {}` without a cluster lets it go on, \
             and `roadstead suspend {} CLUSTER…` holds it back on some again",
            policy.typed, policy.typed
        )));
    }
    policy
        .merge(MANAGER, json!({"spec": {"suspension": patch}}))
        .await?;
    Ok(gone_on((name, &policy.typed), &left, &args.clusters))
}

/// Says of a policy, by its name and as it was typed, where it goes on.
fn gone_on((name, typed): (&str, &str), left: &Left, asked: &[String]) -> String {
    match left {
        Left::On(clusters) if asked.is_empty() => format!(
            "{name} goes on, but not on {}, where it was suspended by name; `roadstead resume {typed} {}` \
             lets it go on there too",
            clusters.join(", "),
            clusters.join(" ")
        ),
        Left::On(clusters) => format!("{name} goes on, but not on {}", clusters.join(", ")),
        Left::Nothing | Left::Everything => format!("{name} goes on"),
    }
}

/// What stays suspended.
#[derive(Debug, PartialEq, Eq)]
enum Left {
    Nothing,
    On(Vec<String>),
    Everything,
}

/// The patch of the suspension that adds clusters, or everything.
fn suspended(policy: &Value, clusters: &[String]) -> Value {
    if clusters.is_empty() {
        return json!({"dispatching": true});
    }
    let mut all = named(policy);
    all.extend(clusters.iter().cloned());
    json!({"dispatchingOnClusters": {"clusterNames": all}})
}

/// The patch of the suspension that takes clusters away, or everything, and what is left; `None` where
/// there is nothing to take away.
fn resumed(policy: &Value, clusters: &[String]) -> Option<(Value, Left)> {
    let everywhere = everywhere(policy);
    let all = named(policy);
    if clusters.is_empty() && everywhere && !all.is_empty() {
        // Those were suspended for a reason of their own.
        let left = Left::On(all.into_iter().collect());
        return Some((json!({"dispatching": null}), left));
    }
    if clusters.is_empty() {
        return (everywhere || !all.is_empty()).then_some((Value::Null, Left::Nothing));
    }
    if everywhere {
        return Some((Value::Null, Left::Everything));
    }
    let left: Vec<String> = all
        .iter()
        .filter(|c| !clusters.contains(c))
        .cloned()
        .collect();
    if left.len() == all.len() {
        return None;
    }
    if left.is_empty() {
        return Some((Value::Null, Left::Nothing));
    }
    Some((
        json!({"dispatchingOnClusters": {"clusterNames": left}}),
        Left::On(left),
    ))
}

fn everywhere(policy: &Value) -> bool {
    policy.pointer("/spec/suspension/dispatching") == Some(&Value::Bool(true))
}

/// The clusters that a policy is suspended on by name.
fn named(policy: &Value) -> BTreeSet<String> {
    let names = policy.pointer("/spec/suspension/dispatchingOnClusters/clusterNames");
    let names = names.and_then(Value::as_array).into_iter().flatten();
    names.filter_map(|n| Some(n.as_str()?.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(suspension: &Value) -> Value {
        json!({"spec": {"suspension": suspension}})
    }

    fn names(all: &[&str]) -> Vec<String> {
        all.iter().map(|n| (*n).to_owned()).collect()
    }

    #[test]
    fn it_is_held_back_everywhere_or_on_more_clusters() {
        let check = |before: Value, clusters: &[&str], expected: Value| {
            assert_eq!(suspended(&policy(&before), &names(clusters)), expected);
        };
        check(json!(null), &[], json!({"dispatching": true}));
        let on = |all: &[&str]| json!({"dispatchingOnClusters": {"clusterNames": all}});
        check(json!(null), &["dr"], on(&["dr"]));
        check(
            on(&["prod", "dr"]),
            &["edge", "dr"],
            on(&["dr", "edge", "prod"]),
        );
    }

    #[test]
    fn it_goes_on_everywhere_or_on_some_clusters() {
        let check = |before: Value, clusters: &[&str], expected: Option<(Value, Left)>| {
            assert_eq!(resumed(&policy(&before), &names(clusters)), expected);
        };
        let on = |all: &[&str]| json!({"dispatchingOnClusters": {"clusterNames": all}});
        let over = || Some((Value::Null, Left::Nothing));
        check(json!(null), &[], None);
        check(json!({"dispatching": false}), &["dr"], None);
        check(on(&["dr"]), &["edge"], None);
        check(json!({"dispatching": true}), &[], over());
        check(on(&["dr", "edge"]), &[], over());
        let mut both = on(&["dr", "edge"]);
        both["dispatching"] = json!(true);
        check(
            both,
            &[],
            Some((
                json!({"dispatching": null}),
                Left::On(names(&["dr", "edge"])),
            )),
        );
        check(on(&["dr"]), &["dr"], over());
        check(
            on(&["dr", "edge"]),
            &["dr"],
            Some((on(&["edge"]), Left::On(names(&["edge"])))),
        );
        check(
            json!({"dispatching": true}),
            &["dr"],
            Some((Value::Null, Left::Everything)),
        );
    }

    #[test]
    fn what_was_suspended_by_name_is_said_with_the_way_on() {
        let left = Left::On(names(&["dr", "edge"]));
        let said = |left, asked: &[&str]| gone_on(("policy web", "web"), left, &names(asked));
        assert_eq!(
            said(&left, &[]),
            "policy web goes on, but not on dr, edge, where it was suspended by name; \
             `roadstead resume web dr edge` lets it go on there too"
        );
        assert_eq!(
            said(&left, &["prod"]),
            "policy web goes on, but not on dr, edge"
        );
        assert_eq!(said(&Left::Nothing, &[]), "policy web goes on");
    }
}
