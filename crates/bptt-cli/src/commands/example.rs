//! `bptt example`: writes out a bundled data set.

use std::io::{self, Write};

use crate::args::ExampleArgs;
use crate::bundled;
use crate::failure::Failure;
use crate::output::Output;

/// Runs the command.
pub fn run(args: &ExampleArgs) -> Result<(), Failure> {
    let Some(name) = &args.name else {
        if args.out.is_some() {
            return Err(Failure::input("example: expected the name of a data set beside --out, found none"));
        }
        let mut out = io::stdout().lock();
        for set in &bundled::ALL {
            writeln!(out, "{:<16}  {}", set.name, set.description)?;
        }
        writeln!(
            out,
            "\nbptt example NAME -o FILE.csv writes one out; bptt train --example NAME trains on it"
        )?;
        return Ok(out.flush()?);
    };
    let set = bundled::find(name)?;
    match &args.out {
        Some(path) => Output::check(path, &[])?.write(|out| out.write_all(set.csv.as_bytes())),
        None => {
            let mut out = io::stdout().lock();
            out.write_all(set.csv.as_bytes())?;
            Ok(out.flush()?)
        }
    }
}
