//! A connection goes when the certificate ends that it came with, and with it what is being watched.

use roadstead_machinery::resource::Registry;
use roadstead_protocol::api::CRDS;
use roadstead_protocol::host::tls::{Crypto, Profile};
use roadstead_rest::{NoHooks, Options, Parts};
use roadstead_store::{Backend, Store};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

/// Long enough to connect with, on a machine that is busy.
const LIFE: Duration = Duration::from_secs(10);
const WATCH: &[u8] = b"GET /api/v1/namespaces?watch=true HTTP/1.1\r\nhost: localhost\r\n\r\n";

#[tokio::test]
async fn a_watch_ends_with_its_watchers_certificate() {
    let env = system::env();
    let crypto = Crypto::ring(&env);
    let store = Store::open(
        env.clone(),
        Backend::Memory,
        roadstead_store::Options::default(),
    );
    let rest = Rest::new(Parts {
        env: env.clone(),
        store: store.await.unwrap(),
        registry: Arc::new(Registry::hub(CRDS).unwrap()),
        hooks: Arc::new(NoHooks),
        options: Options::default(),
    });
    let root = tls::make_authority(&env, "rest").unwrap();
    let names = vec!["localhost".to_owned()];
    let server = tls::sign(&env, &root, &Profile::Rest { names }).unwrap();
    let settings = tls::rest_server(&crypto, &server, &root.chain).unwrap();
    let user = Profile::User {
        name: "ann".to_owned(),
        groups: vec![roadstead_rest::ADMINS.to_owned()],
        life: LIFE,
    };
    let user = tls::sign(&env, &root, &user).unwrap();

    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let at = listener.local_addr().unwrap();
    let (_stop, stopping) = watch::channel(false);
    let identify = crate::process::identify();
    tokio::spawn(serve(
        listener,
        Arc::new(settings),
        rest,
        identify,
        stopping,
    ));

    let mut roots = rustls::RootCertStore::empty();
    roots.add(root.chain[0].clone()).unwrap();
    let client = rustls::ClientConfig::builder_with_provider(crypto.provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(user.chain.clone(), user.key.to_der())
        .unwrap();
    let stream = TcpStream::connect(at).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(client));
    let name = "localhost".try_into().unwrap();
    let mut stream = connector.connect(name, stream).await.unwrap();
    stream.write_all(WATCH).await.unwrap();
    let mut first = [0; 15];
    stream.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200 OK");
    let mut rest = Vec::new();
    // How it ends is not told apart: with an end of the stream, or without one.
    let ended = tokio::time::timeout(LIFE + DRAIN_WITHIN * 2, stream.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "it goes on after the certificate's end");
}
