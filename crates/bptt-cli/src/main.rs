//! The command-line tool `bptt`: trains recurrent networks from CSV files, runs them, and times them.
//!
//! This file reads the arguments and turns a command's outcome into an exit code; the commands are in
//! [`commands`].

mod args;
mod baseline;
mod bench;
mod bundled;
mod checkpoint;
mod commands;
mod config;
mod data;
mod failure;
mod history;
mod html;
mod html_report;
mod interrupt;
mod learning;
mod live;
mod live_args;
mod model;
mod output;
mod parts;
mod plan;
mod predictions;
mod progress;
mod report;
mod resume;
mod scores;
mod serve;
mod settings;
mod sweep;
mod table;
mod task;
mod watch;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};
use failure::Failure;

fn main() -> ExitCode {
    let command = Cli::parse().command;
    let outcome = check_level().and_then(|()| run(command));
    failure::exit_code(outcome)
}

fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Train(args) => commands::train::run(args),
        Command::Predict(args) => commands::predict::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Evaluate(args) => commands::evaluate::run(&args),
        Command::Inspect(args) => commands::inspect::run(&args),
        Command::Export(args) => commands::export::run(&args),
        Command::Import(args) => commands::import::run(&args),
        Command::Sweep(args) => commands::sweep::run(&args),
        Command::Example(args) => commands::example::run(&args),
        Command::Bench(args) => commands::bench::run(*args),
    }
}

/// The library ignores a `BPTT_LEVEL` that it does not know; whoever typed it wants to be told.
fn check_level() -> Result<(), Failure> {
    match std::env::var("BPTT_LEVEL") {
        Ok(name) if !["", "baseline", "avx2", "avx512"].contains(&name.as_str()) => {
            Err(Failure::input(format!("BPTT_LEVEL: expected baseline, avx2 or avx512, found `{name}`")))
        }
        _ => Ok(()),
    }
}
