//! What a simulated member does is what a real cluster does.
//!
//! Everything that the simulation relies on is asked of both, by the same code, and both must give
//! the same answers. Each script also says by itself what it expects, so that a mistake on both
//! sides is seen, too.
//!
//! Known to differ, and relied on by nothing: a simulated member gives a workload no defaults, and
//! does not look at the keys of a ConfigMap.

mod collected;
mod deleted;
mod guarded;
mod left;
mod script;
mod watched;
mod workloads;
mod written;

use anyhow::{Context as _, Result};
use roadstead_tests::api::Api;
use roadstead_tests::assets::Assets;
use roadstead_tests::cluster::Clusters;
use roadstead_tests::member::Member;
use roadstead_tests::skipped;

use script::Script;

/// Runs every script; gives the transcript, and what was not as the scripts expect.
async fn all(api: Api) -> Result<(Vec<String>, Vec<String>)> {
    let mut script = Script::new(api);
    let s = &mut script;
    s.namespace("parity").await?;
    let ended = [
        written::created(s).await.context("created"),
        written::applied(s).await.context("applied"),
        written::forced(s).await.context("forced"),
        written::in_no_namespace(s).await.context("in_no_namespace"),
        written::refused(s).await.context("refused"),
        written::generations(s).await.context("generations"),
        deleted::by_uid(s).await.context("by_uid"),
        guarded::applied(s).await.context("applied over"),
        guarded::deleted(s).await.context("deleted over"),
        left::to_others(s).await.context("to_others"),
        deleted::with_finalizer(s).await.context("with_finalizer"),
        watched::from_a_version(s).await.context("from_a_version"),
        watched::metadata_only(s).await.context("metadata_only"),
        watched::by_label(s).await.context("by_label"),
        watched::in_pages(s).await.context("in_pages"),
        collected::background(s).await.context("background"),
        collected::orphaned(s).await.context("orphaned"),
        collected::foreground(s).await.context("foreground"),
        workloads::deployment(s).await.context("deployment"),
        collected::namespace(s).await.context("namespace"),
    ];
    let broken = ended.into_iter().filter_map(Result::err);
    script.faults.extend(broken.map(|e| format!("{e:#}")));
    Ok((script.lines, script.faults))
}

async fn simulated() -> Result<(Vec<String>, Vec<String>)> {
    let folder = tempfile::tempdir()?;
    let member = Member::start(folder.path()).await?;
    all(Api::of(member.kubeconfig()).await?).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_simulated_member_does_what_it_should() {
    let (lines, faults) = simulated().await.unwrap();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(!lines.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_simulated_member_does_what_a_real_cluster_does() {
    let assets = match Assets::find() {
        Ok(assets) => assets,
        Err(e) => return skipped("a_simulated_member_does…", &format!("{e:#}")),
    };
    let folder = tempfile::tempdir().unwrap();
    let clusters = Clusters::start(assets, folder.path()).unwrap();
    let cluster = clusters.add("real", true).await.unwrap();
    let api = Api::of(&cluster.kubeconfig).await.unwrap();
    let (real, mut faults) = all(api).await.unwrap();
    let (simulated, _) = simulated().await.unwrap();
    let only = |these: &[String], those: &[String], who: &str| -> Vec<String> {
        let lines = these.iter().filter(|l| !those.contains(l));
        lines.map(|l| format!("only {who}: {l}")).collect()
    };
    faults.extend(only(&real, &simulated, "the real one"));
    faults.extend(only(&simulated, &real, "the simulated one"));
    faults.sort_by_key(|line| line.split_once(": ").map(|(_, rest)| rest.to_owned()));
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
