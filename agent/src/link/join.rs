//! Joining a hub: once in an agent's life.

use roadstead_protocol::host::SecretKey;
use roadstead_protocol::host::enrol::{EnrolError, Enrolling, RefusalCode, enrol};

use super::{Link, chain};
use crate::Error;
use crate::anchor::Start;
use crate::plan::Owner;
use crate::store::Write;
use crate::store::record::Identity;

/// Why the hub was not joined.
pub(super) enum Failed {
    /// Trying again with this token is of no use.
    Never(Error),
    /// Trying again may help.
    Later(String),
}

impl Link {
    /// Makes a key, has it certified, and writes the identity to the disk.
    pub(super) async fn join(
        &mut self,
        endpoint: &quinn::Endpoint,
        start: &Start,
    ) -> Result<(), Failed> {
        let Some(token) = &self.join else {
            return Err(Failed::Never(Error::NotJoined));
        };
        let with = Enrolling {
            env: self.env.clone(),
            crypto: self.crypto.clone(),
            network: self.network.clone(),
            endpoint: endpoint.clone(),
            release: self.options.release.clone(),
        };
        let key = SecretKey::generate(&self.env);
        let granted = enrol(&with, token, &key, &start.boot.member_uid)
            .await
            .map_err(sort)?;
        let identity = Identity {
            key: key.as_bytes().to_vec(),
            certificates: granted.chain,
            hub: granted.hub,
            cluster: granted.cluster,
            addresses: granted.addresses,
            authorities: granted.authorities,
        };
        // The token is used up: what it bought must not be lost to a disk that is busy for a moment.
        let mut backoff =
            roadstead_protocol::session::Backoff::new(0, super::RETRY_FLOOR, super::RETRY_CEILING);
        while let Err(error) = self
            .disk
            .commit(vec![Write::Identity(identity.clone())])
            .await
        {
            tracing::warn!(%error, "the identity could not be written yet");
            tokio::time::sleep(backoff.next_wait()).await;
        }
        tracing::info!(cluster = %identity.cluster, hub = %identity.hub, name = %token.name, "joined");
        self.desk
            .joined(Owner::new(&identity.hub, &identity.cluster));
        self.identity = Some(identity);
        self.join = None;
        Ok(())
    }
}

fn sort(error: EnrolError) -> Failed {
    match error {
        EnrolError::Refused(refusal) => match refusal.code {
            RefusalCode::Unavailable => Failed::Later(refusal.message),
            RefusalCode::Used
            | RefusalCode::Expired
            | RefusalCode::Unknown
            | RefusalCode::Detached
            | RefusalCode::Malformed
            | RefusalCode::Unsupported => Failed::Never(Error::Refused(refusal.message)),
        },
        EnrolError::Foreign(foreign) => Failed::Never(Error::Refused(chain(&foreign))),
        EnrolError::NoAddress => Failed::Never(Error::Refused(EnrolError::NoAddress.to_string())),
        error @ (EnrolError::Connect(_)
        | EnrolError::Prepare(_)
        | EnrolError::Settings(_)
        | EnrolError::Lost(_)
        | EnrolError::Protocol(_)
        | EnrolError::Late) => Failed::Later(chain(&error)),
    }
}
