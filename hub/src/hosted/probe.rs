//! Asks a cluster who it is, which also tells whether it is there.

use std::time::Duration;

use roadstead_agent::member::{Class, Error, Member};
use roadstead_store::records::HostedProblem;

use super::kubeconfig::problem;

/// How long a cluster has to answer.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// How often it is asked. Two unanswered questions, and the time that a condition takes, are less than
/// the 40 s within which the loss of a cluster is said.
pub(super) const ASK_EVERY: Duration = Duration::from_secs(10);
/// How soon it is asked again before one unanswered question counts.
pub(super) const ASK_AGAIN: Duration = Duration::from_secs(2);
/// Longest message of an error that is passed on, in characters.
const MESSAGE_MAX: usize = 512;

/// The uid of the cluster's `kube-system` namespace.
///
/// # Errors
/// What keeps it from being known.
pub(super) async fn ask(client: &kube::Client) -> Result<String, HostedProblem> {
    let member = Member::new(client.clone());
    match tokio::time::timeout(ANSWER_WITHIN, member.member_uid()).await {
        Ok(Ok(uid)) => Ok(uid),
        Ok(Err(error)) => Err(of(&error)),
        Err(_) => {
            let within = ANSWER_WITHIN.as_secs();
            let why = format!("the cluster's API did not answer within {within} s");
            Err(problem("Unreachable", why))
        }
    }
}

/// What a failed question says.
fn of(error: &Error) -> HostedProblem {
    let words: String = error.message.chars().take(MESSAGE_MAX).collect();
    match error.class {
        Class::Unreachable => problem(
            "Unreachable",
            format!("the cluster's API cannot be reached: {words}"),
        ),
        Class::Forbidden => problem(
            "Unauthorized",
            format!("the cluster's API does not let the kubeconfig's user in: {words}"),
        ),
        Class::NotFound | Class::NamespaceMissing | Class::KindUnknown | Class::Answer => problem(
            "NotACluster",
            format!("what answers at the kubeconfig's server is no Kubernetes API: {words}"),
        ),
        Class::Conflict
        | Class::AlreadyExists
        | Class::Invalid
        | Class::Expired
        | Class::Busy
        | Class::Internal => problem("ApiFailed", format!("the cluster's API answered: {words}")),
    }
}
