//! Sealing: golden samples, every kind of damage, rotation, and files with faults.

use std::sync::atomic::{AtomicU8, Ordering};

use proptest::prelude::*;

use super::stream::{CHUNK_BYTES_MAX, Passphrase, Secret, Secrets, StreamError};
use super::stream::{StreamOpener, StreamSealer};
use super::*;

/// The same bytes each time, or counting ones.
struct Counting(AtomicU8);

impl Entropy for Counting {
    fn fill(&self, buf: &mut [u8]) {
        buf.fill(self.0.fetch_add(1, Ordering::Relaxed));
    }
}

fn entropy() -> Arc<dyn Entropy> {
    Arc::new(Counting(AtomicU8::new(1)))
}

fn key(seed: u8) -> Key {
    Key::new([seed; KEY_BYTES])
}

fn sealer(keyring: Keyring) -> Sealer {
    Sealer::new(keyring, entropy())
}

/// Compares with a sample, which is never written here: a new one is put there by hand.
fn check(name: &str, bytes: &[u8]) {
    let path = format!("{}/golden/seal-v1/{name}.hex", env!("CARGO_MANIFEST_DIR"));
    let hex = key::hex(bytes);
    let golden = std::fs::read_to_string(&path)
        .unwrap_or_else(|_| panic!("no sample {path}: it should hold\n{hex}"));
    assert_eq!(hex, golden.trim(), "{name}: what is released never changes");
}

const PLACE: &[&[u8]] = &[b"hub", b"/authority/agents"];

fn sealed(keyring: Keyring) -> Vec<u8> {
    let record = sealer(keyring).seal(1, PLACE, &[b"a key ", b"of an authority"]);
    record.unwrap().unwrap()
}

fn stream(secret: &Secret, chunks: &[&[u8]]) -> Vec<u8> {
    let (mut sealer, mut bytes) = StreamSealer::begin(secret, &*entropy()).unwrap();
    for (at, chunk) in chunks.iter().enumerate() {
        bytes.extend(sealer.chunk(chunk, at + 1 == chunks.len()).unwrap());
    }
    bytes
}

fn open_stream(bytes: &[u8], secrets: &Secrets, piece: usize) -> Result<Vec<u8>, StreamError> {
    let mut opener = StreamOpener::new(secrets.clone());
    let mut text = Vec::new();
    for piece in bytes.chunks(piece) {
        text.extend(opener.take(piece)?);
    }
    opener.finish().map(|()| text)
}

fn holding(keyring: Keyring) -> Secrets {
    Secrets {
        keyring,
        passphrase: None,
    }
}

#[test]
fn what_is_sealed_is_as_it_was_released() {
    check("record", &sealed(Keyring::of(key(7))));
    check(
        "stream-key",
        &stream(&Secret::Key(key(7)), &[b"one", b"two"]),
    );
    let phrase = Secret::Passphrase("correct horse battery".into());
    check("stream-passphrase", &stream(&phrase, &[b"one", b"two"]));
    check("key", key(7).to_line().as_bytes());
}

#[test]
fn a_record_opens_with_its_key_at_its_place_only() {
    let record = sealed(Keyring::of(key(7)));
    assert_eq!(record.len(), HEAD_BYTES + OVERHEAD_BYTES + 21);
    let id = key(7).id();
    let open = |ring: Keyring, place: &[&[u8]]| sealer(ring).open(place, &record);
    let text = open(Keyring::of(key(7)), PLACE).unwrap();
    assert_eq!(text, b"a key of an authority");
    assert_eq!(
        open(Keyring::default(), PLACE),
        Err(SealError::NoKey { id })
    );
    assert_eq!(
        open(Keyring::of(key(8)), PLACE),
        Err(SealError::NoKey { id })
    );
    let elsewhere: [&[&[u8]]; 3] = [
        &[b"hub", b"/authority/rest"],
        &[b"hub/authority/agents"],
        &[b"hub/", b"authority/agents"],
    ];
    for place in elsewhere {
        assert_eq!(
            open(Keyring::of(key(7)), place),
            Err(SealError::Refused { id })
        );
    }
}

#[test]
fn another_key_with_the_same_id_opens_nothing() {
    let ours = key(7);
    let twin = (0..=u8::MAX)
        .flat_map(|a| (0..=u8::MAX).map(move |b| (a, b)))
        .map(|(a, b)| {
            let mut secret = [a; KEY_BYTES];
            secret[0] = b;
            Key::new(secret)
        })
        .find(|other| other.id() == ours.id() && other.name() != ours.name())
        .unwrap();
    let record = sealed(Keyring::of(ours.clone()));
    let refused = sealer(Keyring::of(twin)).open(PLACE, &record);
    assert_eq!(refused, Err(SealError::Refused { id: ours.id() }));
}

#[test]
fn any_damage_to_a_record_is_found() {
    let record = sealed(Keyring::of(key(7)));
    let sealer = sealer(Keyring::of(key(7)));
    for at in 0..record.len() {
        assert!(sealer.open(PLACE, &record[..at]).is_err(), "cut at {at}");
        let mut damaged = record.clone();
        damaged[at] ^= 1;
        assert!(sealer.open(PLACE, &damaged).is_err(), "damaged at {at}");
    }
}

#[test]
fn two_records_of_one_text_have_nothing_in_common() {
    let sealer = sealer(Keyring::of(key(7)));
    let seal = || sealer.seal(1, PLACE, &[&[0; 64]]).unwrap().unwrap();
    let (one, two) = (seal(), seal());
    assert_ne!(one[HEAD_BYTES..26], two[HEAD_BYTES..26]);
    assert_ne!(one[26..58], two[26..58]);
}

#[test]
fn without_a_key_nothing_is_sealed() {
    let sealer = sealer(Keyring::default());
    assert_eq!(sealer.seal(1, PLACE, &[b"x"]), Ok(None));
    assert_eq!(sealer.current(), UNSEALED);
}

#[test]
fn after_a_rotation_the_old_key_opens_and_the_new_one_seals() {
    let old = sealed(Keyring::of(key(7)));
    let ring = Keyring::of(key(7)).behind(key(9)).unwrap();
    let sealer = sealer(ring.clone());
    assert!(sealer.open(PLACE, &old).is_ok());
    assert_eq!(sealer.current(), key(9).id());
    let new = sealer.seal(1, PLACE, &[b"x"]).unwrap().unwrap();
    assert_eq!(new[1], key(9).id());
    assert!(ring.behind(key(9)).is_none(), "the same key twice");
}

#[test]
fn key_files_are_read_and_their_faults_named() {
    let line = |seed| key(seed).to_line();
    let parse = |text: &str| Keyring::parse(text).map(|ring| ring.first().unwrap().id());
    let two = format!("# remark\n\n  {}\n{}\n", line(7), line(9));
    assert_eq!(parse(&two), Ok(key(7).id()));
    assert!(Keyring::parse(&two).unwrap().find(key(9).id()).is_some());
    assert_eq!(parse("# nothing\n"), Err(TextError::Empty));
    let slip = line(7).replace("0707", "0708");
    for bad in [
        &slip,
        "hunter2",
        "rsk1.",
        "rsk1.é",
        line(7).get(..40).unwrap(),
    ] {
        assert_eq!(parse(bad), Err(TextError::Line { line: 1 }), "{bad}");
    }
    let id = key(7).id();
    let twice = format!("{}\n{}", line(7), line(7));
    assert_eq!(parse(&twice), Err(TextError::Twice { line: 2, id }));
}

#[test]
fn keys_are_never_shown() {
    let shown = format!(
        "{:?} {:?} {:?}",
        key(7),
        Secret::Passphrase("correct horse".into()),
        sealer(Keyring::of(key(7)))
    );
    assert!(
        !shown.contains("0707") && !shown.contains("horse"),
        "{shown}"
    );
}

#[test]
fn a_stream_opens_in_any_pieces_and_only_whole() {
    let secrets = holding(Keyring::of(key(7)));
    let bytes = stream(&Secret::Key(key(7)), &[b"one", b"", b"three"]);
    for piece in [1, 7, 1000] {
        assert_eq!(open_stream(&bytes, &secrets, piece).unwrap(), b"onethree");
    }
    for at in 0..bytes.len() {
        assert!(
            open_stream(&bytes[..at], &secrets, 64).is_err(),
            "cut at {at}"
        );
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        assert!(
            open_stream(&damaged, &secrets, 64).is_err(),
            "damaged at {at}"
        );
    }
    let longer = [&bytes[..], b"x"].concat();
    assert_eq!(
        open_stream(&longer, &secrets, 64),
        Err(StreamError::Trailing)
    );
}

#[test]
fn chunks_do_not_change_places() {
    let secrets = holding(Keyring::of(key(7)));
    let bytes = stream(&Secret::Key(key(7)), &[b"one", b"two", b"end"]);
    let chunk = 4 + 3 + 16;
    let begin = bytes.len() - 3 * chunk;
    let (head, rest) = bytes.split_at(begin);
    let parts: Vec<&[u8]> = rest.chunks(chunk).collect();
    for order in [[1, 0, 2], [0, 0, 2], [2, 1, 0]] {
        let changed = [head, parts[order[0]], parts[order[1]], parts[order[2]]].concat();
        assert!(open_stream(&changed, &secrets, 64).is_err(), "{order:?}");
    }
    let shortened = [head, parts[0], parts[2]].concat();
    assert!(open_stream(&shortened, &secrets, 64).is_err());
}

#[test]
fn a_stream_says_what_it_needs() {
    let by_key = stream(&Secret::Key(key(7)), &[b"x"]);
    let refused = open_stream(&by_key, &holding(Keyring::of(key(8))), 64).unwrap_err();
    assert!(
        matches!(&refused, StreamError::NeedsKey { name } if *name == key::hex(&key(7).name())),
        "{refused}"
    );
    let phrase = Secret::Passphrase("correct horse battery".into());
    let by_phrase = stream(&phrase, &[b"x"]);
    let refused = open_stream(&by_phrase, &Secrets::default(), 64);
    assert_eq!(refused, Err(StreamError::NeedsPassphrase));
    let with = |text: &str| Secrets {
        keyring: Keyring::default(),
        passphrase: Some(Passphrase(text.into())),
    };
    assert_eq!(
        open_stream(&by_phrase, &with("correct horse"), 64),
        Err(StreamError::Refused { number: 0 })
    );
    assert_eq!(
        open_stream(&by_phrase, &with("correct horse battery"), 64),
        Ok(b"x".to_vec())
    );
}

#[test]
fn what_is_too_much_is_refused_before_it_is_done() {
    let mut bytes = stream(&Secret::Key(key(7)), &[b"x"]);
    let at = bytes.len() - 4 - 1 - 16;
    bytes[at..at + 4].copy_from_slice(&u32::MAX.to_be_bytes());
    let refused = open_stream(&bytes, &holding(Keyring::of(key(7))), 1000);
    assert!(
        matches!(refused, Err(StreamError::Long { .. })),
        "{refused:?}"
    );
    let (mut sealer, _) = StreamSealer::begin(&Secret::Key(key(7)), &*entropy()).unwrap();
    let long = sealer.chunk(&vec![0; CHUNK_BYTES_MAX + 1], true);
    assert!(matches!(long, Err(StreamError::Long { .. })), "{long:?}");
}

#[cfg(unix)]
#[test]
fn files_that_everybody_may_read_are_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    let made = file::create(&path, &*entropy()).unwrap();
    let mode = |mode| {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert_eq!(
        file::keyring(&path).unwrap().first().unwrap().id(),
        made.id()
    );
    for open in [0o604, 0o644, 0o602, 0o601] {
        mode(open);
        let refused = file::keyring(&path).unwrap_err();
        assert!(matches!(refused, file::FileError::Open { .. }), "{refused}");
    }
    mode(0o640);
    assert!(
        file::keyring(&path).is_ok(),
        "a Secret's volume has a group"
    );
}

#[test]
fn a_key_file_is_not_overwritten_and_grows_by_rotation() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    let source = entropy();
    let first = file::create(&path, &*source).unwrap();
    let refused = file::create(&path, &*source).unwrap_err();
    assert!(refused.to_string().contains("--add"), "{refused}");
    for count in 2..=KEYS_MAX {
        let added = file::add(&path, &*source).unwrap();
        let ring = file::keyring(&path).unwrap();
        assert_eq!(ring.first().unwrap().id(), added.id());
        assert!(ring.find(first.id()).is_some());
        assert_eq!(ring.to_lines().len(), count);
    }
    assert!(matches!(
        file::add(&path, &*source),
        Err(file::FileError::Full { .. })
    ));
}

#[test]
fn a_key_that_a_former_attempt_left_beside_the_file_is_not_lost() {
    let folder = tempfile::tempdir().unwrap();
    let (path, beside) = (folder.path().join("keys"), folder.path().join("keys.new"));
    let source = entropy();
    file::create(&path, &*source).unwrap();
    // As after a rename that the disk forgot: something may be sealed with the key already.
    let before = std::fs::read_to_string(&path).unwrap();
    file::add(&path, &*source).unwrap();
    std::fs::rename(&path, &beside).unwrap();
    let left = std::fs::read_to_string(&beside).unwrap();
    file::create(&path, &*entropy()).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), before);
    let refused = file::add(&path, &*source).unwrap_err();
    let words = refused.to_string();
    assert!(
        matches!(refused, file::FileError::Unfinished { .. }),
        "{words}"
    );
    for file in [&path, &beside] {
        assert!(words.contains(&file.display().to_string()), "{words}");
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), before);
    assert_eq!(std::fs::read_to_string(&beside).unwrap(), left);
    // What holds nothing else is in nobody's way.
    std::fs::write(&beside, before).unwrap();
    file::add(&path, &*source).unwrap();
    assert!(!beside.exists());
}

#[test]
fn passphrases_have_bounds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("phrase");
    let read = |text: &str| {
        std::fs::write(&path, text).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        file::passphrase(&path)
    };
    assert_eq!(read("correct horse\n").unwrap(), "correct horse");
    assert!(read("short\n").is_err());
    assert!(read(&"x".repeat(2000)).is_err());
    assert!(read(&"x".repeat(20_000)).is_err());
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        drop(sealer(Keyring::of(key(7))).open(PLACE, &bytes));
        let begun = [&stream::MAGIC[..], &bytes].concat();
        let secrets = holding(Keyring::of(key(7)));
        drop(open_stream(&bytes, &secrets, 13));
        drop(open_stream(&begun, &secrets, 13));
    }
}
