//! How many transactions a second one store on a real disk takes, by how many write at a time:
//! `cargo run -p roadstead-store --example group_commit [FOLDER]`.

use std::sync::Arc;

use jiff::Timestamp;
use roadstead_protocol::env::{Blocking, BoxFuture, Entropy, Env, WallClock};
use roadstead_store::{Backend, Key, Options, Store, Txn, file};

/// Transactions per measurement.
const TXNS: usize = 2_000;
/// Bytes of each value: an object of middling size.
const VALUE_BYTES: usize = 2_048;

struct System;

impl WallClock for System {
    #[expect(clippy::disallowed_methods, reason = "this is a process of its own")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

impl Entropy for System {
    fn fill(&self, buf: &mut [u8]) {
        buf.fill(7);
    }
}

impl Blocking for System {
    #[expect(clippy::disallowed_methods, reason = "this is a process of its own")]
    fn run(&self, job: Box<dyn FnOnce() + Send>) -> BoxFuture<()> {
        let task = tokio::task::spawn_blocking(job);
        Box::pin(async move { drop(task.await) })
    }
}

#[expect(clippy::print_stdout, reason = "this is what it is for")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args()
        .nth(1)
        .map_or_else(std::env::temp_dir, Into::into);
    let path = folder.join("roadstead-group-commit.redb");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    runtime.block_on(async {
        let env = Env {
            clock: Arc::new(System),
            entropy: Arc::new(System),
            blocking: Arc::new(System),
        };
        let store = Store::open(env, Backend::Redb(file(&path)), Options::default()).await?;
        println!("{:>8} {:>10} {:>12}", "writers", "txn/s", "txn/sync");
        for writers in [1, 4, 16, 64, 256] {
            let before = (tokio::time::Instant::now(), store.stats());
            measure(&store, writers).await?;
            let (seconds, stats) = (before.0.elapsed().as_secs_f64(), store.stats());
            let done = (stats.transactions - before.1.transactions) as f64;
            let syncs = (stats.syncs - before.1.syncs) as f64;
            println!(
                "{writers:>8} {:>10.0} {:>12.1}",
                done / seconds,
                done / syncs
            );
        }
        store.close().await;
        Ok::<_, Box<dyn std::error::Error>>(())
    })?;
    std::fs::remove_file(&path)?;
    let lock = path.with_extension("redb.lock");
    std::fs::remove_file(lock)?;
    Ok(())
}

async fn measure(store: &Store, writers: usize) -> Result<(), Box<dyn std::error::Error>> {
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..writers {
        let store = store.clone();
        tasks.spawn(async move {
            for i in 0..TXNS / writers {
                let key = Key::parse(&format!("/bench/{writer}/{}", i % 100)).ok()?;
                store
                    .commit(Txn::new().put(key, vec![7; VALUE_BYTES]))
                    .await
                    .ok()?;
            }
            Some(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done?.ok_or("a transaction was refused")?;
    }
    Ok(())
}
