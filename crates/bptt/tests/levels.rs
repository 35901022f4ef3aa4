//! The fast code against the scalar reference, at every level of this machine, over many sizes.
//!
//! The reference runs in `f64` for both element types, so that an `f32` error is the error against the truth.
//! Sizes lie on and around the numbers of lanes and the blocks of the kernels, where tails begin and end.

mod oracle;

use bptt::{Activation, Dataset, DynRnn, Error, Float, Gradients, Level, Predictor, Reduction, Rng};
use bptt::{TrainConfig, Trainer};
use oracle::{NAMES, Oracle, params_error, sequences, tensor_error, worse};

/// 20 sequences are enough for the lanes of every level.
const BATCH_SIZES: [usize; 4] = [1, 2, 5, 20];
const LEARNING_RATE: f64 = 0.05;

/// Relative to the tensor's largest magnitude. Measured: 3.2e-14 and 2.4e-5, both at tensors of a
/// single element that lies near 0; all larger tensors are below 1.6e-14 and 5.5e-6.
///
/// A ReLU's derivative jumps at 0, and rounding could put a pre-activation on the other side; none of the fixed
/// seeds comes that close.
fn bound<T: Float>() -> f64 {
    if T::LINE == 8 { 1e-13 } else { 5e-5 }
}

struct Shape {
    input: usize,
    hidden: usize,
    output: usize,
    lengths: Vec<usize>,
}

impl Shape {
    fn new(input: usize, hidden: usize, output: usize) -> Self {
        // 5 sequences: batches of 2 leave one over.
        Self { input, hidden, output, lengths: vec![5, 1, 3, 7, 2] }
    }

    /// As many sequences as fill the lanes more than twice, of many lengths.
    fn crowd(input: usize, hidden: usize, output: usize) -> Self {
        Self { input, hidden, output, lengths: (0..37).map(|s| s * 7 % 9 + 1).collect() }
    }

    fn model<T: Float>(&self, activation: Activation) -> DynRnn<T> {
        let seed = (self.input * 1_000_000 + self.hidden * 1_000 + self.output) as u64;
        DynRnn::new(self.input, self.hidden, self.output, activation, seed).unwrap()
    }

    fn data<T: Float>(&self) -> Dataset<T> {
        let mut rng = Rng::new(self.lengths.iter().sum::<usize>() as u64);
        let mut draw = |count| (0..count).map(|_| T::from_f64(2.0 * rng.uniform() - 1.0)).collect::<Vec<T>>();
        let mut data = Dataset::new(self.input, self.output).unwrap();
        for length in &self.lengths {
            data.push(&draw(length * self.input), &draw(length * self.output)).unwrap();
        }
        data
    }
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}-{} {:?}", self.input, self.hidden, self.output, self.lengths)
    }
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

/// One epoch; the loss and the trained model.
fn train<T: Float>(
    model: DynRnn<T>,
    data: &Dataset<T>,
    level: Level,
    batch_size: usize,
    reduction: Reduction,
) -> (f64, DynRnn<T>) {
    // Neither the mean's nor the sum's update is then much larger than the other's.
    let config = TrainConfig { learning_rate: rate(reduction), batch_size, reduction, ..Default::default() };
    let mut trainer = Trainer::with_level(model, config, level).unwrap();
    (trainer.epoch(data).unwrap().loss, trainer.into_model())
}

fn rate(reduction: Reduction) -> f64 {
    if reduction == Reduction::Mean { LEARNING_RATE } else { LEARNING_RATE / 10.0 }
}

/// A sequence's prediction does not depend on its neighbours, to the last bit.
fn check_alone<T: Float>(model: &DynRnn<T>, data: &Dataset<T>, level: Level, together: &[T]) {
    let (i, o) = (data.input_size(), data.output_size());
    for pair in data.offsets().windows(2) {
        let features = &data.features()[pair[0] * i..pair[1] * i];
        let alone = predict(model, level, features, &[0, pair[1] - pair[0]]);
        assert_eq!(bits(&alone), bits(&together[pair[0] * o..pair[1] * o]), "{level}");
    }
}

/// Everything in the flat buffer that is not 0 can be seen through `get`.
fn check_padding<T: Float>(model: &DynRnn<T>) {
    let nonzero = |values: &[T]| values.iter().filter(|value| **value != T::ZERO).count();
    let visible: usize = NAMES.iter().map(|name| nonzero(&model.params().get(name).unwrap())).sum();
    assert_eq!(nonzero(model.params().flat()), visible);
    let count: usize = NAMES.iter().map(|name| model.params().get(name).unwrap().len()).sum();
    assert_eq!(model.params().count(), count);
}

/// Compares one network with the reference at every level; returns the largest error.
fn check<T: Float>(shape: &Shape, activation: Activation, reduction: Reduction) -> f64 {
    let (model, data) = (shape.model::<T>(activation), shape.data::<T>());
    let oracle = Oracle::<f64>::of(&model);
    let seqs = sequences::<T, f64>(&data);
    let outputs: Vec<f64> = seqs.iter().flat_map(|(x, _)| oracle.predict(x)).collect();
    let (loss, grad) = oracle.gradients(&seqs, reduction);
    let trained = BATCH_SIZES.map(|batch_size| {
        let mut oracle = oracle.clone();
        (batch_size, oracle.epoch(&seqs, batch_size, rate(reduction), reduction), oracle.params)
    });
    let mut worst = 0.0;
    for level in Level::available() {
        let mut compare = |what: &str, error: f64| {
            worst = worse(worst, error);
            let case = format!("{shape} {activation} {reduction} {} {level}", T::DTYPE);
            assert!(error <= bound::<T>(), "{case}: {what}: error {error:e}");
        };
        let found = predict(&model, level, data.features(), data.offsets());
        compare("outputs", tensor_error(&found, &outputs));
        check_alone(&model, &data, level, &found);
        let gradients = Gradients::of(&model, &data, reduction, level).unwrap();
        compare("loss", tensor_error(&[gradients.loss], &[loss]));
        compare("gradients", params_error(&gradients.params, &grad));
        for (batch_size, loss, params) in &trained {
            let (found, model) = train(model.clone(), &data, level, *batch_size, reduction);
            compare("epoch loss", tensor_error(&[found], &[*loss]));
            compare("trained parameters", params_error(model.params(), params));
            check_padding(&model);
        }
    }
    worst
}

/// Every shape with every activation; the reductions take turns.
fn check_all<T: Float>(shapes: &[Shape]) {
    let mut worst = 0.0;
    for (number, shape) in shapes.iter().enumerate() {
        for (a, activation) in Activation::ALL.into_iter().enumerate() {
            worst = worse(worst, check::<T>(shape, activation, Reduction::ALL[(number + a) % 2]));
        }
    }
    println!("{} shapes, largest error in {}: {worst:e}", shapes.len(), T::DTYPE);
}

fn shapes() -> Vec<Shape> {
    let mut shapes = Vec::new();
    for hidden in (1..=17).chain([20, 24, 25, 31, 32, 33, 47, 48, 49, 63, 64, 65, 127, 130]) {
        shapes.push(Shape::new(3, hidden, 1));
        shapes.push(Shape::new(9, hidden, 5));
    }
    for input in (1..=17).chain([29]) {
        shapes.push(Shape::new(input, 5, 1));
        shapes.push(Shape::new(input, 18, 2));
    }
    for output in [1, 2, 3, 4, 5, 8, 9, 16, 17] {
        shapes.push(Shape::new(2, 6, output));
        shapes.push(Shape::new(5, 34, output));
    }
    // On both sides of where products go through panels, in each type.
    for hidden in [153, 154, 161, 219, 220, 225] {
        shapes.push(Shape { lengths: vec![3; 9], ..Shape::new(7, hidden, 2) });
    }
    // Inputs in blocks, and where that begins and ends.
    for input in [23, 24, 25, 27, 28, 29, 30, 64, 95, 96, 97] {
        for hidden in [1, 4, 5, 8, 9, 10, 12, 13] {
            shapes.push(Shape::new(input, hidden, 1 + hidden % 2));
        }
    }
    // More inputs than are summed up beside a sweep.
    shapes.push(Shape::new(100, 5, 1));
    for hidden in [1, 2, 5, 7, 8, 9, 10, 15, 16, 17, 31, 32, 40] {
        shapes.push(Shape::crowd(3, hidden, 1));
        shapes.push(Shape { lengths: vec![5; 33], ..Shape::crowd(13, hidden, 3) });
    }
    // As many sequences as fill one and a half registers, and around that.
    for count in [8, 9, 11, 12, 13, 16, 17, 23, 24, 25] {
        let lengths = (0..count).map(|s| s * 5 % 7 + 1).collect();
        shapes.push(Shape { input: 3, hidden: 5, output: 1, lengths });
        shapes.push(Shape { input: 6, hidden: 11, output: 2, lengths: vec![4; count] });
    }
    for length in (1..=9).chain([17, 50]) {
        for (input, hidden, output) in [(3, 5, 1), (4, 17, 3)] {
            shapes.push(Shape { input, hidden, output, lengths: vec![length] });
            shapes.push(Shape { input, hidden, output, lengths: vec![length, 2, length, 1, 4, length] });
        }
    }
    shapes
}

#[test]
fn f32_equals_the_reference_at_every_level() {
    check_all::<f32>(&shapes());
}

#[test]
fn f64_equals_the_reference_at_every_level() {
    check_all::<f64>(&shapes());
}

#[test]
fn a_size_of_zero_is_refused() {
    for (sizes, what) in [([0, 1, 1], "input_size"), ([1, 0, 1], "hidden_size"), ([1, 1, 0], "output_size")] {
        let model = DynRnn::<f32>::new(sizes[0], sizes[1], sizes[2], Activation::Tanh, 1);
        assert_eq!(model.unwrap_err(), Error::ZeroSize { what });
    }
}
