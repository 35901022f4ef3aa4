//! Stacks of every cell against the plain reference, at every level of this machine, over many sizes; and what must be
//! the same to the last bit: a sequence alone, in any batch, in pieces.
//!
//! The reference runs in `f64` for both element types, so that an `f32` error is the error against the truth. Sizes lie
//! on and around the numbers of lanes and of the kernels' rows, where tails begin and end.

mod oracle;
mod plain_stack;

use bptt::{Activation, Architecture, Dataset, DynRnn, Float, Gradients, Level, Predictor};
use bptt::{Reduction, Rng, State, TrainConfig};
use oracle::{sequences, tensor_error, worse};
use plain_stack::{PlainStack, Tensors};

/// Every number of rows that a tile may have, with and without a rest; and a crowd.
const BATCHES: [usize; 6] = [1, 2, 3, 5, 9, 37];
const HIDDEN: [usize; 21] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 31, 33, 64];

/// Relative to the tensor's largest magnitude; one for outputs, losses, gradients, and those of fewer than [`SMALL`]
/// elements, all of which may be the small differences of large terms.
///
/// Measured: 2.0e-15, 1.3e-15, 4.9e-15 and 4.6e-14 in `f64`; 3.6e-7, 1.2e-7, 3.1e-6 and 3.5e-5 in `f32`.
fn bounds<T: Float>() -> [f64; 4] {
    if T::LINE == 8 { [1e-14, 1e-14, 1e-13, 2e-13] } else { [2e-6, 1e-6, 2e-5, 1e-4] }
}

const SMALL: usize = 16;

#[derive(Clone, Copy)]
struct Case {
    architecture: Architecture,
    input: usize,
    hidden: usize,
    output: usize,
    /// Some labels are missing.
    partial: bool,
    reduction: Reduction,
}

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { architecture, input, hidden, output, partial, reduction } = self;
        write!(f, "{architecture:?} {input}-{hidden}-{output} {reduction}, partial: {partial}")
    }
}

impl Case {
    fn model<T: Float>(&self) -> DynRnn<T> {
        let seed = (self.input * 1_000_000 + self.hidden * 1_000 + self.output) as u64;
        DynRnn::with_architecture(self.input, self.hidden, self.output, self.architecture, seed).unwrap()
    }

    /// 37 sequences of 1 to 9 steps.
    fn data<T: Float>(&self) -> Dataset<T> {
        let mut rng = Rng::new(self.hidden as u64);
        let mut draw = |count| (0..count).map(|_| T::from_f64(2.0 * rng.uniform() - 1.0)).collect::<Vec<T>>();
        let mut data = Dataset::new(self.input, self.output).unwrap();
        for sequence in 0..BATCHES[5] {
            let steps = (sequence * 7 + 4) % 9 + 1;
            let (features, mut labels) = (draw(steps * self.input), draw(steps * self.output));
            if self.partial {
                labels.iter_mut().skip(1).step_by(3).for_each(|label| *label = T::from_f64(f64::NAN));
            }
            data.push_partial(&features, &labels).unwrap();
        }
        data
    }
}

/// All depths and directions of `cell` at all `hidden` sizes. The rest takes turns, each in a rhythm of its own.
fn cases(cell: Architecture, hidden: &[usize]) -> Vec<Case> {
    let mut cases = Vec::new();
    for &hidden in hidden {
        for (layers, both) in [(1, false), (2, false), (3, false), (1, true), (2, true), (3, true)] {
            let number = cases.len();
            cases.push(Case {
                architecture: cell.num_layers(layers).bidirectional(both),
                input: 1 + number * 5 % 17,
                hidden,
                output: 1 + number * 4 % 9,
                partial: number % 3 == 1,
                reduction: Reduction::ALL[number / 2 % 2],
            });
        }
    }
    cases
}

fn bits<T: Float>(values: &[T]) -> Vec<u64> {
    values.iter().map(|value| value.to_f64().to_bits()).collect()
}

fn predict<T: Float>(model: &DynRnn<T>, level: Level, features: &[T], offsets: &[usize]) -> Vec<T> {
    let mut outputs = vec![T::ZERO; offsets[offsets.len() - 1] * model.output_size()];
    let mut predictor = Predictor::with_level(model, level).unwrap();
    predictor.predict_sequences_into(features, offsets, &mut outputs).unwrap();
    outputs
}

/// A sequence's outputs do not depend on its neighbours.
fn check_alone<T: Float>(model: &DynRnn<T>, data: &Dataset<T>, level: Level, together: &[T], case: &Case) {
    let (i, o, offsets) = (data.input_size(), data.output_size(), data.offsets());
    for batch in BATCHES {
        let rows = offsets[batch];
        let found = predict(model, level, &data.features()[..rows * i], &offsets[..=batch]);
        assert_eq!(bits(&found), bits(&together[..rows * o]), "{case} {level}, batch of {batch}");
    }
    let mut predictor = Predictor::with_level(model, level).unwrap();
    for pair in offsets.windows(2) {
        let mut alone = vec![T::ZERO; (pair[1] - pair[0]) * o];
        predictor.predict_into(&data.features()[pair[0] * i..pair[1] * i], &mut alone).unwrap();
        assert_eq!(bits(&alone), bits(&together[pair[0] * o..pair[1] * o]), "{case} {level}");
    }
}

/// Outputs of all sequences that have two steps, in two pieces: the first `cut` steps of each (but not all), and the rest
/// from where they left off. Back in the sequences' order.
fn in_pieces<T: Float>(
    model: &DynRnn<T>,
    data: &Dataset<T>,
    level: Level,
    cut: usize,
) -> Vec<(usize, Vec<T>)> {
    let (i, o) = (data.input_size(), data.output_size());
    let long: Vec<_> = data.offsets().windows(2).filter(|pair| pair[1] - pair[0] > 1).collect();
    let mut outputs: Vec<(usize, Vec<T>)> = long.iter().map(|pair| (pair[0], Vec::new())).collect();
    let mut predictor = Predictor::with_level(model, level).unwrap();
    let mut state: Option<State<T>> = None;
    for second in [false, true] {
        let (mut features, mut offsets) = (Vec::new(), vec![0]);
        for pair in &long {
            let middle = (pair[0] + cut).min(pair[1] - 1);
            let (from, to) = if second { (middle, pair[1]) } else { (pair[0], middle) };
            features.extend_from_slice(&data.features()[from * i..to * i]);
            offsets.push(offsets[offsets.len() - 1] + to - from);
        }
        let mut piece = vec![T::ZERO; offsets[offsets.len() - 1] * o];
        state = Some(predictor.predict_from(state.as_ref(), &features, &offsets, &mut piece).unwrap());
        for (outputs, pair) in outputs.iter_mut().zip(offsets.windows(2)) {
            outputs.1.extend_from_slice(&piece[pair[0] * o..pair[1] * o]);
        }
    }
    outputs
}

/// Going on from a state is the same as never having stopped.
fn check_pieces<T: Float>(model: &DynRnn<T>, data: &Dataset<T>, level: Level, together: &[T], case: &Case) {
    let o = data.output_size();
    let mut whole = together.to_vec();
    let mut predictor = Predictor::with_level(model, level).unwrap();
    predictor.predict_from(None, data.features(), data.offsets(), &mut whole).unwrap();
    let plain = case.architecture.num_layers == 1 && case.architecture.cell.activation().is_some();
    // A single small Elman layer predicts on a way of its own, whose last bits are others.
    if !plain || case.architecture.bidirectional || case.hidden >= 220 {
        assert_eq!(bits(&whole), bits(together), "{case} {level}");
    }
    if case.architecture.bidirectional {
        return; // A piece would lack what comes after it.
    }
    for cut in [1, 4] {
        for (row, outputs) in in_pieces(model, data, level, cut) {
            assert_eq!(
                bits(&outputs),
                bits(&whole[row * o..][..outputs.len()]),
                "{case} {level}, cut at {cut}"
            );
        }
    }
}

/// The reference's outputs, and its loss and gradient for each batch.
type Expected = (Vec<f64>, Vec<(f64, Tensors)>);

fn expected<T: Float>(case: &Case, model: &DynRnn<T>, data: &Dataset<T>) -> Expected {
    let plain = PlainStack::of(model);
    let (mut outputs, mut batches) = (Vec::new(), Vec::new());
    let (mut sums, mut squared_error, mut elements) = (plain.zeros(), 0.0, 0);
    for (number, (x, labels)) in sequences::<T, f64>(data).iter().enumerate() {
        outputs.extend(plain.predict(x));
        let (error, count) = plain.accumulate(x, labels, &mut sums);
        (squared_error, elements) = (squared_error + error, elements + count);
        if BATCHES.contains(&(number + 1)) {
            let factor = if case.reduction == Reduction::Mean { 1.0 / elements as f64 } else { 1.0 };
            let mut gradient = sums.clone();
            gradient.values_mut().flatten().for_each(|value| *value *= factor);
            batches.push((squared_error * factor, gradient));
        }
    }
    (outputs, batches)
}

/// Everything in the flat buffer that is not 0 can be seen through `get`.
fn check_padding<T: Float>(gradients: &Gradients<T>, case: &Case) {
    let nonzero = |values: &[T]| values.iter().filter(|value| **value != T::ZERO).count();
    let params = &gradients.params;
    let visible: usize = params.shapes().map(|(name, _)| nonzero(&params.get(name).unwrap())).sum();
    assert_eq!(nonzero(params.flat()), visible, "{case}");
}

/// Compares one network with the reference at every level; returns the largest errors.
fn check<T: Float>(case: &Case) -> [f64; 4] {
    let (model, data) = (case.model::<T>(), case.data::<T>());
    let (outputs, batches) = expected(case, &model, &data);
    let config = TrainConfig { reduction: case.reduction, ..Default::default() };
    let parts = BATCHES.map(|batch| data.subset(&(0..batch).collect::<Vec<_>>()).unwrap());
    let mut worst = [0.0; 4];
    for level in Level::available() {
        let mut compare = |kind: usize, what: &str, error: f64| {
            worst[kind] = worse(worst[kind], error);
            assert!(error <= bounds::<T>()[kind], "{case} {} {level}: {what}: {error:e}", T::DTYPE);
        };
        let found = predict(&model, level, data.features(), data.offsets());
        compare(0, "outputs", tensor_error(&found, &outputs));
        check_alone(&model, &data, level, &found, case);
        check_pieces(&model, &data, level, &found, case);
        for (part, (loss, gradient)) in parts.iter().zip(&batches) {
            let found = Gradients::with_config(&model, part, &config, None, level).unwrap().0;
            compare(1, "loss", tensor_error(&[found.loss], &[*loss]));
            for (name, tensor) in gradient {
                let kind = 2 + usize::from(tensor.len() < SMALL);
                compare(kind, name, tensor_error(&found.params.get(name).unwrap(), tensor));
            }
            check_padding(&found, case);
        }
    }
    worst
}

fn check_all<T: Float>(cases: &[Case]) {
    let mut worst = [0.0; 4];
    for case in cases {
        let errors = check::<T>(case);
        worst = std::array::from_fn(|kind| worse(worst[kind], errors[kind]));
    }
    println!("{} networks, largest errors in {}: {worst:?}", cases.len(), T::DTYPE);
}

#[test]
fn gru_equals_the_reference_at_every_level() {
    let cases = cases(Architecture::gru(), &HIDDEN);
    check_all::<f32>(&cases);
    check_all::<f64>(&cases);
}

#[test]
fn gru_with_reset_before_equals_the_reference_at_every_level() {
    // There is no other way where it is large.
    let cases = cases(Architecture::gru_reset_before(), &HIDDEN);
    check_all::<f32>(&cases);
    check_all::<f64>(&cases);
}

#[test]
fn lstm_equals_the_reference_at_every_level() {
    let cases = cases(Architecture::lstm(), &HIDDEN);
    check_all::<f32>(&cases);
    check_all::<f64>(&cases);
}

#[test]
fn stacks_of_elman_layers_equal_the_reference_at_every_level() {
    for activation in Activation::ALL {
        let cases = cases(Architecture::elman(activation), &[1, 5, 8, 16, 18, 33]);
        check_all::<f32>(&cases);
        check_all::<f64>(&cases);
    }
}

/// On both sides of where products begin to go through panels, and around the edges of panels: whole ones, half of one,
/// one unit more or less. The crowd leaves every number of rows over, and steps of every number of sequences.
#[test]
fn large_layers_equal_the_reference_at_every_level() {
    let elman = Architecture::elman(Activation::Sigmoid);
    // Of the cases of a size: one layer, two, one in both directions, two in both.
    let some = |cell: Architecture, hidden: &[usize], which: &[usize]| -> Vec<Case> {
        let cases = cases(cell, hidden).into_iter().enumerate();
        cases.filter(|(number, _)| which.contains(&(number % 6))).map(|(_, case)| case).collect()
    };
    check_all::<f64>(&some(Architecture::lstm(), &[76, 77, 79, 80, 81, 97], &[0]));
    check_all::<f64>(&some(Architecture::gru(), &[88, 89, 96], &[0]));
    check_all::<f64>(&some(elman, &[153, 154, 160, 161], &[0]));
    check_all::<f64>(&some(Architecture::lstm(), &[77], &[1, 3, 4]));
    check_all::<f64>(&some(Architecture::gru(), &[89], &[3, 4]));
    check_all::<f32>(&some(Architecture::lstm(), &[111, 112, 113, 129], &[0]));
    check_all::<f32>(&some(Architecture::gru(), &[127, 128, 129], &[0]));
    check_all::<f32>(&some(elman, &[219, 220, 225], &[0]));
    check_all::<f32>(&some(Architecture::gru(), &[129], &[4]));
    check_all::<f32>(&some(elman, &[220], &[4]));
}
