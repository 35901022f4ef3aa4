//! What is wrong with a request: a status and one message.

use hyper::StatusCode;

/// A request that was not carried out.
#[derive(Debug)]
pub struct Refused {
    pub status: StatusCode,
    /// What was expected, and what was found where.
    pub message: String,
    /// The methods that the path knows, where it was asked for by another one.
    pub allow: Option<&'static str>,
    /// Whether the connection ends here, because the rest of the request was not read.
    pub close: bool,
}

impl Refused {
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), allow: None, close: false }
    }

    /// With the methods that the path knows.
    pub fn with_allow(self, methods: &'static str) -> Self {
        Self { allow: Some(methods), ..self }
    }

    /// After which nothing more is read.
    pub fn closing(self) -> Self {
        Self { close: true, ..self }
    }

    #[cfg(test)]
    pub fn parts(&self) -> (u16, &str) {
        (self.status.as_u16(), &self.message)
    }
}

/// A client's text for a message.
pub fn short(text: &str) -> String {
    let short: String = text.chars().take(40).flat_map(char::escape_default).collect();
    if text.chars().nth(40).is_some() { format!("`{short}...`") } else { format!("`{short}`") }
}
