//! The number of threads changes no bit of anything: every way through a network, at 1, 2, 3 and 5 threads.

use bptt::{
    Activation, Architecture, Dataset, DynRnn, Float, Gradients, Level, Loss, Moment, Optimizer, Rng, Run,
    TrainConfig,
};
use bptt::{Predictor, Trainer};
use std::ops::ControlFlow;

const THREADS: [usize; 4] = [1, 2, 3, 5];
const SEQUENCES: usize = 150;

/// Sequences of 3 inputs and 2 labels, of lengths from 1 to `longest` in no order, or all of that length.
fn data<T: Float>(longest: usize, ragged: bool) -> Dataset<T> {
    let mut rng = Rng::new(5);
    let mut data = Dataset::new(3, 2).unwrap();
    for number in 0..SEQUENCES {
        let steps = if ragged { 1 + (number * 7) % longest } else { longest };
        let mut random =
            |count: usize| -> Vec<T> { (0..count).map(|_| T::from_f64(2.0 * rng.uniform() - 1.0)).collect() };
        data.push(&random(3 * steps), &random(2 * steps)).unwrap();
    }
    data
}

fn bits<T: Float>(values: &[T]) -> Vec<u64> {
    values.iter().map(|value| value.to_f64().to_bits()).collect()
}

/// The bits of the losses of two epochs, of an evaluation, and of the parameters after them.
fn train<T: Float>(
    model: &DynRnn<T>,
    data: &Dataset<T>,
    (config, threads): (&TrainConfig, usize),
    level: Level,
) -> Vec<u64> {
    let config = TrainConfig { threads, ..config.clone() };
    let mut trainer = Trainer::with_level(model.clone(), config, level).unwrap();
    let mut losses: Vec<f64> = (0..2).map(|_| trainer.epoch(data).unwrap().loss).collect();
    // There are two parts at least, and as many threads as parts or as are allowed.
    assert!(trainer.threads() >= threads.min(2) && trainer.threads() <= threads, "{}", trainer.threads());
    losses.push(trainer.evaluate(data).unwrap());
    [bits(&losses), bits(trainer.model().params().flat())].concat()
}

fn check<T: Float>(hidden: usize, architecture: Architecture, config: &TrainConfig, data: &Dataset<T>) {
    let model = DynRnn::<T>::with_architecture(3, hidden, 2, architecture, 1).unwrap();
    for level in Level::available() {
        let [one, more @ ..] = THREADS.map(|threads| train(&model, data, (config, threads), level));
        for (found, threads) in more.iter().zip(&THREADS[1..]) {
            assert!(*found == one, "{threads} threads, {level}, {hidden} {architecture:?} {config:?}");
        }
    }
}

fn check_stacks<T: Float>() {
    let (ragged, equal) = (data::<T>(12, true), data::<T>(9, false));
    let adam = TrainConfig {
        batch_size: 70,
        optimizer: Optimizer::adam(),
        loss: Loss::Mae,
        shuffle: Some(1),
        ..Default::default()
    };
    let elman = Architecture::elman(Activation::Tanh);
    for cell in [elman, Architecture::gru(), Architecture::gru_reset_before(), Architecture::lstm()] {
        let both = cell.num_layers(2).bidirectional(true).dropout(0.3);
        check(9, both, &adam, &ragged);
        check(9, both, &adam, &equal);
        // Windows, in the later of which parts have no sequences left; gradients of several batches.
        let windows = TrainConfig {
            batch_size: 140,
            truncate: Some(5),
            accumulate: 3,
            clip_norm: Some(0.5),
            ..adam.clone()
        };
        check(17, cell, &windows, &ragged);
    }
}

#[test]
fn stacks_have_the_same_bits_at_any_number_of_threads() {
    check_stacks::<f32>();
    check_stacks::<f64>();
}

/// Batches of few sequences on wide layers: threads share the units of each step.
fn check_wide<T: Float>() {
    let some = Vec::from_iter(0..20);
    let (ragged, equal) =
        (data::<T>(12, true).subset(&some).unwrap(), data::<T>(9, false).subset(&some).unwrap());
    let plain = TrainConfig { batch_size: 7, shuffle: Some(1), ..Default::default() };
    let windows = TrainConfig {
        optimizer: Optimizer::adam(),
        truncate: Some(5),
        accumulate: 3,
        clip_norm: Some(0.5),
        ..plain.clone()
    };
    let singly = TrainConfig { batch_size: 1, ..plain.clone() };
    check(269, Architecture::elman(Activation::Tanh), &plain, &ragged);
    check(272, Architecture::elman(Activation::Relu).num_layers(2), &singly, &equal);
    check(155, Architecture::gru().bidirectional(true), &plain, &equal);
    check(155, Architecture::gru(), &windows, &ragged);
    check(144, Architecture::lstm().num_layers(2).bidirectional(true).dropout(0.3), &plain, &ragged);
}

#[test]
fn wide_layers_have_the_same_bits_at_any_number_of_threads() {
    check_wide::<f32>();
    check_wide::<f64>();
    // So large that more sequences than a part has are one part as well.
    let many = data::<f64>(2, true).subset(&Vec::from_iter(0..40)).unwrap();
    check(512, Architecture::lstm(), &TrainConfig { batch_size: 40, ..Default::default() }, &many);
}

fn check_plain<T: Float>(small: usize) {
    for activation in [Activation::Tanh, Activation::Relu] {
        let elman = Architecture::elman(activation);
        for (ragged, batch_size) in [(true, 64), (false, 64), (true, 150), (false, 40)] {
            let config = TrainConfig { batch_size, shuffle: Some(1), ..Default::default() };
            // A sequence in each lane, and groups.
            check(small, elman, &config, &data::<T>(60, ragged));
            check(40, elman, &config, &data::<T>(12, ragged));
        }
    }
}

#[test]
fn plain_networks_have_the_same_bits_at_any_number_of_threads() {
    check_plain::<f32>(10);
    check_plain::<f64>(10);
    check_plain::<f32>(31);
}

/// Batches of a few microseconds, where threads keep step or one does everything, whichever turns out quicker: enough epochs that
/// both are tried, several to a call, of two batches and a smaller third one.
#[test]
fn threads_that_keep_step_change_no_bit() {
    for (ragged, shuffle) in [(false, None), (false, Some(3)), (true, Some(3))] {
        let data = data::<f32>(if ragged { 30 } else { 14 }, ragged);
        let elman = Architecture::elman(Activation::Tanh);
        let model = DynRnn::<f32>::with_architecture(3, 10, 2, elman, 1).unwrap();
        for level in Level::available() {
            let [one, more @ ..] = THREADS.map(|threads| {
                let config = TrainConfig { batch_size: 64, shuffle, threads, ..Default::default() };
                let mut trainer = Trainer::with_level(model.clone(), config, level).unwrap();
                let mut losses = Vec::new();
                for epochs in [4, 14] {
                    let run = Run { epochs, every: 7, ..Default::default() };
                    let run = trainer.run(&data, None, run, |moment, _| {
                        if let Moment::Epoch(stats) = moment {
                            losses.push(stats.loss);
                        }
                        ControlFlow::Continue(())
                    });
                    run.unwrap();
                }
                assert_eq!(trainer.threads(), threads.min(2));
                [bits(&losses), bits(trainer.model().params().flat())].concat()
            });
            for (found, threads) in more.iter().zip(&THREADS[1..]) {
                assert!(*found == one, "{threads} threads, {level}, {ragged} {shuffle:?}");
            }
        }
    }
}

/// All sequences, and each alone.
fn predict<T: Float>(model: &DynRnn<T>, data: &Dataset<T>, threads: usize, level: Level) -> [Vec<u64>; 2] {
    let mut predictor = Predictor::with_level(model, level).unwrap().threads(threads);
    let mut outputs = vec![T::ZERO; data.labels().len()];
    predictor.predict_sequences_into(data.features(), data.offsets(), &mut outputs).unwrap();
    let used = predictor.threads_used();
    assert!(used >= threads.min(2) && used <= threads, "{used} of {threads} threads, {model:?}");
    let (mut singly, offsets) = (outputs.clone(), data.offsets());
    for s in 0..data.len() {
        let (from, to) = (offsets[s], offsets[s + 1]);
        let outputs = &mut singly[2 * from..2 * to];
        predictor.predict_into(&data.features()[3 * from..3 * to], outputs).unwrap();
    }
    let together = bits(&outputs);
    let state = predictor.predict_from(None, data.features(), offsets, &mut outputs).unwrap();
    assert_eq!(bits(&outputs), together);
    [together, [bits(&singly), bits(&state.h), bits(&state.c)].concat()]
}

fn check_predictions<T: Float>() {
    let data = data::<T>(40, true);
    let few = data.subset(&Vec::from_iter(0..20)).unwrap();
    let elman = Architecture::elman(Activation::Tanh);
    for (data, hidden, architecture) in [
        (&data, 10, elman),
        (&data, 40, elman),
        (&data, 9, Architecture::gru()),
        (&data, 9, Architecture::gru_reset_before()),
        (&few, 129, Architecture::gru_reset_before().bidirectional(true)),
        (&data, 9, Architecture::lstm().num_layers(2).bidirectional(true)),
        // Wide: the units of one sequence, and of a group that threads cannot share, are cut into blocks.
        (&few, 257, elman),
        (&few, 129, Architecture::gru().bidirectional(true)),
        (&few, 144, Architecture::lstm().num_layers(2).bidirectional(true)),
    ] {
        let model = DynRnn::<T>::with_architecture(3, hidden, 2, architecture, 1).unwrap();
        for level in Level::available() {
            let one = predict(&model, data, 1, level);
            assert_eq!(one[0], one[1][..one[0].len()], "alone, {level} {hidden} {architecture:?}");
            for threads in &THREADS[1..] {
                let found = predict(&model, data, *threads, level);
                assert!(found == one, "{threads} threads, {level}, {hidden} {architecture:?}");
            }
        }
    }
}

#[test]
fn predictions_have_the_same_bits_at_any_number_of_threads() {
    check_predictions::<f32>();
    check_predictions::<f64>();
}

/// Denormal numbers are 0 on every thread: as numbers they would be seen here, through large weights and a large learning rate.
#[test]
fn denormal_numbers_are_zero_on_every_thread() {
    for (hidden, architecture) in [
        (10, Architecture::elman(Activation::Relu)),
        (40, Architecture::elman(Activation::Relu)),
        (144, Architecture::elman(Activation::Relu)),
        (10, Architecture::elman(Activation::Relu).num_layers(2)),
    ] {
        let mut model = DynRnn::<f32>::with_architecture(3, hidden, 2, architecture, 1).unwrap();
        let shapes: Vec<(String, usize)> =
            model.params().shapes().map(|(name, shape)| (name.into(), shape.iter().product())).collect();
        for (name, count) in shapes {
            let value = if name.contains("bias") { 0.0 } else { 1.0 };
            let value = if name == "fc.weight" { 1e10 } else { value };
            model.params_mut().set(&name, &vec![value; count]).unwrap();
        }
        let mut data = Dataset::new(3, 2).unwrap();
        for _ in 0..SEQUENCES {
            data.push(&[1e-40; 3 * 60], &[0.0; 2 * 60]).unwrap();
        }
        for threads in THREADS {
            let mut predictor = Predictor::new(&model).unwrap().threads(threads);
            let mut outputs = vec![1.0; data.labels().len()];
            predictor.predict_sequences_into(data.features(), data.offsets(), &mut outputs).unwrap();
            assert!(outputs.iter().all(|y| *y == 0.0), "{threads} threads, {hidden} {architecture:?}");
            let config = TrainConfig { batch_size: 64, learning_rate: 1e20, threads, ..Default::default() };
            let mut trainer = Trainer::new(model.clone(), config).unwrap();
            for _ in 0..3 {
                assert_eq!(trainer.epoch(&data).unwrap().loss, 0.0, "{threads} {hidden} {architecture:?}");
            }
            assert_eq!(trainer.model().params().flat(), model.params().flat(), "{threads} {hidden}");
        }
    }
}

#[test]
fn a_batch_of_one_sequence_makes_no_thread() {
    let data = data::<f32>(60, true);
    let config = TrainConfig { threads: 4, ..Default::default() };
    for architecture in [Architecture::elman(Activation::Tanh), Architecture::gru()] {
        let model = DynRnn::<f32>::with_architecture(3, 40, 2, architecture, 1).unwrap();
        let mut trainer = Trainer::new(model, config.clone()).unwrap();
        trainer.epoch(&data).unwrap();
        assert_eq!(trainer.threads(), 1);
    }
}

/// A part whose loss is not finite stops the batch, whichever thread it was on.
#[test]
fn divergence_is_the_same_at_any_number_of_threads() {
    let mut data = data::<f32>(12, true);
    let row = data.offsets()[99];
    data.labels_mut()[2 * row] = f32::INFINITY;
    let elman = Architecture::elman(Activation::Tanh);
    for (hidden, architecture) in [(10, elman), (40, elman), (40, Architecture::lstm())] {
        let model = DynRnn::<f32>::with_architecture(3, hidden, 2, architecture, 1).unwrap();
        let found = THREADS.map(|threads| {
            let config = TrainConfig { batch_size: 64, threads, ..Default::default() };
            let mut trainer = Trainer::new(model.clone(), config).unwrap();
            let error = trainer.epoch(&data).unwrap_err();
            assert_eq!(error, bptt::Error::NonFiniteLoss { epoch: 1, batch: 2 });
            bits(trainer.model().params().flat())
        });
        assert!(found.iter().all(|other| *other == found[0]), "{architecture:?}");
    }
}

/// One batch, with states that it begins with.
#[test]
fn gradients_have_the_same_bits_at_any_number_of_threads() {
    let data = data::<f64>(12, true);
    // Many sequences in parts, and few on a wide layer, whose units are shared out.
    for (hidden, data) in
        [(9, data.subset(&Vec::from_iter(0..SEQUENCES)).unwrap()), (133, data.subset(&[9, 4, 7]).unwrap())]
    {
        let model = DynRnn::<f64>::with_architecture(3, hidden, 2, Architecture::lstm(), 1).unwrap();
        let found = THREADS.map(|threads| {
            let config = TrainConfig { threads, ..Default::default() };
            let (_, state) = Gradients::with_config(&model, &data, &config, None, Level::best()).unwrap();
            Gradients::with_config(&model, &data, &config, Some(&state), Level::best()).unwrap()
        });
        for other in &found[1..] {
            assert_eq!(bits(other.0.params.flat()), bits(found[0].0.params.flat()));
            assert_eq!(other, &found[0]);
        }
    }
}
