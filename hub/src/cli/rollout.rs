//! `roadstead rollout` and `roadstead approve`: how a policy's changes go out, and people's say in it.
//!
//! They read Rollouts and write what anybody with the rights could write with kubectl: `spec.paused` and
//! `spec.aborted` of a Rollout, its subresource `approve`, and the policy's annotation for a former
//! release.

mod show;
mod watch;

use roadstead_protocol::api::names::ROLLOUT_UNDO_ANNOTATION;
use roadstead_protocol::api::rollout::{APPROVE, Phase, Rollout};
use serde::Deserialize as _;
use serde_json::{Value, json};

use super::policies::Policy;
use crate::client::Error;
use crate::config::{Approve, Rollout as Args, RolloutAct, RolloutOf, RolloutUndo};

/// Where the Rollouts of cluster-scoped policies live.
const SYSTEM_NAMESPACE: &str = roadstead_controllers::SYSTEM_NAMESPACE;
/// What changes made here are ascribed to.
const MANAGER: &str = "rollout";

/// A policy on a hub, with its rollouts.
struct Found {
    policy: Policy,
    /// Where its Rollouts are.
    home: String,
    /// The oldest first.
    rollouts: Vec<Rollout>,
}

/// What is printed, and how the process ends.
#[derive(Debug)]
pub struct Shown {
    /// The text.
    pub text: String,
    /// Whether a rollout that was waited for reached all clusters; true where none was waited for.
    pub well: bool,
}

impl From<String> for Shown {
    fn from(text: String) -> Self {
        Self { text, well: true }
    }
}

/// Does what is asked for.
///
/// # Errors
/// When the policy is not there, has no rollout that this could be done to, or the hub does not answer,
/// or refuses.
pub async fn rollout(args: &Args) -> Result<Shown, Error> {
    let text = match &args.act {
        RolloutAct::Status(status) => return watch::status(status).await,
        RolloutAct::History(show) => {
            let found = Found::read(&show.of).await?;
            show::history(&found.policy.name, &found.rollouts, show.output)
        }
        RolloutAct::Undo(args) => undo(args).await?,
        RolloutAct::Pause(of) => {
            let (said, typed) = set(of, &json!({"paused": true})).await?;
            format!("{said} goes no further; `roadstead rollout resume {typed}` lets it go on")
        }
        RolloutAct::Resume(of) => {
            let (said, _) = set(of, &json!({"paused": false})).await?;
            format!("{said} goes on")
        }
        RolloutAct::Abort(of) => {
            let (said, _) = set(of, &json!({"aborted": true})).await?;
            format!(
                "{said} is over: clusters that have the change get again what was good, and the change is \
                 not tried again until it is another"
            )
        }
    };
    Ok(text.into())
}

/// Approves of a stage. Gives the text to print.
///
/// # Errors
/// As [`rollout`].
pub async fn approve(args: &Approve) -> Result<String, Error> {
    let found = Found::read(&args.of).await?;
    let run = found.running()?;
    let name = &run.metadata.name;
    let body = match &args.stage {
        Some(stage) => json!({"stage": stage}),
        None => json!({}),
    };
    let answer = found
        .policy
        .hub
        .post(&format!("{}/{name}/{APPROVE}", found.home), &body)
        .await?;
    let approved = answer
        .pointer("/status/approvals")
        .and_then(Value::as_array);
    let stages = approved.into_iter().flatten();
    let stages: Vec<&str> = stages.filter_map(|a| a.get("stage")?.as_str()).collect();
    Ok(format!("{name}: approved of {}", stages.join(", ")))
}

/// Says something about the rollout that is under way. Gives what it is called, and how its policy is typed.
async fn set(of: &RolloutOf, spec: &Value) -> Result<(String, String), Error> {
    let found = Found::read(of).await?;
    let name = found.running()?.metadata.name.clone();
    let path = format!("{}/{name}?fieldManager=roadstead-{MANAGER}", found.home);
    let hub = &found.policy.hub;
    hub.merge(&path, &json!({"spec": spec})).await?;
    let called = format!("{}: {name}", found.policy.name);
    Ok((called, found.policy.typed))
}

async fn undo(args: &RolloutUndo) -> Result<String, Error> {
    let found = Found::read(&args.of).await?;
    let policy = &found.policy;
    let release = wanted(&policy.name, &found.rollouts, args.to.as_deref())?;
    let annotations = policy.object.pointer("/metadata/annotations");
    let said = annotations.and_then(|a| a.get(ROLLOUT_UNDO_ANNOTATION)?.as_str());
    let wish = format!("{release} {}", next(said.unwrap_or_default()));
    let patch = json!({"metadata": {"annotations": {ROLLOUT_UNDO_ANNOTATION: wish}}});
    policy.merge(MANAGER, patch).await?;
    Ok(format!(
        "{} goes back to release {release}, stage by stage, until a template changes; what stands on the hub \
         stays as it is",
        policy.name
    ))
}

/// A number that the last wish did not have.
fn next(wish: &str) -> u64 {
    let number = wish.split_whitespace().nth(1);
    let number: u64 = number.and_then(|n| n.parse().ok()).unwrap_or(0);
    number.saturating_add(1)
}

/// The release that is wanted back.
fn wanted(policy: &str, rollouts: &[Rollout], to: Option<&str>) -> Result<String, Error> {
    let Some(to) = to else {
        let newest = rollouts.last().filter(|newest| {
            !newest.status.phase.is_over() || newest.status.phase == Phase::Succeeded
        });
        return newest.map(|newest| newest.spec.from.clone()).ok_or_else(|| {
            Error::NotFound(format!(
                "{policy}: no rollout is under way, and the newest did not succeed: what was good runs \
                 already; --to names any release of the history"
            ))
        });
    };
    let all = rollouts
        .iter()
        .flat_map(|r| [&r.spec.release, &r.spec.from]);
    let mut fits: Vec<&String> = all.filter(|release| release.starts_with(to)).collect();
    fits.sort();
    fits.dedup();
    match fits.as_slice() {
        [one] => Ok((*one).clone()),
        [] => Err(Error::NotFound(format!(
            "{policy}: its history has no release {to:?}; see `roadstead rollout history`"
        ))),
        several => Err(Error::Flag(format!(
            "--to {to}: is the beginning of {} releases; give more digits",
            several.len()
        ))),
    }
}

impl Found {
    async fn read(of: &RolloutOf) -> Result<Self, Error> {
        let policy = Policy::read(&of.target, of.namespace.as_ref(), &of.policy).await?;
        let home = match policy.namespace.as_str() {
            "" => SYSTEM_NAMESPACE,
            namespace => namespace,
        };
        let home = format!("/apis/roadstead.dev/v1alpha1/namespaces/{home}/rollouts");
        let mut found = Self {
            policy,
            home,
            rollouts: Vec::new(),
        };
        found.look().await?;
        Ok(found)
    }

    /// Reads the policy's rollouts anew.
    async fn look(&mut self) -> Result<(), Error> {
        let object = &self.policy.object;
        let uid = object.pointer("/metadata/uid").and_then(Value::as_str);
        let uid = uid.unwrap_or_default();
        let all = self.policy.hub.list(&self.home).await?;
        let all = all.iter().filter_map(|o| Rollout::deserialize(o).ok());
        self.rollouts = all.filter(|r| r.spec.policy.uid == uid).collect();
        self.rollouts.sort_by_key(|rollout| rollout.spec.number);
        Ok(())
    }

    /// The rollout that is under way.
    fn running(&self) -> Result<&Rollout, Error> {
        let newest = self.rollouts.last();
        newest
            .filter(|newest| !newest.status.phase.is_over())
            .ok_or_else(|| {
                let policy = &self.policy;
                Error::NotFound(format!(
                    "{}: no rollout is under way; `roadstead suspend {}` holds back whatever it does",
                    policy.name, policy.typed
                ))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rollouts(phases: &[(Phase, &str, &str)]) -> Vec<Rollout> {
        let one = |(phase, from, release): &(Phase, &str, &str)| {
            let mut rollout = Rollout::default();
            rollout.status.phase = *phase;
            (rollout.spec.from, rollout.spec.release) = ((*from).to_owned(), (*release).to_owned());
            rollout
        };
        phases.iter().map(one).collect()
    }

    #[test]
    fn a_former_release_is_found_by_what_was_before_or_by_its_first_digits() {
        let check =
            |phases: &[(Phase, &str, &str)], to: Option<&str>, expected: Result<&str, &str>| {
                let found = wanted("p", &rollouts(phases), to);
                match expected {
                    Ok(release) => assert_eq!(found.unwrap(), release),
                    Err(words) => {
                        let error = found.unwrap_err().to_string();
                        assert!(error.contains(words), "{error}");
                    }
                }
            };
        let all = [
            (Phase::Succeeded, "a1", "a2"),
            (Phase::Succeeded, "a2", "b3"),
        ];
        check(&all, None, Ok("a2"));
        check(&all, Some("b"), Ok("b3"));
        check(&all, Some("a"), Err("give more digits"));
        check(&all, Some("c"), Err("no release"));
        check(&[(Phase::Halted, "a1", "a2")], None, Ok("a1"));
        check(&[(Phase::RolledBack, "a1", "a2")], None, Err("--to"));
        check(&[], None, Err("--to"));
    }

    #[test]
    fn each_wish_is_another() {
        assert_eq!(next(""), 1);
        assert_eq!(next("a1 4"), 5);
        assert_eq!(next("a1 x"), 1);
    }
}
