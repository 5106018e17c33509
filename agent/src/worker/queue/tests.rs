//! Turns, waits and order.

use super::*;

fn key(kind: &str, name: &str) -> Key {
    let namespace = if kind == "Namespace" { "" } else { "web" };
    Key::new(ItemKey {
        group: String::new(),
        kind: kind.into(),
        namespace: namespace.into(),
        name: name.into(),
    })
}

fn wake(queue: &mut Queue, key: &Key) {
    queue.wake(key.clone(), order::phase(key, false));
}

const START: Now = Duration::from_secs(100);

#[test]
fn a_key_is_with_one_worker_and_comes_again() {
    let mut queue = Queue::new(1);
    let a = key("ConfigMap", "a");
    wake(&mut queue, &a);
    wake(&mut queue, &a);
    assert_eq!(queue.pop(START), Some(a.clone()));
    assert_eq!(queue.pop(START), None);
    wake(&mut queue, &a);
    assert_eq!(queue.pop(START), None);
    queue.done(&a, START, Next::Done);
    assert_eq!(queue.pop(START), Some(a.clone()));
    queue.done(&a, START, Next::Done);
    assert_eq!((queue.pop(START), queue.due()), (None, None));
    assert!(queue.entries.is_empty());
}

#[test]
fn a_namespace_goes_first_and_only_its_first_attempt_is_waited_for() {
    let mut queue = Queue::new(1);
    let (namespace, inside) = (key("Namespace", "web"), key("ConfigMap", "a"));
    wake(&mut queue, &inside);
    wake(&mut queue, &namespace);
    assert_eq!(queue.pop(START), Some(namespace.clone()));
    assert_eq!(queue.pop(START), None);
    queue.done(&namespace, START, Next::Retry);
    assert_eq!(queue.pop(START), Some(inside.clone()));
    queue.done(&inside, START, Next::Done);
    wake(&mut queue, &inside);
    wake(&mut queue, &namespace);
    assert_eq!(queue.pop(START), Some(namespace));
    assert_eq!(queue.pop(START), Some(inside));
}

#[test]
fn waits_grow_and_an_event_shortens_them_unless_they_are_firm() {
    let mut queue = Queue::new(1);
    let a = key("ConfigMap", "a");
    wake(&mut queue, &a);
    let mut now = START;
    let mut before = Duration::ZERO;
    for _ in 0..10 {
        assert_eq!(queue.pop(now), Some(a.clone()));
        queue.done(&a, now, Next::Retry);
        let wait = queue.due().unwrap() - now;
        assert!(
            wait * 2 >= before && wait <= RETRY_CEILING,
            "{wait:?} after {before:?}"
        );
        (before, now) = (wait, now + wait);
    }
    assert_eq!(queue.pop(now), Some(a.clone()));
    queue.done(&a, now, Next::Settle(Duration::from_secs(9)));
    wake(&mut queue, &a);
    assert_eq!(queue.pop(now), None);
    assert_eq!(queue.pop(now + Duration::from_secs(9)), Some(a.clone()));
    queue.done(&a, now, Next::Retry);
    wake(&mut queue, &a);
    assert_eq!(queue.pop(now), Some(a));
}

proptest::proptest! {
    /// Whatever happens, a key is never handed out twice at once, and none is forgotten.
    #[test]
    fn no_key_is_lost_or_doubled(steps in proptest::collection::vec((0..4u8, 0..6usize), 1..200)) {
        let mut queue = Queue::new(3);
        let keys: Vec<Key> = (0..5).map(|i| key("ConfigMap", &format!("k{i}"))).chain([key("Namespace", "web")]).collect();
        let mut running: Vec<Key> = Vec::new();
        let mut owed: BTreeSet<Key> = BTreeSet::new();
        let mut now = START;
        for (step, which) in steps {
            match step {
                0 => {
                    wake(&mut queue, &keys[which]);
                    owed.insert(keys[which].clone());
                }
                1 => if let Some(key) = queue.pop(now) {
                    proptest::prop_assert!(!running.contains(&key));
                    owed.remove(&key);
                    running.push(key);
                },
                2 => if !running.is_empty() {
                    let key = running.remove(which % running.len());
                    queue.done(&key, now, if which % 2 == 0 { Next::Done } else { Next::Retry });
                },
                _ => now += Duration::from_millis(300),
            }
        }
        for key in running {
            queue.done(&key, now, Next::Done);
        }
        now += RETRY_CEILING;
        while let Some(key) = queue.pop(now) {
            owed.remove(&key);
            queue.done(&key, now, Next::Done);
        }
        proptest::prop_assert!(owed.is_empty() && queue.entries.is_empty());
    }
}
