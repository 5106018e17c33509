//! The disk with a key file: it shows nothing, and no key, a wrong one or a former one lose nothing.

use std::path::Path;

use bytes::Bytes;
use roadstead_protocol::seal::{Key, Keyring};
use roadstead_protocol::wire::item::Digest;

use super::file::Folder;
use super::record::{Boot, Identity};
use super::tests::{counted, item, key};
use super::{Disk, Loaded, OpenError, Write};

const SECRET: [u8; 32] = *b"the private key of this agent 00";
const CONTENT: &[u8] = br#"{"kind":"Secret","data":{"depth":"nine"}}"#;

fn ring(seed: u8) -> Keyring {
    Keyring::of(Key::new([seed; 32]))
}

async fn open(
    path: &Path,
    keyring: &Keyring,
    renew: bool,
) -> Result<(Disk, Loaded, tokio::task::JoinHandle<()>), OpenError> {
    let mut folder = Folder::take(path)?;
    if renew {
        folder = folder.renewed(&counted(), keyring)?;
    }
    Disk::open_sealed(counted(), folder.opener(), keyring.clone()).await
}

fn identity() -> Identity {
    Identity {
        key: SECRET.to_vec(),
        certificates: vec![],
        hub: "hub".into(),
        cluster: "cluster".into(),
        addresses: vec![],
        authorities: vec![],
    }
}

/// Writes a bit of everything.
async fn fill(path: &Path, keyring: &Keyring) {
    let (disk, _, writer) = open(path, keyring, false).await.unwrap();
    let writes = vec![
        Write::Identity(identity()),
        Write::Boot(Boot {
            counter: 3,
            ..Boot::default()
        }),
        Write::Item(key("x"), item(4)),
        Write::Content(Digest::of(CONTENT), Bytes::from_static(CONTENT)),
    ];
    disk.commit(writes).await.unwrap();
    drop(disk);
    writer.await.unwrap();
}

async fn check(path: &Path, keyring: &Keyring, renew: bool) {
    let (disk, loaded, writer) = open(path, keyring, renew).await.unwrap();
    assert_eq!(loaded.identity, Some(identity()));
    assert_eq!(loaded.boot.counter, 3);
    assert_eq!(loaded.items.get(&key("x")), Some(&item(4)));
    let content = disk.content(Digest::of(CONTENT)).await.unwrap();
    assert_eq!(content.as_deref(), Some(CONTENT));
    drop(disk);
    writer.await.unwrap();
}

fn shows(path: &Path) -> bool {
    let bytes = std::fs::read(path.join("agent.redb")).unwrap();
    let has = |text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
    has(&SECRET) || has(b"depth")
}

#[tokio::test]
async fn what_is_sealed_does_not_show_and_needs_its_key() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), &ring(7)).await;
    assert!(!shows(dir.path()));
    for renew in [false, true] {
        for wrong in [Keyring::default(), ring(8)] {
            let refused = open(dir.path(), &wrong, renew).await.err().unwrap();
            assert!(matches!(refused, OpenError::Sealed { .. }), "{refused:?}");
            assert!(refused.to_string().contains("--key-file"), "{refused}");
        }
        check(dir.path(), &ring(7), renew).await;
    }
}

#[tokio::test]
async fn what_was_plain_is_sealed_at_the_first_start_with_a_key() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), &Keyring::default()).await;
    assert!(shows(dir.path()));
    check(dir.path(), &ring(7), true).await;
    assert!(!shows(dir.path()), "not in free pages either");
    check(dir.path(), &ring(7), false).await;
    assert!(!dir.path().join("agent.redb.new").exists());
}

#[tokio::test]
async fn after_a_rotation_the_former_key_may_go_once_the_agent_has_started() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), &ring(7)).await;
    assert!(open(dir.path(), &ring(9), true).await.is_err(), "too early");
    let both = ring(7).behind(Key::new([9; 32])).unwrap();
    check(dir.path(), &both, true).await;
    check(dir.path(), &ring(9), true).await;
}
