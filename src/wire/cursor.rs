//! Reads and writes the protocol's basic types: integers, length-encoded values, strings.
//!
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_data_types.html>

use super::Malformed;

/// Reads fields off the front of a payload.
#[derive(Debug, Clone)]
pub struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// Starts at the beginning of `payload`.
    pub fn new(payload: &'a [u8]) -> Self {
        Self { rest: payload }
    }

    /// What has not been read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next `n` bytes; `field` names them in the error.
    pub fn take(&mut self, n: usize, field: &'static str) -> Result<&'a [u8], Malformed> {
        let (head, rest) = self.rest.split_at_checked(n).ok_or(Malformed(field))?;
        self.rest = rest;
        Ok(head)
    }

    /// The next `N` bytes as an array.
    pub fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], Malformed> {
        let bytes = self.take(N, field)?;
        let mut array = [0; N];
        array.copy_from_slice(bytes);
        Ok(array)
    }

    /// An integer of one byte.
    pub fn u8(&mut self, field: &'static str) -> Result<u8, Malformed> {
        Ok(self.array::<1>(field)?[0])
    }

    /// A little-endian integer of two bytes.
    pub fn u16(&mut self, field: &'static str) -> Result<u16, Malformed> {
        Ok(u16::from_le_bytes(self.array(field)?))
    }

    /// A little-endian integer of four bytes.
    pub fn u32(&mut self, field: &'static str) -> Result<u32, Malformed> {
        Ok(u32::from_le_bytes(self.array(field)?))
    }

    /// A string that ends with a NUL byte, which is read and left out.
    pub fn nul_terminated(&mut self, field: &'static str) -> Result<&'a [u8], Malformed> {
        let end = memchr::memchr(0, self.rest).ok_or(Malformed(field))?;
        let text = &self.rest[..end];
        self.rest = &self.rest[end + 1..];
        Ok(text)
    }

    /// A string that ends with a NUL byte or with the payload: some clients leave out the last NUL.
    pub fn nul_terminated_or_rest(&mut self) -> &'a [u8] {
        match self.nul_terminated("") {
            Ok(text) => text,
            Err(_) => std::mem::take(&mut self.rest),
        }
    }

    /// A length-encoded integer.
    pub fn lenenc(&mut self, field: &'static str) -> Result<u64, Malformed> {
        let width = match self.u8(field)? {
            small @ 0..=0xfa => return Ok(u64::from(small)),
            0xfc => 2,
            0xfd => 3,
            0xfe => 8,
            0xfb | 0xff => return Err(Malformed(field)),
        };
        let mut bytes = [0; 8];
        bytes[..width].copy_from_slice(self.take(width, field)?);
        Ok(u64::from_le_bytes(bytes))
    }

    /// A string with a length-encoded length before it.
    pub fn lenenc_bytes(&mut self, field: &'static str) -> Result<&'a [u8], Malformed> {
        let len = usize::try_from(self.lenenc(field)?).map_err(|_| Malformed(field))?;
        self.take(len, field)
    }
}

/// Appends a length-encoded integer.
pub fn put_lenenc(out: &mut Vec<u8>, value: u64) {
    let bytes = value.to_le_bytes();
    match value {
        0..=0xfa => out.push(bytes[0]),
        0xfb..=0xffff => {
            out.push(0xfc);
            out.extend_from_slice(&bytes[..2]);
        }
        0x1_0000..=0xff_ffff => {
            out.push(0xfd);
            out.extend_from_slice(&bytes[..3]);
        }
        _ => {
            out.push(0xfe);
            out.extend_from_slice(&bytes);
        }
    }
}

/// Appends a string with its length-encoded length before it.
pub fn put_lenenc_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_lenenc(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends a string and the NUL that ends it.
pub fn put_nul_terminated(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(bytes);
    out.push(0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_encoded_integers_read_back_as_written() {
        for value in [
            0,
            250,
            251,
            0xffff,
            0x1_0000,
            0xff_ffff,
            0x100_0000,
            u64::MAX,
        ] {
            let mut bytes = Vec::new();
            put_lenenc(&mut bytes, value);
            assert_eq!(Cursor::new(&bytes).lenenc("value"), Ok(value));
            for cut in 0..bytes.len() {
                assert_eq!(
                    Cursor::new(&bytes[..cut]).lenenc("value"),
                    Err(Malformed("value"))
                );
            }
        }
    }

    #[test]
    fn a_length_beyond_the_payload_is_an_error() {
        let mut bytes = Vec::new();
        put_lenenc(&mut bytes, u64::MAX);
        assert_eq!(
            Cursor::new(&bytes).lenenc_bytes("name"),
            Err(Malformed("name"))
        );
    }
}
