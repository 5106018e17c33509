//! Frames to bytes and back: a length prefix of four bytes, big-endian, then postcard.
//!
//! Decoding is total: any bytes give a frame or an error, nothing panics, and no more is allocated
//! than the bounds of [`limits`](super::limits) allow, whatever the bytes claim. Both directions
//! check the same bounds, so that what one end may send the other always takes.
//!
//! Knows no streams: a shell reads the prefix, asks [`body_length`], reads the body, decodes it.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::limits::FRAME_BYTES_MAX;
use super::{AgentFrame, HubFrame, Lane};

mod check;

pub use check::Exceeded;
pub(crate) use check::{change as check_change, item_key as check_key, meta_bytes};

/// Length of the prefix that says how long a frame's body is, in bytes.
pub const PREFIX_BYTES: usize = 4;

/// A frame of either direction.
pub trait Frame: Serialize + DeserializeOwned + std::fmt::Debug + Clone + PartialEq {
    /// The lane it travels on.
    fn lane(&self) -> Lane;
    /// Its variant's name, for people.
    fn name(&self) -> &'static str;
    /// Whether every value in it keeps to its bound.
    fn check(&self) -> Result<(), Exceeded>;
}

impl Frame for HubFrame {
    fn lane(&self) -> Lane {
        Self::lane(self)
    }
    fn name(&self) -> &'static str {
        Self::name(self)
    }
    fn check(&self) -> Result<(), Exceeded> {
        check::hub(self)
    }
}

impl Frame for AgentFrame {
    fn lane(&self) -> Lane {
        Self::lane(self)
    }
    fn name(&self) -> &'static str {
        Self::name(self)
    }
    fn check(&self) -> Result<(), Exceeded> {
        check::agent(self)
    }
}

/// Why bytes are no frame, or a frame cannot become bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The body is longer than a frame may be.
    #[error("a frame of {length} bytes exceeds the bound of {FRAME_BYTES_MAX}")]
    Length {
        /// How long it is, or claims to be, in bytes.
        length: usize,
    },
    /// The body is not a frame of this direction.
    #[error("not a frame of this direction")]
    Decode(#[source] postcard::Error),
    /// The body has bytes after its frame.
    #[error("{left} bytes after the frame")]
    Trailing {
        /// How many.
        left: usize,
    },
    /// A value in the frame exceeds its bound.
    #[error("a value exceeds its bound")]
    Exceeded(#[source] Exceeded),
    /// The frame could not be encoded.
    #[error("a frame could not be encoded")]
    Encode(#[source] postcard::Error),
}

/// The whole encoding of `frame`, prefix included.
pub fn encode<F: Frame>(frame: &F) -> Result<Vec<u8>, CodecError> {
    frame.check().map_err(CodecError::Exceeded)?;
    let bytes = postcard::to_extend(frame, vec![0; PREFIX_BYTES]).map_err(CodecError::Encode)?;
    let length = bytes.len() - PREFIX_BYTES;
    seal(bytes, length)
}

/// Writes the prefix of a body that stands behind it.
fn seal(mut bytes: Vec<u8>, length: usize) -> Result<Vec<u8>, CodecError> {
    if length > FRAME_BYTES_MAX {
        return Err(CodecError::Length { length });
    }
    let prefix = u32::try_from(length).map_err(|_| CodecError::Length { length })?;
    for (slot, byte) in bytes.iter_mut().zip(prefix.to_be_bytes()) {
        *slot = byte;
    }
    Ok(bytes)
}

/// How long the body after `prefix` is, in bytes; to be asked before room is made for it.
pub fn body_length(prefix: [u8; PREFIX_BYTES]) -> Result<usize, CodecError> {
    let length = usize::try_from(u32::from_be_bytes(prefix)).unwrap_or(usize::MAX);
    if length > FRAME_BYTES_MAX {
        Err(CodecError::Length { length })
    } else {
        Ok(length)
    }
}

/// The frame that a whole body (without its prefix) stands for.
pub fn decode<F: Frame>(body: &[u8]) -> Result<F, CodecError> {
    if body.len() > FRAME_BYTES_MAX {
        return Err(CodecError::Length { length: body.len() });
    }
    let (frame, rest) = postcard::take_from_bytes::<F>(body).map_err(CodecError::Decode)?;
    if !rest.is_empty() {
        return Err(CodecError::Trailing { left: rest.len() });
    }
    frame.check().map_err(CodecError::Exceeded)?;
    Ok(frame)
}

#[cfg(test)]
mod tests;
