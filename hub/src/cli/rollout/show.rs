//! How rollouts are shown.

use roadstead_protocol::api::rollout::{Phase, Rollout, StageStatus};
use serde_json::json;

use super::super::status::{plain, trimmed};
use crate::config::Output;

/// How many digits of a release are shown.
const DIGITS: usize = 12;

/// How far the newest rollout is of a policy, which has a name, and is typed behind commands.
pub(super) fn status(
    (policy, typed): (&str, &str),
    rollouts: &[Rollout],
    output: Output,
) -> String {
    let Some(newest) = rollouts.last() else {
        return match output {
            Output::Json => "null".to_owned(),
            Output::Text => format!("{policy}: nothing went out by a rollout yet."),
        };
    };
    match output {
        Output::Json => {
            let all = json!({
                "name": newest.metadata.name, "spec": newest.spec, "status": newest.status,
            });
            format!("{all:#}")
        }
        Output::Text => text(policy, newest) + &ways_on(newest.status.phase, typed),
    }
}

/// What people may do about a rollout in this phase.
fn ways_on(phase: Phase, policy: &str) -> String {
    let ways = match phase {
        Phase::Progressing | Phase::Soaking => format!(
            "To stop it: roadstead rollout pause {policy}; to go back: roadstead rollout abort {policy}"
        ),
        Phase::WaitingForApproval => format!(
            "To let it go on: roadstead approve {policy}; to go back: roadstead rollout abort {policy}"
        ),
        Phase::Paused | Phase::Halted => format!(
            "To let it go on: roadstead rollout resume {policy}; to go back: roadstead rollout abort {policy}"
        ),
        Phase::Succeeded | Phase::RolledBack | Phase::Superseded | Phase::Aborted => {
            return String::new();
        }
    };
    format!("\n\n{ways}")
}

fn text(policy: &str, rollout: &Rollout) -> String {
    let (spec, status) = (&rollout.spec, &rollout.status);
    let stage = match status.stage.as_str() {
        "" => String::new(),
        // The message says it.
        stage if status.message.starts_with(&format!("stage {stage}")) => String::new(),
        stage => format!(" at stage {stage}"),
    };
    let lines = [
        format!(
            "{policy}: {} is {}{stage}: {}",
            rollout.metadata.name,
            status.phase.name(),
            status.message
        ),
        format!(
            "Release {} where {} was; {} of {} clusters have it, and on {} all is well.",
            short(&spec.release),
            short(&spec.from),
            status.updated,
            status.clusters,
            status.ready
        ),
    ];
    let mut table = plain(&[
        "STAGE",
        "STATE",
        "CLUSTERS",
        "UPDATED",
        "READY",
        "AWAY",
        "WAITING FOR",
    ]);
    for stage in &status.stages {
        table.add_row(row(rollout, stage));
    }
    format!("{}\n\n{}", lines.join("\n"), trimmed(&table))
}

fn row(rollout: &Rollout, stage: &StageStatus) -> Vec<String> {
    let mut approvals = rollout.status.approvals.iter();
    let approved = approvals.find(|approved| approved.stage == stage.name);
    let state = match approved {
        Some(approved) => format!("{} (approved by {})", stage.state, approved.by),
        None => stage.state.clone(),
    };
    vec![
        stage.name.clone(),
        state,
        stage.clusters.to_string(),
        stage.updated.to_string(),
        stage.ready.to_string(),
        stage.away.to_string(),
        stage.waiting.join("; "),
    ]
}

/// The rollouts that there were.
pub(super) fn history(policy: &str, rollouts: &[Rollout], output: Output) -> String {
    if let Output::Json = output {
        let all: Vec<_> = rollouts
            .iter()
            .map(|r| json!({"name": r.metadata.name, "spec": r.spec, "status": r.status}))
            .collect();
        return format!("{:#}", json!(all));
    }
    if rollouts.is_empty() {
        return format!("{policy}: nothing went out by a rollout yet.");
    }
    let mut table = plain(&[
        "NUMBER", "ROLLOUT", "PHASE", "CAUSE", "RELEASE", "FROM", "BEGAN", "OVER",
    ]);
    for rollout in rollouts {
        let (spec, status) = (&rollout.spec, &rollout.status);
        table.add_row(vec![
            spec.number.to_string(),
            rollout.metadata.name.clone(),
            status.phase.name().to_owned(),
            format!("{:?}", spec.cause),
            short(&spec.release),
            short(&spec.from),
            status.started_at.clone(),
            status.finished_at.clone(),
        ]);
    }
    trimmed(&table)
}

fn short(release: &str) -> String {
    release.chars().take(DIGITS).collect()
}

#[cfg(test)]
mod tests {
    use roadstead_protocol::api::rollout::Approved;

    use super::*;

    fn rollout() -> Rollout {
        let mut rollout = Rollout::default();
        rollout.metadata.name = "web-2".to_owned();
        rollout.spec.number = 2;
        rollout.spec.release = "0123456789abcdef0123".to_owned();
        rollout.spec.from = "fedcba98765432100123".to_owned();
        let status = &mut rollout.status;
        status.phase = Phase::Progressing;
        status.stage = "rest".to_owned();
        status.message = "stage rest: default/b: Deployment default/web is Progressing".to_owned();
        (status.clusters, status.updated, status.ready) = (3, 2, 1);
        let stage = |name: &str, state: &str, counts: [u32; 4], waiting: &[&str]| StageStatus {
            name: name.to_owned(),
            state: state.to_owned(),
            clusters: counts[0],
            updated: counts[1],
            ready: counts[2],
            away: counts[3],
            waiting: waiting.iter().map(|w| (*w).to_owned()).collect(),
        };
        status.stages = vec![
            stage("canary", "Passed", [1, 1, 1, 0], &[]),
            stage(
                "rest",
                "Progressing",
                [2, 1, 0, 1],
                &["default/b: web is Progressing"],
            ),
        ];
        status.approvals = vec![Approved {
            stage: "rest".to_owned(),
            by: "ann".to_owned(),
            at: String::new(),
        }];
        rollout
    }

    #[test]
    fn how_far_it_is_is_drawn_stage_by_stage() {
        let expected = "\
DistributionPolicy default/web: web-2 is Progressing: stage rest: default/b: Deployment default/web is Progressing
Release 0123456789ab where fedcba987654 was; 2 of 3 clusters have it, and on 1 all is well.

STAGE   STATE                          CLUSTERS  UPDATED  READY  AWAY  WAITING FOR
canary  Passed                         1         1        1      0
rest    Progressing (approved by ann)  2         1        0      1     default/b: web is Progressing

To stop it: roadstead rollout pause web -n default; to go back: roadstead rollout abort web -n default";
        let policy = ("DistributionPolicy default/web", "web -n default");
        assert_eq!(status(policy, &[rollout()], Output::Text), expected);
        let mut waits = rollout();
        waits.status.phase = Phase::WaitingForApproval;
        let waits = status(policy, &[waits], Output::Text);
        assert!(
            waits.contains("go on: roadstead approve web -n default;"),
            "{waits}"
        );
        let mut over = rollout();
        over.status.phase = Phase::Succeeded;
        let over = status(policy, &[over], Output::Text);
        assert!(over.ends_with("web is Progressing"), "{over}");
        let none = status(policy, &[], Output::Text);
        assert!(none.ends_with("by a rollout yet."), "{none}");
    }

    #[test]
    fn the_history_has_a_line_for_each() {
        let shown = history("p", &[rollout()], Output::Text);
        let expected = "\
NUMBER  ROLLOUT  PHASE        CAUSE   RELEASE       FROM          BEGAN  OVER
2       web-2    Progressing  Change  0123456789ab  fedcba987654";
        assert_eq!(shown, expected);
    }
}
