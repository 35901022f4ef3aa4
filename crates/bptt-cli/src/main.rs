//! The command-line tool `bptt`: trains recurrent networks from CSV files, and runs them.
//!
//! This file reads the arguments and turns a command's outcome into an exit code; the commands are in
//! [`commands`].

mod args;
mod baseline;
mod commands;
mod config;
mod data;
mod failure;
mod model;
mod output;
mod plan;
mod progress;
mod report;
mod scores;
mod settings;
mod table;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Train(args) => commands::train::run(args),
        Command::Predict(args) => commands::predict::run(&args),
        Command::Evaluate(args) => commands::evaluate::run(&args),
        Command::Inspect(args) => commands::inspect::run(&args),
    };
    failure::exit_code(outcome)
}
