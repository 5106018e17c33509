//! Who gets in: a token is redeemed, once, and a certificate is signed.

use roadstead_protocol::api::names;
use roadstead_protocol::host::enrol::{
    EnrolRequest, Granted, Refusal, RefusalCode, Registrar, RenewRequest,
};
use roadstead_protocol::host::tls::{self, Issued, Profile, TlsError};
use roadstead_store::records::{self, JoinTokenRecord, SeenRecord};
use roadstead_store::{Check, CommitError, Entry, Key, Snapshot, Txn};
use rustls_pki_types::CertificateDer;

use crate::{Authority, AuthorityError, is_detached, stored, superseded, tokens};

/// Attempts to redeem a token when something else is written at the same time.
const ATTEMPTS_MAX: usize = 4;

/// For how long after its end a certificate can still be renewed, in seconds: edge sites sleep.
pub(crate) const RENEWABLE_SECONDS: i64 = 365 * 24 * 3600;

/// Decides about enrolments by the tokens in the store.
#[derive(Clone, Debug)]
pub struct HubRegistrar {
    authority: Authority,
    addresses: Vec<String>,
}

/// A token that may be redeemed, as it is in the store.
struct Redeemable {
    entry: Entry,
    record: JoinTokenRecord,
    /// The hash of the key that it is, or was, redeemed for.
    key: String,
    /// It was redeemed for this very key before, and the answer may not have arrived.
    again: bool,
}

impl HubRegistrar {
    pub(crate) fn new(authority: Authority, addresses: Vec<String>) -> Self {
        Self {
            authority,
            addresses,
        }
    }

    /// The request's token, if it is good for the request's key.
    fn redeemable(
        &self,
        snapshot: &Snapshot,
        request: &EnrolRequest,
    ) -> Result<Redeemable, Refusal> {
        let (entry, record) = known(snapshot, request).ok_or_else(|| {
            Refusal::new(
                RefusalCode::Unknown,
                "this hub knows no such join token, or its secret is another; \
                 make a new one with `roadstead join NAME` on this hub",
            )
        })?;
        let of = format!("{}/{}", record.namespace, record.name);
        // Read before the token is spent: a malformed request costs nobody a token.
        let key = tls::request_key(&request.request)
            .map_err(|error| Refusal::new(RefusalCode::Malformed, error.to_string()))?;
        let again = record.used_at.is_some()
            && redeemed_for(snapshot, &request.token).as_ref() == Some(&key);
        if let Some(used_at) = record.used_at
            && let Some(since) = seen(snapshot, &record.cluster_uid).and_then(|seen| seen.since)
            && again
            && since > used_at
        {
            let message = format!(
                "this join token was used already, at {used_at}, and the cluster was joined anew since, at {since}: \
                 stop this agent; to run it in place of the other, make another token with `roadstead join` for {of}"
            );
            return Err(Refusal::new(RefusalCode::Used, message));
        }
        if let Some(used_at) = record.used_at.filter(|_| !again) {
            let message = format!(
                "this join token was used already, at {used_at}, and each is good for one agent; \
                 make another with `roadstead join` for {of}"
            );
            return Err(Refusal::new(RefusalCode::Used, message));
        }
        if self.authority.env().clock.now() >= record.expires_at {
            let message = format!(
                "this join token expired at {}; make another with `roadstead join` for {of}",
                record.expires_at
            );
            return Err(Refusal::new(RefusalCode::Expired, message));
        }
        if !cluster_exists(snapshot, &record) {
            let message = format!(
                "the cluster {of} that this join token was made for is no longer at this hub; \
                 join it anew with `roadstead join`"
            );
            return Err(Refusal::new(RefusalCode::Detached, message));
        }
        Ok(Redeemable {
            entry,
            record,
            key,
            again,
        })
    }

    /// Marks the token as used and forgets the starts of a former agent of this cluster, at once.
    /// Whatever certificate that one had is worth nothing from now on.
    fn redemption(
        &self,
        snapshot: &Snapshot,
        good: &Redeemable,
        member_uid: &str,
        issued: &Issued,
    ) -> Result<Txn, AuthorityError> {
        let leaf = issued.chain.first().map(tls::issued_at).transpose()?;
        let used = JoinTokenRecord {
            used_at: Some(self.authority.env().clock.now()),
            ..good.record.clone()
        };
        let object = object_of(&good.record)?;
        let seen_key = records::seen_key(&good.record.cluster_uid).map_err(record)?;
        let fresh = SeenRecord {
            member_uid: member_uid.to_owned(),
            since: leaf,
            ..SeenRecord::default()
        };
        let redeemed = tokens::redemption_key(good.entry.key.as_str()).map_err(record)?;
        let mut txn = Txn::new();
        // What is dated now must not look as if it were dated before, after a start with an old clock.
        stored::note_time(snapshot, self.authority.env(), 0, &mut txn)?;
        Ok(txn
            .put(redeemed, good.key.clone())
            .check(Check::At(good.entry.key.clone(), good.entry.revision))
            .check(Check::Exists(object))
            .check(unchanged(snapshot, &seen_key))
            .put(
                good.entry.key.clone(),
                records::encode(&used).map_err(record)?,
            )
            .put(seen_key, records::encode(&fresh).map_err(record)?))
    }

    /// Signs a certificate for the key of a request.
    fn issue(&self, request: &[u8], profile: &Profile) -> Result<Issued, Refusal> {
        let agents = self.authority.agents();
        let agents = agents.map_err(|error| unavailable(&error.to_string()))?;
        tls::sign_request(self.authority.env(), &agents, request, profile)
            .map_err(|error| Refusal::new(RefusalCode::Malformed, error.to_string()))
    }

    fn grant(&self, cluster_uid: &str, issued: &Issued) -> Granted {
        let authorities = self.authority.agents_authorities();
        Granted {
            hub: self.authority.hub_id().to_owned(),
            cluster: cluster_uid.to_owned(),
            chain: issued.chain.iter().map(|c| c.to_vec()).collect(),
            authorities: authorities.iter().map(|c| c.to_vec()).collect(),
            addresses: self.addresses.clone(),
        }
    }
}

/// The token that a request names, if its secret is the true one.
fn known(snapshot: &Snapshot, request: &EnrolRequest) -> Option<(Entry, JoinTokenRecord)> {
    if request.token.is_empty() || !request.token.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let key = records::token_key(&request.token).ok()?;
    let entry = snapshot.get(key.as_str())?;
    let record: JoinTokenRecord = records::decode(entry).ok()?;
    // Hashes of secrets with 256 bits: how far they agree tells nothing about the secret.
    (request.secret.hash() == record.secret_hash).then(|| (entry.clone(), record))
}

/// The hash of the key that a token was redeemed for.
fn redeemed_for(snapshot: &Snapshot, token: &str) -> Option<String> {
    let key = tokens::redemption_key(records::token_key(token).ok()?.as_str()).ok()?;
    String::from_utf8(snapshot.get(key.as_str())?.value.to_vec()).ok()
}

impl Registrar for HubRegistrar {
    async fn enrol(&self, request: EnrolRequest) -> Result<Granted, Refusal> {
        for _ in 0..ATTEMPTS_MAX {
            let snapshot = self.authority.store().snapshot();
            let good = self.redeemable(&snapshot, &request)?;
            let profile = Profile::Agent {
                cluster_uid: good.record.cluster_uid.clone(),
            };
            let issued = self.issue(&request.request, &profile)?;
            let granted = self.grant(&good.record.cluster_uid, &issued);
            if good.again {
                return Ok(granted);
            }
            let redemption = self.redemption(&snapshot, &good, &request.member_uid, &issued);
            let redemption = redemption.map_err(|error| unavailable(&error.to_string()))?;
            match self.authority.store().commit(redemption).await {
                Ok(_) => return Ok(granted),
                // Someone was faster: read again, and find the token used.
                Err(CommitError::Conflict { .. }) => {}
                Err(
                    error @ (CommitError::TooLarge { .. }
                    | CommitError::Unavailable(_)
                    | CommitError::Closed),
                ) => {
                    return Err(unavailable(&error.to_string()));
                }
            }
        }
        Err(unavailable("the store is busy"))
    }

    async fn renew(&self, request: RenewRequest, proven: &[u8]) -> Result<Granted, Refusal> {
        let uid = renewable(self, &request, proven)?;
        let profile = Profile::Agent {
            cluster_uid: uid.clone(),
        };
        let issued = self.issue(&request.request, &profile)?;
        self.authority.note_time().await;
        Ok(self.grant(&uid, &issued))
    }
}

/// Decides about a renewal: by the certificate, the proof, the cluster and what was seen of it.
fn renewable(
    registrar: &HubRegistrar,
    request: &RenewRequest,
    proven: &[u8],
) -> Result<String, Refusal> {
    let authority = &registrar.authority;
    let unknown = |error: &TlsError| {
        let message = format!(
            "this hub did not give the certificate that is to be renewed, or its key is another's ({error}): \
             was the hub restored from a backup that is older than its present authority, or is it another hub? \
             Restore a later backup, or join anew with `roadstead join`"
        );
        Refusal::new(RefusalCode::Unknown, message)
    };
    let certificate = CertificateDer::from(request.certificate.as_slice());
    let until = tls::not_after(&certificate).map_err(|error| unknown(&error))?;
    let from = tls::not_before(&certificate).map_err(|error| unknown(&error))?;
    let now = authority.env().clock.now();
    // As of a moment at which it was good: one that has ended is renewed, and so is one that the hub
    // gave when its clock was ahead.
    let at = now.min(until).max(from);
    let authorities = authority.agents_known();
    tls::verify_possession(&authorities, &certificate, at, proven, &request.proof)
        .map_err(|error| unknown(&error))?;
    let uid = tls::cluster_uid(&certificate).map_err(|error| unknown(&error))?;
    if now.as_second().saturating_sub(until.as_second()) > RENEWABLE_SECONDS {
        let message = format!(
            "this certificate expired at {until}, too long ago to be renewed; join anew with `roadstead join`"
        );
        return Err(Refusal::new(RefusalCode::Expired, message));
    }
    let snapshot = authority.store().snapshot();
    if is_detached(&snapshot, &uid) {
        let message = "this cluster was detached from the hub; to manage it again, join it anew with `roadstead join`";
        return Err(Refusal::new(RefusalCode::Detached, message));
    }
    let issued = tls::issued_at(&certificate).map_err(|error| unknown(&error))?;
    if let Some(since) = seen(&snapshot, &uid).and_then(|seen| superseded(&seen, issued)) {
        let message = format!(
            "this cluster was joined anew at {since}, and this certificate, made at {issued}, is of the agent before: \
             stop this agent; to run it in place of the other, join it anew with `roadstead join`"
        );
        return Err(Refusal::new(RefusalCode::Unknown, message));
    }
    if !attached(&snapshot, &uid) {
        let message = "this hub does not know the cluster of this certificate, and nobody detached it: was the hub restored from a backup? \
             It will be tried again; to manage the cluster from here, join it anew with `roadstead join`";
        return Err(Refusal::new(RefusalCode::Unavailable, message));
    }
    Ok(uid)
}

/// What is remembered of a cluster's agent.
fn seen(snapshot: &Snapshot, uid: &str) -> Option<SeenRecord> {
    let key = records::seen_key(uid).ok()?;
    records::decode(snapshot.get(key.as_str())?).ok()
}

/// Whether any cluster has this UID and is there to stay.
fn attached(snapshot: &Snapshot, uid: &str) -> bool {
    let prefix = records::objects_prefix(names::CLUSTER_GROUP, names::ATTACHED_CLUSTERS);
    snapshot.range(&prefix).any(|entry| is_cluster(entry, uid))
}

fn unavailable(why: &str) -> Refusal {
    let message =
        format!("the hub cannot enrol now ({why}); the join token is still good, try again");
    Refusal::new(RefusalCode::Unavailable, message)
}

/// Whether the object that the token was made for is there, by its UID and not only by its name.
fn cluster_exists(snapshot: &Snapshot, record: &JoinTokenRecord) -> bool {
    let Ok(key) = object_of(record) else {
        return false;
    };
    snapshot
        .get(key.as_str())
        .is_some_and(|entry| is_cluster(entry, &record.cluster_uid))
}

/// Whether an object has this UID and is there to stay.
fn is_cluster(entry: &Entry, uid: &str) -> bool {
    let Ok(object) = records::decode::<serde_json::Value>(entry) else {
        return false;
    };
    let leaving = object
        .pointer("/metadata/deletionTimestamp")
        .is_some_and(|at| !at.is_null());
    object
        .pointer("/metadata/uid")
        .and_then(serde_json::Value::as_str)
        == Some(uid)
        && !leaving
}

fn object_of(token: &JoinTokenRecord) -> Result<Key, AuthorityError> {
    records::object_key(
        names::CLUSTER_GROUP,
        names::ATTACHED_CLUSTERS,
        &token.namespace,
        &token.name,
    )
    .map_err(record)
}

/// That `key` is still as it is in `snapshot`.
fn unchanged(snapshot: &Snapshot, key: &Key) -> Check {
    let there = snapshot
        .get(key.as_str())
        .map(|entry| Check::At(key.clone(), entry.revision));
    there.unwrap_or_else(|| Check::Absent(key.clone()))
}

fn record(error: impl std::fmt::Display) -> AuthorityError {
    AuthorityError::Record(error.to_string())
}

/// Writes the mark of a revoked identity.
pub(crate) async fn revoke(authority: &Authority, cluster_uid: &str) -> Result<(), AuthorityError> {
    let key = records::seen_key(cluster_uid).map_err(record)?;
    let mut last = CommitError::Closed;
    for _ in 0..ATTEMPTS_MAX {
        let snapshot = authority.store().snapshot();
        let seen = snapshot
            .get(key.as_str())
            .map(records::decode::<SeenRecord>);
        let seen = seen.transpose().map_err(record)?.unwrap_or_default();
        if seen.revoked {
            return Ok(());
        }
        let revoked = records::encode(&SeenRecord {
            revoked: true,
            ..seen
        })
        .map_err(record)?;
        let txn = Txn::new()
            .check(unchanged(&snapshot, &key))
            .put(key.clone(), revoked);
        match authority.store().commit(txn).await {
            Ok(_) => return Ok(()),
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
