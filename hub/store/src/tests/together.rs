//! What is on its way to the writer at one moment goes to the disk in one commit.

use tokio::sync::watch;

use super::world::{key, memory, run};
use crate::Txn;

fn txn(n: u32) -> Txn {
    Txn::new().put(key(&format!("/k/{n}")), "1")
}

#[test]
fn who_is_still_at_work_comes_along() {
    run(async {
        let store = memory().await;
        let before = store.stats();
        let (begin, begun) = watch::channel(false);
        let tasks = (1..20).map(|n| {
            let (store, mut begun) = (store.clone(), begun.clone());
            tokio::spawn(async move {
                begun.wait_for(|begun| *begun).await.unwrap();
                store.commit(txn(n)).await
            })
        });
        let tasks: Vec<_> = tasks.collect();
        tokio::task::yield_now().await;
        // The writer has the first before the others have their turn.
        let others = async { begin.send(true) };
        let (first, begun) = tokio::join!(store.commit(txn(0)), others);
        first.unwrap();
        begun.unwrap();
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        let after = store.stats();
        assert_eq!(after.transactions - before.transactions, 20);
        assert_eq!(after.syncs - before.syncs, 1);
    });
}
