//! What is refused, with nothing written; and what a restored hub does not remember.

use jiff::Timestamp;
use roadstead_protocol::seal::Key as SealKey;
use roadstead_protocol::seal::stream::{Secret, StreamSealer};
use roadstead_store::{Backend, Options, Store, Txn};

use super::*;

/// A store as a hub leaves it, as far as a restore looks at it.
async fn bytes() -> Vec<u8> {
    let store = Store::open(system::env(), Backend::Memory, Options::default())
        .await
        .unwrap();
    let put = |txn: Txn, key: &str, value: &str| {
        txn.put(Key::parse(key).unwrap(), value.as_bytes().to_vec())
    };
    let all = [
        ("/authority/hub", r#"{"version":1,"id":"the-hub"}"#),
        ("/tokens/aa", "{}"),
        ("/redemptions/aa", "{}"),
        ("/seen/uid", "{}"),
        (
            "/objects/cluster.kurator.dev/attachedclusters/default/prod",
            "{}",
        ),
    ];
    let txn = all
        .iter()
        .fold(Txn::new(), |txn, (key, value)| put(txn, key, value));
    store.commit(txn).await.unwrap();
    let pieces = store.backup(Timestamp::UNIX_EPOCH, "0.1.0");
    pieces.flat_map(|piece| piece.to_vec()).collect()
}

struct World {
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self, bytes: &[u8]) -> PathBuf {
        let path = self.path("file.backup");
        std::fs::write(&path, bytes).unwrap();
        path
    }

    async fn restore(&self, bytes: &[u8], key: Option<&Path>) -> Result<String, String> {
        let args = Restore {
            file: self.file(bytes),
            data_dir: self.path("hub"),
            key_file: key.map(Path::to_owned),
            passphrase_file: None,
        };
        restore(&args).await.map_err(|e| crate::chain(&e))
    }
}

fn sealed(bytes: &[u8], key: &SealKey) -> Vec<u8> {
    let env = system::env();
    let secret = Secret::Key(key.clone());
    let (mut sealer, mut sealed) = StreamSealer::begin(&secret, &*env.entropy).unwrap();
    sealed.extend(sealer.chunk(bytes, true).unwrap());
    sealed
}

#[tokio::test]
async fn what_is_not_whole_is_refused_and_nothing_is_written() {
    let world = World::new();
    let keys = world.path("keys");
    let key = file::create(&keys, &*system::env().entropy).unwrap();
    let others = world.path("others");
    file::create(&others, &*system::env().entropy).unwrap();
    let plain = bytes().await;
    let good = sealed(&plain, &key);
    let flipped = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        bytes
    };
    let cut = |bytes: &[u8]| bytes[..bytes.len() - 1].to_vec();
    let wrong = [
        (cut(&plain), None, "cut short"),
        (flipped(&plain), None, "cannot be restored"),
        (cut(&good), Some(&keys), "cut short"),
        (flipped(&good), Some(&keys), "does not open"),
        (good.clone(), Some(&others), "--key-file"),
        (good.clone(), None, "--key-file"),
        (b"something else".to_vec(), None, "no backup"),
        (Vec::new(), None, "no backup"),
    ];
    for (bytes, key, words) in wrong {
        let refused = world.restore(&bytes, key.map(PathBuf::as_path)).await;
        let refused = refused.unwrap_err();
        assert!(refused.contains(words), "{words}: {refused}");
        assert!(refused.contains("nothing was written"), "{refused}");
        assert!(!world.path("hub").exists(), "{words}");
    }
    assert!(world.restore(&good, Some(&keys)).await.is_ok());
}

#[tokio::test]
async fn a_folder_with_anything_in_it_is_refused() {
    let (world, bytes) = (World::new(), bytes().await);
    std::fs::create_dir(world.path("hub")).unwrap();
    std::fs::write(world.path("hub").join("hub.redb"), b"another hub").unwrap();
    let refused = world.restore(&bytes, None).await.unwrap_err();
    assert!(refused.contains("not empty (hub.redb"), "{refused}");
    let kept = std::fs::read(world.path("hub").join("hub.redb")).unwrap();
    assert_eq!(kept, b"another hub");
}

#[tokio::test]
async fn an_interrupted_restore_and_a_volume_of_its_own_are_no_hindrance() {
    let (world, bytes) = (World::new(), bytes().await);
    std::fs::create_dir_all(world.path("hub").join("lost+found")).unwrap();
    std::fs::write(world.path("hub").join("hub.redb.restoring"), b"half").unwrap();
    world.restore(&bytes, None).await.unwrap();
    assert!(!world.path("hub").join("hub.redb.restoring").exists());
}

#[tokio::test]
async fn join_tokens_are_void_and_all_else_is_there() {
    let (world, bytes) = (World::new(), bytes().await);
    let said = world.restore(&bytes, None).await.unwrap();
    for words in [
        "the-hub",
        "1 join tokens are void",
        "1 clusters",
        "HELD",
        "reconcile",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let path = world.path("hub").join("hub.redb");
    let backend = Backend::Redb(roadstead_store::file(path));
    let store = Store::open(system::env(), backend, Options::default())
        .await
        .unwrap();
    let keys: Vec<String> = store
        .snapshot()
        .range("")
        .map(|e| e.key.to_string())
        .collect();
    let expected = [
        "/authority/hub",
        "/objects/cluster.kurator.dev/attachedclusters/default/prod",
        "/seen/uid",
    ];
    assert_eq!(keys, expected);
}

#[tokio::test]
async fn what_is_no_hub_is_refused() {
    let store = Store::open(system::env(), Backend::Memory, Options::default()).await;
    let pieces = store.unwrap().backup(Timestamp::UNIX_EPOCH, "0.1.0");
    let bytes: Vec<u8> = pieces.flat_map(|piece| piece.to_vec()).collect();
    let refused = World::new().restore(&bytes, None).await.unwrap_err();
    assert!(refused.contains("no hub's identity"), "{refused}");
}
