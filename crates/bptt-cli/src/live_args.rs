//! The arguments for live data: `bptt predict --follow` and `bptt serve`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, value_parser};

/// The arguments of `bptt predict` for rows that come as they please.
#[derive(Debug, Args)]
#[command(next_help_heading = "Live data")]
pub struct FollowArgs {
    /// Answer each row as soon as it is there, from the rows of its sequence so far
    #[arg(long, conflicts_with_all = ["out", "threads"])]
    pub follow: bool,
    /// Sequences whose state is kept; for one more, the one that had no row for the longest time is forgotten
    #[arg(long, value_name = "N", default_value_t = 100_000, requires = "follow", value_parser = at_least_one)]
    pub max_streams: usize,
    /// Leave out a row that cannot be used, with a message to standard error, instead of ending there
    #[arg(long, requires = "follow")]
    pub skip_bad: bool,
}

/// Arguments of `bptt serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Model file from `bptt train`
    pub model: PathBuf,
    /// Address and port to listen at; with port 0 the system chooses one, and the first line of output says which
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Predictions from here on are class 1 [default: the model's]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub threshold: Option<f64>,
    /// Threads that serve [default: the machine's cores]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub threads: Option<usize>,

    /// Bytes in the body of a request, at most
    #[arg(long, value_name = "N", default_value_t = 8 << 20, value_parser = at_least_one, help_heading = "Limits")]
    pub max_body: usize,
    /// Sequences in a request, at most
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = at_least_one, help_heading = "Limits")]
    pub max_sequences: usize,
    /// Rows in a request, at most
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = at_least_one, help_heading = "Limits")]
    pub max_rows: usize,
    /// Open streams, at most
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = at_least_one, help_heading = "Limits")]
    pub max_streams: usize,
    /// Seconds without a step after which a stream may be forgotten, if its room is needed
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = value_parser!(u64).range(..=10_000_000), help_heading = "Limits")]
    pub idle: u64,
    /// Connections, at most; more of them wait
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = at_least_one, help_heading = "Limits")]
    pub max_connections: usize,
    /// Seconds that a client may take for the headers, the body, reading the answer, and between two requests
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = value_parser!(u64).range(1..=86_400), help_heading = "Limits")]
    pub timeout: u64,
}

/// A number from 1 on.
fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        // What counts requests and connections counts no further.
        Ok(number) if (1..=usize::MAX >> 4).contains(&number) => Ok(number),
        _ => Err("expected a whole number from 1 on".into()),
    }
}
