//! The wire format of protocol buffers, as far as ONNX files need it.
//!
//! A message is a row of fields: a key (number and wire type, as a varint), then a varint, eight or four bytes, or a
//! length and that many bytes. A field may come again; of one that stands once the last counts. Fields of unknown numbers
//! are skipped. See <https://protobuf.dev/programming-guides/encoding>.

/// A message that is being written.
#[derive(Debug, Default)]
pub(super) struct Message(Vec<u8>);

impl Message {
    pub fn new() -> Self {
        Self::default()
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn key(&mut self, field: u32, wire_type: u32) {
        self.varint(u64::from(field << 3 | wire_type));
    }

    /// A field of type `int64`, `int32` or an enum.
    pub fn int(mut self, field: u32, value: i64) -> Self {
        self.key(field, 0);
        self.varint(value as u64);
        self
    }

    /// A repeated field of type `int64`.
    pub fn ints(mut self, field: u32, values: &[i64]) -> Self {
        let mut packed = Self::new();
        values.iter().for_each(|&value| packed.varint(value as u64));
        self.key(field, 2);
        self.varint(packed.0.len() as u64);
        self.0.extend(packed.0);
        self
    }

    /// A field of type `bytes`.
    pub fn bytes(mut self, field: u32, bytes: &[u8]) -> Self {
        self.key(field, 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    /// A field of type `string`.
    pub fn text(self, field: u32, text: &str) -> Self {
        self.bytes(field, text.as_bytes())
    }

    /// Every one of `texts`, a repeated field of type `string`.
    pub fn texts<S: AsRef<str>>(self, field: u32, texts: &[S]) -> Self {
        texts.iter().fold(self, |message, text| message.text(field, text.as_ref()))
    }

    /// A field that is a message itself.
    pub fn message(self, field: u32, message: &Self) -> Self {
        self.bytes(field, &message.0)
    }

    /// Every one of `messages`, a repeated field.
    pub fn messages(self, field: u32, messages: &[Self]) -> Self {
        messages.iter().fold(self, |outer, message| outer.message(field, message))
    }

    /// What goes into a file.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}
