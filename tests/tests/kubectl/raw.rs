//! The port itself: bodies that no client would send, and people who may not be here.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use roadstead_protocol::host::enrol::{Enrolling, enrol};
use roadstead_protocol::host::{
    Crypto, EndpointSecrets, JoinToken, Network as _, SecretKey, SystemNetwork, endpoint, system,
};
use roadstead_tests::wire::{Shown, Wire};
use serde_json::Value;

use crate::world::World;

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
/// The longest body that is read.
const BODY_BYTES_MAX: usize = 3 * 1024 * 1024;

fn post(media: &str, length: usize) -> String {
    format!("POST {MAPS} HTTP/1.1\r\ncontent-type: {media}\r\ncontent-length: {length}")
}

#[track_caller]
fn check((code, body): (u16, Value), expected: u16, reason: &str, message: &str) {
    let text = |field: &str| body[field].as_str().unwrap_or_default().to_owned();
    assert_eq!(code, expected, "{body}");
    assert_eq!(body["kind"], "Status", "{body}");
    assert_eq!(body["status"], "Failure", "{body}");
    assert_eq!(body["code"], expected, "{body}");
    assert_eq!(text("reason"), reason, "{body}");
    assert!(text("message").contains(message), "{body}");
}

#[tokio::test]
async fn bodies_that_no_client_sends() {
    let world = World::start().await;
    for kubeconfig in [&world.hub.kubeconfig(), world.member.kubeconfig()] {
        let wire = Wire::admin(kubeconfig).unwrap();
        let sent = async |media: &str, body: &[u8]| {
            let head = post(media, body.len());
            wire.exchange(&head, body).await.unwrap()
        };
        let json = "application/json";
        let bad = |answer, message: &str| check(answer, 400, "BadRequest", message);
        bad(
            sent(json, b"{\"kind\":\"Conf").await,
            "unexpected end of JSON input",
        );
        bad(sent(json, b"").await, "unexpected end of JSON input");
        bad(sent(json, b"[]").await, "not an object");
        bad(sent(json, &[b'['; 100_000]).await, "recursion limit");
        bad(
            sent(json, b"\xff\xfe{}").await,
            "the object provided is unrecognized",
        );
        let protobuf = "application/vnd.kubernetes.protobuf";
        bad(sent(protobuf, b"k8s\0\xff\xff\xff\xff").await, "protobuf");
        check(
            sent("text/plain", b"x").await,
            415,
            "UnsupportedMediaType",
            "application/json",
        );

        // Told beforehand, or found out while reading.
        let large = post(json, BODY_BYTES_MAX + 1);
        let answer = wire.exchange(&large, b"").await.unwrap();
        check(answer, 413, "RequestEntityTooLarge", "limit is 3145728");
        let chunked =
            format!("POST {MAPS} HTTP/1.1\r\ncontent-type: {json}\r\ntransfer-encoding: chunked");
        let mut body = format!("{:x}\r\n", BODY_BYTES_MAX + 1).into_bytes();
        body.resize(body.len() + BODY_BYTES_MAX + 1, b' ');
        let answer = wire.exchange(&chunked, &body).await.unwrap();
        check(answer, 413, "RequestEntityTooLarge", "limit is 3145728");

        // Somebody who hangs up half-way harms nobody.
        let (code, _) = wire.exchange("GET /readyz HTTP/1.1", b"").await.unwrap();
        assert_eq!(code, 200);
        let none = wire.exchange("GET /apis/nope/v1/x HTTP/1.1", b"").await;
        assert_eq!(none.unwrap().0, 404);
        let head = format!("GET {MAPS}?watch=1&resourceVersion=1 HTTP/1.1");
        let (_, event) = wire.exchange(&head, b"").await.unwrap();
        let event = event.to_string();
        assert!(event.contains("too old resource version"), "{event}");
    }
}

#[tokio::test]
async fn who_shows_nothing_sees_health_and_version() {
    let world = World::start().await;
    for kubeconfig in [&world.hub.kubeconfig(), world.member.kubeconfig()] {
        let wire = Wire::new(kubeconfig, None).unwrap();
        let get = async |path: &str| {
            let head = format!("GET {path} HTTP/1.1");
            wire.exchange(&head, b"").await.unwrap()
        };
        for path in ["/version", "/livez", "/readyz", "/healthz"] {
            assert_eq!(get(path).await.0, 200, "{path}");
        }
        for path in ["/api", "/apis", "/openapi/v3", "/metrics"] {
            let message = format!("User \"system:anonymous\" cannot get path \"{path}\"");
            check(get(path).await, 403, "Forbidden", &message);
        }
        check(
            get("/api/v1/namespaces/default/secrets").await,
            403,
            "Forbidden",
            "secrets is forbidden: User \"system:anonymous\" cannot list resource \"secrets\" \
             in API group \"\" in the namespace \"default\"",
        );
        let answer = wire.exchange(&post("application/json", 2), b"{}").await;
        check(answer.unwrap(), 403, "Forbidden", "cannot create resource");
        let head = "GET /version HTTP/1.1\r\nauthorization: Bearer forged";
        let answer = wire.exchange(head, b"").await.unwrap();
        check(answer, 401, "Unauthorized", "Unauthorized");
        let head = "GET /version HTTP/1.1\r\nimpersonate-user: admin";
        let answer = wire.exchange(head, b"").await.unwrap();
        check(
            answer,
            403,
            "Forbidden",
            "cannot impersonate resource \"users\"",
        );
    }
}

#[tokio::test]
async fn a_bearer_token_is_as_good_as_a_certificate() {
    let world = World::start().await;
    let kubeconfig = world.hub.kubeconfig();
    let token = std::fs::read_to_string(kubeconfig.with_file_name("admin.token")).unwrap();
    let wire = Wire::new(&kubeconfig, None).unwrap();
    let list = async |token: &str| {
        let head = format!("GET /api/v1/namespaces HTTP/1.1\r\nauthorization: Bearer {token}");
        wire.exchange(&head, b"").await.unwrap()
    };
    assert_eq!(list(&token).await.0, 200);
    let mut other = token.clone();
    other.pop();
    check(list(&other).await, 401, "Unauthorized", "Unauthorized");
}

/// A certificate with an administrator's names, by an authority of its own making.
fn forged() -> Shown {
    let authority_key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
        .distinguished_name
        .push(DnType::CommonName, "roadstead-rest");
    let authority = params.self_signed(&authority_key).unwrap();
    let issuer = Issuer::new(params, authority_key);
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "admin");
    params
        .distinguished_name
        .push(DnType::OrganizationName, "system:masters");
    let leaf = params.signed_by(&key, &issuer).unwrap();
    Shown {
        chain: vec![leaf.der().clone(), authority.der().clone()],
        key: key.serialize_der().try_into().unwrap(),
    }
}

/// The certificate of an agent that has just joined, as the hub itself gave it.
async fn joined(world: &World) -> Shown {
    let token = world.hub.roadstead(&["join", "north", "--output", "token"]);
    let token: JoinToken = token.unwrap().trim().parse().unwrap();
    let env = system::env();
    let socket = SystemNetwork.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let secrets = EndpointSecrets::generate(&env);
    let with = Enrolling {
        crypto: Crypto::ring(&env),
        network: std::sync::Arc::new(SystemNetwork),
        endpoint: endpoint::open(&env, socket, &secrets, None).unwrap(),
        release: "test".to_owned(),
        env,
    };
    let key = SecretKey::generate(&with.env);
    let granted = enrol(&with, &token, &key, "member-1").await.unwrap();
    Shown {
        chain: granted.chain.into_iter().map(Into::into).collect(),
        key: key.to_der(),
    }
}

#[tokio::test]
async fn certificates_of_other_authorities_are_refused() {
    let world = World::start().await;
    let kubeconfig = world.hub.kubeconfig();
    let check = async |who: &str, shown: Shown| {
        let wire = Wire::new(&kubeconfig, Some(shown)).unwrap();
        // Not even what everybody sees.
        match wire.exchange("GET /version HTTP/1.1", b"").await {
            Err(error) => {
                let error = format!("{error:#}");
                assert!(error.contains("fatal alert"), "{who}: {error}");
            }
            Ok(answer) => panic!("{who} was answered: {answer:?}"),
        }
    };
    check("a forger", forged()).await;
    check("an agent", joined(&world).await).await;
    let admin = Wire::admin(&kubeconfig).unwrap();
    let (code, _) = admin.exchange("GET /api HTTP/1.1", b"").await.unwrap();
    assert_eq!(code, 200);
}
