//! `bptt serve`: predictions over HTTP.
//!
//! | file | what |
//! |---|---|
//! | `connections`, `patience` | listening, accepting, time limits, the end |
//! | `route` | from a request to its answer |
//! | `predict`, `stream` | the two routes that compute |
//! | `request`, `json` | what comes in: body, content types, numbers |
//! | `answer`, `refused` | what goes out |
//! | `streams` | the state of every stream, and which are forgotten |
//! | `metrics` | counts and times, in Prometheus' text format |

mod answer;
mod connections;
mod json;
mod metrics;
mod patience;
mod predict;
mod refused;
mod request;
mod route;
mod stream;
mod streams;

use std::sync::Arc;
use std::time::Duration;

use crate::failure::Failure;
use crate::live::LiveModel;
use crate::live_args::ServeArgs;
use crate::model::Saved;
use crate::predictions::Format;
use crate::settings::check_threshold;
use json::Inputs;
use metrics::Metrics;
use streams::Streams;

/// What all connections share.
struct Server {
    saved: Saved,
    threshold: f64,
    /// The columns of a prediction.
    columns: Vec<String>,
    /// The columns of a row.
    inputs: Inputs,
    /// The model for single steps, or why it cannot take them.
    live: Result<LiveModel, String>,
    streams: Streams,
    metrics: Metrics,
    limits: Limits,
}

/// How much a client may ask for.
struct Limits {
    body: usize,
    sequences: usize,
    rows: usize,
    connections: usize,
    time: Duration,
}

impl Server {
    fn format(&self) -> Format<'_> {
        Format::new(&self.saved, self.threshold)
    }
}

/// Runs the command.
pub fn run(args: &ServeArgs) -> Result<(), Failure> {
    let saved = Saved::read(&args.model)?;
    let threshold = args.threshold.unwrap_or(saved.threshold);
    check_threshold(threshold)?;
    let name = args.model.display().to_string();
    let server = Server {
        threshold,
        columns: Format::new(&saved, threshold).columns(),
        inputs: Inputs::new(&saved.columns.inputs),
        live: LiveModel::new(&saved, "the model").map_err(|failure| failure.to_string()),
        streams: Streams::new(args.max_streams, Duration::from_secs(args.idle)),
        metrics: Metrics::default(),
        limits: Limits {
            body: args.max_body,
            sequences: args.max_sequences,
            rows: args.max_rows,
            connections: args.max_connections,
            time: Duration::from_secs(args.timeout),
        },
        saved,
    };
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let threads = args.threads.unwrap_or_else(cores).min(1024);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        // Those that predict whole sequences. What is asked beyond that waits.
        .max_blocking_threads(threads)
        .enable_all()
        .build()
        .map_err(|error| Failure::input(format!("expected {threads} threads, found: {error}")))?;
    runtime.block_on(connections::serve(Arc::new(server), args.listen, &name))
}
