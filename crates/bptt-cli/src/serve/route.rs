//! From a request to its answer.

use std::sync::Arc;
use std::time::Instant;

use hyper::body::Incoming;
use hyper::{Method, Request, StatusCode};

use super::answer::{self, Answer, JSON};
use super::metrics::Route;
use super::refused::Refused;
use super::{Server, predict, stream};

/// Where a path leads.
#[derive(Debug, PartialEq)]
enum Target {
    Health,
    Metrics,
    Predict,
    Stream(String),
    Nowhere,
}

impl Target {
    fn of(path: &str) -> Self {
        match path {
            "/health" => Self::Health,
            "/metrics" => Self::Metrics,
            "/predict" => Self::Predict,
            _ => path.strip_prefix("/stream/").map_or(Self::Nowhere, |id| Self::Stream(id.to_owned())),
        }
    }

    fn route(&self) -> Route {
        match self {
            Self::Health => Route::Health,
            Self::Metrics => Route::Metrics,
            Self::Predict => Route::Predict,
            Self::Stream(_) => Route::Stream,
            Self::Nowhere => Route::Other,
        }
    }

    /// The methods that it knows, as the header Allow lists them.
    fn methods(&self) -> &'static str {
        match self {
            Self::Health | Self::Metrics => "GET, HEAD",
            Self::Predict => "POST",
            Self::Stream(_) => "POST, DELETE",
            Self::Nowhere => "",
        }
    }
}

/// Answers a request, whatever it is, and counts it.
pub async fn answer(server: Arc<Server>, request: Request<Incoming>) -> Answer {
    let start = Instant::now();
    let target = Target::of(request.uri().path());
    let route = target.route();
    let answer = dispatch(&server, target, request).await.unwrap_or_else(Refused::into_answer);
    server.metrics.count(route, answer.status(), start.elapsed());
    answer
}

async fn dispatch(
    server: &Arc<Server>,
    target: Target,
    request: Request<Incoming>,
) -> Result<Answer, Refused> {
    let method = request.method().clone();
    match (target, method) {
        (Target::Nowhere, _) => Err(Refused::new(
            StatusCode::NOT_FOUND,
            "expected /predict, /stream/ID, /health or /metrics, found another path",
        )),
        (Target::Health, Method::GET | Method::HEAD) => Ok(health(server)),
        (Target::Metrics, Method::GET | Method::HEAD) => {
            let text = server.metrics.render(&server.streams.count());
            Ok(answer::ok("text/plain; version=0.0.4", text))
        }
        (Target::Predict, Method::POST) => predict::answer(server, request).await,
        (Target::Stream(id), Method::POST) => stream::step(server, &id, request).await,
        (Target::Stream(id), Method::DELETE) => stream::forget(server, &id),
        (target, method) => {
            let allowed = target.methods();
            // A method can be any word, so only its first letters are repeated.
            let found: String = method.as_str().chars().take(20).collect();
            let message = format!("expected the method {}, found {found}", allowed.replace(", ", " or "));
            Err(Refused::new(StatusCode::METHOD_NOT_ALLOWED, message).with_allow(allowed))
        }
    }
}

fn health(server: &Server) -> Answer {
    let text = serde_json::json!({
        "status": "ok",
        "version": env!("CARGO_PKG_VERSION"),
        "inputs": server.saved.columns.inputs,
        "columns": server.columns,
        "streams": server.streams.count().open,
    });
    answer::ok(JSON, format!("{text}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_one_place() {
        assert_eq!(Target::of("/health"), Target::Health);
        assert_eq!(Target::of("/stream/a"), Target::Stream("a".into()));
        // What is no id is refused there.
        assert_eq!(Target::of("/stream/a/b"), Target::Stream("a/b".into()));
        for path in ["/", "", "/stream", "/health/", "/predict/x", "*", "//predict"] {
            assert_eq!(Target::of(path), Target::Nowhere, "{path}");
        }
    }
}
