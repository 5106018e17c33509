//! The authorities: made once, kept, and never signing for each other.

use std::sync::Arc;
use std::time::Duration;

use roadstead_protocol::env::Env;
use roadstead_protocol::host::tls::Profile;
use roadstead_protocol::host::{Crypto, Identity, system, tls};
use roadstead_store::{Backend, Options, Store, Txn};
use rustls_pki_types::ServerName;

use super::*;

mod ahead;
mod api;
mod users;
mod years;

async fn store(env: &Env) -> Store {
    Store::open(env.clone(), Backend::Memory, Options::default())
        .await
        .unwrap()
}

async fn authority() -> (Env, Authority) {
    let env = system::env();
    let authority = Authority::load_or_create(&store(&env).await, &env)
        .await
        .unwrap();
    (env, authority)
}

#[expect(
    clippy::unwrap_in_result,
    reason = "only refusals of certificates are results here"
)]
/// Shakes hands in memory. What the server learned of the client, or why it did not come to that.
fn shake(
    server: rustls::ServerConfig,
    client: rustls::ClientConfig,
    name: &str,
) -> Result<Vec<CertificateDer<'static>>, rustls::Error> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = rustls::ClientConnection::new(Arc::new(client), name)?;
    let mut server = rustls::ServerConnection::new(Arc::new(server))?;
    for _ in 0..10 {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        server.read_tls(&mut bytes.as_slice()).unwrap();
        server.process_new_packets()?;
        let mut bytes = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut bytes).unwrap();
        }
        client.read_tls(&mut bytes.as_slice()).unwrap();
        client.process_new_packets()?;
    }
    assert!(!server.is_handshaking());
    Ok(server.peer_certificates().unwrap_or_default().to_vec())
}

/// A client of the REST port.
fn client(
    authority: &Authority,
    crypto: &Crypto,
    identity: Option<&Identity>,
) -> rustls::ClientConfig {
    let mut roots = rustls::RootCertStore::empty();
    for root in tls::certificates_from_pem(&authority.rest_authority_pem()).unwrap() {
        roots.add(root).unwrap();
    }
    let builder = rustls::ClientConfig::builder_with_provider(crypto.provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    match identity {
        None => builder.with_no_client_auth(),
        Some(one) => builder
            .with_client_auth_cert(one.chain.clone(), one.key.to_der())
            .unwrap(),
    }
}

#[tokio::test]
async fn authorities_are_made_once_and_kept() {
    let env = system::env();
    let store = store(&env).await;
    let first = Authority::load_or_create(&store, &env).await.unwrap();
    let written = store.revision();
    let again = Authority::load_or_create(&store, &env).await.unwrap();
    assert_eq!(store.revision(), written);
    assert_eq!(first.hub_id(), again.hub_id());
    assert_eq!(first.endpoint_secrets(), again.endpoint_secrets());
    assert_eq!(first.agents_pins(), again.agents_pins());
    let url = "https://127.0.0.1:6443";
    assert_eq!(
        first.admin_kubeconfig(url).unwrap(),
        again.admin_kubeconfig(url).unwrap()
    );
}

#[tokio::test]
async fn a_damaged_record_is_reported_and_not_replaced() {
    let env = system::env();
    let store = store(&env).await;
    Authority::load_or_create(&store, &env).await.unwrap();
    let key = roadstead_store::records::authority_key("agents").unwrap();
    store
        .commit(Txn::new().put(key.clone(), "{}"))
        .await
        .unwrap();
    let error = Authority::load_or_create(&store, &env).await.unwrap_err();
    assert!(error.to_string().contains("/authority/agents"), "{error}");
    assert_eq!(store.snapshot().get(key.as_str()).unwrap().value, "{}");
}

#[tokio::test]
async fn the_rest_port_knows_its_users_and_strangers_come_without_a_name() {
    let (env, authority) = authority().await;
    let crypto = Crypto::ring(&env);
    let admin = authority.rest_identity("admin", "system:masters").unwrap();
    for name in ["localhost", "127.0.0.1", "hub.example"] {
        let server = authority
            .rest_server(&crypto, &["hub.example".to_owned()])
            .unwrap();
        let known = shake(server, client(&authority, &crypto, Some(&admin)), name).unwrap();
        let expected = ("admin".to_owned(), vec!["system:masters".to_owned()]);
        assert_eq!(Authority::rest_user(&known[0]).unwrap(), expected);
    }
    let server = authority.rest_server(&crypto, &[]).unwrap();
    assert_eq!(
        shake(server, client(&authority, &crypto, None), "localhost").unwrap(),
        []
    );
    let server = authority.rest_server(&crypto, &[]).unwrap();
    assert!(
        shake(
            server,
            client(&authority, &crypto, None),
            "elsewhere.example"
        )
        .is_err()
    );
}

#[tokio::test]
async fn an_agents_certificate_is_worth_nothing_at_the_rest_port() {
    let (env, authority) = authority().await;
    let crypto = Crypto::ring(&env);
    let profile = Profile::Agent {
        cluster_uid: "0a1b2c3d-0000-4000-8000-000000000001".to_owned(),
    };
    let agent = tls::sign(&env, &authority.agents().unwrap(), &profile).unwrap();
    let server = authority.rest_server(&crypto, &[]).unwrap();
    let refused = shake(
        server,
        client(&authority, &crypto, Some(&agent)),
        "localhost",
    )
    .unwrap_err();
    assert!(
        matches!(refused, rustls::Error::InvalidCertificate(_)),
        "{refused}"
    );
}

#[tokio::test]
async fn a_users_certificate_opens_no_session() {
    let (env, authority) = authority().await;
    let crypto = Crypto::ring(&env);
    let admin = authority.rest_identity("admin", "system:masters").unwrap();
    let server = authority.agents_server(&crypto).unwrap();
    let session = tls::session_client(&crypto, &admin, &authority.agents_authorities()).unwrap();
    let refused = shake(server, session, tls::HUB_NAME).unwrap_err();
    assert!(
        matches!(refused, rustls::Error::InvalidCertificate(_)),
        "{refused}"
    );
}

#[tokio::test]
async fn the_kubeconfig_holds_what_kubectl_needs() {
    let (_, authority) = authority().await;
    let text = authority.admin_kubeconfig("https://[::1]:6443").unwrap();
    assert!(text.contains("server: \"https://[::1]:6443\""), "{text}");
    for field in [
        "certificate-authority-data",
        "client-certificate-data",
        "client-key-data",
    ] {
        assert_eq!(text.matches(field).count(), 1);
    }
}

#[tokio::test]
async fn a_malformed_request_spends_no_token() {
    use roadstead_protocol::host::SecretKey;
    use roadstead_protocol::host::enrol::{EnrolRequest, RefusalCode, Registrar as _};
    let (env, authority) = authority().await;
    let cluster = r#"{"metadata":{"name":"prod","namespace":"default","uid":"a1"}}"#;
    let key = roadstead_store::records::object_key(
        "cluster.kurator.dev",
        "attachedclusters",
        "default",
        "prod",
    );
    authority
        .store()
        .commit(Txn::new().put(key.unwrap(), cluster))
        .await
        .unwrap();
    let issue = Issue {
        cluster_uid: "a1".to_owned(),
        namespace: "default".to_owned(),
        name: "prod".to_owned(),
        addresses: vec!["127.0.0.1:7443".to_owned()],
        life: TOKEN_LIFE_DEFAULT,
    };
    let token = authority.issue_token(issue).await.unwrap();
    let registrar = authority.registrar(vec!["127.0.0.1:7443".to_owned()]);
    let request = |request| EnrolRequest {
        release: "test".to_owned(),
        token: token.id.clone(),
        secret: token.secret,
        request,
        member_uid: "m".to_owned(),
    };
    let refused = registrar.enrol(request(vec![1, 2, 3])).await.unwrap_err();
    assert_eq!(refused.code, RefusalCode::Malformed);
    let good = tls::make_request(&SecretKey::generate(&env)).unwrap();
    assert_eq!(registrar.enrol(request(good)).await.unwrap().cluster, "a1");
}

/// A clock that stands where it is put, in seconds.
struct Put(std::sync::atomic::AtomicI64);

impl roadstead_protocol::env::WallClock for Put {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(std::sync::atomic::Ordering::Relaxed)).unwrap()
    }
}

#[tokio::test]
async fn a_certificate_is_renewed_for_a_year_after_its_end() {
    use roadstead_protocol::host::SecretKey;
    use roadstead_protocol::host::enrol::{RefusalCode, Registrar as _, RenewRequest};
    const DAY: i64 = 24 * 3600;
    let begin = "2026-06-01T00:00:00Z"
        .parse::<Timestamp>()
        .unwrap()
        .as_second();
    let clock = Arc::new(Put(begin.into()));
    let env = Env {
        clock: clock.clone(),
        ..system::env()
    };
    let authority = Authority::load_or_create(&store(&env).await, &env)
        .await
        .unwrap();
    let cluster = r#"{"metadata":{"name":"prod","namespace":"default","uid":"a1"}}"#;
    let key = roadstead_store::records::object_key(
        "cluster.kurator.dev",
        "attachedclusters",
        "default",
        "prod",
    );
    authority
        .store()
        .commit(Txn::new().put(key.unwrap(), cluster))
        .await
        .unwrap();
    let profile = Profile::Agent {
        cluster_uid: "a1".to_owned(),
    };
    let old = tls::sign(&env, &authority.agents().unwrap(), &profile).unwrap();
    let registrar = authority.registrar(vec!["127.0.0.1:7443".to_owned()]);
    let request = || RenewRequest {
        release: "test".to_owned(),
        certificate: old.chain[0].to_vec(),
        request: tls::make_request(&SecretKey::generate(&env)).unwrap(),
        proof: old.key.sign(b"this connection").unwrap(),
    };
    for (day, expected) in [
        (0, None),
        (89, None),
        (454, None),
        (456, Some(RefusalCode::Expired)),
    ] {
        clock
            .0
            .store(begin + day * DAY, std::sync::atomic::Ordering::Relaxed);
        let answer = registrar.renew(request(), b"this connection").await.err();
        if let Some(refusal) = &answer {
            let said = &refusal.message;
            assert!(said.contains("roadstead join"), "no way out: {said}");
        }
        assert_eq!(answer.map(|refusal| refusal.code), expected, "day {day}");
        let elsewhere = registrar.renew(request(), b"another connection").await;
        assert_eq!(elsewhere.unwrap_err().code, RefusalCode::Unknown);
    }
    clock.0.store(begin, std::sync::atomic::Ordering::Relaxed);
    authority.revoke("a1").await.unwrap();
    let revoked = registrar
        .renew(request(), b"this connection")
        .await
        .unwrap_err();
    assert_eq!(revoked.code, RefusalCode::Detached);
    assert!(revoked.message.contains("roadstead join"), "{revoked}");
}

#[tokio::test]
async fn tokens_long_past_are_forgotten() {
    let (env, authority) = authority().await;
    let old = roadstead_store::records::JoinTokenRecord {
        cluster_uid: "u".to_owned(),
        namespace: "default".to_owned(),
        name: "prod".to_owned(),
        secret_hash: String::new(),
        expires_at: env.clock.now() - jiff::SignedDuration::from_hours(31 * 24),
        used_at: None,
    };
    let key = roadstead_store::records::token_key("00").unwrap();
    let value = roadstead_store::records::encode(&old).unwrap();
    authority
        .store()
        .commit(Txn::new().put(key.clone(), value))
        .await
        .unwrap();
    let issue = Issue {
        cluster_uid: "u".to_owned(),
        namespace: "default".to_owned(),
        name: "prod".to_owned(),
        addresses: vec!["127.0.0.1:7443".to_owned()],
        life: TOKEN_LIFE_DEFAULT,
    };
    authority.issue_token(issue).await.unwrap();
    assert!(authority.store().snapshot().get(key.as_str()).is_none());
}

#[tokio::test]
async fn a_token_lives_within_its_bounds() {
    let (env, authority) = authority().await;
    let issue = |life| Issue {
        cluster_uid: "u".to_owned(),
        namespace: "default".to_owned(),
        name: "prod".to_owned(),
        addresses: vec!["127.0.0.1:7443".to_owned()],
        life,
    };
    for life in [Duration::ZERO, TOKEN_LIFE_MAX + Duration::from_secs(1)] {
        let refused = authority.issue_token(issue(life)).await.unwrap_err();
        assert!(
            matches!(refused, AuthorityError::TokenLife { .. }),
            "{refused}"
        );
    }
    let token = authority
        .issue_token(issue(TOKEN_LIFE_DEFAULT))
        .await
        .unwrap();
    assert_eq!(token.pins, authority.agents_pins());
    let nowhere = Issue {
        addresses: Vec::new(),
        ..issue(TOKEN_LIFE_DEFAULT)
    };
    assert!(authority.issue_token(nowhere).await.is_err());
    let secret = hex::encode(token.secret.0);
    let snapshot = authority.store().snapshot();
    let leaked = snapshot
        .range("/")
        .any(|e| String::from_utf8_lossy(&e.value).contains(&secret));
    assert!(!leaked, "the secret is in the store");
    drop(env);
}

#[tokio::test]
async fn the_administrators_token_stays_and_is_nobody_elses() {
    let env = system::env();
    let store = store(&env).await;
    let one = Authority::load_or_create(&store, &env).await.unwrap();
    let again = Authority::load_or_create(&store, &env).await.unwrap();
    assert_eq!(one.admin_token(), again.admin_token());
    assert!(one.is_admin_token(&again.admin_token()));
    let (_, other) = authority().await;
    assert!(!one.is_admin_token(&other.admin_token()));
    assert!(!one.is_admin_token(""));
}
