//! Data to time on: a preset's file, the bundled one, or generated sequences that a recurrent network can learn.

use std::path::Path;

use bptt::{Dataset, Float, Normalization, Normalizer, Rng};

use crate::args::Preset;
use crate::commands::evaluate::check_binary;
use crate::data::{Part, Scaling, Source};
use crate::failure::Failure;
use crate::parts::locate;
use crate::report::count;
use crate::table::{self, ColumnRequest, LabelUse};

use super::plan::Plan;

/// The data of the preset `small`; see `tools/make_small.py`.
const SMALL: &str = include_str!("../../data/small.csv");

/// The sequences that the plan asks for.
pub fn load<T: Float>(plan: &Plan) -> Result<Dataset<T>, Failure> {
    match (plan.preset, &plan.data) {
        (Some(preset), Some(path)) => from_table(plan, preset, read(preset, path)?),
        (Some(Preset::Small), None) if plan.has_preset_sizes() => {
            let name = "small.csv (bundled)".to_owned();
            let table =
                table::read_from(SMALL.as_bytes(), &name, &columns(Preset::Small), LabelUse::Required);
            from_table(plan, Preset::Small, Source { name, table: table.map_err(Failure::input)? })
        }
        // Like the bundled data: inputs between 10 and 90, labels above 50.
        (Some(Preset::Small), None) => echoes(plan, 50.0, 40.0),
        (Some(Preset::Fraud), None) => frauds(plan),
        (None, _) => echoes(plan, 0.0, 1.0),
    }
}

/// The columns of a preset's file.
fn columns(preset: Preset) -> ColumnRequest {
    let list = |names: &[&str]| Some(names.iter().map(|&name| name.to_owned()).collect());
    match preset {
        Preset::Small => ColumnRequest {
            sequence: Some("name".into()),
            time: Some("t".into()),
            inputs: list(&["x1", "x2", "x3"]),
            labels: list(&["y"]),
            ..Default::default()
        },
        Preset::Fraud => ColumnRequest {
            file_order: true,
            inputs: list(&["V1..V28", "Amount"]),
            labels: list(&["Class"]),
            window: Some(5),
            ..Default::default()
        },
    }
}

fn read(preset: Preset, path: &Path) -> Result<Source, Failure> {
    let source = crate::data::load(path, &columns(preset), LabelUse::Required)?;
    if preset == Preset::Fraud {
        check_binary(&source.name, &source.table)?;
    }
    Ok(source)
}

/// The training part of a table, scaled as the preset's task scales it.
fn from_table<T: Float>(plan: &Plan, preset: Preset, source: Source) -> Result<Dataset<T>, Failure> {
    let (file, table) = (&source.name, &source.table);
    let mut train = bptt::split(table.sequences(), 0.8, None).map(|split| split.train).map_err(|_| {
        let found = count(table.sequences(), "sequence");
        Failure::input(format!("{file}: expected at least 2 sequences, 80 % of which train, found {found}"))
    })?;
    if plan.sequences_asked {
        if plan.sequences > train.len() {
            return Err(Failure::input(format!(
                "--sequences: expected at most {}, the training part of {file}, found {}",
                train.len(),
                plan.sequences
            )));
        }
        train.truncate(plan.sequences);
    }
    let part = Part::of(table, &train);
    let kind = match preset {
        Preset::Small => Normalization::None,
        Preset::Fraud => Normalization::MinMax,
    };
    let fit = |kind, values: &[f64], columns: &[String]| {
        Normalizer::fit(kind, values, columns.len()).map_err(|error| locate(error, file, columns))
    };
    let scaling = Scaling {
        inputs: fit(kind, &part.inputs, &table.columns.inputs)?,
        labels: fit(Normalization::None, &part.labels, &table.columns.labels)?,
    };
    scaling.dataset(&source, &part, 0)
}

/// Inputs uniform in `centre ± spread`. Every label is `1 + tanh` of a decaying sum of some inputs so far, with a little
/// noise, on the same scale: it echoes the past, which takes a recurrent network to learn. (The 1 is for networks of one
/// or two units, which may be born with nothing but their bias to learn with.)
fn echoes<T: Float>(plan: &Plan, centre: f64, spread: f64) -> Result<Dataset<T>, Failure> {
    /// How much of a sum is left a timestep later.
    const DECAY: f64 = 0.7;
    let (i, o) = (plan.input_size, plan.output_size);
    // Few inputs per label, so that large shapes are generated quickly and their labels are as lively as small ones'.
    let sources = i.min(4);
    let mut draws = Draws::new(plan);
    let (mut sums, mut row) = (vec![0.0; o], vec![0.0; i]);
    generated(plan, |t, features, labels| {
        if t == 0 {
            sums.fill(0.0);
        }
        row.fill_with(|| draws.centred());
        features.extend(row.iter().map(|x| T::from_f64(centre + spread * x)));
        for (output, sum) in sums.iter_mut().enumerate() {
            let new: f64 = (0..sources).map(|source| row[(output + source) % i]).sum();
            *sum = DECAY * *sum + new / (sources as f64).sqrt();
            let label = 1.0 + sum.tanh() + 0.05 * draws.centred();
            labels.push(T::from_f64(centre + spread * label));
        }
    })
}

/// Bell-shaped inputs and labels 0; rarely a label 1, with some inputs shifted. Inputs are then brought to 0…1.
fn frauds<T: Float>(plan: &Plan) -> Result<Dataset<T>, Failure> {
    /// The share of frauds in the card data.
    const RARE: f64 = 0.0017;
    let mut draws = Draws::new(plan);
    let data = generated(plan, |_, features, labels| {
        let fraud = draws.0.uniform() < RARE;
        for column in 0..plan.input_size {
            let shift = match column % 3 {
                0 if fraud => -4.0,
                1 if fraud => 3.0,
                _ => 0.0,
            };
            let bell = draws.centred() + draws.centred() + draws.centred();
            features.push(T::from_f64(bell + shift));
        }
        labels.extend((0..plan.output_size).map(|_| if fraud { T::ONE } else { T::ZERO }));
    });
    let mut data = data?;
    let scaling = Normalizer::fit(Normalization::MinMax, data.features(), plan.input_size);
    let scaled = scaling.and_then(|scaling| scaling.apply_in_place(data.features_mut()));
    scaled.map_err(Failure::input)?;
    Ok(data)
}

/// The plan's sequences. `timestep` appends the features and labels of one timestep; it is told which, from 0.
fn generated<T: Float>(
    plan: &Plan,
    mut timestep: impl FnMut(usize, &mut Vec<T>, &mut Vec<T>),
) -> Result<Dataset<T>, Failure> {
    let Plan { input_size, output_size, seq_len, sequences, .. } = *plan;
    let too_large = || {
        Failure::input(format!(
            "expected data that fit in memory, found {sequences} sequences of {seq_len} timesteps with {input_size} \
             inputs and {output_size} outputs (--sequences, --seq-len, --input-size, --output-size)"
        ))
    };
    let rows = sequences.checked_mul(seq_len).ok_or_else(too_large)?;
    let (mut features, mut labels, mut offsets) = (Vec::new(), Vec::new(), Vec::new());
    let reserve = |buffer: &mut Vec<T>, columns: usize| {
        let values = rows.checked_mul(columns)?;
        buffer.try_reserve_exact(values).ok()
    };
    reserve(&mut features, input_size).ok_or_else(too_large)?;
    reserve(&mut labels, output_size).ok_or_else(too_large)?;
    offsets.try_reserve_exact(sequences + 1).map_err(|_| too_large())?;
    offsets.extend((0..=sequences).map(|sequence| sequence * seq_len));
    for row in 0..rows {
        timestep(row % seq_len, &mut features, &mut labels);
    }
    Dataset::from_flat(input_size, output_size, features, labels, offsets).map_err(Failure::input)
}

/// The random numbers of the data; others than those of the weights.
struct Draws(Rng);

impl Draws {
    fn new(plan: &Plan) -> Self {
        Self(Rng::new(plan.seed ^ (3 << 56)))
    }

    /// Uniform in ±1.
    fn centred(&mut self) -> f64 {
        2.0 * self.0.uniform() - 1.0
    }
}
