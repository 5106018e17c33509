//! One content as what differs from another.
//!
//! Looks for one place that differs: what is the same before and after it is copied. That is what a
//! changed field in a large object is; where more differs, the piece in between is simply longer.
//! Reads no JSON.

use bytes::{Bytes, BytesMut};

use crate::wire::Digest;
use crate::wire::frame::{Delta, Part};
use crate::wire::limits::CHUNK_BYTES_MAX;

/// About how many bytes a delta takes beside its own content.
const FIXED: usize = 96;

/// `whole` over `base`; `None` where that saves less than half.
pub(super) fn between(
    digest: Digest,
    whole: &Bytes,
    base_digest: Digest,
    base: &Bytes,
) -> Option<Delta> {
    let same = |(a, b): &(&u8, &u8)| a == b;
    let before = whole.iter().zip(base.iter()).take_while(same).count();
    let (rest, old) = (whole.get(before..)?, base.get(before..)?);
    let pairs = rest.iter().rev().zip(old.iter().rev());
    let after = pairs.take_while(same).count();
    let new = whole.len().checked_sub(before + after)?;
    if new > CHUNK_BYTES_MAX || (new + FIXED) * 2 > whole.len() {
        return None;
    }
    let copy = |offset: usize, length: usize| {
        Some(Part::Copy {
            offset: u32::try_from(offset).ok()?,
            length: u32::try_from(length).ok()?,
        })
    };
    let parts = [
        copy(0, before)?,
        Part::New(whole.slice(before..before + new)),
        copy(base.len() - after, after)?,
    ];
    Some(Delta {
        digest,
        base: base_digest,
        total: u32::try_from(whole.len()).ok()?,
        parts: parts.into_iter().filter(|part| length(part) > 0).collect(),
    })
}

fn length(part: &Part) -> usize {
    match part {
        Part::Copy { length, .. } => usize::try_from(*length).unwrap_or(usize::MAX),
        Part::New(bytes) => bytes.len(),
    }
}

/// The content that `delta` makes of `base`; `None` where it does not fit to it, or gives other bytes
/// than its digest names.
pub(super) fn apply(delta: &Delta, base: &Bytes) -> Option<Bytes> {
    // The codec has checked that the parts are no longer than the whole, and that within its bound.
    let mut whole = BytesMut::with_capacity(usize::try_from(delta.total).ok()?);
    for part in &delta.parts {
        match part {
            Part::Copy { offset, .. } => {
                let start = usize::try_from(*offset).ok()?;
                let end = start.checked_add(length(part))?;
                whole.extend_from_slice(base.get(start..end)?);
            }
            Part::New(bytes) => whole.extend_from_slice(bytes),
        }
    }
    let whole = whole.freeze();
    let fits = u32::try_from(whole.len()) == Ok(delta.total);
    (fits && Digest::of(&whole) == delta.digest).then_some(whole)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::HubFrame;
    use crate::wire::codec::encode;

    fn over(whole: &[u8], base: &[u8]) -> Option<Delta> {
        let (whole, base) = (Bytes::copy_from_slice(whole), Bytes::copy_from_slice(base));
        between(Digest::of(&whole), &whole, Digest::of(&base), &base)
    }

    #[test]
    fn a_changed_field_of_a_large_object_is_small() {
        let field = |n: usize| format!("\"field-{n}\":\"{}\",", "v".repeat(n % 90));
        let base: String = (0..2_000).map(field).collect();
        let whole = base.replacen("\"field-777\":\"", "\"field-777\":\"new ", 1);
        let delta = over(whole.as_bytes(), base.as_bytes()).unwrap();
        let frame = encode(&HubFrame::Delta(delta.clone())).unwrap();
        assert!(frame.len() < 150, "{}", frame.len());
        let made = apply(&delta, &Bytes::from(base)).unwrap();
        assert_eq!(made, whole.as_bytes());
    }

    #[test]
    fn what_saves_little_is_not_sent_and_what_does_not_fit_is_not_made() {
        assert_eq!(over(&[1; 400], &[2; 400]), None);
        assert_eq!(over(b"short", b"shore"), None);
        let whole: Vec<u8> = (0..=255).cycle().take(4_000).collect();
        let mut base = whole.clone();
        base.truncate(3_990);
        let delta = over(&whole, &base).unwrap();
        let other = Bytes::from(vec![7; 3_990]);
        assert_eq!(apply(&delta, &other), None, "other bytes");
        assert_eq!(apply(&delta, &Bytes::from_static(b"short")), None);
        let longer = Delta {
            total: delta.total + 1,
            ..delta
        };
        assert_eq!(apply(&longer, &Bytes::from(base)), None);
    }

    proptest! {
        #[test]
        fn a_delta_gives_what_it_was_made_of(
            base in proptest::collection::vec(0_u8..3, 0..3_000),
            at in 0_usize..3_000,
            cut in 0_usize..400,
            new in proptest::collection::vec(0_u8..3, 0..400),
        ) {
            let at = at.min(base.len());
            let end = (at + cut).min(base.len());
            let mut whole = base.clone();
            whole.splice(at..end, new);
            if let Some(delta) = over(&whole, &base) {
                encode(&HubFrame::Delta(delta.clone())).unwrap();
                prop_assert_eq!(apply(&delta, &Bytes::from(base)), Some(Bytes::from(whole)));
            }
        }
    }
}
