//! Training of a batch with a sequence in each lane: it is the sum of its sequences, each of which, with one other that has
//! no labels, is trained on with the units in the lanes. All losses, weights, missing labels, ragged lengths, dropout, states
//! that are given and handed on; at every level, with lanes left over.

mod oracle;

use bptt::{Activation, Architecture, Dataset, DynRnn, Float, Gradients, Level, Loss, Reduction, Rng, State};
use bptt::{TrainConfig, Trainer};
use oracle::worse;

/// Whole vectors and a rest, whatever the number of lanes; the rest alone is not enough to go this way with 16 of them.
const SEQUENCES: usize = 21;
const INPUT: usize = 3;

#[derive(Clone)]
struct Case {
    architecture: Architecture,
    hidden: usize,
    output: usize,
    config: TrainConfig,
    weights: bool,
    ragged: bool,
}

impl Case {
    fn name(&self) -> String {
        let Self { architecture, hidden, output, config, weights, ragged } = self;
        format!("{architecture:?} {hidden}-{output} {}, weights: {weights}, ragged: {ragged}", config.loss)
    }

    fn model<T: Float>(&self) -> DynRnn<T> {
        DynRnn::with_architecture(INPUT, self.hidden, self.output, self.architecture, 7).unwrap()
    }

    /// The steps of a sequence, of which one has labels at least.
    fn steps(&self, sequence: usize) -> usize {
        if self.ragged { 2 + (sequence * 5 + 2) % 8 } else { 6 }
    }

    /// One sequence; with `rows` above 0, a sequence without labels before it that has so many timesteps.
    fn data<T: Float>(&self, sequences: std::ops::Range<usize>, rows: usize) -> Dataset<T> {
        let mut data = Dataset::new(INPUT, self.output).unwrap();
        let mut weights = Vec::new();
        if rows > 0 {
            let nan = T::from_f64(f64::NAN);
            data.push_partial(&vec![T::ONE; rows * INPUT], &vec![nan; rows * self.output]).unwrap();
            weights.resize(rows, T::ONE);
        }
        for sequence in sequences {
            let mut rng = Rng::new(sequence as u64 + 1);
            let mut draw = |count: usize| -> Vec<f64> { (0..count).map(|_| rng.uniform()).collect() };
            let steps = self.steps(sequence);
            let features: Vec<T> = draw(steps * INPUT).iter().map(|x| T::from_f64(2.0 * x - 1.0)).collect();
            let mut labels = draw(steps * self.output);
            for (t, row) in labels.chunks_mut(self.output).enumerate() {
                let sum: f64 = row.iter().sum();
                match self.config.loss {
                    // Probabilities of classes, or no class at all.
                    Loss::CrossEntropy => row.iter_mut().for_each(|label| *label /= sum),
                    Loss::Bce => {}
                    _ => row.iter_mut().for_each(|label| *label = 3.0 * *label - 1.5),
                }
                if (sequence + 2 * t) % 5 == 1 {
                    row.fill(f64::NAN);
                } else if (sequence + 2 * t) % 5 == 2 && self.config.loss != Loss::CrossEntropy {
                    row[0] = f64::NAN;
                }
            }
            let labels: Vec<T> = labels.into_iter().map(T::from_f64).collect();
            data.push_partial(&features, &labels).unwrap();
            weights.extend(draw(steps).iter().map(|x| T::from_f64(2.0 * x)));
        }
        if self.weights {
            data.set_weights(weights).unwrap();
        }
        data
    }

    /// States that a batch of `of` sequences begins with.
    fn state<T: Float>(&self, of: usize) -> State<T> {
        let parts = self.architecture.num_layers * (1 + usize::from(self.architecture.bidirectional));
        let len = parts * of * self.hidden;
        let draw = |seed| {
            let mut rng = Rng::new(seed);
            (0..len).map(|_| T::from_f64(rng.uniform() - 0.5)).collect()
        };
        let c = if self.architecture.cell == bptt::Cell::Lstm { draw(6) } else { Vec::new() };
        State { h: draw(5), c }
    }
}

/// The state of sequence `number` of `of`, as that of the last of a batch of `batch`.
fn alone<T: Float>(state: &[T], hidden: usize, (number, of): (usize, usize), batch: usize) -> Vec<T> {
    let mut found = Vec::new();
    for part in state.chunks(of * hidden) {
        found.resize(found.len() + (batch - 1) * hidden, T::ZERO);
        found.extend_from_slice(&part[number * hidden..][..hidden]);
    }
    found
}

/// Relative to the largest value of all. Measured: 1.0e-15 in `f64`, 6.5e-7 in `f32`.
fn bound<T: Float>() -> f64 {
    if T::LINE == 8 { 1e-14 } else { 5e-6 }
}

fn close<T: Float>(found: &[T], expected: &[f64], what: &str) -> f64 {
    let scale = expected.iter().fold(1e-3, |most: f64, x| most.max(x.abs()));
    assert_eq!(found.len(), expected.len(), "{what}");
    let mut error = 0.0;
    for (found, expected) in found.iter().zip(expected) {
        error = worse(error, (found.to_f64() - expected).abs() / scale);
    }
    assert!(error <= bound::<T>(), "{what}: {error:e}");
    error
}

fn check<T: Float>(case: &Case, level: Level) -> f64 {
    let model = case.model::<T>();
    let (all, state) = (case.data::<T>(0..SEQUENCES, 0), case.state::<T>(SEQUENCES));
    let what = format!("{} {level} {}", case.name(), T::DTYPE);
    let gradients = |data: &Dataset<T>, state: &State<T>| {
        Gradients::with_config(&model, data, &case.config, Some(state), level).unwrap()
    };
    let (found, last) = gradients(&all, &state);
    let mut sums = vec![0.0; found.params.flat().len()];
    let (mut loss, mut worst) = (0.0, 0.0);
    for sequence in 0..SEQUENCES {
        // At the same rows of the data, which decide what dropout draws.
        let rows = all.offsets()[sequence];
        let one = case.data::<T>(sequence..sequence + 1, rows);
        let pick = |values: &[T]| alone(values, case.hidden, (sequence, SEQUENCES), one.len());
        let (part, end) = gradients(&one, &State { h: pick(&state.h), c: pick(&state.c) });
        loss += part.loss;
        for (sum, value) in sums.iter_mut().zip(part.params.flat()) {
            *sum += value.to_f64();
        }
        for (all, end) in [(&last.h, &end.h), (&last.c, &end.c)] {
            let expected = alone(end, case.hidden, (one.len() - 1, one.len()), 1);
            let expected: Vec<f64> = expected.iter().map(|x| x.to_f64()).collect();
            worst = worse(worst, close(&alone(all, case.hidden, (sequence, SEQUENCES), 1), &expected, &what));
        }
    }
    worst = worse(worst, close(&[T::from_f64(found.loss)], &[loss], &what));
    worse(worst, close(found.params.flat(), &sums, &what))
}

/// Every loss with every cell; the rest takes turns, each in a rhythm of its own.
fn cases() -> Vec<Case> {
    let cells = [Architecture::elman(Activation::Tanh), Architecture::gru(), Architecture::lstm()];
    let losses = [Loss::Mse, Loss::Mae, Loss::Huber { delta: 0.4 }, Loss::Bce, Loss::CrossEntropy];
    let mut cases: Vec<Case> = Vec::new();
    for hidden in [1, 3, 5, 6, 9, 12, 17, 31] {
        for cell in cells {
            for loss in losses {
                let number = cases.len();
                let (layers, both) =
                    [(1, false), (2, true), (1, true), (2, false), (3, false)][number / 2 % 5];
                let dropout = if layers > 1 && number.is_multiple_of(3) { 0.3 } else { 0.0 };
                let classes = if loss == Loss::CrossEntropy { 2 + number % 3 } else { 2 };
                let output = if loss == Loss::CrossEntropy { classes } else { 1 + number % 5 };
                let has_classes = matches!(loss, Loss::Bce | Loss::CrossEntropy) && number % 2 == 1;
                let class_weights = (0..classes).map(|class| 0.5 + class as f64).collect();
                let config = TrainConfig {
                    loss,
                    reduction: Reduction::Sum,
                    class_weights: has_classes.then_some(class_weights),
                    dropout_seed: 4,
                    threads: 1,
                    ..Default::default()
                };
                let architecture = cell.num_layers(layers).bidirectional(both).dropout(dropout);
                let (weights, ragged) = (number % 4 < 2, number % 7 < 5);
                cases.push(Case { architecture, hidden, output, config, weights, ragged });
            }
        }
    }
    cases
}

fn check_all<T: Float>() {
    for level in Level::available() {
        let mut worst = 0.0;
        for case in cases() {
            worst = worse(worst, check::<T>(&case, level));
        }
        println!("{} {level}: {worst:e}", T::DTYPE);
    }
}

#[test]
fn a_batch_is_the_sum_of_its_sequences() {
    check_all::<f32>();
    check_all::<f64>();
}

/// What a batch that went another way, or a longer one, left in the buffers does not show.
#[test]
fn what_came_before_does_not_show() {
    for case in cases().into_iter().step_by(4) {
        let config = TrainConfig { batch_size: SEQUENCES, learning_rate: 1e-3, ..case.config.clone() };
        let (data, model) = (case.data::<f32>(0..SEQUENCES, 0), case.model::<f32>());
        let few = case.data::<f32>(0..2, 40);
        for level in Level::available() {
            let trainer = || Trainer::with_level(model.clone(), config.clone(), level).unwrap();
            let (mut clean, mut used) = (trainer(), trainer());
            used.evaluate(&few).unwrap();
            used.evaluate(&data).unwrap();
            for _ in 0..2 {
                assert_eq!(
                    clean.epoch(&data).unwrap(),
                    used.epoch(&data).unwrap(),
                    "{} {level}",
                    case.name()
                );
            }
            assert_eq!(clean.model(), used.model(), "{} {level}", case.name());
        }
    }
}
