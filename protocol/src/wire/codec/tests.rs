//! Any bytes decode to a frame or an error; any frame within its bounds comes back as it was.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::wire::frame::{Put, Summary, SummaryEntry, Welcome};
use crate::wire::limits::{
    CONTENT_BYTES_MAX, LINEAGE_MAX, META_MAX, NAME_BYTES_MAX, SUMMARY_ENTRIES_MAX,
};
use crate::wire::stamp::EpochRange;
use crate::wire::{Digest, Epoch, ItemKey, Lineage, Meta, Revision, Stamp, samples};

fn back<F: Frame>(frame: &F) -> F {
    let bytes = encode(frame).unwrap();
    let (prefix, body) = bytes.split_first_chunk().unwrap();
    assert_eq!(body_length(*prefix).unwrap(), body.len());
    decode(body).unwrap()
}

/// Decoding is total, and what decodes can be encoded again.
fn total<F: Frame>(body: &[u8]) {
    if let Ok(frame) = decode::<F>(body) {
        assert_eq!(back(&frame), frame);
    }
}

fn put() -> Put {
    samples::hub()
        .into_iter()
        .find_map(|(_, frame)| {
            if let HubFrame::Put(put) = frame {
                Some(put)
            } else {
                None
            }
        })
        .unwrap()
}

/// `frame` is refused on its way out, and so are the bytes it would have had on their way in.
fn refused(frame: &HubFrame, what: &str) {
    let out = encode(frame).unwrap_err();
    assert!(out.to_string().contains("exceeds"), "{out}");
    let body = postcard::to_extend(frame, Vec::new()).unwrap();
    let refusal = decode::<HubFrame>(&body).unwrap_err();
    let counted = matches!(refusal, CodecError::Decode(_));
    let named = matches!(&refusal, CodecError::Exceeded(exceeded) if exceeded.what.contains(what));
    assert!(
        counted || named || matches!(refusal, CodecError::Length { .. }),
        "{refusal:?}"
    );
}

#[test]
fn samples_come_back() {
    for (_, frame) in samples::hub() {
        assert_eq!(back(&frame), frame);
    }
    for (_, frame) in samples::agent() {
        assert_eq!(back(&frame), frame);
    }
}

#[test]
fn the_prefix_is_bounded() {
    let longest = u32::try_from(FRAME_BYTES_MAX).unwrap();
    assert_eq!(body_length(longest.to_be_bytes()), Ok(FRAME_BYTES_MAX));
    for beyond in [longest + 1, u32::MAX] {
        assert!(matches!(
            body_length(beyond.to_be_bytes()),
            Err(CodecError::Length { .. })
        ));
    }
}

#[test]
fn bytes_after_a_frame_are_refused() {
    for (_, frame) in samples::agent() {
        let mut bytes = encode(&frame).unwrap();
        bytes.push(0);
        let decoded = decode::<AgentFrame>(&bytes[PREFIX_BYTES..]);
        assert_eq!(decoded, Err(CodecError::Trailing { left: 1 }));
    }
}

#[test]
fn values_beyond_their_bounds_are_refused_in_both_directions() {
    let name = "n".repeat(NAME_BYTES_MAX + 1);
    refused(
        &HubFrame::Put(Put {
            key: ItemKey { name, ..put().key },
            ..put()
        }),
        "name",
    );
    let size = u32::try_from(CONTENT_BYTES_MAX + 1).unwrap();
    refused(&HubFrame::Put(Put { size, ..put() }), "content");
    refused(
        &HubFrame::Put(Put {
            meta: vec![Meta::Release; META_MAX + 1],
            ..put()
        }),
        "meta",
    );
    let fields = Meta::IgnoreFields(vec!["/".repeat(1024); 32]);
    refused(
        &HubFrame::Put(Put {
            meta: vec![fields],
            ..put()
        }),
        "meta",
    );
    let entries = vec![SummaryEntry::Put(put()); SUMMARY_ENTRIES_MAX + 1];
    refused(
        &HubFrame::Summary(Summary {
            entries,
            complete: None,
        }),
        "summary",
    );
}

#[test]
fn a_list_that_claims_to_be_long_takes_no_room() {
    // A summary (variant 5) of 2⁴⁰ entries, and nothing behind it.
    let mut body = vec![5];
    body.extend(postcard::to_extend(&(1_u64 << 40), Vec::new()).unwrap());
    assert!(matches!(
        decode::<HubFrame>(&body),
        Err(CodecError::Decode(_))
    ));
    // A put whose meta claims more entries than there may be, all of one byte.
    let meta = vec![Meta::Release; 200_000];
    let body = postcard::to_extend(&HubFrame::Put(Put { meta, ..put() }), Vec::new()).unwrap();
    assert!(matches!(
        decode::<HubFrame>(&body),
        Err(CodecError::Decode(_))
    ));
}

#[test]
fn the_largest_welcome_fits_into_a_frame() {
    let range = |n: u64| EpochRange {
        epoch: Epoch(u64::MAX - n),
        first: Revision(u64::MAX - 2 * n),
        last: Some(Revision(u64::MAX)),
    };
    let sample = samples::hub().into_iter().find_map(|(_, frame)| {
        if let HubFrame::Welcome(welcome) = frame {
            Some(welcome)
        } else {
            None
        }
    });
    let lineage = Lineage((0..LINEAGE_MAX as u64).map(range).collect());
    let address = "a".repeat(NAME_BYTES_MAX);
    let welcome = Welcome {
        lineage,
        addresses: vec![address; crate::wire::limits::ADDRESSES_MAX],
        authorities: vec!["p".repeat(8 * 1024); crate::wire::limits::AUTHORITIES_MAX],
        ..sample.unwrap()
    };
    encode(&HubFrame::Welcome(welcome)).unwrap();
}

prop_compose! {
    fn any_key()(names in [".{0,40}", ".{0,40}", ".{0,40}", ".{0,40}"]) -> ItemKey {
        let [group, kind, namespace, name] = names;
        ItemKey { group, kind, namespace, name }
    }
}

prop_compose! {
    fn any_put()(
        key in any_key(),
        epoch in any::<u64>(),
        revision in any::<u64>(),
        digest in any::<[u8; 32]>(),
        size in 0..=1_572_864_u32,
        fields in prop::collection::vec(".{0,20}", 0..5),
    ) -> Put {
        let stamp = Stamp { epoch: Epoch(epoch), revision: Revision(revision) };
        let meta = vec![Meta::IgnoreFields(fields), Meta::Replaces(stamp)];
        Put { key, stamp, digest: Digest(digest), size, meta }
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(body in prop::collection::vec(any::<u8>(), 0..600)) {
        total::<HubFrame>(&body);
        total::<AgentFrame>(&body);
    }

    /// Bytes that begin like a frame get further into the decoder than noise does.
    #[test]
    fn damaged_frames_never_panic(
        which in any::<prop::sample::Index>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        keep in any::<prop::sample::Index>(),
    ) {
        let samples = samples::hub();
        let mut body = encode(&which.get(&samples).1).unwrap().split_off(PREFIX_BYTES);
        for (at, byte) in damage {
            let at = at.index(body.len());
            body[at] = byte;
        }
        total::<HubFrame>(&body);
        body.truncate(keep.index(body.len()));
        total::<HubFrame>(&body);
    }

    #[test]
    fn puts_and_summaries_come_back(puts in prop::collection::vec(any_put(), 1..20)) {
        let one = HubFrame::Put(puts[0].clone());
        prop_assert_eq!(back(&one), one);
        let entries = puts.into_iter().map(SummaryEntry::Put).collect();
        let all = HubFrame::Summary(Summary { entries, complete: Some(Revision(3)) });
        prop_assert_eq!(back(&all), all);
    }

    #[test]
    fn contents_come_back(bytes in prop::collection::vec(any::<u8>(), 0..2000), offset in 0..9_u32) {
        let total = offset + u32::try_from(bytes.len()).unwrap();
        let digest = Digest::of(&bytes);
        let bytes = Bytes::from(bytes);
        let frame = HubFrame::Content(crate::wire::frame::Content { digest, offset, total, bytes });
        prop_assert_eq!(back(&frame), frame);
    }
}
