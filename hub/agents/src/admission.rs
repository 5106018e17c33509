//! Whether an agent that says hello may have a session.
//!
//! The certificate says which cluster it is; here it is settled that the cluster is still there,
//! that the member is the one that the identity is bound to, and that no newer start was seen.

use jiff::Timestamp;
use roadstead_authority::{is_detached, superseded};
use roadstead_protocol::wire::frame::{Hello, RefusalCode, Refused};
use roadstead_store::records::{self, SeenRecord};
use roadstead_store::{Check, CommitError, Revision, Snapshot, Store, Txn};

use crate::directory::Directory;
use crate::tombstones;

/// Attempts to note a start when something else is written at the same time.
const ATTEMPTS_MAX: usize = 4;

/// A refusal with these words.
pub(crate) fn refused(code: RefusalCode, message: impl Into<String>) -> Refused {
    Refused {
        code,
        message: message.into(),
    }
}

/// What an agent hears whose cluster is no longer there.
pub(crate) fn detached() -> Refused {
    refused(
        RefusalCode::Detached,
        "this cluster was detached from the hub; what runs on it stays as it is. \
         To manage it again, join it anew with `roadstead join`",
    )
}

/// What an agent hears whose cluster is not known here, which nobody has detached.
pub(crate) fn unknown() -> Refused {
    refused(
        RefusalCode::UnknownCluster,
        "this hub does not know this cluster, and nobody detached it: was the hub restored from a backup? \
         Everything stays as it is, and it will be tried again; to manage the cluster from here, join it anew with `roadstead join`",
    )
}

/// What an older start hears.
pub(crate) fn older(boot: u64, newest: u64) -> Refused {
    refused(
        RefusalCode::OlderBoot,
        format!(
            "this is start {boot} of the agent and start {newest} was seen already: two agents run with one identity. \
             Stop all but one of them; to begin with an empty folder, join anew with `roadstead join`"
        ),
    )
}

/// What an agent hears whose cluster was joined anew since its certificate was made.
pub(crate) fn replaced(since: Timestamp) -> Refused {
    refused(
        RefusalCode::OlderBoot,
        format!(
            "this cluster was joined anew at {since}, and this agent has the identity from before: two agents run for one cluster. \
             Stop this one; to run it in place of the other, join it anew with `roadstead join`"
        ),
    )
}

/// Decides about a hello from the agent of the cluster `uid`, whose certificate was made at `issued`,
/// and notes the start durably. The floor of the cluster's ledger if it may come in.
pub(crate) async fn decide(
    store: &Store,
    directory: &Directory,
    (uid, issued): (&str, Option<Timestamp>),
    hello: &Hello,
) -> Result<Revision, Refused> {
    let broken = |error: &dyn std::fmt::Display| {
        refused(
            RefusalCode::Busy,
            format!("the hub cannot note this start ({error}); try again"),
        )
    };
    let key = records::seen_key(uid).map_err(|error| broken(&error))?;
    for _ in 0..ATTEMPTS_MAX {
        let snapshot = store.snapshot();
        if !directory.contains(uid) {
            let told = is_detached(&snapshot, uid);
            return Err(if told { detached() } else { unknown() });
        }
        let entry = snapshot.get(key.as_str());
        let seen = entry.map(records::decode::<SeenRecord>).transpose();
        let seen = seen.map_err(|error| broken(&error))?.unwrap_or_default();
        if let Some(since) = issued.and_then(|issued| superseded(&seen, issued)) {
            return Err(replaced(since));
        }
        let now = judge(&seen, hello)?;
        if now == seen {
            return Ok(tombstones::floor(&snapshot, uid));
        }
        // What a release before was not told is heard by comparing.
        let learned = now.features & !seen.features != 0;
        let there = entry.map(|entry| Check::At(key.clone(), entry.revision));
        let value = records::encode(&now).map_err(|error| broken(&error))?;
        let txn = Txn::new()
            .check(there.unwrap_or_else(|| Check::Absent(key.clone())))
            .put(key.clone(), value);
        match store.commit(txn).await {
            // Read after this start was noted: from then on no session of another start raises it.
            Ok(_) if learned => return Ok(Revision(u64::MAX)),
            Ok(_) => return Ok(tombstones::floor(&store.snapshot(), uid)),
            Err(CommitError::Conflict { .. }) => {}
            Err(
                error @ (CommitError::TooLarge { .. }
                | CommitError::Unavailable(_)
                | CommitError::Closed),
            ) => {
                return Err(broken(&error));
            }
        }
    }
    Err(broken(&"the store is busy"))
}

/// The boot counter of another start than this hello's, if one was noted since it was let in.
pub(crate) fn newer(store: &Store, uid: &str, hello: &Hello) -> Option<u64> {
    let key = records::seen_key(uid).ok()?;
    let snapshot = store.snapshot();
    let seen: SeenRecord = records::decode(snapshot.get(key.as_str())?).ok()?;
    (seen.boot != hello.boot || seen.nonce != nonce_text(hello)).then_some(seen.boot)
}

/// That the start of this hello is still the latest that was noted; `None` where it is not.
pub(crate) fn latest(snapshot: &Snapshot, uid: &str, hello: &Hello) -> Option<Check> {
    let key = records::seen_key(uid).ok()?;
    let entry = snapshot.get(key.as_str())?;
    let seen: SeenRecord = records::decode(entry).ok()?;
    let same = seen.boot == hello.boot && seen.nonce == nonce_text(hello);
    same.then_some(Check::At(key, entry.revision))
}

fn nonce_text(hello: &Hello) -> String {
    format!("{:016x}", hello.nonce)
}

/// What is to be remembered after this hello, or why it is refused.
fn judge(seen: &SeenRecord, hello: &Hello) -> Result<SeenRecord, Refused> {
    if seen.revoked {
        return Err(detached());
    }
    if !seen.member_uid.is_empty() && seen.member_uid != hello.member_uid {
        return Err(refused(
            RefusalCode::OtherMember,
            "this identity belongs to another member cluster (the UID of its kube-system namespace differs): \
             join this one with a token of its own, `roadstead join`",
        ));
    }
    let nonce = nonce_text(hello);
    let twin = hello.boot == seen.boot && !seen.nonce.is_empty() && seen.nonce != nonce;
    if hello.boot < seen.boot || twin {
        return Err(older(hello.boot, seen.boot));
    }
    Ok(SeenRecord {
        boot: hello.boot,
        nonce,
        member_uid: hello.member_uid.clone(),
        revoked: false,
        since: seen.since,
        features: hello.features,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(boot: u64, nonce: u64, member: &str) -> Hello {
        Hello {
            features: 0,
            release: String::new(),
            member_uid: member.to_owned(),
            boot,
            nonce,
            position: None,
            rewound: false,
        }
    }

    fn check(seen: &SeenRecord, hello: &Hello, expected: Option<RefusalCode>) {
        assert_eq!(
            judge(seen, hello).err().map(|refused| refused.code),
            expected,
            "{hello:?}"
        );
    }

    #[test]
    fn an_identity_has_one_member_and_its_newest_start() {
        let first = judge(&SeenRecord::default(), &hello(1, 7, "m")).unwrap();
        check(&first, &hello(1, 7, "m"), None);
        check(&first, &hello(2, 8, "m"), None);
        check(&first, &hello(1, 8, "m"), Some(RefusalCode::OlderBoot));
        check(&first, &hello(0, 7, "m"), Some(RefusalCode::OlderBoot));
        check(
            &first,
            &hello(2, 8, "other"),
            Some(RefusalCode::OtherMember),
        );
        check(&first, &hello(2, 8, ""), Some(RefusalCode::OtherMember));
        check(
            &SeenRecord {
                revoked: true,
                ..first
            },
            &hello(2, 8, "m"),
            Some(RefusalCode::Detached),
        );
    }
}
