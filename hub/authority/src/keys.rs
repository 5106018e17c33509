//! The authorities' keys and certificates in the store: made once, in one transaction, renewed in
//! time.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use roadstead_protocol::env::Env;
use roadstead_protocol::host::tls::{self, Profile, TlsError};
use roadstead_protocol::host::{EndpointSecrets, Identity};
use roadstead_store::{CommitError, Snapshot, Store, Txn};

use crate::AuthorityError;
use crate::generations::{ANNOUNCED, Roles, Times, is_due, roles};
use crate::stored::{
    GenerationRecord, HubRecord, NOTE_SECONDS, RECORD_VERSION, bytes, commit, damaged, identity,
    identity_of, note_time, read, record_of, write,
};

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
/// Most generations of an authority.
const GENERATIONS_MAX: usize = 64;
/// Attempts to load or make the records before giving up.
const ATTEMPTS_MAX: usize = 3;

/// Everything under `/authority`, decoded.
pub(crate) struct Keys {
    pub(crate) hub_id: String,
    pub(crate) endpoint: EndpointSecrets,
    /// The generations of the agents' authority, oldest first; never empty.
    pub(crate) agents: Vec<Generation>,
    /// Those of the REST port's, likewise.
    pub(crate) rest: Vec<Generation>,
    pub(crate) admin: Identity,
}

/// One of the two authorities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Realm {
    /// That of agents and the hub's QUIC port.
    Agents,
    /// That of the REST port and its users.
    Api,
}

impl Realm {
    /// What its records are called.
    fn base(self) -> &'static str {
        match self {
            Self::Agents => AGENTS,
            Self::Api => REST,
        }
    }

    /// What its certificates are called, for people.
    fn words(self) -> &'static str {
        match self {
            Self::Agents => "Roadstead agents",
            Self::Api => "Roadstead API",
        }
    }
}

/// One generation of an authority.
#[derive(Clone)]
pub(crate) struct Generation {
    pub(crate) identity: Identity,
    pub(crate) times: Times,
}

/// When a new generation of an authority begins to sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begins {
    /// It was announced for as long as agents need to hear of it.
    Announced,
    /// At once: agents that have not heard of it renew by the one before, and whoever has an older
    /// kubeconfig needs a new one.
    Now,
}

/// What each of the generations is for at `now`.
pub(crate) fn roles_of(generations: &[Generation], now: Timestamp) -> Roles {
    roles(&times(generations), now)
}

fn times(generations: &[Generation]) -> Vec<Times> {
    generations.iter().map(|g| g.times).collect()
}

impl Keys {
    pub(crate) async fn load_or_create(store: &Store, env: &Env) -> Result<Self, AuthorityError> {
        let mut last = CommitError::Closed;
        for _ in 0..ATTEMPTS_MAX {
            let snapshot = store.snapshot();
            let mut txn = Txn::new();
            let keys = Self::complete(&snapshot, env, &mut txn)?;
            note_time(&snapshot, env, NOTE_SECONDS, &mut txn)?;
            match commit(store, txn).await? {
                Ok(()) => return Ok(keys),
                Err(conflict) => last = conflict,
            }
        }
        Err(AuthorityError::Write(last))
    }

    /// The generations of an authority, oldest first.
    pub(crate) fn of(&self, realm: Realm) -> &[Generation] {
        match realm {
            Realm::Agents => &self.agents,
            Realm::Api => &self.rest,
        }
    }

    fn of_mut(&mut self, realm: Realm) -> &mut Vec<Generation> {
        match realm {
            Realm::Agents => &mut self.agents,
            Realm::Api => &mut self.rest,
        }
    }

    /// Makes a new generation of an authority, unless one is announced already: that one then begins
    /// as `begins` says, if that is sooner.
    pub(crate) async fn rotate(
        store: &Store,
        env: &Env,
        (realm, begins): (Realm, Begins),
    ) -> Result<Self, AuthorityError> {
        let mut last = CommitError::Closed;
        for _ in 0..ATTEMPTS_MAX {
            let snapshot = store.snapshot();
            let mut txn = Txn::new();
            let mut keys = Self::complete(&snapshot, env, &mut txn)?;
            keys.succeed(&snapshot, env, (realm, begins), &mut txn)?;
            match commit(store, txn).await? {
                Ok(()) => return Ok(keys),
                Err(conflict) => last = conflict,
            }
        }
        Err(AuthorityError::Write(last))
    }

    fn succeed(
        &mut self,
        snapshot: &Snapshot,
        env: &Env,
        (realm, begins): (Realm, Begins),
        txn: &mut Txn,
    ) -> Result<(), AuthorityError> {
        let now = env.clock.now();
        let from = match begins {
            Begins::Now => now,
            Begins::Announced => {
                let wait = SignedDuration::try_from(ANNOUNCED).unwrap_or(SignedDuration::ZERO);
                now.checked_add(wait).map_err(|_| TlsError::Moment(now))?
            }
        };
        let short = short(&self.hub_id);
        let generations = self.of_mut(realm);
        let place = generations.len();
        if roles_of(generations, now).next.is_some() {
            let Some(announced) = generations.last_mut() else {
                return Ok(());
            };
            if from < announced.times.signs_from {
                announced.times.signs_from = from;
                let record = generation_record(env, &announced.identity, from)?;
                write(txn, Some(snapshot), &generation_name(realm, place), &record)?;
            }
            return Ok(());
        }
        if place >= GENERATIONS_MAX {
            return Err(AuthorityError::Generations);
        }
        let name = format!("{} {short} {}", realm.words(), place + 1);
        let identity = tls::make_authority(env, &name)?;
        let record = generation_record(env, &identity, from)?;
        write(txn, None, &generation_name(realm, place + 1), &record)?;
        generations.push(generation(realm, identity, from)?);
        Ok(())
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
        let short = short(&hub_id);
        let agents = generations(snapshot, env, txn, (Realm::Agents, &short))?;
        let rest = generations(snapshot, env, txn, (Realm::Api, &short))?;
        let admin = administrator(snapshot, env, txn, &rest)?;
        let mut keys = Self {
            hub_id,
            endpoint,
            agents,
            rest,
            admin,
        };
        for realm in [Realm::Agents, Realm::Api] {
            if is_due(&times(keys.of(realm)), env.clock.now()) {
                keys.succeed(snapshot, env, (realm, Begins::Announced), txn)?;
            }
        }
        Ok(keys)
    }
}

/// The administrator's certificate: a new one where it ends soon, or another generation signs by now.
fn administrator(
    snapshot: &Snapshot,
    env: &Env,
    txn: &mut Txn,
    rest: &[Generation],
) -> Result<Identity, AuthorityError> {
    let signing = roles_of(rest, env.clock.now()).signing;
    let signer = rest.get(signing).map(|g| &g.identity);
    let signer = signer.ok_or_else(|| damaged(REST, "there is no authority"))?;
    if let Some(admin) = identity(snapshot, ADMIN)?
        && !is_ending(env, &admin)?
        && admin.chain.last() == signer.chain.last()
    {
        return Ok(admin);
    }
    let profile = Profile::User {
        name: "admin".to_owned(),
        groups: vec!["system:masters".to_owned()],
        life: tls::SERVER_LIFE,
    };
    let admin = tls::sign(env, signer, &profile)?;
    write(txn, Some(snapshot), ADMIN, &record_of(env, &admin)?)?;
    Ok(admin)
}

/// What tells a hub's authorities from others', for people.
fn short(hub_id: &str) -> String {
    hub_id.chars().take(8).collect()
}

/// The name of a generation's record, counted from 1.
fn generation_name(realm: Realm, number: usize) -> String {
    match number {
        0 | 1 => realm.base().to_owned(),
        _ => format!("{}-{number}", realm.base()),
    }
}

/// All generations of an authority; the first is made where there is none.
fn generations(
    snapshot: &Snapshot,
    env: &Env,
    txn: &mut Txn,
    (realm, short): (Realm, &str),
) -> Result<Vec<Generation>, AuthorityError> {
    let name = format!("{} {short}", realm.words());
    let first = authority(snapshot, env, txn, realm.base(), &name)?;
    let mut found = vec![generation(realm, first, Timestamp::MIN)?];
    for number in 2..=GENERATIONS_MAX {
        let name = generation_name(realm, number);
        let Some(record) = read::<GenerationRecord>(snapshot, &name)? else {
            break;
        };
        let from = record.signs_from.unwrap_or(record.authority.created_at);
        let identity = identity_of(&name, &record.authority)?;
        let made = generation(realm, identity, from).map_err(|e| damaged(&name, &e.to_string()))?;
        found.push(made);
    }
    Ok(found)
}

fn generation(
    realm: Realm,
    identity: Identity,
    signs_from: Timestamp,
) -> Result<Generation, AuthorityError> {
    let root = identity.chain.last();
    let root = root.ok_or_else(|| damaged(realm.base(), "there is no certificate"))?;
    let times = Times {
        signs_from,
        ends: tls::not_after(root)?,
    };
    Ok(Generation { identity, times })
}

fn generation_record(
    env: &Env,
    identity: &Identity,
    signs_from: Timestamp,
) -> Result<GenerationRecord, AuthorityError> {
    Ok(GenerationRecord {
        authority: record_of(env, identity)?,
        signs_from: Some(signs_from),
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
