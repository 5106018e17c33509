//! Years at the REST port, in milliseconds.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use roadstead_protocol::env::{Env, WallClock};
use roadstead_protocol::host::{system, tls};
use roadstead_store::{Backend, Store};
use rustls::pki_types::{CertificateDer, ServerName};

use super::*;

/// 2026-12-01.
const BEGIN: i64 = 1_796_083_200;
const DAY: i64 = 24 * 3600;

struct Put(AtomicI64);

impl WallClock for Put {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::from_second(self.0.load(Ordering::Relaxed)).unwrap()
    }
}

/// Whether a client that trusts the hub's authority shakes hands, by the clock of `env`.
fn connects(env: &Env, authority: &Authority, server: Arc<rustls::ServerConfig>) -> bool {
    let mut roots = rustls::RootCertStore::empty();
    for root in tls::certificates_from_pem(&authority.rest_authority_pem()).unwrap() {
        roots.add(root).unwrap();
    }
    let crypto = Crypto::ring(env);
    let provider = crypto.provider.clone();
    let verifier =
        rustls::client::WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .unwrap();
    let mut server = rustls::ServerConnection::new(server).unwrap();
    let presented = presented(&mut server, &crypto);
    let now = u64::try_from(env.clock.now().as_second()).unwrap();
    let at = rustls::pki_types::UnixTime::since_unix_epoch(Duration::from_secs(now));
    let name = ServerName::try_from("localhost").unwrap();
    use rustls::client::danger::ServerCertVerifier as _;
    verifier
        .verify_server_cert(&presented[0], &presented[1..], &name, &[], at)
        .is_ok()
}

/// The chain that a server shows to a client that believes anything.
fn presented(
    server: &mut rustls::ServerConnection,
    crypto: &Crypto,
) -> Vec<CertificateDer<'static>> {
    let config = tls::enrol_client(crypto, &[]).unwrap().0;
    let mut config = rustls::ClientConfig::clone(&config);
    let seen = Arc::new(Seen::default());
    config.dangerous().set_certificate_verifier(seen.clone());
    config.alpn_protocols.clear();
    let name = ServerName::try_from("localhost").unwrap();
    let mut client = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    for _ in 0..4 {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        server.read_tls(&mut bytes.as_slice()).unwrap();
        server.process_new_packets().unwrap();
        let mut bytes = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut bytes).unwrap();
        }
        client.read_tls(&mut bytes.as_slice()).unwrap();
        drop(client.process_new_packets());
    }
    seen.0.lock().unwrap().clone()
}

/// Notes what is shown.
#[derive(Debug, Default)]
struct Seen(std::sync::Mutex<Vec<CertificateDer<'static>>>);

impl rustls::client::danger::ServerCertVerifier for Seen {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        let shown = std::iter::once(end_entity).chain(intermediates);
        if let Ok(mut seen) = self.0.lock() {
            seen.extend(shown.map(|c| c.clone().into_owned()));
        }
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        vec![rustls::SignatureScheme::ED25519]
    }
}

#[tokio::test(start_paused = true)]
async fn the_apis_certificate_and_the_administrators_are_renewed_while_the_hub_runs() {
    let clock = Arc::new(Put(BEGIN.into()));
    let env = Env {
        clock: clock.clone(),
        ..system::env()
    };
    let options = roadstead_store::Options::default();
    let store = Store::open(env.clone(), Backend::Memory, options)
        .await
        .unwrap();
    let authority = Authority::load_or_create(&store, &env).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("admin.kubeconfig");
    let kubeconfig = Kubeconfig {
        path: path.clone(),
        server: "https://127.0.0.1:6443".to_owned(),
    };
    let (_stop, stopping) = watch::channel(false);
    let crypto = Crypto::ring(&env);
    let mut settings = renewed(
        authority.clone(),
        crypto,
        Vec::new(),
        Some(kubeconfig),
        stopping,
    )
    .unwrap();
    let first = settings.borrow_and_update().clone();
    let written = std::fs::read_to_string(&path).unwrap();
    assert!(connects(&env, &authority, first.clone()));
    clock.0.store(BEGIN + 366 * DAY, Ordering::Relaxed);
    assert!(!connects(&env, &authority, first), "it has ended by now");
    tokio::time::timeout(2 * Authority::SERVER_RENEWAL, settings.changed())
        .await
        .expect("no new certificate was made")
        .unwrap();
    let second = settings.borrow_and_update().clone();
    assert!(connects(&env, &authority, second));
    tokio::time::sleep(Authority::SERVER_RENEWAL).await;
    let rewritten = std::fs::read_to_string(&path).unwrap();
    assert_ne!(
        written, rewritten,
        "the administrator's certificate has ended"
    );
    // A successor of the authority is taken up at once: announced first, then signing.
    for now in [false, true] {
        let before = std::fs::read_to_string(&path).unwrap();
        authority.rotate_api(now).await.unwrap();
        let rewritten = tokio::time::timeout(Duration::from_secs(1), async {
            while std::fs::read_to_string(&path).unwrap() == before {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
        assert!(
            rewritten.await.is_ok(),
            "the kubeconfig is as it was: {now}"
        );
        let shown = settings.borrow_and_update().clone();
        assert!(connects(&env, &authority, shown));
    }
}
