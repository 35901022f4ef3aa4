//! Counts and times, in Prometheus' text format.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use hyper::StatusCode;

use super::streams::Counted;

/// What a request asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    Predict,
    Stream,
    Health,
    Metrics,
    /// No such path.
    Other,
}

/// Names of the routes, in their order.
const ROUTES: [&str; 5] = ["/predict", "/stream/{id}", "/health", "/metrics", "other"];

/// The statuses that this server answers with, and one for all others.
const STATUSES: [&str; 13] =
    ["200", "204", "400", "404", "405", "406", "408", "413", "415", "422", "500", "503", "other"];

/// Upper ends of the histogram's buckets, in microseconds, and as seconds.
const BUCKETS: [(u64, &str); 14] = [
    (25, "0.000025"),
    (50, "0.00005"),
    (100, "0.0001"),
    (250, "0.00025"),
    (500, "0.0005"),
    (1_000, "0.001"),
    (2_500, "0.0025"),
    (5_000, "0.005"),
    (10_000, "0.01"),
    (50_000, "0.05"),
    (100_000, "0.1"),
    (500_000, "0.5"),
    (1_000_000, "1"),
    (10_000_000, "10"),
];

/// Everything that is counted.
#[derive(Default)]
pub struct Metrics {
    requests: [[AtomicU64; STATUSES.len()]; ROUTES.len()],
    times: [Times; ROUTES.len()],
    steps: AtomicU64,
    rows: AtomicU64,
}

/// The times of a route's requests.
#[derive(Default)]
struct Times {
    /// Requests in each bucket, without those of the buckets before; the last one has no end.
    buckets: [AtomicU64; BUCKETS.len() + 1],
    nanoseconds: AtomicU64,
}

impl Metrics {
    /// A request that was answered.
    pub fn count(&self, route: Route, status: StatusCode, time: Duration) {
        let code = status.as_str();
        let status = STATUSES.iter().position(|known| *known == code).unwrap_or(STATUSES.len() - 1);
        self.requests[route as usize][status].fetch_add(1, Relaxed);
        let times = &self.times[route as usize];
        let bucket = BUCKETS.iter().position(|(end, _)| time <= Duration::from_micros(*end));
        times.buckets[bucket.unwrap_or(BUCKETS.len())].fetch_add(1, Relaxed);
        // Overflows after 584 years of work.
        times.nanoseconds.fetch_add(time.as_nanos() as u64, Relaxed);
    }

    /// A step of a stream.
    pub fn stepped(&self) {
        self.steps.fetch_add(1, Relaxed);
    }

    /// Rows of whole sequences.
    pub fn predicted(&self, rows: usize) {
        self.rows.fetch_add(rows as u64, Relaxed);
    }

    /// All of it as text.
    pub fn render(&self, streams: &Counted) -> String {
        let mut out = String::new();
        head(&mut out, "bptt_requests_total", "counter", "Requests by route and status.");
        for (route, counts) in ROUTES.iter().zip(&self.requests) {
            for (status, count) in STATUSES.iter().zip(counts) {
                let count = count.load(Relaxed);
                if count > 0 {
                    let labels = format!("route=\"{route}\",status=\"{status}\"");
                    line(&mut out, "bptt_requests_total", &labels, count);
                }
            }
        }
        let name = "bptt_request_duration_seconds";
        head(
            &mut out,
            name,
            "histogram",
            "From the headers of a request to its answer, reading the body included.",
        );
        for (route, times) in ROUTES.iter().zip(&self.times) {
            times.render(&mut out, name, route);
        }
        for (name, kind, help, value) in [
            ("bptt_steps_total", "counter", "Steps of streams.", self.steps.load(Relaxed)),
            ("bptt_rows_total", "counter", "Rows of whole sequences predicted.", self.rows.load(Relaxed)),
            ("bptt_open_streams", "gauge", "Streams whose state is kept.", streams.open as u64),
        ] {
            head(&mut out, name, kind, help);
            line(&mut out, name, "", value);
        }
        let name = "bptt_forgotten_streams_total";
        head(
            &mut out,
            name,
            "counter",
            "Streams forgotten: deleted by a client, or expired when room was needed.",
        );
        line(&mut out, name, "reason=\"deleted\"", streams.deleted);
        line(&mut out, name, "reason=\"expired\"", streams.expired);
        out
    }
}

impl Times {
    fn render(&self, out: &mut String, name: &str, route: &str) {
        let mut count = 0;
        let ends = BUCKETS.iter().map(|(_, end)| *end).chain(["+Inf"]);
        for (end, bucket) in ends.zip(&self.buckets) {
            count += bucket.load(Relaxed);
            line(out, &format!("{name}_bucket"), &format!("route=\"{route}\",le=\"{end}\""), count);
        }
        let seconds = self.nanoseconds.load(Relaxed) as f64 / 1e9;
        line(out, &format!("{name}_sum"), &format!("route=\"{route}\""), seconds);
        line(out, &format!("{name}_count"), &format!("route=\"{route}\""), count);
    }
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn line(out: &mut String, name: &str, labels: &str, value: impl std::fmt::Display) {
    let _ = if labels.is_empty() {
        writeln!(out, "{name} {value}")
    } else {
        writeln!(out, "{name}{{{labels}}} {value}")
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_where_they_belong() {
        let metrics = Metrics::default();
        metrics.count(Route::Stream, StatusCode::OK, Duration::from_micros(50));
        metrics.count(Route::Stream, StatusCode::OK, Duration::from_micros(51));
        metrics.count(Route::Stream, StatusCode::IM_A_TEAPOT, Duration::from_secs(100));
        metrics.stepped();
        let text = metrics.render(&Counted { open: 3, deleted: 1, expired: 2 });
        for expected in [
            "bptt_requests_total{route=\"/stream/{id}\",status=\"200\"} 2\n",
            "bptt_requests_total{route=\"/stream/{id}\",status=\"other\"} 1\n",
            "bptt_request_duration_seconds_bucket{route=\"/stream/{id}\",le=\"0.000025\"} 0\n",
            "bptt_request_duration_seconds_bucket{route=\"/stream/{id}\",le=\"0.00005\"} 1\n",
            "bptt_request_duration_seconds_bucket{route=\"/stream/{id}\",le=\"0.0001\"} 2\n",
            "bptt_request_duration_seconds_bucket{route=\"/stream/{id}\",le=\"10\"} 2\n",
            "bptt_request_duration_seconds_bucket{route=\"/stream/{id}\",le=\"+Inf\"} 3\n",
            "bptt_request_duration_seconds_sum{route=\"/stream/{id}\"} 100.000101\n",
            "bptt_request_duration_seconds_count{route=\"/stream/{id}\"} 3\n",
            "bptt_steps_total 1\n",
            "bptt_open_streams 3\n",
            "bptt_forgotten_streams_total{reason=\"expired\"} 2\n",
        ] {
            assert!(text.contains(expected), "expected `{expected}` in: {text}");
        }
        assert!(!text.contains("status=\"404\""));
    }
}
