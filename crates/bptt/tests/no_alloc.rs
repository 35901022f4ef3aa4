//! After the first epoch, and after the first prediction, nothing is allocated: whatever the cell, the layers, the loss,
//! the optimizer and the settings.

#![allow(unsafe_code)] // A global allocator cannot be written without.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ops::ControlFlow;

use bptt::{Activation, Architecture, Dataset, Dim, DynRnn, Float, Level, Loss, Model, Optimizer, Predictor};
use bptt::{Rnn, Stepper, Stream, TrainConfig, Trainer, TypedDataset};

const LENGTHS: [usize; 5] = [4, 1, 9, 2, 6];
const EPOCHS: usize = 6;

/// The system's allocator, counting.
struct Counting;

thread_local! {
    /// Allocations of this thread: the tests run side by side. Constant and without a destructor, so that
    /// reaching it never allocates.
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

fn count() {
    // A thread that is ending has no counter any more, and nothing to count.
    let _ = ALLOCATIONS.try_with(|n| n.set(n.get() + 1));
}

fn allocations() -> usize {
    ALLOCATIONS.with(Cell::get)
}

// SAFETY: every call goes to `System` with its arguments unchanged; counting touches no allocator state.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps `alloc`'s contract, which is `System`'s.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps `alloc_zeroed`'s contract, which is `System`'s.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller keeps `realloc`'s contract, and `pointer` came from `System`.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps `dealloc`'s contract, and `pointer` came from `System`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static GLOBAL: Counting = Counting;

/// Several epochs through `fit`, then another `fit` and single epochs over the same and over fewer data.
fn check_training<I: Dim, H: Dim, O: Dim, T: Float>(model: &Model<I, H, O, T>, data: &Dataset<T, I, O>) {
    let fewer = data.subset(&[1, 3]).unwrap();
    for level in Level::available() {
        for batch_size in [1, 3] {
            let config = TrainConfig { batch_size, shuffle: Some(1), ..Default::default() };
            let mut trainer = Trainer::with_level(model.clone(), config, level).unwrap();
            let mut after = Vec::with_capacity(EPOCHS);
            let before = allocations();
            let callback = |_: &_, _: &_| {
                after.push(allocations());
                ControlFlow::Continue(())
            };
            trainer.fit(data, EPOCHS, callback).unwrap();
            assert!(after[0] > before, "the first epoch makes room, so the count must see it");
            assert_eq!(after, [after[0]; EPOCHS], "{level}, batches of {batch_size}");

            trainer.fit(data, EPOCHS, |_, _| ControlFlow::Continue(())).unwrap();
            trainer.epoch(data).unwrap();
            trainer.epoch(&fewer).unwrap();
            trainer.epoch(data).unwrap();
            assert_eq!(allocations(), after[0], "{level}, batches of {batch_size}");
        }
    }
}

fn check_prediction<I: Dim, H: Dim, O: Dim, T: Float>(model: &Model<I, H, O, T>, data: &Dataset<T, I, O>) {
    let mut outputs = vec![T::ZERO; data.labels().len()];
    for level in Level::available() {
        let mut predictor = Predictor::with_level(model, level).unwrap();
        let before = allocations();
        let (i, o) = (model.input_size(), model.output_size());
        let longest = LENGTHS[2];
        predictor.predict_into(&data.features()[..longest * i], &mut outputs[..longest * o]).unwrap();
        let first = allocations();
        assert!(first > before, "the first prediction makes room, so the count must see it");
        for steps in (0..=longest).rev() {
            predictor.predict_into(&data.features()[..steps * i], &mut outputs[..steps * o]).unwrap();
        }
        predictor.predict_sequences_into(data.features(), data.offsets(), &mut outputs).unwrap();
        assert_eq!(allocations(), first, "{level}");
    }
}

fn check_run_time<T: Float>(hidden: usize) {
    let mut data = Dataset::<T>::new(3, 2).unwrap();
    for steps in LENGTHS {
        data.push(&vec![T::ONE; 3 * steps], &vec![T::ZERO; 2 * steps]).unwrap();
    }
    for activation in Activation::ALL {
        let model = DynRnn::new(3, hidden, 2, activation, 1).unwrap();
        check_training(&model, &data);
        check_prediction(&model, &data);
    }
}

fn check_typed<T: Float>() {
    let mut data = TypedDataset::<3, 2, T>::typed();
    for steps in LENGTHS {
        data.push(&vec![[T::ONE; 3]; steps], &vec![[T::ZERO; 2]; steps]).unwrap();
    }
    let model = Rnn::<3, 5, 2, T>::new(Activation::Tanh, 1).unwrap();
    check_training(&model, &data);
    check_prediction(&model, &data);
}

#[test]
fn the_run_time_face_allocates_nothing_after_the_first_epoch() {
    for hidden in [5, 10, 33] {
        check_run_time::<f32>(hidden);
        check_run_time::<f64>(hidden);
    }
}

#[test]
fn the_typed_face_allocates_nothing_after_the_first_epoch() {
    check_typed::<f32>();
    check_typed::<f64>();
}

/// One more line for each optimizer.
fn optimizers() -> Vec<Optimizer> {
    let momentum = Optimizer::Sgd { momentum: 0.9, dampening: 0.1, nesterov: false, weight_decay: 0.01 };
    let amsgrad = Optimizer::AdamW { betas: (0.9, 0.99), eps: 1e-8, weight_decay: 0.1, amsgrad: true };
    vec![Optimizer::sgd(), momentum, Optimizer::adam(), amsgrad, Optimizer::rmsprop(), Optimizer::adagrad()]
}

/// Hidden units of a layer that counts as large, whatever the cell, with a panel that is not full.
const LARGE: usize = 225;

const LOSSES: [Loss; 5] = [Loss::Mse, Loss::Mae, Loss::Huber { delta: 0.5 }, Loss::Bce, Loss::CrossEntropy];

/// Every cell in one layer, in two, in both directions, and with dropout.
fn architectures() -> Vec<Architecture> {
    let cells = [
        Architecture::elman(Activation::Tanh),
        Architecture::elman(Activation::Relu),
        Architecture::gru(),
        Architecture::gru_reset_before(),
        Architecture::lstm(),
    ];
    let stacks = |cell: Architecture| {
        [
            cell,
            cell.num_layers(2),
            cell.bidirectional(true),
            cell.num_layers(2).bidirectional(true).dropout(0.3),
        ]
    };
    cells.into_iter().flat_map(stacks).chain(cells.map(|cell| cell.num_layers(2).dropout(0.5))).collect()
}

/// Every way from a gradient to an update, one by one and all together.
fn ways(bidirectional: bool) -> Vec<TrainConfig> {
    let truncate = if bidirectional { None } else { Some(3) };
    let plain = TrainConfig { batch_size: 2, shuffle: Some(1), ..Default::default() };
    vec![
        plain.clone(),
        TrainConfig { truncate, ..plain.clone() },
        TrainConfig { accumulate: 2, ..plain.clone() },
        TrainConfig { clip_norm: Some(0.1), ..plain.clone() },
        TrainConfig { clip_value: Some(0.01), ..plain.clone() },
        TrainConfig { truncate, accumulate: 3, clip_norm: Some(0.1), clip_value: Some(0.01), ..plain },
    ]
}

/// Sequences of these lengths, as labels for any loss; with `partial` every third timestep is not labelled.
fn classes<T: Float>(lengths: &[usize], partial: bool) -> Dataset<T> {
    let mut data = Dataset::new(3, 2).unwrap();
    for &steps in lengths {
        let class = |t: usize| if partial && t % 3 == 1 { None } else { Some(t % 2) };
        data.push_classes(&vec![T::ONE; 3 * steps], &(0..steps).map(class).collect::<Vec<_>>()).unwrap();
    }
    data
}

/// The first epochs over each of `data` make room; no later one does, in whatever order they come.
fn check_epochs<T: Float>(architecture: Architecture, config: &TrainConfig, data: &[&Dataset<T>]) {
    check_epochs_of(5, architecture, config, data);
}

/// The same with so many hidden units.
fn check_epochs_of<T: Float>(
    hidden: usize,
    architecture: Architecture,
    config: &TrainConfig,
    data: &[&Dataset<T>],
) {
    let model = DynRnn::<T>::with_architecture(3, hidden, 2, architecture, 1).unwrap();
    let mut trainer = Trainer::new(model, config.clone()).unwrap();
    let start = allocations();
    for data in data {
        trainer.epoch(*data).unwrap();
    }
    let before = allocations();
    assert!(before > start);
    for data in data.iter().rev().chain(data) {
        trainer.epoch(*data).unwrap();
        trainer.fit(*data, 2, |_, _| ControlFlow::Continue(())).unwrap();
    }
    assert_eq!(allocations(), before, "{architecture:?} {config:?}");
}

fn check_every_way<T: Float>() {
    let (whole, partial) = (classes::<T>(&LENGTHS, false), classes::<T>(&LENGTHS, true));
    for architecture in architectures() {
        for loss in LOSSES {
            let class_weights = match loss {
                Loss::Bce | Loss::CrossEntropy => Some(vec![0.5, 2.0]),
                _ => None,
            };
            for (number, config) in ways(architecture.bidirectional).into_iter().enumerate() {
                for optimizer in optimizers() {
                    let class_weights = class_weights.clone().filter(|_| number % 2 == 0);
                    let config = TrainConfig { loss, class_weights, optimizer, ..config.clone() };
                    check_epochs(architecture, &config, &[&whole, &partial]);
                }
            }
        }
    }
}

#[test]
fn no_setting_allocates_after_the_first_epoch() {
    check_every_way::<f32>();
    check_every_way::<f64>();
}

/// Few long sequences take other room than many short ones; a trainer keeps both.
#[test]
fn going_back_and_forth_between_data_allocates_nothing() {
    let (long, short) = (classes::<f32>(&[3000, 2], true), classes::<f32>(&[1; 100], false));
    for architecture in architectures() {
        // A single Elman layer has a workspace of its own for squared errors, where no label is missing.
        for loss in [Loss::Mse, Loss::Bce] {
            let config = TrainConfig { batch_size: 50, loss, ..Default::default() };
            check_epochs(architecture, &config, &[&long, &short]);
            let long = classes::<f32>(&[3000, 2], false);
            check_epochs(architecture, &config, &[&long, &short]);
        }
    }
}

/// Large layers go through products of matrices, which have buffers of their own.
#[test]
fn large_layers_allocate_nothing_after_the_first_epoch() {
    let (long, short) = (classes::<f32>(&[40, 2], true), classes::<f32>(&[1; 30], false));
    for architecture in architectures() {
        let config = TrainConfig { batch_size: 20, ..Default::default() };
        check_epochs_of(LARGE, architecture, &config, &[&long, &short]);
    }
    let model = DynRnn::<f32>::new(3, LARGE, 2, Activation::Tanh, 1).unwrap();
    let data = classes::<f32>(&LENGTHS, false);
    check_training(&model, &data);
    let mut outputs = vec![0.0; data.labels().len()];
    let mut predictor = Predictor::new(&model).unwrap();
    let mut predict = || {
        predictor.predict_sequences_into(data.features(), data.offsets(), &mut outputs).unwrap();
        predictor.predict_into(&data.features()[..6], &mut outputs[..4]).unwrap();
        allocations()
    };
    let first = predict();
    assert_eq!(predict(), first);
}

fn check_predictions<T: Float>() {
    let mut data = classes::<T>(&[40; 300], false);
    data.push(&[T::ONE; 3], &[T::ZERO; 2]).unwrap();
    let long = classes::<T>(&[900], false);
    let mut outputs = vec![T::ZERO; data.labels().len()];
    for architecture in architectures() {
        let model = DynRnn::<T>::with_architecture(3, 5, 2, architecture, 1).unwrap();
        for level in Level::available() {
            let mut predictor = Predictor::with_level(&model, level).unwrap();
            let mut both = || {
                for data in [&data, &long] {
                    let outputs = &mut outputs[..data.labels().len()];
                    predictor.predict_sequences_into(data.features(), data.offsets(), outputs).unwrap();
                }
                for steps in 0..9 {
                    predictor.predict_into(&data.features()[..3 * steps], &mut outputs[..2 * steps]).unwrap();
                }
                allocations()
            };
            let first = both();
            assert_eq!(both(), first, "{architecture:?} {level}");
        }
    }
}

#[test]
fn no_architecture_allocates_after_the_first_predictions() {
    check_predictions::<f32>();
    check_predictions::<f64>();
}

/// A timestep of live data never allocates, and what it returns, saves and takes back neither.
fn check_streams<T: Float>() {
    for architecture in architectures().into_iter().filter(|architecture| !architecture.bidirectional) {
        let model = DynRnn::<T>::with_architecture(3, 5, 2, architecture, 1).unwrap();
        for level in Level::available() {
            let stepper = Stepper::with_level(&model, level).unwrap();
            let mut stream = Stream::with_level(&model, level).unwrap();
            let (mut state, mut saved) = (stepper.state().unwrap(), stream.save().unwrap());
            let before = allocations();
            for _ in 0..5 {
                let mut outputs = [T::ZERO; 2];
                stepper.step(&mut state, &[T::ONE; 3], &mut outputs).unwrap();
                assert_eq!(stream.step(&[T::ONE; 3]).unwrap(), &outputs);
                state.save_into(&mut saved).unwrap();
                state.restore(&saved).unwrap();
            }
            stream.reset();
            assert_eq!(allocations(), before, "{architecture:?} {level}");
        }
    }
}

#[test]
fn a_timestep_of_live_data_allocates_nothing() {
    check_streams::<f32>();
    check_streams::<f64>();
}
