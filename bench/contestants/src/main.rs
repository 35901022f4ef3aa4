//! One contestant of `bench/compare`, spoken to over stdin and stdout; see `bench/README.md` for the protocol.
//!
//! Usage: `contestants typed|dyn|scalar`, or `contestants levels` for the names of the levels that bptt finds here, lowest first,
//! or `contestants count ...` for `bench/count`.

mod bptt_faces;
mod count;
mod prediction;
mod protocol;
mod scalar;
mod task;

use std::process::ExitCode;

use protocol::{Entry, NotCompiled, Outcome};
use task::{Setup, Task};

fn main() -> ExitCode {
    let mode = std::env::args().nth(1).unwrap_or_default();
    let enter: fn(Setup) -> Outcome<Entry> = match mode.as_str() {
        "typed" => |setup| by_dtype(plain(setup)?, bptt_faces::typed, bptt_faces::typed),
        "dyn" => |setup| by_dtype(setup, bptt_faces::dynamic, bptt_faces::dynamic),
        "scalar" => |setup| by_dtype(plain(setup)?, scalar::enter, scalar::enter),
        "levels" => {
            bptt::Level::available().iter().for_each(|level| println!("{level}"));
            return ExitCode::SUCCESS;
        }
        "count" => {
            let arguments: Vec<String> = std::env::args().skip(2).collect();
            return match count::run(&arguments) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    eprintln!("contestants count: {error}");
                    ExitCode::from(2)
                }
            };
        }
        _ => {
            eprintln!("usage: contestants typed|dyn|scalar|levels|count");
            return ExitCode::from(2);
        }
    };
    match protocol::serve(enter) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("contestants {mode}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Refuses what only the run-time face has code for.
fn plain(setup: Setup) -> Outcome<Setup> {
    let Setup { cell, work, ragged, .. } = &setup;
    let what = || format!("{work:?} of {cell}, ragged: {ragged},");
    if setup.is_plain() { Ok(setup) } else { Err(NotCompiled(what()).into()) }
}

/// Reads the task in its element type and enters it.
fn by_dtype(
    setup: Setup,
    single: fn(Task<f32>) -> Outcome<Entry>,
    double: fn(Task<f64>) -> Outcome<Entry>,
) -> Outcome<Entry> {
    match setup.dtype.as_str() {
        "f32" => single(Task::read(setup)?),
        "f64" => double(Task::read(setup)?),
        other => Err(format!("no element type `{other}`").into()),
    }
}
