//! One at a time: a key that decisions of one sort assert and write, so that none of them is made beside
//! another. Which sort goes by which key is theirs to say.

use roadstead_store::{Check, Key, Op, Snapshot, Txn};

/// Lets what `txn` does be done only where nobody took a turn with this key since `snapshot`.
pub(crate) fn take(snapshot: &Snapshot, key: Key, txn: &mut Txn) {
    txn.checks
        .push(Check::as_read(&key, snapshot.get(key.as_str())));
    txn.ops.push(Op::Put {
        key,
        value: b"{}".as_slice().into(),
    });
}
