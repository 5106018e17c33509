//! Every frame as it stands on the wire, kept in files: a release must read what another wrote.
//!
//! A sample that exists never changes. For a new variant add a frame to `samples` and run
//! `cargo test -p roadstead-protocol -- --ignored write_samples_that_are_missing`.

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

fn read(path: &Path) -> Vec<u8> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    hex::decode(text.split_whitespace().collect::<String>()).unwrap()
}

fn check<F: Frame>(direction: &str, samples: &[(&str, F)]) {
    let mut variants = BTreeSet::new();
    for (name, frame) in samples {
        let kept = read(&file(direction, name));
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

#[test]
#[ignore = "writes files: run it after a variant was added"]
fn write_samples_that_are_missing() {
    fn write<F: Frame>(direction: &str, samples: &[(&str, F)]) {
        for (name, frame) in samples {
            let path = file(direction, name);
            if !path.exists() {
                let lines: Vec<String> = encode(frame)
                    .unwrap()
                    .chunks(LINE_BYTES)
                    .map(hex::encode)
                    .collect();
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(&path, lines.join("\n") + "\n").unwrap();
            }
        }
    }
    write("hub", &samples::hub());
    write("agent", &samples::agent());
}
