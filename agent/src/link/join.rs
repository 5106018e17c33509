//! Joining a hub: once in an agent's life.

use roadstead_protocol::env::Env;
use roadstead_protocol::host::SecretKey;
use roadstead_protocol::host::enrol::{EnrolError, Enrolling, RefusalCode, enrol};

use super::{Link, chain};
use crate::Error;
use crate::anchor::Start;
use crate::plan::Owner;
use crate::store::record::{Identity, Joining};
use crate::store::{Disk, DiskError, Write};

/// Why the hub was not joined.
pub(super) enum Failed {
    /// Trying again with this token is of no use.
    Never(Error),
    /// Trying again may help.
    Later(String),
}

impl Link {
    /// Makes a key, unless there is one from an attempt before, has it certified, and writes the identity to the disk.
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
        let key = joining_key(&self.env, &self.disk, &mut self.joining, &token.id)
            .await
            .map_err(|error| Failed::Later(error.to_string()))?;
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
            .commit(vec![Write::Identity(identity.clone()), Write::DropJoining])
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
        self.joining = None;
        Ok(())
    }
}

/// The key to redeem the token `id` for: on the disk before anybody hears of it, and the same in
/// every attempt, also after a restart, for the answer to an attempt that was granted may be lost.
async fn joining_key(
    env: &Env,
    disk: &Disk,
    joining: &mut Option<Joining>,
    id: &str,
) -> Result<SecretKey, DiskError> {
    let before = joining.as_ref().filter(|joining| joining.token == id);
    let seed = before.and_then(|joining| <[u8; 32]>::try_from(joining.key.as_slice()).ok());
    if let Some(seed) = seed {
        return Ok(SecretKey::from_bytes(seed));
    }
    let key = SecretKey::generate(env);
    let record = Joining {
        token: id.to_owned(),
        key: key.as_bytes().to_vec(),
    };
    disk.commit(vec![Write::Joining(record.clone())]).await?;
    *joining = Some(record);
    Ok(key)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::{CountedEntropy, MemoryDisk, env};

    #[tokio::test]
    async fn every_attempt_with_a_token_has_the_same_key_also_after_a_restart() {
        let env = Env {
            entropy: std::sync::Arc::new(CountedEntropy::default()),
            ..env()
        };
        let medium = MemoryDisk::default();
        let mut keys = Vec::new();
        for id in ["a", "a", "b"] {
            let opened = Disk::open(env.clone(), medium.opener()).await;
            let (disk, loaded, writer) = opened.unwrap();
            let mut joining = loaded.joining;
            for _ in 0..2 {
                let key = joining_key(&env, &disk, &mut joining, id).await.unwrap();
                keys.push(*key.as_bytes());
            }
            drop(disk);
            writer.await.unwrap();
        }
        assert!(keys[..4].iter().all(|key| *key == keys[0]));
        assert!(keys[4] == keys[5] && keys[4] != keys[0], "another token");
    }
}
