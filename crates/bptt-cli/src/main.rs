//! The command-line tool `bptt`.
fn main() {}
