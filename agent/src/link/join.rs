//! Joining a hub: once in an agent's life, or anew when its identity is worth nothing any more.

use std::sync::Arc;

use roadstead_protocol::env::Env;
use roadstead_protocol::host::SecretKey;
use roadstead_protocol::host::enrol::{EnrolError, Granted, RefusalCode, enrol};
use roadstead_protocol::session::Backoff;

use super::keep::{self, Keep};
use super::kept::Kept;
use super::road::{Road, Worth};
use super::{RETRY_CEILING, RETRY_FLOOR, chain};
use crate::Error;
use crate::anchor::Start;
use crate::desk::Entered;
use crate::store::record::{Former, Identity, Joining, Position, Spent};
use crate::store::{Disk, DiskError, Write};

/// Why the hub was not joined.
pub(super) enum Failed {
    /// Trying again with this token is of no use.
    Never(Error),
    /// Trying again may help.
    Later(String),
}

/// What was joined.
pub(super) enum Joined {
    /// The first cluster of this agent's life, or the same one again.
    Here,
    /// Another one than before: everything that the hub said of that one is forgotten, and, where the
    /// hub is another one, also what was put on the member for the one before.
    Elsewhere,
}

impl Road {
    /// Makes a key, unless there is one from an attempt before, has it certified, and writes the
    /// identity to the disk.
    pub(super) async fn join(
        &mut self,
        endpoint: &quinn::Endpoint,
        start: &Start,
    ) -> Result<Joined, Failed> {
        let Some(token) = self.link.join.clone() else {
            return Err(Failed::Never(Error::NotJoined));
        };
        let (env, disk) = (self.link.env.clone(), self.link.disk.clone());
        let key = joining_key(&env, &disk, &mut self.link.joining, &token.id)
            .await
            .map_err(|error| Failed::Later(error.to_string()))?;
        let granted = enrol(
            &self.enrolling(endpoint),
            &token,
            &key,
            &start.boot.member_uid,
        )
        .await
        .map_err(sort)?;
        let before = self.keep.as_ref().map(|keep| keep.kept());
        let (kept, mut writes, joined) = settled(before.as_ref(), granted, &key);
        let attached = attached(self.link.desk.position(), &joined);
        writes.extend(attached.clone().map(Write::Position));
        let spent = Spent {
            tokens: vec![token.id.clone()],
        };
        let spent = spent.and(&self.link.spent.tokens);
        writes.push(Write::Spent(spent.clone()));
        let past =
            (self.link.past).then(before.as_ref().map(|kept| &kept.identity), &kept.identity);
        writes.extend((past != self.link.past).then(|| Write::Past(past.clone())));
        let clock = keep::noted(&self.link.clock, &kept.identity.certificates);
        let writes = writes
            .into_iter()
            .chain(clock.map(Write::Clock))
            .collect::<Vec<_>>();
        // The token is used up: what it bought must not be lost to a disk that is busy for a moment.
        let mut backoff = Backoff::new(0, RETRY_FLOOR, RETRY_CEILING);
        while let Err(error) = disk.commit(writes.clone()).await {
            tracing::warn!(%error, "the identity could not be written yet");
            tokio::time::sleep(backoff.next_wait()).await;
        }
        let identity = &kept.identity;
        tracing::info!(cluster = %identity.cluster, hub = %identity.hub, name = %token.name, "joined");
        if before.is_none() {
            self.link.desk.joined(past.owner(identity));
        }
        let clock = Arc::clone(&self.link.clock);
        if attached.is_some() {
            self.link.desk.enter(Entered {
                position: attached,
                ..Entered::default()
            });
        }
        self.keep = Some(Arc::new(Keep::new(disk, clock, kept)));
        self.worth = Worth::Good;
        self.link.join = None;
        self.link.joining = None;
        self.link.spent = spent;
        self.link.past = past;
        Ok(joined)
    }
}

/// Who the agent is after a token was redeemed, and what to write down.
fn settled(before: Option<&Kept>, granted: Granted, key: &SecretKey) -> (Kept, Vec<Write>, Joined) {
    let same = before.filter(|kept| {
        let identity = &kept.identity;
        (&identity.hub, &identity.cluster) == (&granted.hub, &granted.cluster)
    });
    if let Some(kept) = same.and_then(|kept| kept.renewed(granted.clone(), key).ok()) {
        // The disk is as good as before: the hub looks at where it is.
        let writes = vec![
            Write::Identity(kept.identity.clone()),
            Write::Former(kept.former.clone()),
            Write::DropJoining,
        ];
        return (kept, writes, Joined::Here);
    }
    let another_hub = before.is_some_and(|kept| kept.identity.hub != granted.hub);
    let kept = Kept {
        identity: Identity {
            key: key.as_bytes().to_vec(),
            certificates: granted.chain,
            hub: granted.hub,
            cluster: granted.cluster,
            addresses: granted.addresses,
            authorities: granted.authorities,
        },
        former: Former::default(),
    };
    let identity = Write::Identity(kept.identity.clone());
    if before.is_none() {
        return (kept, vec![identity, Write::DropJoining], Joined::Here);
    }
    let mut writes = vec![
        Write::Forget,
        identity,
        Write::Former(Former::default()),
        Write::DropJoining,
    ];
    // To another hub that is somebody else's: it finds it there and says so.
    writes.extend(another_hub.then_some(Write::ForgetInventory));
    (kept, writes, Joined::Elsewhere)
}

/// Where the agent is in the history of a hub that it `joined` as who it was: a join string is what ends
/// a detachment, and nothing else does. `None` where nothing changes.
fn attached(position: Position, joined: &Joined) -> Option<Position> {
    match joined {
        Joined::Here if position.detached => Some(Position {
            detached: false,
            ..position
        }),
        // Elsewhere there is no position yet.
        Joined::Here | Joined::Elsewhere => None,
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
    use roadstead_protocol::wire::item::{Digest, ItemKey};
    use roadstead_protocol::wire::{Epoch, Lineage, Revision, Stamp};

    use super::*;
    use crate::link::testing::{UID, agent_for, authority};
    use crate::plan::Mark;
    use crate::store::Loaded;
    use crate::store::record::Inventory;
    use crate::store::tests::{CountedEntropy, MemoryDisk, env};

    const STAMP: Stamp = Stamp {
        epoch: Epoch(1),
        revision: Revision(7),
    };

    /// What is on the disk after an agent of the cluster `UID` of `hub`, detached and with an object on
    /// its member, was granted this.
    async fn rejoined(hub: &str, cluster: &str) -> Loaded {
        let signer = authority(0, "agents");
        let key = SecretKey::generate(&crate::link::testing::env(0));
        let certificates: Vec<Vec<u8>> = agent_for(0, &signer, &key)
            .chain
            .iter()
            .map(|c| c.to_vec())
            .collect();
        let granted = |hub: &str, cluster: &str| Granted {
            hub: hub.to_owned(),
            cluster: cluster.to_owned(),
            chain: certificates.clone(),
            authorities: vec![],
            addresses: vec![],
        };
        let (before, mut writes, _) = settled(None, granted("hub", UID), &key);
        let position = Position {
            stamp: Some(STAMP),
            lineage: Lineage(vec![]),
            detached: true,
        };
        let inventory = Inventory {
            uid: "u".to_owned(),
            stamp: STAMP,
            digest: Digest::of(b"{}"),
            mark: Mark::default(),
            fields: Mark::default(),
        };
        let item = ItemKey {
            group: String::new(),
            kind: "ConfigMap".into(),
            namespace: "a".into(),
            name: "b".into(),
        };
        writes.push(Write::Position(position.clone()));
        writes.push(Write::Inventory(item, inventory));
        let medium = MemoryDisk::default();
        let (disk, _, writer) = Disk::open(env(), medium.opener()).await.unwrap();
        disk.commit(writes).await.unwrap();
        let (_, mut writes, joined) = settled(Some(&before), granted(hub, cluster), &key);
        writes.extend(attached(position, &joined).map(Write::Position));
        disk.commit(writes).await.unwrap();
        drop(disk);
        writer.await.unwrap();
        Disk::open(env(), medium.opener()).await.unwrap().1
    }

    #[tokio::test]
    async fn a_join_string_ends_a_detachment() {
        let same = rejoined("hub", UID).await;
        assert!(!same.position.detached);
        assert_eq!(same.position.stamp, Some(STAMP), "it goes on from there");
        assert_eq!(same.inventory.len(), 1);
        let another = rejoined("hub", "another").await;
        assert_eq!(another.position, Position::default());
    }

    #[tokio::test]
    async fn what_was_made_for_one_hub_is_none_of_anothers() {
        let here = rejoined("hub", "another").await;
        assert_eq!(here.inventory.len(), 1, "one hub: still its own");
        let elsewhere = rejoined("another", UID).await;
        assert_eq!(elsewhere.inventory.len(), 0);
    }

    #[tokio::test]
    async fn every_attempt_with_a_token_has_the_same_key_also_after_a_restart() {
        let env = Env {
            entropy: Arc::new(CountedEntropy::default()),
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
