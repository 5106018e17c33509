//! Kurator's own examples of clusters and fleets, as they are, and a policy that goes by a fleet.

use anyhow::{Result, ensure};
use roadstead_tests::api::text;
use roadstead_tests::fleet::{Fleet, condition};
use serde_json::{Value, json};

use crate::EDGE;
use crate::hardware::{A100, H100};
use crate::stage::{SOON, app, deployment_in, policy, until_gone, until_is, until_runs};

const ATTACHED: &str = include_str!("given/attachedcluster.yaml");
const OF_ATTACHED: &str = include_str!("given/fleet-of-attached.yaml");
const OF_CLUSTERS: &str = include_str!("given/fleet-of-clusters.yaml");
const MEMBERS: [&str; 2] = ["kurator-member1", "kurator-member2"];
const NAME: &str = "lighter";

fn by_fleet() -> String {
    let quickstart = json!({"placement": {"clusterAffinity": {"fleets": ["quickstart"]}}});
    policy(NAME, ("apps/v1", "Deployment"), quickstart)
}

fn fleet_of(namespace: &str) -> String {
    format!("/apis/fleet.kurator.dev/v1alpha1/namespaces/{namespace}/fleets/quickstart")
}

/// The fleet says how many of its clusters are ready.
fn ready(fleet: &Value) -> (Option<u64>, &str) {
    let count = fleet.pointer("/status/readyClusters");
    (count.and_then(Value::as_u64), text(fleet, "/status/phase"))
}

/// A fleet whose member is a `Cluster` finds the cluster that joined under that name.
pub(crate) async fn of_clusters(fleet: &mut Fleet) -> Result<()> {
    let namespace = "test";
    fleet.kubectl.run("create namespace test")?;
    fleet.apply(namespace, OF_CLUSTERS)?;
    until_is(fleet, &fleet_of(namespace), "Ready", "False").await?;
    fleet.detach(EDGE, "quickstart").await?;
    let join = ["join", "quickstart", "-n", namespace, "--output", "token"];
    let token = fleet.hub.roadstead(&join)?;
    fleet.agent("quickstart")?.begin(Some(token.trim()))?;
    let object = until_is(fleet, &fleet_of(namespace), "Ready", "True").await?;
    ensure!(ready(&object).0 == Some(1), "{object}");
    fleet.apply(namespace, &by_fleet())?;
    fleet.apply(namespace, &app(NAME, 2))?;
    let site = fleet.site("quickstart")?;
    let path = deployment_in(namespace, NAME);
    until_runs(site, &path, 2).await?;
    let all = format!("deployment/{NAME} distributionpolicy/{NAME} fleet/quickstart");
    let line = format!("delete {all} -n {namespace} --wait=false");
    fleet.kubectl.run(&line)?;
    until_gone(site, &path).await
}

/// Clusters by kubeconfig Secret, in a fleet.
pub(crate) async fn by_kubeconfig(fleet: &mut Fleet) -> Result<()> {
    fleet.apply("default", ATTACHED)?;
    fleet.apply("default", OF_ATTACHED)?;
    until_is(fleet, &fleet_of("default"), "Ready", "False").await?;
    for (former, name) in [A100, H100].into_iter().zip(MEMBERS) {
        fleet.detach(former, name).await?;
        let kubeconfig = std::fs::read_to_string(fleet.site(name)?.kubeconfig())?;
        let key = format!("{name}.config");
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name},
            "stringData": {key: kubeconfig},
        });
        fleet.apply("default", &secret.to_string())?;
    }
    for name in MEMBERS {
        fleet.until_ready(name, "True").await?;
    }
    let object = until_is(fleet, &fleet_of("default"), "Ready", "True").await?;
    ensure!(ready(&object) == (Some(2), "Ready"), "{object}");
    fleet.apply("default", &by_fleet())?;
    fleet.apply("default", &app(NAME, 3))?;
    let path = deployment_in("default", NAME);
    for name in MEMBERS {
        until_runs(fleet.site(name)?, &path, 3).await?;
    }
    let line = format!("wait distributionpolicy/{NAME} --for=condition=Ready --timeout=60s");
    fleet.kubectl.run(&line)?;
    // One that is detached leaves the fleet, and keeps what it runs.
    fleet.hub.roadstead(&["detach", MEMBERS[1]])?;
    let object = until_is(fleet, &fleet_of("default"), "Ready", "False").await?;
    ensure!(ready(&object).0 == Some(1), "{object}");
    until_runs(fleet.site(MEMBERS[1])?, &path, 3).await?;
    let what = condition(&object, "Ready");
    ensure!(what.2.contains(MEMBERS[1]), "{what:?} within {SOON:?}");
    Ok(())
}
