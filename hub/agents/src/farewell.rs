//! What a session leaves behind when it ends: it must not overwrite what a newer one of the same
//! cluster says.
//!
//! A session writes that it is there before anything else. So the record of who is alive, as it was
//! while this session still had its place, is the guard of all that is written after it.

use roadstead_protocol::env::Env;
use roadstead_store::records;
use roadstead_store::{Check, CommitError, Key, Op, Snapshot, Store};

use crate::outbox::Outbox;

/// That no newer session has written since.
pub(crate) struct Guard {
    key: Key,
    check: Check,
}

impl Guard {
    /// The guard of a session that had its place when `snapshot` was taken.
    pub(crate) fn new(snapshot: &Snapshot, uid: &str) -> Option<Self> {
        let key = records::liveness_key(uid).ok()?;
        let check = Check::as_read(&key, snapshot.get(key.as_str()));
        Some(Self { key, check })
    }

    /// Writes what is left in `outbox`, unless a newer session is here.
    pub(crate) async fn write(
        mut self,
        env: &Env,
        volatile: &Store,
        uid: &str,
        mut outbox: Outbox,
    ) -> Result<(), CommitError> {
        while !outbox.is_empty() {
            let txn = outbox.take(uid, env.clock.now(), &volatile.snapshot());
            if txn.ops.is_empty() {
                continue;
            }
            // Who is alive is what an outbox gives first.
            let alive = matches!(txn.ops.first(), Some(Op::Put { key, .. }) if *key == self.key);
            let committed = volatile.commit(txn.check(self.check.clone())).await?;
            if alive {
                self.check = Check::At(self.key.clone(), committed.first);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use roadstead_protocol::host::system;
    use roadstead_store::records::Liveness;
    use roadstead_store::{Backend, Txn};

    use super::*;

    fn liveness(connected: bool, boot: u64) -> Liveness {
        Liveness {
            connected,
            since: jiff::Timestamp::UNIX_EPOCH,
            last_heard: jiff::Timestamp::UNIX_EPOCH,
            release: String::new(),
            boot,
            remote: String::new(),
            features: 0,
        }
    }

    async fn check(newer_is_here: bool, expected: (bool, u64)) {
        let env = system::env();
        let options = roadstead_store::Options::default();
        let store = Store::open(env.clone(), Backend::Memory, options)
            .await
            .unwrap();
        let key = records::liveness_key("a1").unwrap();
        let put = |record: &Liveness| {
            let value = records::encode(record).unwrap();
            store.commit(Txn::new().put(key.clone(), value))
        };
        put(&liveness(true, 1)).await.unwrap();
        let guard = Guard::new(&store.snapshot(), "a1").unwrap();
        if newer_is_here {
            put(&liveness(true, 2)).await.unwrap();
        }
        let mut outbox = Outbox::new(&store.snapshot(), "a1");
        outbox.liveness(liveness(false, 1));
        let written = guard.write(&env, &store, "a1", outbox).await;
        assert_eq!(written.is_err(), newer_is_here);
        let snapshot = store.snapshot();
        let left: Liveness = records::decode(snapshot.get(key.as_str()).unwrap()).unwrap();
        assert_eq!((left.connected, left.boot), expected);
    }

    #[tokio::test]
    async fn the_last_word_of_a_session_is_not_said_over_a_newer_one() {
        check(false, (false, 1)).await;
        check(true, (true, 2)).await;
    }
}
