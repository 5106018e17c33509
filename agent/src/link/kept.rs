//! Who the agent is and what it had before, and what each word of the hub makes of that. Pure.
//!
//! Addresses and authorities come with every welcome and every certificate. What is replaced is not
//! thrown away: authorities, and the last certificate under each, are kept for renewals alone, and an
//! address that worked is tried after all that the hub names.

use roadstead_protocol::host::enrol::Granted;
use roadstead_protocol::host::tls::{self, Identity as TlsIdentity, SecretKey};
use rustls::pki_types::CertificateDer;

use crate::store::record::{Former, FormerIdentity, Identity};

/// Most authorities that are remembered.
const AUTHORITIES_MAX: usize = 8;
/// Most certificates of former authorities that are remembered.
const IDENTITIES_MAX: usize = 4;
/// Most addresses that are remembered.
const ADDRESSES_MAX: usize = 4;

/// Why a new certificate is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Wrong {
    /// It is another hub's or another cluster's.
    #[error("the hub answered for cluster {cluster} of hub {hub}, which this agent is not of")]
    Another {
        /// The cluster.
        cluster: String,
        /// The hub.
        hub: String,
    },
    /// It does not carry this cluster or the key that it was asked for.
    #[error("the hub answered with a certificate that is not for this cluster and key")]
    Certificate,
}

/// Who the agent is, and what it had before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) identity: Identity,
    pub(super) former: Former,
}

impl Kept {
    /// After a welcome that came by way of the address `met`: addresses and authorities are the
    /// hub's, where it names any.
    pub(super) fn told(&self, addresses: &[String], authorities: &[Vec<u8>], met: &str) -> Self {
        let mut after = self.clone();
        if !addresses.is_empty() {
            addresses.clone_into(&mut after.identity.addresses);
            remember(&mut after.former.addresses, [met.to_owned()], ADDRESSES_MAX);
        }
        after.trust_only(authorities);
        after.tidied()
    }

    /// After the hub has given a new certificate for `key`.
    pub(super) fn renewed(&self, granted: Granted, key: &SecretKey) -> Result<Self, Wrong> {
        let mine = &self.identity;
        if granted.hub != mine.hub || granted.cluster != mine.cluster {
            return Err(Wrong::Another {
                cluster: granted.cluster,
                hub: granted.hub,
            });
        }
        let leaf = granted.chain.first().cloned().unwrap_or_default();
        let leaf = CertificateDer::from(leaf);
        let named = tls::cluster_uid(&leaf).is_ok_and(|uid| uid == mine.cluster);
        if !named || !tls::is_for(&leaf, key).unwrap_or(false) {
            return Err(Wrong::Certificate);
        }
        let mut after = self.clone();
        if granted.chain.last() != mine.certificates.last() {
            let before = FormerIdentity {
                key: mine.key.clone(),
                certificates: mine.certificates.clone(),
            };
            let signer = |one: &FormerIdentity| one.certificates.last().cloned();
            let (signers, identities) = (signer(&before), &mut after.former.identities);
            identities.retain(|one| {
                signer(one) != signers && signer(one).as_ref() != granted.chain.last()
            });
            identities.insert(0, before);
            identities.truncate(IDENTITIES_MAX);
        }
        after.identity.key = key.as_bytes().to_vec();
        after.identity.certificates = granted.chain;
        if !granted.addresses.is_empty() {
            let before = std::mem::replace(&mut after.identity.addresses, granted.addresses);
            remember(&mut after.former.addresses, before, ADDRESSES_MAX);
        }
        after.trust_only(&granted.authorities);
        Ok(after.tidied())
    }

    /// Trusts these authorities from now on, and remembers those before.
    fn trust_only(&mut self, authorities: &[Vec<u8>]) {
        if !authorities.is_empty() {
            let before = std::mem::replace(&mut self.identity.authorities, authorities.to_vec());
            remember(&mut self.former.authorities, before, AUTHORITIES_MAX);
        }
    }

    /// What is present is not former.
    fn tidied(mut self) -> Self {
        let (identity, former) = (&self.identity, &mut self.former);
        former
            .addresses
            .retain(|address| !identity.addresses.contains(address));
        former
            .authorities
            .retain(|authority| !identity.authorities.contains(authority));
        self
    }

    /// Where to look for the hub, in this order: where it was met last, what it names, what it named.
    pub(super) fn addresses(&self, met: Option<&String>) -> Vec<String> {
        let all = self.identity.addresses.iter().chain(&self.former.addresses);
        let first = met.filter(|met| all.clone().any(|address| address == *met));
        let rest = all.filter(|address| Some(*address) != first);
        first.into_iter().chain(rest).cloned().collect()
    }

    /// Whom to believe that it is the hub, for a renewal.
    pub(super) fn trusted_for_renewal(&self) -> Vec<CertificateDer<'static>> {
        let all = self.identity.authorities.iter();
        certificates(all.chain(&self.former.authorities))
    }

    /// Whom to believe that it is the hub, for a session.
    pub(super) fn trusted(&self) -> Vec<CertificateDer<'static>> {
        certificates(&self.identity.authorities)
    }

    /// The certificates to prove possession of, the present one first. A record that cannot be one is
    /// left out.
    pub(super) fn candidates(&self) -> Vec<TlsIdentity> {
        let present = tls_identity(&self.identity.key, &self.identity.certificates);
        let former = self.former.identities.iter();
        let former = former.filter_map(|one| tls_identity(&one.key, &one.certificates));
        present.into_iter().chain(former).collect()
    }
}

/// A key and certificates as TLS takes them; `None` where the key is none.
pub(super) fn tls_identity(key: &[u8], chain: &[Vec<u8>]) -> Option<TlsIdentity> {
    Some(TlsIdentity {
        chain: certificates(chain),
        key: SecretKey::from_bytes(key.try_into().ok()?),
    })
}

fn certificates<'a>(list: impl IntoIterator<Item = &'a Vec<u8>>) -> Vec<CertificateDer<'static>> {
    list.into_iter().map(|der| der.clone().into()).collect()
}

/// Puts `news` before what is remembered, each once, `max` at most.
fn remember<T: PartialEq>(known: &mut Vec<T>, news: impl IntoIterator<Item = T>, max: usize) {
    let news: Vec<T> = news.into_iter().collect();
    known.retain(|one| !news.contains(one));
    known.splice(0..0, news);
    known.truncate(max);
}

#[cfg(test)]
mod tests;
