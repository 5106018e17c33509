//! How the authorities' keys are written in the store, and the note of the latest time.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use roadstead_protocol::env::Env;
use roadstead_protocol::host::tls;
use roadstead_protocol::host::{Identity, SecretKey};
use roadstead_store::records::{self, AuthorityRecord, JoinTokenRecord, SeenRecord};
use roadstead_store::{Check, CommitError, Key, Snapshot, Store, Txn};
use serde::{Deserialize, Serialize};

use crate::AuthorityError;
use crate::tokens::redemption_key;

/// How long after the last note of the time another is worth a write, in seconds.
pub(crate) const NOTE_SECONDS: i64 = 24 * 3600;
/// Version of [`HubRecord`] and [`ClockRecord`].
pub(crate) const RECORD_VERSION: u32 = 1;
/// Name of the latest time that the hub has noted.
const CLOCK: &str = "clock";

/// The hub's identity.
#[derive(Serialize, Deserialize)]
pub(crate) struct HubRecord {
    pub(crate) version: u32,
    pub(crate) id: String,
    /// Base64 of the endpoint's secret.
    pub(crate) endpoint: String,
}

/// An authority's record, and from when on it signs.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GenerationRecord {
    #[serde(flatten)]
    pub(crate) authority: AuthorityRecord,
    /// Where nothing is said: since it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) signs_from: Option<Timestamp>,
}

/// The latest time that the hub has noted: its clock is never believed to be earlier.
#[derive(Serialize, Deserialize)]
struct ClockRecord {
    version: u32,
    /// Seconds since 1970.
    seconds: i64,
}

/// Commits, unless there is nothing to; a conflict is returned for another attempt.
pub(crate) async fn commit(
    store: &Store,
    txn: Txn,
) -> Result<Result<(), CommitError>, AuthorityError> {
    if txn.ops.is_empty() {
        return Ok(Ok(()));
    }
    match store.commit(txn).await {
        Ok(_) => Ok(Ok(())),
        Err(conflict @ CommitError::Conflict { .. }) => Ok(Err(conflict)),
        Err(
            error @ (CommitError::TooLarge { .. }
            | CommitError::Unavailable(_)
            | CommitError::Closed),
        ) => Err(AuthorityError::Write(error)),
    }
}

/// The latest time that was noted, in seconds since 1970; 0 where none was.
pub(crate) fn noted_time(snapshot: &Snapshot) -> Result<i64, AuthorityError> {
    let noted = read::<ClockRecord>(snapshot, CLOCK)?;
    Ok(noted.map_or(0, |record| record.seconds))
}

/// Whether the time was noted within the last day.
pub(crate) fn is_noted(snapshot: &Snapshot, env: &Env) -> bool {
    let now = env.clock.now().as_second();
    noted_time(snapshot).is_ok_and(|noted| now <= noted.saturating_add(NOTE_SECONDS))
}

/// Notes the time in `txn`, if it is more than `after` seconds past the last note.
pub(crate) fn note_time(
    snapshot: &Snapshot,
    env: &Env,
    after: i64,
    txn: &mut Txn,
) -> Result<(), AuthorityError> {
    let now = env.clock.now().as_second();
    if now <= noted_time(snapshot)?.saturating_add(after) {
        return Ok(());
    }
    let record = ClockRecord {
        version: RECORD_VERSION,
        seconds: now,
    };
    // Whoever writes it last is right enough: nothing is asserted, so that nobody waits for it.
    let value = records::encode(&record).map_err(|e| damaged(CLOCK, &e.to_string()))?;
    *txn = std::mem::take(txn).put(key_of(CLOCK)?, value);
    Ok(())
}

/// Drops the note of the time, for a clock that was far ahead. What was joined later than `now` counts
/// as joined now, or else no certificate of today would be good; and what was redeemed later is not
/// answered again, since it can no longer be told whether anybody joined after it.
pub(crate) async fn forget_time(store: &Store, now: Timestamp) -> Result<(), AuthorityError> {
    // Certificates are dated in whole seconds.
    let now = Timestamp::from_second(now.as_second()).unwrap_or(now);
    let snapshot = store.snapshot();
    let mut changes = Vec::new();
    for entry in snapshot.range(records::SEEN_PREFIX) {
        let Ok(mut seen) = records::decode::<SeenRecord>(entry) else {
            continue;
        };
        if seen.since.is_some_and(|since| since > now) {
            seen.since = Some(now);
            let value = records::encode(&seen);
            let value = value.map_err(|e| AuthorityError::Record(e.to_string()))?;
            let unchanged = Check::At(entry.key.clone(), entry.revision);
            changes.push(Txn::new().check(unchanged).put(entry.key.clone(), value));
        }
    }
    for entry in snapshot.range(records::TOKENS_PREFIX) {
        let token = records::decode::<JoinTokenRecord>(entry);
        let ahead = token.is_ok_and(|token| token.used_at.is_some_and(|at| at > now));
        let key = redemption_key(entry.key.as_str());
        let key = key.map_err(|e| AuthorityError::Record(e.to_string()))?;
        if ahead && snapshot.get(key.as_str()).is_some() {
            changes.push(Txn::new().delete(key));
        }
    }
    if snapshot.get(key_of(CLOCK)?.as_str()).is_some() {
        changes.push(Txn::new().delete(key_of(CLOCK)?));
    }
    // One by one, for a fleet's may be too much for one transaction; the note goes last.
    for change in changes {
        let done = store.commit(change).await;
        done.map_err(AuthorityError::Write)?;
    }
    Ok(())
}

/// An identity as a record: PEM, the chain leaf first.
pub(crate) fn record_of(env: &Env, identity: &Identity) -> Result<AuthorityRecord, AuthorityError> {
    Ok(AuthorityRecord {
        key_pem: identity.key.to_pem()?,
        cert_pem: tls::certificates_to_pem(&identity.chain),
        created_at: env.clock.now(),
    })
}

pub(crate) fn identity(
    snapshot: &Snapshot,
    name: &str,
) -> Result<Option<Identity>, AuthorityError> {
    let Some(record) = read::<AuthorityRecord>(snapshot, name)? else {
        return Ok(None);
    };
    identity_of(name, &record).map(Some)
}

pub(crate) fn identity_of(
    name: &str,
    record: &AuthorityRecord,
) -> Result<Identity, AuthorityError> {
    let key = SecretKey::from_pem(&record.key_pem).map_err(|e| damaged(name, &e.to_string()))?;
    let chain =
        tls::certificates_from_pem(&record.cert_pem).map_err(|e| damaged(name, &e.to_string()))?;
    Ok(Identity { chain, key })
}

fn key_of(name: &str) -> Result<Key, AuthorityError> {
    records::authority_key(name).map_err(|e| damaged(name, &e.to_string()))
}

pub(crate) fn read<T: serde::de::DeserializeOwned>(
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
pub(crate) fn write<T: Serialize>(
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

pub(crate) fn bytes(key: &str, text: &str) -> Result<Vec<u8>, AuthorityError> {
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
