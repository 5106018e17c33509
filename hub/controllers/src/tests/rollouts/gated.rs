//! Stages that go on only once something is so on their clusters, by what the agents report of it.

use super::*;

/// A rollout whose first stage has this gate.
fn gated(gate: Value) -> Value {
    json!({"stages": [{"name": "canary", "share": 1, "gates": [gate]}]})
}

impl Hub {
    /// The first cluster is well, and its agent reports this status.
    async fn proves(&self, status: Value) -> (String, String) {
        let (applied, health) = (ItemState::Applied, Health::Healthy);
        self.report("a", applied, health, status).await;
        self.settle().await;
        let said = self.rollout("p-1").unwrap()["status"]["message"].clone();
        let said = said.as_str().unwrap_or_default().to_owned();
        (self.phase("p-1"), said)
    }
}

const WAITS: &str = "a: 2 web:2, b: 2 web:1, c: 2 web:1";
const GOES_ON: &str = "a: 2 web:2, b: 2 web:2, c: 2 web:2";

#[tokio::test(start_paused = true)]
async fn a_condition_is_waited_for() {
    let hub = Hub::running(gated(json!({"condition": {"type": "Proven"}}))).await;
    hub.apply(deployment(2, "web:2")).await;
    hub.settle().await;
    let proven = |status: &str| json!({"conditions": [{"type": "Proven", "status": status}]});
    for (status, says) in [
        (json!({}), "nothing has the condition Proven yet"),
        (proven("False"), "the condition Proven=False"),
    ] {
        let (phase, said) = hub.proves(status).await;
        assert_eq!(phase, "Progressing canary");
        assert!(said.contains(says), "{said}");
        assert_eq!(hub.all(), WAITS);
    }
    hub.proves(proven("True")).await;
    assert_eq!(hub.all(), GOES_ON);
}

#[tokio::test(start_paused = true)]
async fn an_expression_sees_what_was_given_and_what_is_reported() {
    let expression = "object.status.served >= object.spec.replicas * 10 \
                      && object.spec.template.spec.containers[0].image == 'web:2'";
    let hub = Hub::running(gated(json!({"expression": expression}))).await;
    hub.apply(deployment(2, "web:2")).await;
    hub.settle().await;
    for status in [json!({}), json!({"served": 19})] {
        let (phase, said) = hub.proves(status).await;
        assert_eq!(phase, "Progressing canary", "{said}");
        assert_eq!(hub.all(), WAITS);
    }
    hub.proves(json!({"served": 20})).await;
    assert_eq!(hub.all(), GOES_ON);
}
