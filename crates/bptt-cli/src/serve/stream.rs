//! `POST /stream/{id}`: one step of a stream; `DELETE /stream/{id}`: its end.

use std::cell::RefCell;

use hyper::body::Incoming;
use hyper::{Request, StatusCode};

use super::Server;
use super::answer::{self, Answer, JSON, push_cell, push_text};
use super::refused::{Refused, short};
use super::request::{self, Kind};
use super::streams::NoStep;
use crate::live::{Refusal, Scratch};

/// Characters of an id.
const LONGEST: usize = 128;

thread_local! {
    /// Room for the numbers of a step.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Takes a stream a step on: `{"step": 1, "prediction": 0.5}`.
pub async fn step(server: &Server, id: &str, request: Request<Incoming>) -> Result<Answer, Refused> {
    check_id(id)?;
    let live = server.live.as_ref();
    let live = live.map_err(|reason| Refused::new(StatusCode::UNPROCESSABLE_ENTITY, reason.clone()))?;
    if request::content_type(request.headers())? != Kind::Json {
        let message = format!("expected the Content-Type {JSON} for a single row, found text/csv");
        return Err(Refused::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    let body = request::body(request, server.limits.body, server.limits.time).await?;
    let row = server.inputs.row(&body)?;
    let stepped = SCRATCH.with_borrow_mut(|scratch| server.streams.step(live, id, &row, scratch));
    let (step, predictions) = stepped.map_err(|reason| match reason {
        NoStep::Full => Refused::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "expected room for one more stream, found as many as there may be, all in use",
        ),
        NoStep::Refused(refusal) => refused(refusal, "body", &server.saved.columns.inputs),
    })?;
    server.metrics.stepped();
    let mut text = format!("{{\"step\":{step}");
    for (column, cell) in server.columns.iter().zip(server.format().cells(&predictions)) {
        text.push(',');
        push_text(&mut text, column);
        text.push(':');
        push_cell(&mut text, &cell);
    }
    text.push_str("}\n");
    Ok(answer::ok(JSON, text))
}

/// Forgets a stream.
pub fn forget(server: &Server, id: &str) -> Result<Answer, Refused> {
    check_id(id)?;
    if server.streams.forget(id) {
        return Ok(answer::nothing());
    }
    Err(Refused::new(
        StatusCode::NOT_FOUND,
        format!("expected an open stream, found none with the id {}", short(id)),
    ))
}

/// A row that the model cannot take, at `place` of the request.
pub fn refused(refusal: Refusal, place: &str, inputs: &[String]) -> Refused {
    let status = match refusal {
        Refusal::OutOfMemory => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    };
    let (column, problem) = refusal.explain(inputs);
    let column = column.map_or_else(String::new, |column| format!(", column {}", short(column)));
    Refused::new(status, format!("{place}{column}: {problem}"))
}

/// The characters that a path may have as they are. What is written with % could be written in more than one way.
fn check_id(id: &str) -> Result<(), Refused> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:@!$&'()*+,;=".contains(&byte);
    if (1..=LONGEST).contains(&id.len()) && id.bytes().all(fits) {
        return Ok(());
    }
    let expected = format!("expected an id of 1 to {LONGEST} letters, digits and -._~:@!$&'()*+,;=");
    Err(Refused::new(StatusCode::BAD_REQUEST, format!("path: {expected}, found {}", short(id))))
}
