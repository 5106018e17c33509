//! The REST port's side of the authority: its server's certificate, its users' and the administrator's.
//!
//! It has generations as the agents' authority has. A successor stands in kubeconfigs from its
//! announcement on, beside the one that signs; whoever fetches one meanwhile notices nothing when it
//! begins. What a former one signed is good for as long as it says. Decides nothing about who may do
//! what.

use roadstead_protocol::host::Identity;
use roadstead_protocol::host::tls::{self, Crypto, Profile};
use rustls_pki_types::CertificateDer;

use crate::generations::Roles;
use crate::keys::{Begins, Generation, Keys, Realm};
use crate::{Authority, AuthorityError, Standing, kubeconfig};

/// What an administrator's token begins with, so that people and scanners know it.
const TOKEN_PREFIX: &str = "rsa1.";
/// What the token is derived for; it must never change.
const TOKEN_CONTEXT: &str = "roadstead.dev 2026-11-21 administrator's bearer token";

impl Authority {
    /// Gives the REST port's authority a successor. It signs after as long as one of the agents'
    /// authority would ([`ANNOUNCED`](crate::ANNOUNCED)), or at once with `now`: who has an older
    /// kubeconfig then needs a new one. One that is announced already is not made twice.
    ///
    /// # Errors
    /// Where the store cannot be written, or there are too many generations.
    pub async fn rotate_api(&self, now: bool) -> Result<Standing, AuthorityError> {
        let begins = if now { Begins::Now } else { Begins::Announced };
        {
            let _turn = self.turn.lock().await;
            let keys = Keys::rotate(&self.store, &self.env, (Realm::Api, begins)).await?;
            self.take_up(keys);
        }
        // The administrator's certificate follows the one that signs.
        self.tend().await?;
        Ok(self.api_standing())
    }

    /// How the REST port's authority stands.
    pub fn api_standing(&self) -> Standing {
        self.standing_of(Realm::Api)
    }

    /// TLS settings of the REST port, with a server certificate made now for loopback and `names`
    /// (host names and IP addresses). Users' certificates are asked for, not demanded.
    pub fn rest_server(
        &self,
        crypto: &Crypto,
        names: &[String],
    ) -> Result<rustls::ServerConfig, AuthorityError> {
        let mut all: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(String::from).to_vec();
        all.extend(
            names
                .iter()
                .filter(|name| !all.contains(name))
                .cloned()
                .collect::<Vec<_>>(),
        );
        let identity = self.signed(&Profile::Rest { names: all })?;
        Ok(tls::rest_server(
            &self.floored(crypto),
            &identity,
            &self.rest_known(),
        )?)
    }

    /// What the generation that signs makes of a profile.
    pub(crate) fn signed(&self, profile: &Profile) -> Result<Identity, AuthorityError> {
        let (keys, roles) = self.present_of(Realm::Api);
        let signing = keys.rest.get(roles.signing);
        let signing =
            signing.ok_or_else(|| AuthorityError::Record("there is no authority".to_owned()))?;
        Ok(tls::sign(&self.env, &signing.identity, profile)?)
    }

    /// Every authority whose certificates users may still come with.
    fn rest_known(&self) -> Vec<CertificateDer<'static>> {
        self.known(|g| g.identity.chain.clone())
            .into_iter()
            .flatten()
            .collect()
    }

    /// Something of every generation of the REST port's authority that counts, the one that signs first.
    fn known<T>(&self, of: impl Fn(&Generation) -> T) -> Vec<T> {
        let (keys, roles) = self.present_of(Realm::Api);
        let Roles {
            signing,
            next,
            former,
        } = roles;
        let places = std::iter::once(signing).chain(next).chain(former);
        places
            .filter_map(|place| keys.rest.get(place))
            .map(of)
            .collect()
    }

    /// The administrator's bearer token, for clients that have no use for a certificate. It stays the
    /// same until another generation of the REST port's authority signs, and is good for as long as
    /// that authority's certificates; it tells nothing about its key.
    pub fn admin_token(&self) -> String {
        self.admin_tokens().into_iter().next().unwrap_or_default()
    }

    fn admin_tokens(&self) -> Vec<String> {
        self.known(|g| {
            let secret = blake3::derive_key(TOKEN_CONTEXT, g.identity.key.as_bytes());
            format!("{TOKEN_PREFIX}{}", hex::encode(secret))
        })
    }

    /// Whether `token` is the administrator's; compared in constant time.
    pub fn is_admin_token(&self, token: &str) -> bool {
        let given = blake3::hash(token.as_bytes());
        let same = |known: &String| blake3::hash(known.as_bytes()) == given;
        !token.is_empty() && self.admin_tokens().iter().any(same)
    }

    /// The user and groups that a client certificate of the REST port names (common name and
    /// organisations). rustls has verified it already.
    pub fn rest_user(
        certificate: &CertificateDer<'_>,
    ) -> Result<(String, Vec<String>), AuthorityError> {
        Ok(tls::user(certificate)?)
    }

    /// The authorities of the REST port that clients are to trust, as PEM text: the one that signs, one
    /// that will, and those before.
    pub fn rest_authority_pem(&self) -> String {
        tls::certificates_to_pem(&self.rest_known())
    }

    /// A certificate and key for a user of the REST port, for a year.
    pub fn rest_identity(&self, user: &str, group: &str) -> Result<Identity, AuthorityError> {
        self.signed(&Profile::User {
            name: user.to_owned(),
            groups: vec![group.to_owned()],
            life: tls::SERVER_LIFE,
        })
    }

    /// A kubeconfig for the administrator of this hub at `server` (an `https://` URL). Holds the
    /// administrator's key: write it with mode 0600.
    pub fn admin_kubeconfig(&self, server: &str) -> Result<String, AuthorityError> {
        let trust = self.rest_authority_pem();
        kubeconfig::text(server, &trust, ("admin", ""), &self.held().admin)
    }
}
