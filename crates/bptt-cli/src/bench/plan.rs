//! [`Plan`]: the flags of `bptt bench` with presets and defaults filled in, all checked.

use std::path::PathBuf;

use bptt::{Activation, Architecture, DynRnn, Float, Level, TrainConfig};

use crate::args::{self, BenchArgs, Cell, Dtype, Preset};
use crate::failure::Failure;
use crate::settings::threads;

/// What to time.
#[derive(Debug, Clone)]
pub struct Plan {
    pub preset: Option<Preset>,
    /// A file for the preset, instead of data of its own.
    pub data: Option<PathBuf>,
    pub inference: bool,
    pub cell: Cell,
    pub input_size: usize,
    pub hidden_size: usize,
    pub output_size: usize,
    pub activation: Activation,
    pub dtype: Dtype,
    pub seq_len: usize,
    pub sequences: usize,
    /// Whether `sequences` was asked for; else a file gives all that it has.
    pub sequences_asked: bool,
    pub batch_size: usize,
    pub learning_rate: f64,
    pub seed: u64,
    pub level: Level,
    /// At most; 0: as many as there are.
    pub threads: usize,
    pub seconds: f64,
}

/// What the flags that were not given are.
struct Defaults {
    input_size: usize,
    hidden_size: usize,
    output_size: usize,
    activation: args::Activation,
    dtype: Dtype,
    seq_len: usize,
    /// From the batch size where `None`.
    sequences: Option<usize>,
    /// From the sizes where `None`.
    learning_rate: Option<f64>,
}

impl Defaults {
    fn of(preset: Option<Preset>) -> Self {
        match preset {
            None => Self {
                input_size: 8,
                hidden_size: 32,
                output_size: 1,
                activation: args::Activation::Tanh,
                dtype: Dtype::F32,
                seq_len: 32,
                sequences: None,
                learning_rate: None,
            },
            Some(Preset::Small) => Self {
                input_size: 3,
                hidden_size: 5,
                output_size: 1,
                activation: args::Activation::Relu,
                dtype: Dtype::F64,
                seq_len: 5,
                sequences: Some(12),
                learning_rate: Some(1e-6),
            },
            Some(Preset::Fraud) => Self {
                input_size: 29,
                hidden_size: 10,
                output_size: 1,
                activation: args::Activation::Tanh,
                dtype: Dtype::F32,
                seq_len: 5,
                sequences: Some(45_569),
                learning_rate: Some(0.001),
            },
        }
    }
}

impl Plan {
    /// Fills in presets and defaults, and checks every value.
    pub fn resolve(args: BenchArgs) -> Result<Self, Failure> {
        check_source(&args)?;
        let defaults = Defaults::of(args.preset);
        let input_size = args.input_size.unwrap_or(defaults.input_size);
        let hidden_size = args.hidden_size.unwrap_or(defaults.hidden_size);
        let batch_size = args.batch_size.unwrap_or(1);
        let some_batches = || batch_size.saturating_mul(4).max(256);
        let sequences = args.sequences.or(defaults.sequences).unwrap_or_else(some_batches);
        let learning_rate = args.learning_rate.or(defaults.learning_rate);
        let plan = Self {
            preset: args.preset,
            data: args.data,
            inference: args.inference,
            cell: args.cell.unwrap_or(Cell::Elman),
            input_size,
            hidden_size,
            output_size: args.output_size.unwrap_or(defaults.output_size),
            activation: args.activation.unwrap_or(defaults.activation).into(),
            dtype: args.dtype.unwrap_or(defaults.dtype),
            seq_len: args.seq_len.unwrap_or(defaults.seq_len),
            sequences,
            sequences_asked: args.sequences.is_some(),
            batch_size,
            learning_rate: learning_rate.unwrap_or_else(|| safe_rate(input_size, hidden_size)),
            seed: args.seed.unwrap_or(1),
            level: level(args.level, &Level::available())?,
            threads: threads(args.threads)?,
            seconds: args.seconds.unwrap_or(2.0),
        };
        plan.check()?;
        Ok(plan)
    }

    fn check(&self) -> Result<(), Failure> {
        let wrong = |name, expected, found: String| {
            Err(Failure::input(format!("--{name}: expected {expected}, found {found}")))
        };
        let counts = [
            ("input-size", self.input_size),
            ("hidden-size", self.hidden_size),
            ("output-size", self.output_size),
            ("seq-len", self.seq_len),
            ("sequences", self.sequences),
            ("batch-size", self.batch_size),
        ];
        if let Some((name, _)) = counts.into_iter().find(|(_, count)| *count == 0) {
            return wrong(name, "at least 1", "0".into());
        }
        for (name, value) in [("learning-rate", self.learning_rate), ("seconds", self.seconds)] {
            if !(value > 0.0 && value.is_finite()) {
                return wrong(name, "a positive number", value.to_string());
            }
        }
        Ok(())
    }

    /// Whether every size of the data is the preset's.
    pub fn has_preset_sizes(&self) -> bool {
        let Defaults { input_size, output_size, seq_len, sequences, .. } = Defaults::of(self.preset);
        (input_size, output_size, seq_len) == (self.input_size, self.output_size, self.seq_len)
            && sequences.is_some_and(|sequences| self.sequences <= sequences)
    }

    /// The untrained network; the same each time.
    pub fn model<T: Float>(&self) -> Result<DynRnn<T>, Failure> {
        let Self { input_size, hidden_size, output_size, activation, seed, .. } = *self;
        let architecture = match self.cell {
            Cell::Elman => Architecture::elman(activation),
            Cell::Gru => Architecture::gru(),
            Cell::Lstm => Architecture::lstm(),
            Cell::GruResetBefore => Architecture::gru_reset_before(),
        };
        DynRnn::with_architecture(input_size, hidden_size, output_size, architecture, seed)
            .map_err(Failure::input)
    }

    /// The library's part of the settings: sequences in their order, mean loss.
    pub fn train_config(&self) -> TrainConfig {
        let (learning_rate, batch_size, threads) = (self.learning_rate, self.batch_size, self.threads);
        TrainConfig { learning_rate, batch_size, threads, ..Default::default() }
    }

    /// Floating-point operations per timestep: forward and backward over the recurrent layer and the readout, two for
    /// every multiply-add, element-wise work not counted. Forward alone is a third.
    pub fn operations(&self) -> f64 {
        let [i, h, o] = [self.input_size, self.hidden_size, self.output_size].map(|size| size as f64);
        let training = 6.0 * self.cell.gates() * (i * h + h * h) + 6.0 * h * o;
        if self.inference { training / 3.0 } else { training }
    }
}

/// A file belongs to a preset, which knows its columns, and its sizes are what they are.
fn check_source(args: &BenchArgs) -> Result<(), Failure> {
    let Some(path) = &args.data else { return Ok(()) };
    if path.as_os_str().is_empty() {
        return Err(Failure::input("--data: expected the name of a CSV file, found an empty text"));
    }
    if args.preset.is_none() {
        let message = format!(
            "--data: expected together with --preset, which says what the columns mean, found {} alone",
            path.display()
        );
        return Err(Failure::input(message));
    }
    let sizes =
        [("input-size", args.input_size), ("output-size", args.output_size), ("seq-len", args.seq_len)];
    match sizes.into_iter().find_map(|(name, size)| Some((name, size?))) {
        Some((name, size)) => Err(Failure::input(format!(
            "--{name}: expected none beside --data, whose columns and rows decide it, found {size}"
        ))),
        None => Ok(()),
    }
}

/// A step size at which networks of these sizes learn the generated data: half of the `1 / (1 + |h|²)` from which on an
/// update by a single timestep overshoots, even where every hidden unit is at 1, and less where there are many inputs.
fn safe_rate(input_size: usize, hidden_size: usize) -> f64 {
    0.5 / (8.0 + hidden_size as f64 + 2.0 * input_size as f64)
}

/// The level that was asked for, if it is among those that the machine has.
fn level(asked: Option<args::Level>, available: &[Level]) -> Result<Level, Failure> {
    let Some(asked) = asked else { return Ok(Level::best()) };
    available.iter().find(|level| level.name() == asked.name()).copied().ok_or_else(|| {
        let names: Vec<_> = available.iter().map(|level| level.name()).collect();
        let (names, found) = (names.join(", "), asked.name());
        Failure::input(format!("--level: expected one that this machine has ({names}), found {found}"))
    })
}

impl args::Level {
    /// The library's name.
    fn name(self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }
}

impl Cell {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Elman => "elman",
            Self::Gru => "gru",
            Self::Lstm => "lstm",
            Self::GruResetBefore => "gru-reset-before",
        }
    }

    /// Affine maps of input and state per timestep.
    fn gates(self) -> f64 {
        match self {
            Self::Elman => 1.0,
            Self::Gru | Self::GruResetBefore => 3.0,
            Self::Lstm => 4.0,
        }
    }
}

impl Dtype {
    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F64 => "f64",
        }
    }
}

impl Preset {
    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Fraud => "fraud",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_that_the_machine_lacks_is_refused_with_those_that_it_has() {
        let available = &Level::available()[..1];
        assert_eq!(level(Some(args::Level::Baseline), available).unwrap().name(), "baseline");
        let message = level(Some(args::Level::Avx512), available).unwrap_err().to_string();
        assert_eq!(message, "--level: expected one that this machine has (baseline), found avx512");
    }

    #[test]
    fn presets_fill_in_and_flags_win() {
        let preset = Some(Preset::Fraud);
        let args = BenchArgs { preset, batch_size: Some(64), dtype: Some(Dtype::F64), ..Default::default() };
        let plan = Plan::resolve(args).unwrap();
        assert_eq!((plan.input_size, plan.hidden_size, plan.output_size, plan.seq_len), (29, 10, 1, 5));
        assert_eq!((plan.sequences, plan.batch_size, plan.dtype), (45_569, 64, Dtype::F64));
        assert_eq!(plan.learning_rate, 0.001);
        assert_eq!(plan.operations(), 2400.0);
        let plan = Plan::resolve(BenchArgs { batch_size: Some(1000), ..Default::default() }).unwrap();
        assert_eq!(plan.sequences, 4000);
    }
}
