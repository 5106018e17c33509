//! What is counted of decisions.

use super::*;

#[tokio::test(start_paused = true)]
async fn decisions_moves_and_waits_are_counted() {
    let hub = Hub::new(&["a", "b"]).await;
    let metrics = Arc::clone(&hub.options.metrics);
    assert_eq!((metrics.made(), metrics.moves()), (0, (0, 0)));
    hub.apply(deployment(3, "web:1")).await;
    hub.apply(weighted("p", &[("a", 2), ("b", 1)])).await;
    hub.settle().await;
    assert_eq!(metrics.moves(), (2, 0));
    let made = metrics.made();
    assert!(made > 0);
    assert_eq!(
        metrics
            .stand(&hub.store.snapshot())
            .waits
            .values()
            .sum::<u64>(),
        0
    );
    // What changes what is there moves nothing.
    hub.apply(deployment(6, "web:2")).await;
    hub.settle().await;
    assert!(metrics.made() > made);
    assert_eq!(metrics.moves(), (2, 0));
    hub.delete(&weighted("p", &[])).await;
    hub.settle().await;
    assert_eq!(metrics.moves(), (2, 2));
    let waits = metrics.stand(&hub.store.snapshot()).waits;
    assert_eq!(waits.values().sum::<u64>(), 1, "{waits:?}");
    assert_eq!(waits, metrics.stand(&hub.store.snapshot()).waits);
}
