//! The wire format: a sequence of numbered fields.

use super::Error;

/// The fields of a message, in order.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

/// One field's value as it is on the wire.
#[derive(Clone, Copy, Debug)]
pub(super) enum Raw<'a> {
    Varint(u64),
    Fixed64(u64),
    Fixed32(u32),
    Bytes(&'a [u8]),
}

impl<'a> Fields<'a> {
    /// The next field's number and value.
    pub(super) fn next(&mut self) -> Result<Option<(u32, Raw<'a>)>, Error> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let tag = u32::try_from(key >> 3).map_err(|_| Error::Truncated)?;
        let raw = match key & 7 {
            0 => Raw::Varint(self.varint()?),
            1 => Raw::Fixed64(u64::from_le_bytes(*self.chunk()?)),
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| Error::Truncated)?;
                let (bytes, rest) = self.0.split_at_checked(length).ok_or(Error::Truncated)?;
                self.0 = rest;
                Raw::Bytes(bytes)
            }
            5 => Raw::Fixed32(u32::from_le_bytes(*self.chunk()?)),
            _ => return Err(Error::Encoding(tag)),
        };
        Ok(Some((tag, raw)))
    }

    fn chunk<const N: usize>(&mut self) -> Result<&'a [u8; N], Error> {
        let (chunk, rest) = self.0.split_first_chunk().ok_or(Error::Truncated)?;
        self.0 = rest;
        Ok(chunk)
    }

    pub(super) fn varint(&mut self) -> Result<u64, Error> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first().ok_or(Error::Truncated)?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Error::Truncated)
    }
}

impl<'a> Raw<'a> {
    pub(super) fn bytes(self, tag: u32) -> Result<&'a [u8], Error> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::Varint(_) | Self::Fixed64(_) | Self::Fixed32(_) => Err(Error::Encoding(tag)),
        }
    }

    pub(super) fn text(self, tag: u32) -> Result<&'a str, Error> {
        std::str::from_utf8(self.bytes(tag)?).map_err(|_| Error::Text)
    }

    /// A varint as the signed number that it stands for.
    pub(super) fn integer(self, tag: u32) -> Result<i64, Error> {
        match self {
            Self::Varint(value) => Ok(value.cast_signed()),
            Self::Bytes(_) | Self::Fixed64(_) | Self::Fixed32(_) => Err(Error::Encoding(tag)),
        }
    }

    pub(super) fn double(self, tag: u32) -> Result<f64, Error> {
        match self {
            Self::Fixed64(bits) => Ok(f64::from_bits(bits)),
            Self::Fixed32(bits) => Ok(f64::from(f32::from_bits(bits))),
            Self::Bytes(_) | Self::Varint(_) => Err(Error::Encoding(tag)),
        }
    }
}
