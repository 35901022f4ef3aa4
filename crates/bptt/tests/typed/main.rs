//! Sizes in the type change no bit of anything: [`Rnn`] against [`DynRnn`], which the other tests hold against PyTorch and
//! against plain loops.
//!
//! Sizes known at compile time are compiled here, for every level and type, which takes as long as all other tests
//! together. So this is the one place for them, and each of them is here for what it alone brings: with 5, 10, 17 and 33
//! hidden units a sweep has one, two and three registers at a level or another, and none at all.

#[path = "../counting/mod.rs"]
mod counting;
#[path = "../oracle/mod.rs"]
mod oracle;
#[path = "../pytorch_cases/mod.rs"]
mod pytorch_cases;

use bptt::{
    Activation, Architecture, Dataset, Dim, DynRnn, EpochStats, Float, Gradients, Level, Loss, Model,
};
use bptt::{Predictor, Reduction, Rng, Rnn, State, Stream, TrainConfig, Trainer, TypedDataset};
use oracle::sequences;
use pytorch_cases::Case;
use std::str::FromStr;

/// 20 sequences are enough for the lanes of every level.
const BATCH_SIZES: [usize; 4] = [1, 2, 5, 20];

/// Everything that a network gives: bits, or what holds them.
#[derive(Debug, PartialEq)]
struct Found<T> {
    outputs: Vec<u64>,
    gradients: Gradients<T>,
    /// From zeros, for all settings, with the final states.
    general: (Gradients<T>, State<T>),
    epochs: Vec<EpochStats>,
    evaluated: u64,
    trained: DynRnn<T>,
    parameters: Vec<u64>,
}

fn bits<T: Float>(values: &[T]) -> Vec<u64> {
    values.iter().map(|value| value.to_f64().to_bits()).collect()
}

fn find<I: Dim, H: Dim, O: Dim, T: Float>(
    model: &Model<I, H, O, T>,
    data: &Dataset<T, I, O>,
    (config, epochs): (&TrainConfig, usize),
    level: Level,
    erase: impl Fn(Model<I, H, O, T>) -> DynRnn<T>,
) -> Found<T> {
    let mut outputs = vec![T::ZERO; data.labels().len()];
    let mut predictor = Predictor::with_level(model, level).unwrap();
    predictor.predict_sequences_into(data.features(), data.offsets(), &mut outputs).unwrap();
    let mut trainer = Trainer::with_level(model.clone(), config.clone(), level).unwrap();
    Found {
        outputs: bits(&outputs),
        gradients: Gradients::of(model, data, config.reduction, level).unwrap(),
        general: Gradients::with_config(model, data, config, None, level).unwrap(),
        epochs: (0..epochs).map(|_| trainer.epoch(data).unwrap()).collect(),
        evaluated: trainer.evaluate(data).unwrap().to_bits(),
        parameters: bits(trainer.model().params().flat()),
        trained: erase(trainer.into_model()),
    }
}

/// The same data, with sizes in the type.
fn typed<const I: usize, const O: usize, T: Float>(
    data: &Dataset<T>,
) -> Dataset<T, bptt::Const<I>, bptt::Const<O>> {
    let mut typed = TypedDataset::<I, O, T>::typed();
    for (x, labels) in sequences::<T, T>(data) {
        typed.push_partial(x.as_chunks().0, labels.as_chunks().0).unwrap();
    }
    assert_eq!(typed.rows(), data.rows());
    typed
}

/// Both faces at every level.
fn compare<const I: usize, const H: usize, const O: usize, T: Float>(
    model: &DynRnn<T>,
    data: &Dataset<T>,
    (config, epochs): (&TrainConfig, usize),
) {
    let (typed_model, typed_data) = (model.clone().into_typed().unwrap(), typed::<I, O, T>(data));
    for level in Level::available() {
        let found = find::<_, _, _, T>(model, data, (config, epochs), level, |model| model);
        let typed = find(&typed_model, &typed_data, (config, epochs), level, Rnn::<I, H, O, T>::into_dyn);
        assert!(found == typed, "{I}-{H}-{O} {level} {config:?} {:?}", model.architecture());
    }
}

/// 37 sequences of 1 to 9 steps: more than fill the lanes, of many lengths.
fn crowd<T: Float>(input: usize, output: usize, partial: bool) -> Dataset<T> {
    let mut rng = Rng::new(7);
    let mut draw = |count| (0..count).map(|_| T::from_f64(2.0 * rng.uniform() - 1.0)).collect::<Vec<T>>();
    let mut data = Dataset::new(input, output).unwrap();
    for sequence in 0..37 {
        let steps = sequence * 7 % 9 + 1;
        let (features, mut labels) = (draw(steps * input), draw(steps * output));
        if partial {
            labels.iter_mut().skip(1).step_by(3).for_each(|label| *label = T::from_f64(f64::NAN));
        }
        data.push_partial(&features, &labels).unwrap();
    }
    data
}

/// One Elman layer: with plain SGD on squared errors it has ways of its own.
fn check_plain<const I: usize, const H: usize, const O: usize, T: Float>() {
    let data = crowd::<T>(I, O, false);
    for activation in Activation::ALL {
        let model = DynRnn::<T>::new(I, H, O, activation, 1).unwrap();
        for reduction in Reduction::ALL {
            // Neither the mean's nor the sum's update is then much larger than the other's.
            let learning_rate = if reduction == Reduction::Mean { 0.05 } else { 0.005 };
            for batch_size in BATCH_SIZES {
                let config = TrainConfig { learning_rate, batch_size, reduction, ..Default::default() };
                compare::<I, H, O, T>(&model, &data, (&config, 2));
            }
        }
    }
}

#[test]
fn plain_networks_in_f32() {
    check_plain::<3, 5, 1, f32>();
    check_plain::<29, 10, 1, f32>();
    check_plain::<2, 17, 3, f32>();
    check_plain::<16, 24, 1, f32>();
    check_plain::<7, 33, 4, f32>();
    check_plain::<3, 225, 2, f32>(); // Through panels.
}

#[test]
fn plain_networks_in_f64() {
    check_plain::<3, 5, 1, f64>();
    check_plain::<29, 10, 1, f64>();
    check_plain::<2, 17, 3, f64>();
    check_plain::<7, 33, 4, f64>();
}

/// Every cell in stacks of these sizes, on data that lack labels.
fn check_stacks<const I: usize, const H: usize, const O: usize, T: Float>(
    stack: impl Fn(Architecture) -> Architecture,
) {
    let config = TrainConfig { batch_size: 5, loss: Loss::Huber { delta: 0.5 }, ..Default::default() };
    let elman = Architecture::elman(Activation::Tanh);
    for cell in [elman, Architecture::gru(), Architecture::lstm(), Architecture::gru_reset_before()] {
        let model = DynRnn::<T>::with_architecture(I, H, O, stack(cell), 1).unwrap();
        compare::<I, H, O, T>(&model, &crowd(I, O, true), (&config, 2));
    }
}

#[test]
fn stacks() {
    check_stacks::<3, 5, 1, f32>(|cell| cell.num_layers(2).dropout(0.3));
    check_stacks::<2, 17, 3, f32>(|cell| cell.bidirectional(true));
    check_stacks::<3, 225, 2, f32>(|cell| cell.num_layers(2).dropout(0.3)); // Through panels.
    check_stacks::<2, 17, 3, f64>(|cell| cell.num_layers(3).bidirectional(true).dropout(0.1));
}

fn check_pytorch<T: Float + FromStr>() {
    pytorch_cases::each::<T>(|case: &Case| {
        let (model, data, config) = (case.model::<T>(), case.data::<T>(), case.config());
        let epochs = (&config, case.values::<f64>("epoch_losses").len());
        match case.text("sizes") {
            "3 5 1" => compare::<3, 5, 1, T>(&model, &data, epochs),
            "29 10 1" => compare::<29, 10, 1, T>(&model, &data, epochs),
            "7 33 4" => compare::<7, 33, 4, T>(&model, &data, epochs),
            sizes => assert_eq!(sizes, "1 1 1"),
        }
    });
}

/// The very trainings that `pytorch_parity.rs` compares with PyTorch.
#[test]
fn trainings_that_equal_pytorch() {
    check_pytorch::<f32>();
    check_pytorch::<f64>();
}

/// Batches large enough to be cut into parts.
#[test]
fn any_number_of_threads() {
    let mut data = Dataset::<f32>::new(29, 1).unwrap();
    let mut rng = Rng::new(5);
    for number in 0..150 {
        let steps = 1 + (number * 7) % 60;
        let mut draw = |count| (0..count).map(|_| 2.0 * rng.uniform() as f32 - 1.0).collect::<Vec<f32>>();
        data.push(&draw(29 * steps), &draw(steps)).unwrap();
    }
    let (model, typed_data) =
        (DynRnn::<f32>::new(29, 10, 1, Activation::Tanh, 1).unwrap(), typed::<29, 1, f32>(&data));
    for level in Level::available() {
        let config = |threads| TrainConfig { batch_size: 70, threads, ..Default::default() };
        let one = find(&model, &data, (&config(1), 2), level, |model| model);
        for threads in [1, 2, 3, 5] {
            let model: Rnn<29, 10, 1> = model.clone().into_typed().unwrap();
            let mut trainer = Trainer::with_level(model, config(threads), level).unwrap();
            let epochs: Vec<EpochStats> = (0..2).map(|_| trainer.epoch(&typed_data).unwrap()).collect();
            // There are two parts at least, and as many threads as parts or as are allowed.
            assert!(trainer.threads() >= threads.min(2) && trainer.threads() <= threads);
            assert_eq!(epochs, one.epochs, "{level}, {threads} threads");
            assert!(trainer.into_model().into_dyn() == one.trained, "{level}, {threads} threads");
        }
    }
}

fn check_allocations<T: Float>() {
    let mut data = TypedDataset::<3, 1, T>::typed();
    for steps in counting::LENGTHS {
        data.push(&vec![[T::ONE; 3]; steps], &vec![[T::ZERO; 1]; steps]).unwrap();
    }
    let model = Rnn::<3, 5, 1, T>::new(Activation::Tanh, 1).unwrap();
    counting::check_training(&model, &data);
    counting::check_prediction(&model, &data);
}

#[test]
fn nothing_is_allocated_after_the_first_epoch() {
    check_allocations::<f32>();
    check_allocations::<f64>();
}

#[test]
fn arrays_go_in_and_come_out() {
    let model = Rnn::<3, 5, 1, f64>::new(Activation::Sigmoid, 4).unwrap();
    let x = [[0.1, -0.2, 0.3], [1.0, 2.0, -3.0], [0.0, 0.0, 0.5]];
    let whole = model.predict(&x).unwrap();
    let mut stream = Stream::new(&model).unwrap();
    for (x, y) in x.iter().zip(&whole) {
        assert_eq!(stream.step(x), *y);
    }
    let flat = model.into_dyn().predict(x.as_flattened()).unwrap();
    assert_eq!(flat, whole.as_flattened());
}
