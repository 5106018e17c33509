//! Decodes protobuf request bodies of built-in kinds into JSON values.
//!
//! Typed Go clients send built-in kinds as protobuf and do not fall back. Answers may always be
//! JSON, so there is no encoder. Custom kinds never come as protobuf. The result is what the same
//! client would have sent as JSON, less the zero values that Go writes for fields nobody set.

mod message;
#[cfg(test)]
mod tests;
mod wire;

use serde_json::Value;

use crate::tables;

/// What a protobuf body of Kubernetes begins with.
pub const MAGIC: &[u8] = b"k8s\0";

/// The media type of such bodies.
pub const MEDIA_TYPE: &str = "application/vnd.kubernetes.protobuf";

/// How deep messages may nest; JSON schemas in CRDs nest the deepest.
pub const DEPTH_MAX: usize = 200;

/// Why a body cannot be decoded.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The body does not begin with [`MAGIC`].
    #[error("the body is no Kubernetes protobuf: its prefix is missing")]
    Prefix,
    /// The body ends inside a field, or a length points outside.
    #[error("unexpected end of protobuf data")]
    Truncated,
    /// A field's encoding does not fit its type.
    #[error("field {0} has an unexpected encoding")]
    Encoding(u32),
    /// A text is not UTF-8.
    #[error("a text is not valid UTF-8")]
    Text,
    /// A time, number or embedded JSON value is not valid.
    #[error("{0} is not valid")]
    Value(&'static str),
    /// Messages nest deeper than [`DEPTH_MAX`].
    #[error("messages nest too deep")]
    Depth,
    /// Nothing is known about the kind.
    #[error("no kind {kind:?} is registered for version {api_version:?}")]
    Kind {
        /// API version that the body names.
        api_version: String,
        /// Kind that the body names.
        kind: String,
    },
    /// The tables cannot be read.
    #[error(transparent)]
    Tables(#[from] tables::Error),
}

/// Decodes the body of a request. Its work is bounded by the length of the body, which the caller
/// bounds.
///
/// # Errors
/// When the body is damaged, or its kind is not built in.
pub fn decode(body: &[u8]) -> Result<Value, Error> {
    let unknown = body.strip_prefix(MAGIC).ok_or(Error::Prefix)?;
    let (mut meta, mut raw) = (&[][..], &[][..]);
    let mut fields = wire::Fields(unknown);
    while let Some((tag, field)) = fields.next()? {
        match tag {
            1 => meta = field.bytes(tag)?,
            2 => raw = field.bytes(tag)?,
            _ => {}
        }
    }
    let (mut api_version, mut kind) = ("", "");
    let mut fields = wire::Fields(meta);
    while let Some((tag, field)) = fields.next()? {
        match tag {
            1 => api_version = field.text(tag)?,
            2 => kind = field.text(tag)?,
            _ => {}
        }
    }
    let tables = tables::get()?;
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
    let ty = tables
        .kind(group, version, kind)
        .ok_or_else(|| Error::Kind {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
        })?;
    let mut object = message::Decoder { tables }.object(ty, raw, DEPTH_MAX)?;
    object.insert("apiVersion".to_owned(), api_version.into());
    object.insert("kind".to_owned(), kind.into());
    Ok(Value::Object(object))
}
