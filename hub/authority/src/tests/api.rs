//! The REST port's authority is replaced: clients that were told in time notice nothing.

use super::years::World;
use super::*;

/// How many authorities a kubeconfig trusts.
fn trusted(authority: &Authority) -> usize {
    let pem = authority.rest_authority_pem();
    tls::certificates_from_pem(&pem).unwrap().len()
}

#[tokio::test]
async fn a_successor_is_trusted_before_it_signs_and_its_users_stay_known() {
    let (env, authority) = authority().await;
    let crypto = Crypto::ring(&env);
    let user = authority.rest_identity("admin", "system:masters").unwrap();
    let untold = client(&authority, &crypto, Some(&user));
    let (token, before) = (
        authority.admin_token(),
        authority.admin_kubeconfig("https://hub").unwrap(),
    );
    let standing = authority.rotate_api(false).await.unwrap();
    assert_eq!((standing.generation, standing.former), (1, 0));
    assert!(standing.successor.is_some());
    assert_eq!(trusted(&authority), 2);
    assert_eq!(authority.admin_token(), token, "nothing else changes yet");
    let told = client(&authority, &crypto, Some(&user));
    let again = authority.rotate_api(false).await.unwrap();
    assert_eq!(again, standing, "one is announced already");

    let standing = authority.rotate_api(true).await.unwrap();
    assert_eq!((standing.generation, standing.former), (2, 1));
    let server = || authority.rest_server(&crypto, &[]).unwrap();
    let known = shake(server(), told, "localhost").unwrap();
    let expected = ("admin".to_owned(), vec!["system:masters".to_owned()]);
    assert_eq!(Authority::rest_user(&known[0]).unwrap(), expected);
    assert!(shake(server(), untold, "localhost").is_err());
    let newcomer = authority.rest_identity("admin", "system:masters").unwrap();
    let newcomer = client(&authority, &crypto, Some(&newcomer));
    assert!(!shake(server(), newcomer, "localhost").unwrap().is_empty());
    let after = authority.admin_kubeconfig("https://hub").unwrap();
    assert_ne!(after, before, "the administrator has a certificate of it");
    assert_ne!(authority.admin_token(), token);
    assert!(authority.is_admin_token(&token) && authority.is_admin_token(&authority.admin_token()));
    assert_eq!(authority.standing().generation, 1, "the agents' is another");
}

#[tokio::test]
async fn a_successor_is_made_in_time_and_kept_over_a_start() {
    let world = World::new().await;
    assert_eq!(world.load().await.api_standing().successor, None);
    world.day(3650 - 720);
    let announced = world.load().await;
    assert_eq!(announced.api_standing().generation, 1);
    assert_eq!(trusted(&announced), 2);
    world.day(3650 - 600);
    let signing = world.load().await;
    assert_eq!(signing.api_standing().generation, 2);
    let written = world.store.revision();
    signing.tend().await.unwrap();
    assert_eq!(world.store.revision(), written, "nothing is due");
}
