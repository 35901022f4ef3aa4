//! What comes in: the body, within its limits, and the content types of question and answer.

use std::time::Duration;

use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderMap};
use hyper::{Request, StatusCode};

use super::answer::{CSV, JSON};
use super::refused::{Refused, short};

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Json,
    Csv,
}

/// What the body is, by its content type.
pub fn content_type(headers: &HeaderMap) -> Result<Kind, Refused> {
    let found =
        headers.get(CONTENT_TYPE).map_or("no Content-Type", |value| value.to_str().unwrap_or("other bytes"));
    let media = found.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match media.as_str() {
        JSON => Ok(Kind::Json),
        CSV => Ok(Kind::Csv),
        _ => Err(Refused::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            format!("expected the Content-Type {JSON} or {CSV}, found {}", short(found)),
        )),
    }
}

/// What the answer should be: the first that the client names of what there is, or `default`.
pub fn accepted(headers: &HeaderMap, default: Kind) -> Result<Kind, Refused> {
    let mut named =
        headers.get_all(ACCEPT).iter().flat_map(|value| value.to_str().unwrap_or_default().split(','));
    let mut any = false;
    let found = named.find_map(|item| {
        any = true;
        match item.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "*/*" | "" => Some(default),
            JSON | "application/*" => Some(Kind::Json),
            CSV | "text/*" => Some(Kind::Csv),
            _ => None,
        }
    });
    match found {
        Some(kind) => Ok(kind),
        None if !any => Ok(default),
        None => Err(Refused::new(
            StatusCode::NOT_ACCEPTABLE,
            format!("expected {JSON} or {CSV} in Accept, found neither"),
        )),
    }
}

/// The whole body, of at most `most` bytes and within `time`.
pub async fn body(request: Request<Incoming>, most: usize, time: Duration) -> Result<Bytes, Refused> {
    let too_large = || {
        let message = format!("expected a body of at most {most} bytes, found a larger one");
        Refused::new(StatusCode::PAYLOAD_TOO_LARGE, message).closing()
    };
    // What says that it is too large need not be read.
    if request.body().size_hint().lower() > most as u64 {
        return Err(too_large());
    }
    match tokio::time::timeout(time, Limited::new(request.into_body(), most).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => {
            Err(Refused::new(StatusCode::BAD_REQUEST, "expected a whole body, found one that breaks off")
                .closing())
        }
        Err(_) => {
            let message = format!("expected the body within {} s, found it unfinished", time.as_secs());
            Err(Refused::new(StatusCode::REQUEST_TIMEOUT, message).closing())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: hyper::header::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    #[test]
    fn content_types_are_told_whatever_their_parameters() {
        let kind =
            |value: &str| content_type(&headers(CONTENT_TYPE, value)).map_err(|refused| refused.parts().0);
        assert_eq!(kind("application/json"), Ok(Kind::Json));
        assert_eq!(kind("Application/JSON; charset=utf-8"), Ok(Kind::Json));
        assert_eq!(kind("text/csv;header=present"), Ok(Kind::Csv));
        assert_eq!(kind("application/x-www-form-urlencoded"), Err(415));
        let none = content_type(&HeaderMap::new()).unwrap_err();
        assert!(none.parts().1.ends_with("found `no Content-Type`"), "{none:?}");
    }

    #[test]
    fn the_first_acceptable_kind_is_answered() {
        let kind =
            |value: &str| accepted(&headers(ACCEPT, value), Kind::Csv).map_err(|refused| refused.parts().0);
        assert_eq!(kind("text/html, application/json;q=0.9, */*"), Ok(Kind::Json));
        assert_eq!(kind("*/*"), Ok(Kind::Csv));
        assert_eq!(kind("text/*"), Ok(Kind::Csv));
        assert_eq!(kind("image/png"), Err(406));
        assert_eq!(accepted(&HeaderMap::new(), Kind::Json).unwrap(), Kind::Json);
    }
}
