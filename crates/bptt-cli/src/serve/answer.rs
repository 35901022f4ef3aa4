//! What goes out: a prediction's columns as JSON, and what was refused.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ALLOW, CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};

use super::refused::Refused;
use crate::predictions::Cell;

/// An answer, whole.
pub type Answer = Response<Full<Bytes>>;

pub const JSON: &str = "application/json";
pub const CSV: &str = "text/csv";

impl Refused {
    /// `{"error": message}`.
    pub fn into_answer(self) -> Answer {
        let mut text = String::from("{\"error\":");
        push_text(&mut text, &self.message);
        text.push_str("}\n");
        let mut answer = with_status(self.status, JSON, text);
        if let Some(methods) = self.allow {
            answer.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
        }
        if self.close {
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        answer
    }
}

/// A successful answer.
pub fn ok(content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    with_status(StatusCode::OK, content_type, body)
}

/// A successful answer that has nothing in it.
pub fn nothing() -> Answer {
    let mut answer = Answer::default();
    *answer.status_mut() = StatusCode::NO_CONTENT;
    answer
}

fn with_status(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Answer::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}

/// Appends `text` as a JSON string.
pub fn push_text(out: &mut String, text: &str) {
    // A string can always be written; an empty one only avoids a panic.
    out.push_str(&serde_json::to_string(text).unwrap_or_else(|_| "\"\"".into()));
}

/// Appends the strings as a JSON array.
pub fn push_texts<'a>(out: &mut String, texts: impl Iterator<Item = &'a str>) {
    out.push('[');
    for (at, text) in texts.enumerate() {
        if at > 0 {
            out.push(',');
        }
        push_text(out, text);
    }
    out.push(']');
}

/// Appends a cell: a string, or a number with the digits that it has in CSV.
pub fn push_cell(out: &mut String, cell: &Cell<'_>) {
    match cell {
        Cell::Class(class) => push_text(out, class),
        // Decimal digits of a finite number: JSON's syntax.
        Cell::Number(number) => out.push_str(number),
    }
}
