//! Copies of an agent's folder: the newest start is the agent, and the others are told so.

use std::time::Duration;

use roadstead_agent::Error;

use crate::stage::{Stage, agent, copy};

#[tokio::test]
async fn the_newer_start_takes_over_at_once_and_the_older_one_is_refused_and_said() {
    let stage = Stage::start().await;
    let mut cluster = stage.joined("prod").await;
    cluster.stop().await;
    let other = stage.folder.path().join("other");
    copy(&cluster.folder, &other);
    // The copy was started once more often.
    let newer = agent(&stage, &cluster.member, &other, None);
    stage
        .until("the copy", |s| s.is_connected(&cluster.uid))
        .await;
    newer.stop().await.unwrap();
    stage.gone(&cluster).await;
    let newer = agent(&stage, &cluster.member, &other, None);
    stage
        .until("the copy", |s| s.is_connected(&cluster.uid))
        .await;
    let boot = stage.liveness(&cluster.uid).unwrap().boot;
    // The original begins where it was: at a boot that the hub has seen the like of. It reaches its
    // member, which counts it up, so it is the newer one now and takes over at once.
    cluster.start(&stage, None);
    stage
        .until("the take-over", |s| {
            s.liveness(&cluster.uid)
                .is_some_and(|l| l.boot > boot && l.connected)
        })
        .await;
    // And the copy finds another's nonce on the member and stops, or is told by the hub.
    let told = stage.until("the note", |s| s.turned_away(&cluster.uid).is_some());
    tokio::time::timeout(Duration::from_secs(20), told)
        .await
        .unwrap();
    let turned = stage.turned_away(&cluster.uid).unwrap();
    assert_eq!(turned.boot, boot);
    assert!(
        turned.message.contains("two agents run"),
        "{}",
        turned.message
    );
    assert!(stage.is_connected(&cluster.uid), "the newer one stays");
    let shown = shown(&stage).await;
    assert!(shown.contains("was turned away"), "{shown}");
    cluster.stop().await;
    assert!(matches!(
        newer.stop().await,
        Ok(()) | Err(Error::Superseded { .. })
    ));
}

/// What the AttachedCluster says of the copy.
async fn shown(stage: &Stage) -> String {
    let deadline = tokio::time::Instant::now() + crate::stage::SOON;
    loop {
        let path = "/apis/cluster.kurator.dev/v1alpha1/namespaces/default/attachedclusters/prod";
        let cluster = stage.api().get(path).await.unwrap();
        let conditions = cluster["status"]["conditions"].as_array();
        let copied = conditions
            .into_iter()
            .flatten()
            .find(|c| c["type"] == "Copied" && c["status"] == "True");
        if let Some(copied) = copied {
            return copied["message"].as_str().unwrap_or_default().to_owned();
        }
        assert!(tokio::time::Instant::now() < deadline, "it is not shown");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_folder_from_before_the_cluster_was_joined_anew_is_worth_nothing() {
    let stage = Stage::start().await;
    let mut cluster = stage.joined("prod").await;
    for _ in 0..3 {
        cluster.stop().await;
        cluster.start(&stage, None);
        stage.connected(&cluster).await;
    }
    cluster.stop().await;
    let old = stage.folder.path().join("old");
    copy(&cluster.folder, &old);
    std::fs::remove_dir_all(&cluster.folder).unwrap();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let token = stage.token("prod").await;
    cluster.start(&stage, Some(token));
    stage
        .until("the new agent", |s| {
            s.liveness(&cluster.uid).is_some_and(|l| l.connected)
        })
        .await;
    cluster.stop().await;
    stage.gone(&cluster).await;
    // The old folder turns up again; its starts count further than the new one's.
    let zombie = agent(&stage, &cluster.member, &old, None);
    stage
        .until("the note", |s| s.turned_away(&cluster.uid).is_some())
        .await;
    stage
        .never("it was let in", |s| s.is_connected(&cluster.uid))
        .await;
    let turned = stage.turned_away(&cluster.uid).unwrap();
    assert!(turned.message.contains("joined anew"), "{}", turned.message);
    zombie.stop().await.unwrap();
    cluster.visit(&stage, None).await;
}
