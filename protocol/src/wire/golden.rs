//! Every frame as it stands on the wire, kept in files: a release must read what another wrote.
//!
//! A sample that exists never changes. For a new variant add a frame to `samples`; the test then
//! fails and prints the file that is missing.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::codec::{Frame, PREFIX_BYTES, decode, encode};
use super::samples;

/// Bytes in one line of a sample file.
const LINE_BYTES: usize = 32;

fn file(direction: &str, name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/v1");
    folder.join(format!("{direction}-{name}.hex"))
}

/// The bytes of a sample file; `frame` is what a missing one would have to hold.
fn read<F: Frame>(path: &Path, frame: &F) -> Vec<u8> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| {
        let bytes = encode(frame).unwrap();
        let lines: Vec<String> = bytes.chunks(LINE_BYTES).map(hex::encode).collect();
        panic!(
            "{}: {e}; it should hold:\n{}",
            path.display(),
            lines.join("\n")
        )
    });
    hex::decode(text.split_whitespace().collect::<String>()).unwrap()
}

fn check<F: Frame>(direction: &str, samples: &[(&str, F)]) {
    let mut variants = BTreeSet::new();
    for (name, frame) in samples {
        let kept = read(&file(direction, name), frame);
        assert_eq!(
            hex::encode(encode(frame).unwrap()),
            hex::encode(&kept),
            "{direction} {name}"
        );
        let body = &kept[PREFIX_BYTES..];
        assert_eq!(&decode::<F>(body).unwrap(), frame, "{direction} {name}");
        variants.insert(body[0]);
    }
    assert_eq!(
        variants,
        (0..variants_of::<F>()).collect(),
        "every variant has a sample"
    );
}

/// How many variants a frame enum has: the first number that is no variant is refused at once, all
/// others only want more bytes.
fn variants_of<F: Frame>() -> u8 {
    let is_variant = |number: &u8| {
        let decoded = postcard::from_bytes::<F>(&[*number]);
        matches!(decoded, Err(postcard::Error::DeserializeUnexpectedEnd))
    };
    u8::try_from((0..u8::MAX).take_while(is_variant).count()).unwrap()
}

#[test]
fn frames_are_as_they_were_released() {
    check("hub", &samples::hub());
    check("agent", &samples::agent());
}

#[test]
fn no_sample_file_is_left_over() {
    let hub = samples::hub()
        .into_iter()
        .map(|(name, _)| file("hub", name));
    let agent = samples::agent()
        .into_iter()
        .map(|(name, _)| file("agent", name));
    let known: BTreeSet<PathBuf> = hub.chain(agent).collect();
    let folder = file("", "").parent().unwrap().to_owned();
    let kept = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    assert_eq!(kept.collect::<BTreeSet<_>>(), known);
}
