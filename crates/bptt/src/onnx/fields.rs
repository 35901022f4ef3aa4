//! Reading protocol buffers: [`Fields`]. The format is described in [`super::wire`].

use super::OnnxError;

/// The value of a field that is being read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Field<'a> {
    Varint(u64),
    /// Eight bytes: `double`.
    Eight([u8; 8]),
    /// Four bytes: `float`.
    Four([u8; 4]),
    Bytes(&'a [u8]),
}

/// The fields of a message, one after the other, borrowed from the file: reading takes no memory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub fn of(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next field with its number; `None` at the end.
    pub fn next(&mut self) -> Result<Option<(u32, Field<'a>)>, OnnxError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let field = match key & 7 {
            0 => Field::Varint(self.varint()?),
            1 => Field::Eight(self.chunk()?),
            2 => {
                let length = self.varint()?;
                let split =
                    usize::try_from(length).ok().and_then(|length| self.rest.split_at_checked(length));
                let Some((bytes, rest)) = split else {
                    return Err(malformed(
                        format!("a field of {length} bytes"),
                        format!("{} left", self.rest.len()),
                    ));
                };
                self.rest = rest;
                Field::Bytes(bytes)
            }
            5 => Field::Four(self.chunk()?),
            other => return Err(malformed("a wire type of 0, 1, 2 or 5".into(), other.to_string())),
        };
        match u32::try_from(key >> 3) {
            Ok(number) if number > 0 => Ok(Some((number, field))),
            _ => Err(malformed("a field number from 1 on".into(), (key >> 3).to_string())),
        }
    }

    /// The next varint of a packed row of them; `None` at the end.
    pub fn next_packed(&mut self) -> Result<Option<u64>, OnnxError> {
        if self.rest.is_empty() { Ok(None) } else { self.varint().map(Some) }
    }

    fn varint(&mut self) -> Result<u64, OnnxError> {
        let mut value = 0u64;
        for place in 0..10 {
            let Some((&byte, rest)) = self.rest.split_first() else {
                return Err(malformed("the rest of a number".into(), "the end".into()));
            };
            self.rest = rest;
            value |= u64::from(byte & 0x7f) << (7 * place);
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(malformed("a number of at most 10 bytes".into(), "a longer one".into()))
    }

    fn chunk<const N: usize>(&mut self) -> Result<[u8; N], OnnxError> {
        let Some((chunk, rest)) = self.rest.split_first_chunk::<N>() else {
            return Err(malformed(format!("a number of {N} bytes"), format!("{} left", self.rest.len())));
        };
        self.rest = rest;
        Ok(*chunk)
    }
}

fn malformed(expected: String, found: String) -> OnnxError {
    OnnxError::Malformed { expected, found }
}

#[cfg(test)]
mod tests {
    use super::super::wire::Message;
    use super::*;

    #[test]
    fn what_is_written_comes_back() {
        let numbers = [0, 1, -1, 127, 128, i64::MAX, i64::MIN];
        let inner = Message::new().ints(7, &numbers).text(1, "inner");
        let message = numbers
            .iter()
            .fold(Message::new(), |message, &number| message.int(3, number))
            .message(20, &inner);
        let bytes = message.into_bytes();
        let mut fields = Fields::of(&bytes);
        for number in numbers {
            assert_eq!(fields.next().unwrap(), Some((3, Field::Varint(number as u64))));
        }
        let Some((20, Field::Bytes(bytes))) = fields.next().unwrap() else { panic!("no message") };
        assert_eq!(fields.next().unwrap(), None);
        let mut fields = Fields::of(bytes);
        let Some((7, Field::Bytes(packed))) = fields.next().unwrap() else { panic!("no numbers") };
        assert_eq!(fields.next().unwrap(), Some((1, Field::Bytes(b"inner"))));
        let mut packed = Fields::of(packed);
        for number in numbers {
            assert_eq!(packed.next_packed().unwrap(), Some(number as u64));
        }
        assert_eq!(packed.next_packed().unwrap(), None);
    }

    #[test]
    fn bytes_that_are_no_message_are_errors() {
        let refused: [&[u8]; 8] = [
            &[0x80],                                                          // a key without its end
            &[0x08, 0xff],                                                    // a varint without its end
            &[0x0a, 2, 1], // two bytes of which one is there
            &[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], // 2⁶⁴ − 1 bytes
            &[0x09, 1, 2, 3], // eight bytes of which three are there
            &[0x0d, 1],    // four bytes of which one is there
            &[0x0b],       // a group, long out of use
            &[0x00, 0x00], // field 0
        ];
        for bytes in refused {
            assert!(Fields::of(bytes).next().is_err(), "{bytes:?}");
        }
        let endless = [0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80];
        assert!(Fields::of(&endless).next().is_err());
    }
}
