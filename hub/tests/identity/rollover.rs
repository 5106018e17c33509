//! The agents' authority is replaced: by those who are here, those who sleep, and hubs that are put
//! back to before.

use crate::stage::{HUB, Stage};

fn roots(loaded: &roadstead_agent::store::Loaded) -> usize {
    loaded.identity.as_ref().unwrap().authorities.len()
}

/// The certificate that signed the agent's.
fn signer(loaded: &roadstead_agent::store::Loaded) -> Vec<u8> {
    let identity = loaded.identity.as_ref().unwrap();
    identity.certificates.last().cloned().unwrap()
}

#[tokio::test]
async fn agents_hear_of_a_successor_before_it_signs_and_go_over_without_noticing() {
    let mut stage = Stage::start().await;
    let mut cluster = stage.joined("prod").await;
    let standing = stage.running().authority.rotate(false).await.unwrap();
    assert_eq!((standing.generation, standing.former), (1, 0));
    assert!(standing.successor.is_some());
    // A session that goes on hears of it when the certificate is renewed.
    stage.day(61);
    let since = stage.liveness(&cluster.uid).unwrap().since;
    tokio::time::sleep(20 * crate::stage::LOOK).await;
    assert_eq!(stage.liveness(&cluster.uid).unwrap().since, since);
    cluster.stop().await;
    let announced = cluster.disk().await;
    assert_eq!(roots(&announced), 2, "it has heard of the successor");
    // On its day the successor signs; the hub may be restarted meanwhile.
    stage.day(101);
    stage.restart().await;
    assert_eq!(stage.running().authority.standing().generation, 2);
    cluster.visit(&stage, None).await;
    // The certificate is still that of the authority before: the session did not need another.
    assert_eq!(signer(&cluster.disk().await), signer(&announced));
    stage.day(130);
    cluster.start(&stage, None);
    stage.connected(&cluster).await;
    tokio::time::sleep(20 * crate::stage::LOOK).await;
    cluster.stop().await;
    let renewed = cluster.disk().await;
    assert_ne!(
        signer(&renewed),
        signer(&announced),
        "renewed by the successor"
    );
    assert_eq!(roots(&renewed), 1);
    assert_eq!(renewed.former.authorities, [signer(&announced)]);
    assert_eq!(renewed.former.identities.len(), 1);
}

#[tokio::test]
async fn an_agent_that_slept_through_the_change_renews_by_the_authority_before() {
    let mut stage = Stage::start().await;
    let mut cluster = stage.joined("prod").await;
    cluster.stop().await;
    let before = cluster.disk().await;
    stage.gone(&cluster).await;
    let standing = stage.running().authority.rotate(true).await.unwrap();
    assert_eq!((standing.generation, standing.former), (2, 1));
    // It slept past the end of its certificate as well.
    stage.day(300);
    stage.restart().await;
    cluster.visit(&stage, None).await;
    let after = cluster.disk().await;
    assert_ne!(signer(&after), signer(&before));
    assert_eq!(after.former.authorities, [signer(&before)]);
    // Newcomers join with a token that pins them all.
    let mut other = stage.joined("edge").await;
    other.stop().await;
    assert_eq!(signer(&other.disk().await), signer(&after));
}

#[tokio::test]
async fn a_session_goes_on_when_a_successor_signs_at_once_and_comes_back_by_itself() {
    let mut stage = Stage::start().await;
    let mut cluster = stage.joined("prod").await;
    stage.running().authority.rotate(true).await.unwrap();
    assert!(stage.is_connected(&cluster.uid));
    // It has not heard of the successor, and the hub restarts.
    stage.restart().await;
    stage.connected(&cluster).await;
    cluster.stop().await;
    assert_eq!(cluster.disk().await.former.identities.len(), 1);
}

#[tokio::test]
async fn a_former_authority_is_kept_for_as_long_as_agents_may_sleep_and_no_longer() {
    let mut stage = Stage::start().await;
    let mut cluster = stage.joined("prod").await;
    cluster.stop().await;
    stage.gone(&cluster).await;
    stage.running().authority.rotate(true).await.unwrap();
    stage.hub_clock.set(457);
    stage.agent_clock.set(80);
    stage.restart().await;
    assert_eq!(stage.running().authority.standing().former, 0);
    // The agent's clock says that all is well; nobody believes its certificate any more.
    cluster.start(&stage, None);
    stage
        .never("it was let in", |s| s.is_connected(&cluster.uid))
        .await;
    cluster.stop().await;
}

#[tokio::test]
async fn a_hub_that_was_put_back_to_before_the_change_knows_its_agents() {
    let mut stage = Stage::start().await;
    let mut cluster = stage.joined("prod").await;
    cluster.stop().await;
    let first = cluster.disk().await;
    stage.close().await;
    let copy = stage.folder.path().join("copy.redb");
    std::fs::copy(stage.hub_file(), &copy).unwrap();
    stage.open(&[HUB]).await;
    stage.running().authority.rotate(true).await.unwrap();
    cluster.visit(&stage, None).await;
    let second = cluster.disk().await;
    assert_ne!(signer(&second), signer(&first));
    // The hub is put back; the agent has what that hub gave it once, and proves that.
    stage.close().await;
    std::fs::copy(&copy, stage.hub_file()).unwrap();
    stage.open(&[HUB]).await;
    assert_eq!(stage.running().authority.standing().generation, 1);
    cluster.visit(&stage, None).await;
    let third = cluster.disk().await;
    assert_eq!(signer(&third), signer(&first));
    assert_eq!(third.former.authorities, [signer(&second)]);
}

#[tokio::test]
async fn an_administrator_sees_and_changes_the_authority_through_the_api() {
    let stage = Stage::start().await;
    let path = "/roadstead.dev/authority";
    let nothing = serde_json::json!({});
    let shown = stage.api().get(path).await.unwrap();
    assert_eq!(shown["generation"], 1);
    assert!(shown["successorSignsFrom"].is_null(), "{shown}");
    let rotate = format!("{path}/rotate");
    let announced = stage.api().post(&rotate, &nothing).await.unwrap();
    assert_eq!(announced["generation"], 1);
    assert!(announced["successorSignsFrom"].is_string(), "{announced}");
    let now = format!("{path}/rotate-now");
    let signing = stage.api().post(&now, &nothing).await.unwrap();
    assert_eq!(
        (&signing["generation"], &signing["former"]),
        (&2.into(), &1.into())
    );
    assert!(
        stage.api().get(&rotate).await.is_err(),
        "reading changes nothing"
    );
    assert_eq!(stage.api().get(path).await.unwrap(), signing);
    // The API's own authority is another, and goes its own way.
    assert_eq!(signing["api"]["generation"], 1);
    let api = format!("{path}/api/rotate-now");
    let both = stage.api().post(&api, &nothing).await.unwrap();
    assert_eq!(both["generation"], 2);
    assert_eq!(
        (&both["api"]["generation"], &both["api"]["former"]),
        (&2.into(), &1.into())
    );
}
