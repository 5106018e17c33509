//! `kubectl get` against the hub and against a kube-apiserver, in turn.

use anyhow::Result;
use roadstead_tests::kubectl::Kubectl;
use tokio::time::Instant;

use super::samples::Samples;
use super::site::{Bench, CLUSTER, CONFIG_MAPS, NAMESPACE, Seen, config_map, put};
use super::table::Table;

/// Objects in the list.
const OBJECTS: usize = 500;
/// How often each command is run.
const TIMES: usize = 30;
/// The kubectl that is used.
const KUBECTL: &str = "1.36";

/// Measures.
pub(crate) async fn measure(table: &mut Table) -> Result<()> {
    let bench = Bench::start().await?;
    let seen = Seen::watch(&bench.site()?.api, CONFIG_MAPS).await?;
    for i in 0..OBJECTS {
        put(&bench.fleet.api, &config_map(&format!("read-{i}"), "one")).await?;
    }
    seen.until(&format!("read-{}", OBJECTS - 1), "one").await?;
    let member = bench.path().join(CLUSTER).join("kubeconfig");
    let member = Kubectl::new(KUBECTL, &member, bench.path())?;
    for line in ["get configmaps", "get configmap read-7 -o yaml"] {
        let line = format!("{line} -n {NAMESPACE}");
        let (mut hub, mut direct) = (Samples::default(), Samples::default());
        for _ in 0..TIMES {
            for (kubectl, samples) in [(&bench.fleet.kubectl, &mut hub), (&member, &mut direct)] {
                let started = Instant::now();
                kubectl.run(&line)?;
                samples.add(started.elapsed());
            }
        }
        table.note(&format!("kubectl {line}: hub"), hub.text());
        table.note(&format!("kubectl {line}: kube-apiserver"), direct.text());
    }
    Ok(())
}
