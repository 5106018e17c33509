//! What is said of an answer, as it was said when it was released.

use std::path::Path;

use super::*;
use crate::why::Cluster;

fn cluster(name: &str, replicas: Option<u32>, why: &str, state: (&str, &str, &str)) -> Cluster {
    let (state, health, message) = state;
    let status = ClusterStatus {
        state: state.to_owned(),
        health: health.to_owned(),
        message: message.to_owned(),
        ..ClusterStatus::default()
    };
    Cluster {
        namespace: "default".to_owned(),
        name: name.to_owned(),
        chosen: replicas.is_some(),
        replicas,
        why: why.to_owned(),
        state: Some(status).filter(|s| !s.state.is_empty()),
    }
}

fn answer() -> Answer {
    Answer {
        object: "Deployment.apps default/web".to_owned(),
        policy: Some("DistributionPolicy default/web".to_owned()),
        contenders: vec!["ClusterDistributionPolicy everything".to_owned()],
        overrides: vec!["OverridePolicy default/images".to_owned()],
        notes: vec!["2 replicas have no place: default/edge: 1 has room".to_owned()],
        clusters: vec![
            cluster(
                "dr",
                Some(2),
                "its name is in the policy; weight 10 makes 2 replicas",
                (
                    "Applied",
                    "Degraded",
                    "1 of 2 pods: ImagePullBackOff of web:2",
                ),
            ),
            cluster("edge", None, "it is cordoned", ("", "", "")),
            cluster(
                "prod",
                Some(18),
                "its name is in the policy; weight 90 makes 18 replicas",
                ("Applied", "Healthy", ""),
            ),
        ],
    }
}

#[test]
fn an_answer_is_shown_as_it_was() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/why.txt");
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    let shown = text(&answer());
    let at = path.display();
    assert_eq!(
        shown.trim_end(),
        golden.trim_end(),
        "{at} should hold\n{shown}"
    );
}

#[test]
fn nothing_is_said_of_what_is_nowhere() {
    let nowhere = Answer {
        object: "ConfigMap default/x".to_owned(),
        ..Answer::default()
    };
    assert_eq!(
        text(&nowhere),
        "No policy distributes ConfigMap default/x.\nThere are no clusters yet: roadstead join NAME"
    );
}
