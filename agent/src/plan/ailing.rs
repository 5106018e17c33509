//! Why the pods of a workload do not run, in the words of the member, and few of them.

use std::collections::BTreeMap;

use serde_json::Value;

/// Longest words about the pods of a workload, in bytes.
pub const WORDS_BYTES_MAX: usize = 200;
/// Most reasons that are named.
const REASONS_MAX: usize = 3;
/// Longest words of the member's for one reason, in characters.
const REASON_CHARS_MAX: usize = 120;

/// Kinds that have pods of their own, by a selector: `group/kind`.
const WORKLOADS: [&str; 6] = [
    "/ReplicationController",
    "apps/DaemonSet",
    "apps/Deployment",
    "apps/ReplicaSet",
    "apps/StatefulSet",
    "batch/Job",
];

/// Whether a kind has pods of its own.
pub fn has_pods(group: &str, kind: &str) -> bool {
    WORKLOADS.contains(&format!("{group}/{kind}").as_str())
}

/// The selector of the pods of `workload`, as a list asks for it; `None` where it has none that is known.
pub fn selector(kind: &str, name: &str, workload: &Value) -> Option<String> {
    let labels = match kind {
        // Its controller makes the selector.
        "Job" => return Some(format!("batch.kubernetes.io/job-name={name}")),
        "ReplicationController" => workload.pointer("/spec/selector"),
        _ => workload.pointer("/spec/selector/matchLabels"),
    };
    let labels = labels?.as_object().filter(|labels| !labels.is_empty())?;
    let pair = |(key, value): (&String, &Value)| Some(format!("{key}={}", value.as_str()?));
    let pairs: Option<Vec<String>> = labels.iter().map(pair).collect();
    pairs.map(|pairs| pairs.join(","))
}

/// What keeps pods from running, as far as it was seen.
#[derive(Debug, Default)]
pub struct Ailing {
    pods: usize,
    reasons: BTreeMap<String, (usize, String)>,
}

impl Ailing {
    /// Takes a pod into account.
    pub fn add(&mut self, pod: &Value) {
        if pod.pointer("/metadata/deletionTimestamp").is_some() {
            return;
        }
        self.pods += 1;
        if let Some((reason, words)) = reason(pod) {
            let known = self.reasons.entry(reason).or_default();
            known.0 += 1;
            if known.1.is_empty() {
                known.1 = words;
            }
        }
    }

    /// In words; nothing where nothing is wrong.
    pub fn words(&self) -> String {
        let mut all: Vec<_> = self.reasons.iter().collect();
        all.sort_by_key(|(reason, (count, _))| (usize::MAX - count, reason.as_str()));
        let more = all.len().saturating_sub(REASONS_MAX);
        let named = all.into_iter().take(REASONS_MAX);
        let mut named: Vec<String> = named
            .map(|(reason, (count, words))| {
                let pods = self.pods;
                let colon = if words.is_empty() { "" } else { ": " };
                format!("{count} of {pods} pods: {reason}{colon}{words}")
            })
            .collect();
        if more > 0 {
            named.push(format!("and {more} more reasons"));
        }
        super::report::cut(named.join("; "), WORDS_BYTES_MAX)
    }
}

/// What keeps a pod from running, and the member's words for it.
fn reason(pod: &Value) -> Option<(String, String)> {
    let text = |value: &Value, pointer: &str| {
        let found = value.pointer(pointer).and_then(Value::as_str);
        found.unwrap_or_default().to_owned()
    };
    let lists = ["initContainerStatuses", "containerStatuses"];
    let statuses = lists.iter().filter_map(|list| {
        let list = pod.pointer("/status")?.get(list)?;
        list.as_array()
    });
    for status in statuses.flatten() {
        let waiting = text(status, "/state/waiting/reason");
        if !["", "ContainerCreating", "PodInitializing"].contains(&waiting.as_str()) {
            let ended = text(status, "/lastState/terminated/reason");
            let words = match waiting.as_str() {
                // What it says itself is only for how long it is not tried.
                "CrashLoopBackOff" if ended.is_empty() => String::new(),
                "CrashLoopBackOff" => {
                    let code = status.pointer("/lastState/terminated/exitCode");
                    let code = code.and_then(Value::as_i64).unwrap_or_default();
                    format!("{ended}, exit code {code}")
                }
                _ => text(status, "/image"),
            };
            return Some((waiting, short(&words)));
        }
    }
    let conditions = pod.pointer("/status/conditions").and_then(Value::as_array);
    let scheduled = conditions
        .into_iter()
        .flatten()
        .find(|c| text(c, "/type") == "PodScheduled" && text(c, "/status") == "False");
    if let Some(scheduled) = scheduled {
        return Some((
            text(scheduled, "/reason"),
            short(&text(scheduled, "/message")),
        ));
    }
    if text(pod, "/status/phase") == "Failed" {
        let reason = text(pod, "/status/reason");
        let reason = if reason.is_empty() {
            "Failed".to_owned()
        } else {
            reason
        };
        return Some((reason, short(&text(pod, "/status/message"))));
    }
    None
}

fn short(text: &str) -> String {
    text.chars().take(REASON_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn waiting(reason: &str) -> Value {
        json!({"status": {"containerStatuses": [
            {"image": "web:2", "state": {"waiting": {"reason": reason}}},
        ]}})
    }

    fn words(pods: &[Value]) -> String {
        let mut ailing = Ailing::default();
        pods.iter().for_each(|pod| ailing.add(pod));
        ailing.words()
    }

    #[test]
    fn reasons_are_counted_the_usual_first() {
        let unschedulable = json!({"status": {"conditions": [{
            "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
            "message": "0/3 nodes are available: 3 Insufficient nvidia.com/gpu.",
        }]}});
        let crashing = json!({"status": {"containerStatuses": [{
            "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s"}},
            "lastState": {"terminated": {"reason": "Error", "exitCode": 3}},
        }]}});
        let running = json!({"status": {"phase": "Running"}});
        let pods = [
            waiting("ImagePullBackOff"),
            waiting("ImagePullBackOff"),
            running.clone(),
            unschedulable,
        ];
        assert_eq!(
            words(&pods),
            "2 of 4 pods: ImagePullBackOff: web:2; 1 of 4 pods: Unschedulable: 0/3 nodes are available: 3 Insufficient nvidia.com/gpu."
        );
        assert_eq!(
            words(&[crashing]),
            "1 of 1 pods: CrashLoopBackOff: Error, exit code 3"
        );
        assert_eq!(words(&[running, waiting("ContainerCreating")]), "");
        let many: Vec<Value> = (0..9)
            .map(|n| waiting(&format!("R{n}{}", "x".repeat(90))))
            .collect();
        assert!(words(&many).len() <= WORDS_BYTES_MAX);
        let evicted =
            json!({"status": {"phase": "Failed", "reason": "Evicted", "message": "low on memory"}});
        assert_eq!(words(&[evicted]), "1 of 1 pods: Evicted: low on memory");
    }

    #[test]
    fn pods_are_found_by_what_the_workload_selects() {
        let of = |kind: &str, spec: Value| selector(kind, "web", &json!({"spec": spec}));
        let labels = json!({"selector": {"matchLabels": {"app": "web", "tier": "front"}}});
        assert_eq!(
            of("Deployment", labels).as_deref(),
            Some("app=web,tier=front")
        );
        assert_eq!(
            of("Job", json!({})).as_deref(),
            Some("batch.kubernetes.io/job-name=web")
        );
        assert_eq!(of("Deployment", json!({"selector": {}})), None);
        assert_eq!(of("StatefulSet", json!({})), None);
        assert!(has_pods("apps", "Deployment") && !has_pods("", "Deployment"));
    }
}
