//! `bptt bench`: how long training or inference takes on this machine.

use std::io::{self, Write};

use bptt::Float;

use crate::args::{BenchArgs, Dtype};
use crate::bench::measurement::{Measurement, measure};
use crate::bench::plan::Plan;
use crate::bench::{data, report};
use crate::failure::Failure;

/// Runs the command. Nothing is written but the report.
pub fn run(args: BenchArgs) -> Result<(), Failure> {
    let json = args.json;
    let plan = Plan::resolve(args)?;
    exit_when_interrupted();
    let measured = match plan.dtype {
        Dtype::F32 => bench::<f32>(&plan),
        Dtype::F64 => bench::<f64>(&plan),
    }?;
    for note in report::notes(&plan, &measured) {
        // Notes are a courtesy: where standard error is closed, the report still counts.
        let _ = writeln!(io::stderr(), "note: {note}");
    }
    check_loss(&plan, &measured)?;
    let mut out = io::stdout().lock();
    if json {
        writeln!(out, "{}", report::json(&plan, &measured))?;
    } else {
        writeln!(out, "{}", report::line(&plan, &measured))?;
    }
    Ok(out.flush()?)
}

fn bench<T: Float>(plan: &Plan) -> Result<Measurement, Failure> {
    // Sizes that no memory can hold are refused before data are made for them.
    plan.model::<T>()?;
    measure(plan, &data::load::<T>(plan)?)
}

/// A network that does not learn was not trained, so its time says nothing.
fn check_loss(plan: &Plan, measured: &Measurement) -> Result<(), Failure> {
    let (before, after) = (measured.loss_before, measured.loss_after);
    // Also where one is not a number.
    if after < before {
        return Ok(());
    }
    Err(Failure::Diverged(format!(
        "the loss did not fall: {before} → {after}; a lower --learning-rate may help, it was {}\n{}",
        plan.learning_rate,
        report::line(plan, measured)
    )))
}

/// There is nothing to finish or to save: Ctrl-C (or SIGTERM) ends the program at once.
fn exit_when_interrupted() {
    // Where no handler can be set, Ctrl-C ends it all the same.
    let _ = ctrlc::set_handler(|| {
        let _ = writeln!(io::stderr(), "bptt: interrupted");
        std::process::exit(130);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_that_is_not_lower_is_a_failure_with_the_figures() {
        let plan = Plan::resolve(BenchArgs::default()).unwrap();
        let measured = |loss_after| Measurement {
            sequences: 10,
            seq_len: 3,
            timed_sequences: 10,
            timesteps: 30,
            epochs_per_repetition: 1,
            nanoseconds: vec![1.0, 2.0, 4.0, 8.0],
            loss_before: 0.5,
            loss_after,
            threads: 1,
            seconds: 1.0,
        };
        assert!(check_loss(&plan, &measured(0.25)).is_ok());
        for after in [0.5, 0.75, f64::NAN] {
            let Err(Failure::Diverged(message)) = check_loss(&plan, &measured(after)) else {
                panic!("{after}");
            };
            let expected = format!("the loss did not fall: 0.5 → {after}; a lower --learning-rate may help");
            assert!(message.starts_with(&expected), "{message}");
            assert!(message.contains("training 3.000 ns per timestep (1.000–8.000)"), "{message}");
        }
    }
}
