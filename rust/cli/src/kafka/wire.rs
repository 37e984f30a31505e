//! The primitive types of Kafka's protocol, big endian.

use super::Result;

/// Reads from the front of a slice.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    pub fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        if length > self.0.len() {
            return Err(format!("a reply ends {} bytes too early", length - self.0.len()));
        }
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let taken = self.take(N)?;
        <[u8; N]>::try_from(taken).map_err(|e| e.to_string())
    }

    pub fn i8(&mut self) -> Result<i8> {
        self.array().map(i8::from_be_bytes)
    }

    pub fn i16(&mut self) -> Result<i16> {
        self.array().map(i16::from_be_bytes)
    }

    pub fn i32(&mut self) -> Result<i32> {
        self.array().map(i32::from_be_bytes)
    }

    pub fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub fn i64(&mut self) -> Result<i64> {
        self.array().map(i64::from_be_bytes)
    }

    pub fn bool(&mut self) -> Result<bool> {
        Ok(self.i8()? != 0)
    }

    pub fn nullable_string(&mut self) -> Result<Option<String>> {
        let length = self.i16()?;
        let bytes = usize::try_from(length).ok().map(|length| self.take(length)).transpose()?;
        Ok(bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
    }

    pub fn string(&mut self) -> Result<String> {
        Ok(self.nullable_string()?.unwrap_or_default())
    }

    /// Null is empty.
    pub fn bytes(&mut self) -> Result<&'a [u8]> {
        let length = self.i32()?;
        usize::try_from(length).map_or(Ok(&[][..]), |length| self.take(length))
    }

    /// Null is empty.
    pub fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let length = self.i32()?;
        (0..length).map(|_| item(self)).collect()
    }

    /// Zigzag, up to 64 bits.
    pub fn varint(&mut self) -> Result<i64> {
        let (mut value, mut shift) = (0u64, 0);
        loop {
            let byte = self.array::<1>()?[0];
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok((value >> 1) as i64 ^ -((value & 1) as i64));
            }
            shift += 7;
            if shift > 63 {
                return Err("a record's number is too long".to_owned());
            }
        }
    }
}

#[derive(Debug, Default)]
pub struct Writer(pub Vec<u8>);

impl Writer {
    pub fn i8(&mut self, value: i8) -> &mut Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub fn i16(&mut self, value: i16) -> &mut Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub fn i32(&mut self, value: i32) -> &mut Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub fn i64(&mut self, value: i64) -> &mut Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub fn string(&mut self, text: &str) -> &mut Self {
        self.i16(text.len() as i16);
        self.0.extend(text.as_bytes());
        self
    }

    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.i32(bytes.len() as i32);
        self.0.extend(bytes);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_zigzag() {
        let number = |bytes: &[u8]| Reader(bytes).varint().unwrap();
        assert_eq!([number(&[0]), number(&[1]), number(&[2]), number(&[0xac, 2])], [0, -1, 1, 150]);
        assert!(Reader(&[0x80]).varint().is_err());
        assert!(Reader(&[0x80; 12]).varint().is_err());
    }

    #[test]
    fn what_is_cut_off_is_an_error() {
        assert!(Reader(&[0, 0, 0, 9, 1]).bytes().is_err());
        assert_eq!(Reader(&[255, 255]).nullable_string(), Ok(None));
        assert_eq!(Reader(&[0, 2, b'a', b'b']).string().as_deref(), Ok("ab"));
    }
}
