//! Checkpoint files: what is written comes back and goes on with the same bits; damage is refused.
#![cfg(feature = "safetensors")]

use std::collections::BTreeMap;
use std::ops::ControlFlow::Continue;

use bptt::file::{AnyState, Checkpoint, FileError, Metadata, ModelFile};
use bptt::{
    Activation, Architecture, Dataset, Dyn, DynRnn, EarlyStopping, Error, Float, Moment, Optimizer, Run,
    Schedule, TrainConfig, Trainer, TrainerState,
};

fn data<T: Float>() -> Dataset<T> {
    let mut data = Dataset::new(2, 1).unwrap();
    for steps in [3, 1, 4, 1, 5, 2] {
        let features: Vec<T> = (0..2 * steps).map(|k| T::from_f64(f64::from(k * steps) / 7.0)).collect();
        let labels: Vec<T> = (0..steps).map(|t| features[t as usize]).collect();
        data.push(&features, &labels).unwrap();
    }
    data
}

fn trainer<T: Float>(architecture: Architecture, config: &TrainConfig) -> Trainer<Dyn, Dyn, Dyn, T> {
    let model = DynRnn::with_architecture(2, 2, 1, architecture, 1).unwrap();
    Trainer::new(model, config.clone()).unwrap()
}

/// The architectures and settings whose states differ in what they hold.
fn kinds() -> Vec<(Architecture, TrainConfig)> {
    let sgd = TrainConfig { shuffle: Some(1), learning_rate: 0.05, batch_size: 2, ..Default::default() };
    let amsgrad = Optimizer::AdamW { betas: (0.9, 0.99), eps: 1e-8, weight_decay: 0.1, amsgrad: true };
    let plateau = Schedule::Plateau { factor: 0.5, patience: 0, threshold: 1e-4, min_lr: 0.0 };
    let deep = Architecture::lstm().num_layers(2).dropout(0.5);
    vec![
        (Architecture::elman(Activation::Relu), sgd.clone()),
        (Architecture::gru(), TrainConfig { optimizer: Optimizer::adam(), ..sgd.clone() }),
        (
            deep,
            TrainConfig { optimizer: amsgrad, schedule: plateau, truncate: Some(2), accumulate: 3, ..sgd },
        ),
    ]
}

const RUN: Run =
    Run { epochs: 5, stopping: EarlyStopping { patience: 2, min_delta: 0.0 }, batches: 1, every: 1 };

/// Checkpoints at every moment of a training, with the model that it ends with.
fn checkpoints<T: Float>(
    architecture: Architecture,
    config: &TrainConfig,
    validated: bool,
) -> (Vec<Checkpoint>, DynRnn<T>)
where
    AnyState: From<TrainerState<T>>,
{
    let data = data::<T>();
    let (mut checkpoints, mut history) = (Vec::new(), Vec::new());
    let mut trainer = trainer::<T>(architecture, config);
    trainer
        .run(&data, validated.then(|| data.view()), RUN, |moment, trainer| {
            if let Moment::Epoch(stats) = moment {
                history.push((stats, stats.epoch as f64 / 3.0));
            }
            let mut checkpoint = Checkpoint::new(trainer.state().unwrap().into());
            checkpoint.history = history.clone();
            checkpoint.notes = BTreeMap::from([("a \"note\"".into(), "ü\n".into())]);
            checkpoints.push(checkpoint);
            Continue(())
        })
        .unwrap();
    (checkpoints, trainer.into_model())
}

fn check<T: Float>(take: fn(AnyState) -> Option<TrainerState<T>>)
where
    AnyState: From<TrainerState<T>>,
{
    for (architecture, config) in kinds() {
        for validated in [false, true] {
            let (checkpoints, model) = checkpoints::<T>(architecture, &config, validated);
            for checkpoint in checkpoints {
                let bytes = checkpoint.to_bytes().unwrap();
                let back = Checkpoint::from_bytes(&bytes).unwrap();
                assert!(back == checkpoint, "{architecture:?}");
                assert!(back.to_bytes().unwrap() == bytes, "{architecture:?}");
                let mut resumed = trainer::<T>(architecture, &config);
                resumed.restore(take(back.state).unwrap()).unwrap();
                let data = data::<T>();
                resumed.run(&data, validated.then(|| data.view()), RUN, |_, _| Continue(())).unwrap();
                assert!(*resumed.model() == model, "{architecture:?}");
            }
        }
    }
}

#[test]
fn what_was_saved_goes_on_bit_by_bit() {
    check::<f32>(|state| if let AnyState::F32(state) = state { Some(state) } else { None });
    check::<f64>(|state| if let AnyState::F64(state) = state { Some(state) } else { None });
}

/// A small checkpoint with every group of tensors in it.
fn full() -> Checkpoint {
    let (architecture, config) = kinds().remove(2);
    let (checkpoints, _) = checkpoints::<f32>(architecture, &config, true);
    let full = checkpoints.into_iter().rev().find(|checkpoint| {
        let bytes = String::from_utf8_lossy(&checkpoint.to_bytes().unwrap()).into_owned();
        ["gradient.", "best.", "optimizer.third.", "position"].iter().all(|part| bytes.contains(part))
    });
    full.unwrap()
}

#[test]
fn numbers_that_json_does_not_know_come_back() {
    let config = TrainConfig { optimizer: Optimizer::adam(), ..Default::default() };
    let mut trainer = trainer::<f64>(Architecture::gru(), &config);
    let mut bias = trainer.state().unwrap();
    // Nothing has been run: the schedule's best loss is infinite.
    let state: AnyState = bias.clone().into();
    assert!(
        Checkpoint::from_bytes(&Checkpoint::new(state.clone()).to_bytes().unwrap()).unwrap().state == state
    );
    trainer.epoch(&data()).unwrap();
    bias = trainer.state().unwrap();
    let mut checkpoint = Checkpoint::new(bias.into());
    let mut stats = trainer.epoch(&data()).unwrap();
    stats.loss = f64::INFINITY;
    stats.validation_loss = Some(-0.0);
    checkpoint.history = vec![(stats, 1e-300)];
    let back = Checkpoint::from_bytes(&checkpoint.to_bytes().unwrap()).unwrap();
    assert!(back == checkpoint);
    assert!(back.history[0].0.validation_loss.unwrap().is_sign_negative());
}

#[test]
fn every_truncation_is_refused() {
    let bytes = full().to_bytes().unwrap();
    for len in 0..bytes.len() {
        assert!(Checkpoint::from_bytes(&bytes[..len]).is_err(), "{len} of {}", bytes.len());
    }
    assert!(Checkpoint::from_bytes(&[&bytes[..], b"\0"].concat()).is_err());
}

#[test]
fn every_changed_byte_is_found_or_harmless() {
    let checkpoint = full();
    let bytes = checkpoint.to_bytes().unwrap();
    let mut harmless = 0;
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        match Checkpoint::from_bytes(&changed) {
            Ok(same) => {
                assert!(same == checkpoint, "byte {at}");
                harmless += 1;
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
    // Blanks at the end of the header, say.
    assert!(harmless < 100, "{harmless}");
}

#[test]
fn models_and_checkpoints_are_not_taken_for_each_other() {
    let checkpoint = full();
    let AnyState::F32(state) = &checkpoint.state else { panic!("f32") };
    let model = ModelFile { model: state.model().clone().into(), metadata: Metadata::default() };
    let error = Checkpoint::from_bytes(&model.to_bytes().unwrap()).unwrap_err();
    assert_eq!(error.to_string(), "expected a checkpoint of a training, found a model");
    let error = ModelFile::from_bytes(&checkpoint.to_bytes().unwrap()).unwrap_err();
    assert!(matches!(error, FileError::Kind { expected: "a model", .. }), "{error}");
}

#[test]
fn other_settings_and_data_are_refused_by_name() {
    let texts = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    };
    let (settings, data) = (texts(&[("a", "1"), ("b", "2")]), texts(&[("train", "x")]));
    let checkpoint = Checkpoint { settings: settings.clone(), data: data.clone(), ..full() };
    let back = Checkpoint::from_bytes(&checkpoint.to_bytes().unwrap()).unwrap();
    back.check(&settings, &data).unwrap();
    let changed = |settings: &[(&str, &str)], data: &[(&str, &str)]| match back
        .check(&texts(settings), &texts(data))
        .unwrap_err()
    {
        Error::Changed { name, expected, found } => (name, expected, found),
        error => panic!("{error}"),
    };
    let told = |name: &str, expected: &str, found: &str| (name.into(), expected.into(), found.into());
    assert_eq!(changed(&[("a", "1"), ("b", "3")], &[("train", "x")]), told("b", "2", "3"));
    assert_eq!(changed(&[("a", "1")], &[("train", "x")]), told("b", "2", "none"));
    assert_eq!(changed(&[("a", "1"), ("b", "2"), ("c", "3")], &[("train", "x")]), told("c", "none", "3"));
    assert_eq!(changed(&[("a", "1"), ("b", "2")], &[("train", "y")]), told("train", "x", "y"));
}
