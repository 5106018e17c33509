//! The authorities' keys and certificates in the store: made once, in one transaction.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use roadstead_protocol::env::Env;
use roadstead_protocol::host::tls::{self, Profile};
use roadstead_protocol::host::{EndpointSecrets, Identity, SecretKey};
use roadstead_store::records::{self, AuthorityRecord};
use roadstead_store::{Check, CommitError, Key, Snapshot, Store, Txn};
use serde::{Deserialize, Serialize};

use crate::AuthorityError;

/// Version of [`HubRecord`].
const RECORD_VERSION: u32 = 1;
/// Name of the agents' authority under `/authority`.
const AGENTS: &str = "agents";
/// Name of the REST port's authority.
const REST: &str = "rest";
/// Name of the administrator's certificate.
const ADMIN: &str = "admin";
/// Name of the hub's own identity and its endpoint's keys.
const HUB: &str = "hub";
/// The administrator's certificate is renewed at a start when it ends sooner than this, in seconds.
const ADMIN_RENEWAL_SECONDS: i64 = 90 * 24 * 3600;
/// Attempts to load or make the records before giving up.
const ATTEMPTS_MAX: usize = 3;

/// Everything under `/authority`, decoded.
pub(crate) struct Keys {
    pub(crate) hub_id: String,
    pub(crate) endpoint: EndpointSecrets,
    pub(crate) agents: Identity,
    pub(crate) rest: Identity,
    pub(crate) admin: Identity,
}

/// The hub's identity.
#[derive(Serialize, Deserialize)]
struct HubRecord {
    version: u32,
    id: String,
    /// Base64 of the endpoint's secret.
    endpoint: String,
}

impl Keys {
    pub(crate) async fn load_or_create(store: &Store, env: &Env) -> Result<Self, AuthorityError> {
        let mut last = CommitError::Closed;
        for _ in 0..ATTEMPTS_MAX {
            let snapshot = store.snapshot();
            let mut txn = Txn::new();
            let keys = Self::complete(&snapshot, env, &mut txn)?;
            if txn.ops.is_empty() {
                return Ok(keys);
            }
            match store.commit(txn).await {
                Ok(_) => return Ok(keys),
                Err(conflict @ CommitError::Conflict { .. }) => last = conflict,
                Err(
                    error @ (CommitError::TooLarge { .. }
                    | CommitError::Unavailable(_)
                    | CommitError::Closed),
                ) => {
                    return Err(AuthorityError::Write(error));
                }
            }
        }
        Err(AuthorityError::Write(last))
    }

    /// Reads what is there and makes what is not, noting in `txn` what is to be written.
    fn complete(snapshot: &Snapshot, env: &Env, txn: &mut Txn) -> Result<Self, AuthorityError> {
        let (hub_id, endpoint) = match read::<HubRecord>(snapshot, HUB)? {
            Some(record) => {
                let secret = bytes(HUB, &record.endpoint)?;
                let secret = secret
                    .try_into()
                    .map_err(|_| damaged(HUB, "a secret of the wrong length"))?;
                (record.id, EndpointSecrets::from_bytes(secret))
            }
            None => {
                let (id, endpoint) = (env.uid(), EndpointSecrets::generate(env));
                let secret = STANDARD.encode(endpoint.as_bytes());
                write(
                    txn,
                    None,
                    HUB,
                    &HubRecord {
                        version: RECORD_VERSION,
                        id: id.clone(),
                        endpoint: secret,
                    },
                )?;
                (id, endpoint)
            }
        };
        let short = hub_id.chars().take(8).collect::<String>();
        let agents = authority(
            snapshot,
            env,
            txn,
            AGENTS,
            &format!("Roadstead agents {short}"),
        )?;
        let rest = authority(snapshot, env, txn, REST, &format!("Roadstead API {short}"))?;
        let admin = match identity(snapshot, ADMIN)? {
            Some(admin) if !is_ending(env, &admin)? => admin,
            Some(_) | None => {
                let profile = Profile::User {
                    name: "admin".to_owned(),
                    group: "system:masters".to_owned(),
                };
                let admin = tls::sign(env, &rest, &profile)?;
                write(txn, Some(snapshot), ADMIN, &record_of(env, &admin)?)?;
                admin
            }
        };
        Ok(Self {
            hub_id,
            endpoint,
            agents,
            rest,
            admin,
        })
    }
}

/// An identity as a record: PEM, the chain leaf first.
fn record_of(env: &Env, identity: &Identity) -> Result<AuthorityRecord, AuthorityError> {
    Ok(AuthorityRecord {
        key_pem: identity.key.to_pem()?,
        cert_pem: tls::certificates_to_pem(&identity.chain),
        created_at: env.clock.now(),
    })
}

fn is_ending(env: &Env, identity: &Identity) -> Result<bool, AuthorityError> {
    let Some(leaf) = identity.chain.first() else {
        return Ok(true);
    };
    Ok(tls::not_after(leaf)?.as_second() - env.clock.now().as_second() < ADMIN_RENEWAL_SECONDS)
}

fn authority(
    snapshot: &Snapshot,
    env: &Env,
    txn: &mut Txn,
    key: &str,
    common_name: &str,
) -> Result<Identity, AuthorityError> {
    if let Some(found) = identity(snapshot, key)? {
        return Ok(found);
    }
    let made = tls::make_authority(env, common_name)?;
    write(txn, None, key, &record_of(env, &made)?)?;
    Ok(made)
}

fn identity(snapshot: &Snapshot, name: &str) -> Result<Option<Identity>, AuthorityError> {
    let Some(record) = read::<AuthorityRecord>(snapshot, name)? else {
        return Ok(None);
    };
    let key = SecretKey::from_pem(&record.key_pem).map_err(|e| damaged(name, &e.to_string()))?;
    let chain =
        tls::certificates_from_pem(&record.cert_pem).map_err(|e| damaged(name, &e.to_string()))?;
    Ok(Some(Identity { chain, key }))
}

fn key_of(name: &str) -> Result<Key, AuthorityError> {
    records::authority_key(name).map_err(|e| damaged(name, &e.to_string()))
}

fn read<T: serde::de::DeserializeOwned>(
    snapshot: &Snapshot,
    name: &str,
) -> Result<Option<T>, AuthorityError> {
    let Some(entry) = snapshot.get(key_of(name)?.as_str()) else {
        return Ok(None);
    };
    records::decode(entry)
        .map(Some)
        .map_err(|e| damaged(name, &e.to_string()))
}

/// Writes a record where there is none, or (with `over`) where the one of that snapshot is.
fn write<T: Serialize>(
    txn: &mut Txn,
    over: Option<&Snapshot>,
    name: &str,
    record: &T,
) -> Result<(), AuthorityError> {
    let key = key_of(name)?;
    let there = over
        .and_then(|snapshot| snapshot.get(key.as_str()))
        .map(|entry| entry.revision);
    let check = there.map_or_else(
        || Check::Absent(key.clone()),
        |revision| Check::At(key.clone(), revision),
    );
    let value = records::encode(record).map_err(|e| damaged(name, &e.to_string()))?;
    *txn = std::mem::take(txn).check(check).put(key, value);
    Ok(())
}

fn bytes(key: &str, text: &str) -> Result<Vec<u8>, AuthorityError> {
    STANDARD
        .decode(text)
        .map_err(|e| damaged(key, &e.to_string()))
}

pub(crate) fn damaged(key: &str, detail: &str) -> AuthorityError {
    AuthorityError::Damaged {
        key: format!("/authority/{key}"),
        detail: detail.to_owned(),
    }
}
