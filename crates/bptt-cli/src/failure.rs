//! How a command ends when it does not succeed, and the exit codes, which are a contract:
//!
//! | code | meaning |
//! |---|---|
//! | 0 | success; also when the reader of standard output went away (`bptt predict … \| head -1`) |
//! | 1 | the training diverged: the loss became NaN or infinite; nothing was saved. In a bench: the loss did not fall |
//! | 2 | bad input: arguments, settings, data, a model file, or a place that cannot be written; no file is created or changed |
//! | 130 | interrupted with Ctrl-C; a training has saved its model after the epoch that was running, or with `--checkpoint` its checkpoint within it |
//!
//! One exception to the third line: where the report of a training cannot be printed, the model is saved already, and
//! the message says where.

use std::io::{self, Write};
use std::process::ExitCode;

/// Why a command did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Something that came from outside is wrong: exit code 2. The message says what was expected, what was
    /// found and where.
    #[error("{0}")]
    Input(String),
    /// The training diverged, or did not make the loss fall where it had to: exit code 1.
    #[error("{0}")]
    Diverged(String),
    /// The training was interrupted and its model saved: exit code 130.
    #[error("{0}")]
    Interrupted(String),
    /// Standard output or error cannot be written.
    #[error("standard output: {0}")]
    Stdout(#[from] io::Error),
}

impl Failure {
    /// Bad input, from anything that can be shown.
    pub fn input(message: impl std::fmt::Display) -> Self {
        Self::Input(message.to_string())
    }
}

/// Prints the failure, if any, and returns the exit code.
pub fn exit_code(outcome: Result<(), Failure>) -> ExitCode {
    let Err(failure) = outcome else { return ExitCode::SUCCESS };
    let code = match &failure {
        Failure::Stdout(error) if error.kind() == io::ErrorKind::BrokenPipe => return ExitCode::SUCCESS,
        Failure::Input(_) | Failure::Stdout(_) => 2,
        Failure::Diverged(_) => 1,
        Failure::Interrupted(_) => 130,
    };
    // Nothing is left to tell where standard error cannot be written either.
    let _ = writeln!(io::stderr(), "bptt: {failure}");
    ExitCode::from(code)
}
