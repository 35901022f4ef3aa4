//! The report of a bench: one line, or one JSON object.

use serde_json::{Value, json};

use crate::args::Cell;
use crate::report::{count, thousands};
use crate::scores::number;

use super::measurement::Measurement;
use super::plan::Plan;

/// Operations per nanosecond.
fn gflops(plan: &Plan, measured: &Measurement) -> f64 {
    plan.operations() / measured.median()
}

/// Everything on one line.
pub fn line(plan: &Plan, measured: &Measurement) -> String {
    let preset = plan.preset.map_or(String::new(), |preset| format!("{}: ", preset.name()));
    let [fastest, slowest] = extremes(measured).map(number);
    format!(
        "{preset}{} {} → {} → {}{}, {}, {} × {} timesteps, batch {}, {}, {}: {} {} ns per timestep \
         ({fastest}–{slowest}), {} GFLOP/s, loss {} → {}, {}",
        plan.cell.name(),
        plan.input_size,
        plan.hidden_size,
        plan.output_size,
        activation(plan).map_or_else(String::new, |name| format!(", {name}")),
        plan.dtype.name(),
        count(measured.timed_sequences, "sequence"),
        measured.seq_len,
        plan.batch_size,
        plan.level,
        count(measured.threads, "thread"),
        if plan.inference { "inference" } else { "training" },
        number(measured.median()),
        number(gflops(plan, measured)),
        number(measured.loss_before),
        number(measured.loss_after),
        count(measured.nanoseconds.len(), "repetition"),
    )
}

/// The activation of a cell that has a choice of it.
fn activation(plan: &Plan) -> Option<&'static str> {
    (plan.cell == Cell::Elman).then(|| plan.activation.name())
}

/// The same as an object, with all digits.
pub fn json(plan: &Plan, measured: &Measurement) -> Value {
    let [fastest, slowest] = extremes(measured);
    json!({
        "preset": plan.preset.map(|preset| preset.name()),
        "data": plan.data.as_ref().map(|path| path.display().to_string()),
        "inference": plan.inference,
        "cell": plan.cell.name(),
        "input_size": plan.input_size,
        "hidden_size": plan.hidden_size,
        "output_size": plan.output_size,
        "activation": activation(plan),
        "dtype": plan.dtype.name(),
        "seq_len": measured.seq_len,
        "sequences": measured.sequences,
        "timed_sequences": measured.timed_sequences,
        "timesteps": measured.timesteps,
        "batch_size": plan.batch_size,
        "learning_rate": plan.learning_rate,
        "seed": plan.seed,
        "level": plan.level.name(),
        "threads": measured.threads,
        "ns_per_timestep": measured.median(),
        "ns_min": fastest,
        "ns_max": slowest,
        "gflops": gflops(plan, measured),
        "loss_before": measured.loss_before,
        "loss_after": measured.loss_after,
        "repetitions": measured.nanoseconds.len(),
        "epochs_per_repetition": measured.epochs_per_repetition,
    })
}

/// The fastest and the slowest repetition.
fn extremes(measured: &Measurement) -> [f64; 2] {
    [measured.nanoseconds[0], measured.nanoseconds[measured.nanoseconds.len() - 1]]
}

/// What a reader should know beside the figures.
pub fn notes(plan: &Plan, measured: &Measurement) -> Vec<String> {
    let Measurement { sequences, timed_sequences, seconds, .. } = *measured;
    let mut notes = Vec::new();
    if timed_sequences < sequences {
        let (timed, all) = (thousands(timed_sequences), count(sequences, "sequence"));
        notes.push(format!(
            "timed the first {timed} of {all}: five passes over all take longer than --seconds {}",
            plan.seconds
        ));
    }
    if plan.batch_size > sequences {
        let all = count(sequences, "sequence");
        notes
            .push(format!("--batch-size {} is more than there is: each update takes {all}", plan.batch_size));
    }
    if seconds > 2.0 * plan.seconds + 0.1 {
        notes.push(format!("{seconds:.1} s instead of --seconds {}, for five repetitions", plan.seconds));
    }
    notes
}
