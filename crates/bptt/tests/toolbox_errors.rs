//! Settings, data and states that cannot work are typed errors that name what is wrong. Nothing panics.

use bptt::{Activation, Architecture, Dataset, DynRnn, EarlyStopping, Error, Gradients, Level, Loss};
use bptt::{Predictor, State, TrainConfig, Trainer, TypedDataset};

fn model(architecture: Architecture, outputs: usize) -> DynRnn<f32> {
    DynRnn::with_architecture(2, 3, outputs, architecture, 1).unwrap()
}

fn data(outputs: usize) -> Dataset<f32> {
    let mut data = Dataset::new(2, outputs).unwrap();
    data.push(&[0.5; 8], &vec![1.0; 4 * outputs]).unwrap();
    data.push(&[0.1; 4], &vec![0.0; 2 * outputs]).unwrap();
    data
}

/// What a trainer says to `config`, and what the gradients' function says.
fn refusal(architecture: Architecture, outputs: usize, config: TrainConfig) -> Error {
    let model = model(architecture, outputs);
    let gradients = Gradients::with_config(&model, &data(outputs), &config, None, Level::best());
    let error = Trainer::new(model, config).unwrap_err();
    assert_eq!(gradients.unwrap_err(), error);
    error
}

/// The name of the setting that an error is about.
fn setting<T: std::fmt::Debug>(result: Result<T, Error>) -> (&'static str, String) {
    match result {
        Err(Error::Setting { name, found, .. }) => (name, found),
        other => panic!("{other:?}"),
    }
}

#[test]
fn sizes_of_0_are_named() {
    let default = TrainConfig::default;
    for (what, config) in [
        ("truncate", TrainConfig { truncate: Some(0), ..default() }),
        ("accumulate", TrainConfig { accumulate: 0, ..default() }),
        ("batch_size", TrainConfig { batch_size: 0, ..default() }),
    ] {
        assert_eq!(refusal(Architecture::gru(), 1, config), Error::ZeroSize { what });
    }
    let none = DynRnn::<f32>::with_architecture(2, 3, 1, Architecture::lstm().num_layers(0), 1);
    assert_eq!(none.unwrap_err(), Error::ZeroSize { what: "num_layers" });
    for (sizes, what) in [([0, 1, 1], "input_size"), ([1, 0, 1], "hidden_size"), ([1, 1, 0], "output_size")] {
        let none = DynRnn::<f32>::with_architecture(sizes[0], sizes[1], sizes[2], Architecture::gru(), 1);
        assert_eq!(none.unwrap_err(), Error::ZeroSize { what });
    }
}

#[test]
fn settings_out_of_range_are_named() {
    let check = |name: &'static str, outputs: usize, found: &str, config: TrainConfig| {
        let error = refusal(Architecture::gru(), outputs, config);
        assert_eq!(setting(Err::<(), _>(error)), (name, found.to_owned()));
    };
    let default = TrainConfig::default;
    for delta in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let loss = Loss::Huber { delta };
        check("delta", 1, &delta.to_string(), TrainConfig { loss, ..default() });
    }
    for limit in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let clip = Some(limit);
        check("clip_norm", 1, &limit.to_string(), TrainConfig { clip_norm: clip, ..default() });
        check("clip_value", 1, &limit.to_string(), TrainConfig { clip_value: clip, ..default() });
    }
    check("loss", 1, "1", TrainConfig { loss: Loss::CrossEntropy, ..default() });
    for loss in [Loss::Mse, Loss::Mae, Loss::Huber { delta: 1.0 }] {
        let config = TrainConfig { loss, class_weights: Some(vec![1.0, 1.0]), ..default() };
        check("class_weights", 2, loss.name(), config);
    }
    for loss in [Loss::Bce, Loss::CrossEntropy] {
        for weight in [-1.0, f64::NAN, f64::INFINITY] {
            let config = TrainConfig { loss, class_weights: Some(vec![1.0, weight]), ..default() };
            check("class_weights", 2, &weight.to_string(), config);
        }
        let config = TrainConfig { loss, class_weights: Some(vec![1.0; 5]), ..default() };
        let expected = Error::Size { what: "class_weights", expected: 2, found: 5 };
        assert_eq!(refusal(Architecture::gru(), 2, config), expected);
    }
    let config = TrainConfig { truncate: Some(2), ..default() };
    let both = Architecture::gru().bidirectional(true);
    assert_eq!(setting(Err::<(), _>(refusal(both, 1, config))), ("truncate", "2".into()));
}

#[test]
fn dropout_out_of_range_is_named() {
    for dropout in [1.0, 1.5, -0.1, f64::NAN, f64::INFINITY] {
        let architecture = Architecture::lstm().num_layers(2).dropout(dropout);
        let found = setting(DynRnn::<f32>::with_architecture(2, 3, 1, architecture, 1));
        assert_eq!(found, ("dropout", dropout.to_string()));
    }
    let single = Architecture::gru().bidirectional(true).dropout(0.5);
    let found = setting(DynRnn::<f32>::with_architecture(2, 3, 1, single, 1));
    assert_eq!(found, ("dropout", "0.5".into()));
}

#[test]
fn early_stopping_out_of_range_is_named() {
    let mut trainer = Trainer::new(model(Architecture::gru(), 1), TrainConfig::default()).unwrap();
    let data = data(1);
    let mut stopped = |patience, min_delta| {
        let stopping = EarlyStopping { patience, min_delta };
        trainer.fit_validated(&data, &data, 1, stopping, |_, _| unreachable!())
    };
    assert_eq!(stopped(0, 0.0).unwrap_err(), Error::ZeroSize { what: "patience" });
    for min_delta in [-0.1, f64::NAN, f64::INFINITY] {
        assert_eq!(setting(stopped(1, min_delta)), ("min_delta", min_delta.to_string()));
    }
}

#[test]
fn wrong_data_are_named_and_leave_the_data_set_as_it_was() {
    let mut data = Dataset::<f32>::new(1, 2).unwrap();
    data.push_partial(&[1.0], &[f32::NAN, 1.0]).unwrap();
    let before = data.view().len();
    assert_eq!(setting(data.push_classes(&[1.0], &[Some(2)])), ("class", "2".into()));
    assert_eq!(setting(data.push_classes(&[1.0], &[Some(usize::MAX)])), ("class", usize::MAX.to_string()));
    // The infinity is named, not the labels that may be missing.
    let labels = [f32::NAN, 0.0, f32::NAN, f32::INFINITY];
    let infinite = Error::NotFinite { what: "label", sequence: 1, timestep: 1, column: 1 };
    assert_eq!(data.push_partial(&[1.0, 1.0], &labels).unwrap_err(), infinite);
    let flat = Dataset::from_flat_partial(1, 2, vec![1.0; 2], labels.to_vec(), vec![0, 1, 2]);
    let infinite = Error::NotFinite { what: "label", sequence: 1, timestep: 0, column: 1 };
    assert_eq!(flat.unwrap_err(), infinite);
    let missing = Error::NotFinite { what: "label", sequence: 1, timestep: 0, column: 0 };
    assert_eq!(data.push(&[1.0], &[f32::NAN, 0.0]).unwrap_err(), missing);
    assert_eq!(data.push_last(&[1.0], &[f32::NAN, 0.0]).unwrap_err(), missing);
    let length = Error::Length { what: "labels".into(), expected: 2, found: 3 };
    assert_eq!(data.push_last(&[1.0, 2.0], &[0.0; 3]).unwrap_err(), length);
    assert_eq!(data.push_last(&[], &[0.0; 2]).unwrap_err(), Error::Empty { what: "a sequence" });
    let last = Error::NotFinite { what: "label", sequence: 1, timestep: 2, column: 1 };
    assert_eq!(data.push_last(&[1.0; 3], &[0.0, f32::NEG_INFINITY]).unwrap_err(), last);
    for weight in [-1.0, f32::NAN, f32::INFINITY] {
        let (name, found) = setting(data.set_weights(vec![weight]));
        assert_eq!((name, found), ("weights", format!("{weight} in row 0 (counted from 0)")));
    }
    let length = Error::Length { what: "weights".into(), expected: 1, found: 2 };
    assert_eq!(data.set_weights(vec![1.0; 2]).unwrap_err(), length);
    assert_eq!((data.len(), data.rows(), data.weights()), (before, 1, &[][..]));
    let mut typed = TypedDataset::<1, 2>::typed();
    let infinite = Error::NotFinite { what: "label", sequence: 0, timestep: 0, column: 1 };
    assert_eq!(typed.push_partial(&[[1.0]], &[[f32::NAN, f32::INFINITY]]).unwrap_err(), infinite);
}

#[test]
fn states_of_other_sizes_are_errors() {
    let architectures =
        [Architecture::elman(Activation::Tanh), Architecture::gru(), Architecture::lstm().num_layers(2)];
    for architecture in architectures.into_iter().flat_map(|cell| [cell, cell.bidirectional(true)]) {
        let (model, data) = (model(architecture, 1), data(1));
        let mut predictor = Predictor::new(&model).unwrap();
        let mut outputs = [0.0; 6];
        let right = predictor.predict_from(None, data.features(), data.offsets(), &mut outputs).unwrap();
        let len = architecture.num_layers * architecture.directions() * 2 * 3;
        let memory = if architecture.cell == bptt::Cell::Lstm { len } else { 0 };
        assert_eq!((right.h.len(), right.c.len()), (len, memory));
        for (h, c) in
            [(len - 1, memory), (len + 3, memory), (0, memory), (len, memory + 1), (len, len - memory)]
        {
            let wrong = State { h: vec![0.0; h], c: vec![0.0; c] };
            let (what, expected, found) = if h == len { ("c", memory, c) } else { ("h", len, h) };
            let error = Error::Length { what: format!("{what} of the state"), expected, found };
            let from = predictor.predict_from(Some(&wrong), data.features(), data.offsets(), &mut outputs);
            assert_eq!(from.unwrap_err(), error);
            let config = TrainConfig::default();
            let from = Gradients::with_config(&model, &data, &config, Some(&wrong), Level::best());
            assert_eq!(from.unwrap_err(), error);
        }
    }
}

/// Sizes whose products overflow, or whose buffers no machine has.
#[test]
fn sizes_beyond_memory_are_errors() {
    let huge =
        [usize::MAX, usize::MAX - 1, usize::MAX / 2, usize::MAX / 2 + 1, usize::MAX / 16, 1 << 60, 1 << 45];
    let gated = [Architecture::gru(), Architecture::lstm(), Architecture::gru_reset_before()];
    let cells = [Architecture::elman(Activation::Tanh), gated[0], gated[1], gated[2]];
    let refused = |input, hidden, output, architecture| {
        let model = DynRnn::<f64>::with_architecture(input, hidden, output, architecture, 1);
        assert!(
            matches!(model, Err(Error::OutOfMemory { .. })),
            "{input} {hidden} {output} {architecture:?}"
        );
    };
    for cell in cells {
        for size in huge {
            for stack in [cell, cell.num_layers(3), cell.bidirectional(true)] {
                refused(size, 1, 1, stack);
                refused(1, size, 1, stack);
                refused(1, 1, size, stack);
                refused(size, size, size, stack);
            }
            // Names are made only for parameters that there is memory for.
            refused(1, 1, 1, cell.num_layers(size));
            refused(1, 1, 1, cell.num_layers(size).bidirectional(true));
            refused(size, size, size, cell.num_layers(size).bidirectional(true));
        }
    }
    for outputs in [usize::MAX, usize::MAX / 2] {
        let mut data = Dataset::<f32>::new(1, outputs).unwrap();
        let error = Error::OutOfMemory { elements: outputs.saturating_mul(3) };
        assert_eq!(data.push_classes(&[0.0; 3], &[Some(0); 3]).unwrap_err(), error);
        assert!(data.push_last(&[0.0; 3], &[0.0]).is_err());
    }
}

/// Settings at the other end of their range.
#[test]
fn the_largest_settings_work() {
    let data = data(2);
    let most = usize::MAX;
    for architecture in
        [Architecture::elman(Activation::Tanh), Architecture::gru().num_layers(2).dropout(0.999)]
    {
        let config = TrainConfig {
            batch_size: most,
            accumulate: most,
            truncate: Some(most),
            warmup_epochs: most,
            shuffle: Some(u64::MAX),
            dropout_seed: u64::MAX,
            clip_norm: Some(f64::MAX),
            clip_value: Some(f64::MIN_POSITIVE),
            ..Default::default()
        };
        let mut trainer = Trainer::new(model(architecture, 2), config).unwrap();
        let stopping = EarlyStopping { patience: most, min_delta: f64::MAX };
        let best =
            trainer.fit_validated(&data, &data, 3, stopping, |_, _| std::ops::ControlFlow::Continue(()));
        assert_eq!(best.unwrap().map(|stats| stats.epoch), Some(1));
        let mut washed = data.clone();
        washed.washout(most);
        assert_eq!(trainer.epoch(&washed).unwrap_err(), Error::Unlabelled);
    }
}
