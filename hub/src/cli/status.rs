//! `roadstead status`: the fleet at a glance.
//!
//! Clusters, and then what is not right: where, since when, why. Everything comes from conditions
//! that are on the objects for anyone to read.

use comfy_table::Table;
use roadstead_protocol::api::names::FREEZE_ANNOTATION;
use serde_json::{Value, json};

use crate::client::{Api, Error};
use crate::config::{Output, Status};

/// Longest list of faults that the text shows; the JSON has all.
const FAULTS_SHOWN: usize = 50;

/// Conditions that should not be True: what waits for a user, or was moved for a trouble. They end with a
/// reason of `Not…`, or are taken away.
const TROUBLES: &[&str] = &["Frozen", "Held", "Deleting", "FailedOver"];

/// One thing that is not right.
#[derive(Debug, PartialEq, Eq)]
struct Fault {
    what: String,
    condition: String,
    since: String,
    why: String,
}

/// Reads the fleet and gives the text to print.
///
/// # Errors
/// When the hub does not answer, or refuses.
pub async fn status(args: &Status) -> Result<String, Error> {
    let hub = Api::connect(&args.target).await?;
    let clusters = hub
        .list("/apis/cluster.kurator.dev/v1alpha1/attachedclusters")
        .await?;
    let decisions = hub.list("/apis/roadstead.dev/v1alpha1/decisions").await?;
    let mut faults = Vec::new();
    for (path, kind) in [
        (
            "/apis/policy.kurator.dev/v1alpha1/distributionpolicies",
            "distributionpolicy",
        ),
        (
            "/apis/policy.kurator.dev/v1alpha1/clusterdistributionpolicies",
            "clusterdistributionpolicy",
        ),
        (
            "/apis/apps.kurator.dev/v1alpha1/distributionpolicies",
            "distributionpolicy.apps.kurator.dev",
        ),
        (
            "/apis/policy.kurator.dev/v1alpha1/overridepolicies",
            "overridepolicy",
        ),
        (
            "/apis/policy.kurator.dev/v1alpha1/clusteroverridepolicies",
            "clusteroverridepolicy",
        ),
        ("/apis/fleet.kurator.dev/v1alpha1/fleets", "fleet"),
    ] {
        for object in hub.list(path).await? {
            faults.extend(faults_of(kind, &object));
        }
    }
    clusters
        .iter()
        .for_each(|c| faults.extend(faults_of("cluster", c)));
    let said = decisions.iter().flat_map(|d| faults_of("decision", d));
    add(&mut faults, said);
    Ok(match args.output {
        Output::Json => json_of(&clusters, &decisions, &faults),
        Output::Text => text_of(&clusters, &decisions, &faults),
    })
}

/// Adds the faults of decisions, but what a policy has said already, with more words.
fn add(faults: &mut Vec<Fault>, decisions: impl Iterator<Item = Fault>) {
    let policies = faults.len();
    for fault in decisions {
        let words = fault.why.split_once(": ").map_or("", |(_, words)| words);
        let told = |f: &Fault| !words.is_empty() && f.why.contains(&format!(": {words}"));
        if !faults.iter().take(policies).any(told) {
            faults.push(fault);
        }
    }
}

/// The conditions of an object that are not as they should be.
fn faults_of(kind: &str, object: &Value) -> Vec<Fault> {
    let name = full_name(object);
    let conditions = object
        .pointer("/status/conditions")
        .and_then(Value::as_array);
    conditions
        .into_iter()
        .flatten()
        .filter(|c| {
            let (kind, status) = (text(c, "/type"), text(c, "/status"));
            if TROUBLES.contains(&kind) {
                status != "False" || text(c, "/reason") != format!("Not{kind}")
            } else {
                status != "True"
            }
        })
        .map(|c| Fault {
            what: format!("{kind} {name}"),
            condition: format!("{} is {}", text(c, "/type"), text(c, "/status")),
            since: text(c, "/lastTransitionTime").to_owned(),
            why: format!("{}: {}", text(c, "/reason"), text(c, "/message")),
        })
        .collect()
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn full_name(object: &Value) -> String {
    match text(object, "/metadata/namespace") {
        "" => text(object, "/metadata/name").to_owned(),
        namespace => format!("{namespace}/{}", text(object, "/metadata/name")),
    }
}

fn is_ready(cluster: &Value) -> bool {
    let conditions = cluster
        .pointer("/status/conditions")
        .and_then(Value::as_array);
    conditions
        .into_iter()
        .flatten()
        .any(|c| text(c, "/type") == "Ready" && text(c, "/status") == "True")
}

/// What people said about a cluster that keeps things away from it, or as they are.
fn marks(cluster: &Value) -> Vec<&'static str> {
    let said = [
        ("/spec/fenced", "fenced"),
        ("/spec/drain", "drained"),
        ("/spec/unschedulable", "cordoned"),
    ];
    let on = |pointer: &str| cluster.pointer(pointer) == Some(&Value::Bool(true));
    let mut marks: Vec<&str> = said
        .iter()
        .filter(|(pointer, _)| on(pointer))
        .map(|(_, mark)| *mark)
        .collect();
    let tainted = cluster.pointer("/spec/taints").and_then(Value::as_array);
    if tainted.is_some_and(|taints| !taints.is_empty()) {
        marks.push("tainted");
    }
    let annotations = cluster.pointer("/metadata/annotations");
    let frozen = annotations.and_then(|a| a.get(FREEZE_ANNOTATION)?.as_str());
    if frozen == Some("true") {
        marks.push("frozen");
    }
    marks
}

/// How many objects a cluster is to have, and how many of these are applied and healthy.
fn objects_on(cluster: &Value, decisions: &[Value]) -> (usize, usize, usize) {
    let (namespace, name) = (
        text(cluster, "/metadata/namespace"),
        text(cluster, "/metadata/name"),
    );
    let on = decisions
        .iter()
        .filter_map(|d| d.pointer("/status/clusters").and_then(Value::as_array))
        .flatten()
        .filter(|c| text(c, "/namespace") == namespace && text(c, "/name") == name);
    on.fold((0, 0, 0), |(all, applied, healthy), c| {
        let is_applied = text(c, "/state") == "Applied";
        let is_healthy = is_applied && text(c, "/health") == "Healthy";
        (
            all + 1,
            applied + usize::from(is_applied),
            healthy + usize::from(is_healthy),
        )
    })
}

fn json_of(clusters: &[Value], decisions: &[Value], faults: &[Fault]) -> String {
    let clusters: Vec<Value> = clusters
        .iter()
        .map(|c| {
            let (objects, applied, healthy) = objects_on(c, decisions);
            json!({
                "namespace": text(c, "/metadata/namespace"),
                "name": text(c, "/metadata/name"),
                "ready": is_ready(c),
                "version": text(c, "/status/version"),
                "lastHeardTime": c.pointer("/status/lastHeardTime"),
                "objects": objects,
                "applied": applied,
                "healthy": healthy,
                "marks": marks(c),
            })
        })
        .collect();
    let faults: Vec<Value> = faults
        .iter()
        .map(|f| json!({"what": f.what, "condition": f.condition, "since": f.since, "why": f.why}))
        .collect();
    format!("{:#}", json!({"clusters": clusters, "faults": faults}))
}

fn text_of(clusters: &[Value], decisions: &[Value], faults: &[Fault]) -> String {
    if clusters.is_empty() {
        return "No clusters yet. Let one join: roadstead join NAME".to_owned();
    }
    let mut table = plain(&[
        "CLUSTER", "READY", "VERSION", "NODES", "OBJECTS", "APPLIED", "HEALTHY", "MARKED",
    ]);
    for c in clusters {
        let (objects, applied, healthy) = objects_on(c, decisions);
        let nodes = c.pointer("/status/nodes").and_then(Value::as_u64);
        table.add_row(vec![
            full_name(c),
            if is_ready(c) { "yes" } else { "no" }.to_owned(),
            text(c, "/status/version").to_owned(),
            nodes.map(|n| n.to_string()).unwrap_or_default(),
            objects.to_string(),
            applied.to_string(),
            healthy.to_string(),
            marks(c).join(","),
        ]);
    }
    let ready = clusters.iter().filter(|c| is_ready(c)).count();
    let head = format!(
        "{ready} of {} ready, {} decided",
        counted(clusters.len(), "cluster"),
        counted(decisions.len(), "object")
    );
    if faults.is_empty() {
        return format!("{head}\n\n{}\n\nNothing is wrong.", trimmed(&table));
    }
    let mut wrong = plain(&["NOT RIGHT", "WHAT", "SINCE", "WHY"]);
    for f in faults.iter().take(FAULTS_SHOWN) {
        wrong.add_row(vec![&f.what, &f.condition, &f.since, &f.why]);
    }
    let more = match faults.len().saturating_sub(FAULTS_SHOWN) {
        0 => String::new(),
        n => format!("\n… and {n} more: roadstead status -o json"),
    };
    format!("{head}\n\n{}\n\n{}{more}", trimmed(&table), trimmed(&wrong))
}

/// So many of a thing, in words.
fn counted(count: usize, thing: &str) -> String {
    match count {
        1 => format!("1 {thing}"),
        n => format!("{n} {thing}s"),
    }
}

/// A table as kubectl prints them: no lines, two spaces between columns.
pub(crate) fn plain(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(header.to_vec());
    table.column_iter_mut().for_each(|c| {
        c.set_padding((0, 2));
    });
    table
}

/// A table's text without white space at the ends of its lines.
pub(crate) fn trimmed(table: &Table) -> String {
    table
        .to_string()
        .lines()
        .map(str::trim_end)
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_clusters_and_what_is_wrong() {
        let cluster = json!({
            "metadata": {"namespace": "default", "name": "edge"},
            "status": {"version": "v1.36.3", "nodes": 2, "conditions": [
                {"type": "Ready", "status": "Unknown", "reason": "NoNews", "message": "last heard 2m ago",
                 "lastTransitionTime": "2026-01-01T00:00:00Z"},
            ]},
        });
        let decision = json!({
            "metadata": {"namespace": "default", "name": "deployment.apps.web"},
            "status": {"clusters": [
                {"namespace": "default", "name": "edge", "state": "Applied", "health": "Degraded"},
            ]},
        });
        let mut waits = cluster.clone();
        waits["status"]["conditions"] = json!([
            {"type": "Ready", "status": "True"},
            {"type": "Frozen", "status": "False", "reason": "NotFrozen"},
            {"type": "Held", "status": "True", "reason": "OtherHistory", "message": "see reconcile"},
            {"type": "FailedOver", "status": "False", "reason": "HubSuspectsItself"},
            {"type": "Deleting", "status": "Unknown", "reason": "R"},
        ]);
        let waits: Vec<String> = faults_of("cluster", &waits)
            .into_iter()
            .map(|fault| fault.condition)
            .collect();
        assert_eq!(
            waits,
            ["Held is True", "FailedOver is False", "Deleting is Unknown"]
        );
        let faults = faults_of("cluster", &cluster);
        let shown = text_of(&[cluster], &[decision], &faults);
        assert!(
            shown.starts_with("0 of 1 cluster ready, 1 object decided"),
            "{shown}"
        );
        assert!(shown.contains("Ready is Unknown"), "{shown}");
        assert!(shown.contains("NoNews: last heard 2m ago"), "{shown}");
    }

    #[test]
    fn what_a_policy_said_is_not_said_again_of_its_objects() {
        let fault = |what: &str, why: &str| Fault {
            what: what.to_owned(),
            condition: "Placed is False".to_owned(),
            since: String::new(),
            why: why.to_owned(),
        };
        let mut faults = vec![fault(
            "policy web",
            "UnknownClusters: there is no far; Deployment web: kept as it is",
        )];
        let decisions = [
            fault("decision web", "Held: kept as it is"),
            fault("decision web", "Failed: refused"),
            fault("decision api", "Failed: refused"),
            fault("decision db", "Failed: "),
        ];
        add(&mut faults, decisions.into_iter());
        let left: Vec<&str> = faults.iter().map(|f| f.what.as_str()).collect();
        assert_eq!(
            left,
            ["policy web", "decision web", "decision api", "decision db"]
        );
    }

    #[test]
    fn the_fleet_is_shown_as_it_was() {
        let cluster = |name: &str, spec: Value, ready: &str| {
            json!({
                "metadata": {"namespace": "default", "name": name},
                "spec": spec,
                "status": {"version": "v1.36.3", "nodes": 2, "conditions": [
                    {"type": "Ready", "status": ready, "reason": "Reason", "message": "said so",
                     "lastTransitionTime": "2026-11-21T12:00:00Z"},
                ]},
            })
        };
        let clusters = [
            cluster("dr", json!({"unschedulable": true, "drain": true}), "True"),
            cluster(
                "edge",
                json!({"fenced": true, "taints": [{"key": "gpu"}]}),
                "Unknown",
            ),
            cluster("prod", json!({}), "True"),
        ];
        let decision = json!({
            "metadata": {"namespace": "default", "name": "deployment.apps.web"},
            "status": {"clusters": [
                {"namespace": "default", "name": "prod", "state": "Applied", "health": "Healthy"},
                {"namespace": "default", "name": "dr", "state": "Applied", "health": "Degraded"},
            ]},
        });
        let faults: Vec<Fault> = clusters
            .iter()
            .flat_map(|c| faults_of("cluster", c))
            .collect();
        let shown = text_of(&clusters, &[decision], &faults);
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/status.txt");
        let golden = std::fs::read_to_string(&path).unwrap_or_default();
        let at = path.display();
        assert_eq!(
            shown.trim_end(),
            golden.trim_end(),
            "{at} should hold\n{shown}"
        );
    }
}
