//! Files that releases wrote: every later one has to read them, and they have to give what they gave.
#![cfg(feature = "safetensors")]

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow::{Break, Continue};
use std::path::{Path, PathBuf};

use bptt::file::{AnyModel, AnyState, Checkpoint, Metadata, ModelFile, Task};
use bptt::{
    Activation, Architecture, Dataset, Dyn, DynRnn, EarlyStopping, Float, Loss, Moment, Normalization,
    Normalizer, Optimizer, Run, Schedule, TrainConfig, Trainer, TrainerState,
};
use serde_json::{Value, json};

fn releases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/releases")
}

/// Two sequences of three inputs.
fn inputs() -> Vec<f64> {
    (0..3 * 7).map(|k| f64::from(k * 5 % 11) / 8.0 - 0.5).collect()
}

fn outputs(model: &AnyModel) -> Vec<f64> {
    fn of<T: Float>(model: &DynRnn<T>) -> Vec<f64> {
        let features: Vec<T> = inputs().into_iter().map(T::from_f64).collect();
        let outputs = model.predict_sequences(&features, &[0, 3, 7]).unwrap();
        outputs.into_iter().map(Float::to_f64).collect()
    }
    match model {
        AnyModel::F32(model) => of(model),
        AnyModel::F64(model) => of(model),
    }
}

fn data<T: Float>() -> Dataset<T> {
    let mut data = Dataset::new(3, 1).unwrap();
    for (steps, shift) in [(4, 0), (2, 3), (7, 5), (3, 1), (5, 2)] {
        let feature = |k: usize| T::from_f64(((k + shift) * 5 % 11) as f64 / 8.0 - 0.5);
        let features: Vec<T> = (0..3 * steps).map(feature).collect();
        let labels: Vec<T> = (0..steps).map(|t| features[3 * t] * features[3 * t + 1]).collect();
        data.push(&features, &labels).unwrap();
    }
    data
}

/// A training that a checkpoint of a release is of.
struct Training {
    name: &'static str,
    double: bool,
    architecture: Architecture,
    config: TrainConfig,
    validated: bool,
    run: Run,
}

/// Never changed: the checkpoints were made with these.
fn trainings() -> Vec<Training> {
    let config = TrainConfig { shuffle: Some(1), learning_rate: 0.05, ..Default::default() };
    let adam = Optimizer::AdamW { betas: (0.9, 0.999), eps: 1e-8, weight_decay: 0.01, amsgrad: true };
    let plateau = Schedule::Plateau { factor: 0.5, patience: 1, threshold: 1e-4, min_lr: 0.0 };
    let stopping = EarlyStopping { patience: 4, min_delta: 0.0 };
    let run = Run { epochs: 12, stopping, batches: 1, every: 1 };
    vec![
        Training {
            name: "plain",
            double: false,
            architecture: Architecture::elman(Activation::Tanh),
            config: config.clone(),
            validated: false,
            run,
        },
        Training {
            name: "learner",
            double: true,
            architecture: Architecture::gru().num_layers(2).dropout(0.25),
            config: TrainConfig {
                optimizer: adam,
                schedule: plateau,
                batch_size: 2,
                truncate: Some(3),
                accumulate: 2,
                dropout_seed: 9,
                clip_norm: Some(1.0),
                ..config.clone()
            },
            validated: true,
            run,
        },
        Training {
            name: "rmsprop",
            double: false,
            architecture: Architecture::lstm().bidirectional(true),
            config: TrainConfig {
                optimizer: Optimizer::rmsprop(),
                warmup_epochs: 2,
                batch_size: 2,
                ..config
            },
            validated: true,
            run,
        },
    ]
}

impl Training {
    fn trainer<T: Float>(&self) -> Trainer<Dyn, Dyn, Dyn, T> {
        let model = DynRnn::with_architecture(3, 4, 1, self.architecture, 7).unwrap();
        Trainer::new(model, self.config.clone()).unwrap()
    }

    /// The checkpoint in the middle of epoch 6, or after it where an epoch cannot be interrupted.
    fn checkpoint<T: Float>(&self) -> Checkpoint
    where
        AnyState: From<TrainerState<T>>,
    {
        let data = data::<T>();
        let (mut history, mut state) = (Vec::new(), None);
        let mut trainer = self.trainer::<T>();
        trainer
            .run(&data, self.validated.then(|| data.view()), self.run, |moment, trainer| {
                if let Moment::Epoch(stats) = moment {
                    history.push((stats, stats.epoch as f64 / 4.0));
                }
                if history.len() < 5 || matches!(moment, Moment::Epoch(stats) if stats.epoch == 5) {
                    return Continue(());
                }
                state = trainer.state().ok();
                Break(())
            })
            .unwrap();
        let mut checkpoint = Checkpoint::new(state.unwrap().into());
        checkpoint.history = history;
        checkpoint.settings = BTreeMap::from([("--cell".into(), "some".into())]);
        checkpoint.data = BTreeMap::from([("train".into(), format!("{:016x}", data.view().digest()))]);
        checkpoint.notes = BTreeMap::from([("flags".into(), "{}".into())]);
        checkpoint
    }

    /// What the training ends with, from `state` on: the epochs run in all, and the model's outputs.
    fn finish<T: Float>(&self, state: TrainerState<T>) -> (usize, Vec<f64>)
    where
        AnyModel: From<DynRnn<T>>,
    {
        let data = data::<T>();
        let mut trainer = self.trainer::<T>();
        trainer.restore(state).unwrap();
        trainer.run(&data, self.validated.then(|| data.view()), self.run, |_, _| Continue(())).unwrap();
        (trainer.epochs(), outputs(&trainer.into_model().into()))
    }
}

/// Everything that a file says, as JSON.
fn told(file: &ModelFile) -> Value {
    let Metadata { input_columns, label_columns, sequence_column, time_column, window, .. } = &file.metadata;
    let Metadata { task, loss, classes, threshold, training, .. } = &file.metadata;
    let architecture = file.model.architecture();
    let scaling = |normalizer: &Option<Normalizer>| {
        normalizer
            .as_ref()
            .map(|n| json!({ "kind": n.kind().name(), "offset": n.offset(), "scale": n.scale() }))
    };
    json!({
        "cell": architecture.cell.name(),
        "activation": architecture.cell.activation().map(Activation::name),
        "num_layers": architecture.num_layers,
        "bidirectional": architecture.bidirectional,
        "dropout": architecture.dropout,
        "dtype": file.model.dtype(),
        "input_columns": input_columns,
        "label_columns": label_columns,
        "sequence_column": sequence_column,
        "time_column": time_column,
        "window": window,
        "task": task.map(Task::name),
        "loss": loss.map(|loss| loss.name()),
        "classes": classes,
        "threshold": threshold,
        "input_normalizer": scaling(&file.metadata.input_normalizer),
        "label_normalizer": scaling(&file.metadata.label_normalizer),
        "training": training,
        "outputs": outputs(&file.model),
    })
}

fn told_of_checkpoint(checkpoint: &Checkpoint, training: &Training) -> Value {
    let (epochs, batches, best, end) = match checkpoint.state.clone() {
        AnyState::F32(state) => {
            (state.epochs(), state.batches(), state.best().map(|best| best.epoch), training.finish(state))
        }
        AnyState::F64(state) => {
            (state.epochs(), state.batches(), state.best().map(|best| best.epoch), training.finish(state))
        }
    };
    let losses: Vec<f64> = checkpoint.history.iter().map(|(stats, _)| stats.loss).collect();
    json!({
        "epochs": epochs,
        "batches": batches,
        "best": best,
        "settings": checkpoint.settings,
        "data": checkpoint.data,
        "notes": checkpoint.notes,
        "losses": losses,
        "epochs_at_the_end": end.0,
        "outputs": end.1,
    })
}

/// Equal, but for the last digits of numbers: levels round differently. Later releases may tell more.
fn close(found: &Value, expected: &Value, tolerance: f64) -> bool {
    match (found, expected) {
        (Value::Number(found), Value::Number(expected)) => {
            (found.as_f64().unwrap() - expected.as_f64().unwrap()).abs() <= tolerance
        }
        (Value::Array(found), Value::Array(expected)) => {
            found.len() == expected.len() && found.iter().zip(expected).all(|(a, b)| close(a, b, tolerance))
        }
        (Value::Object(found), Value::Object(expected)) => {
            expected.iter().all(|(key, b)| found.get(key).is_some_and(|a| close(a, b, tolerance)))
        }
        (found, expected) => found == expected,
    }
}

fn check(name: &str, found: &Value, expected: &Value, double: bool) {
    // What a training makes of differences in the last digits is larger than they are.
    let tolerance = if double { 1e-9 } else { 1e-4 };
    assert!(close(found, expected, tolerance), "{name}\nfound    {found}\nexpected {expected}");
}

#[test]
fn every_file_of_every_release_is_read() {
    let mut files = 0;
    for release in fs::read_dir(releases()).unwrap() {
        let folder = release.unwrap().path();
        let expected: BTreeMap<String, Value> =
            serde_json::from_slice(&fs::read(folder.join("expected.json")).unwrap()).unwrap();
        for (name, expected) in expected {
            let shown = folder.join(&name).display().to_string();
            let bytes = fs::read(folder.join(&name)).unwrap();
            files += 1;
            if let Some(kind) = name.strip_suffix(".ckpt") {
                let trainings = trainings();
                let training = trainings.iter().find(|training| training.name == kind).unwrap();
                let checkpoint =
                    Checkpoint::from_bytes(&bytes).unwrap_or_else(|error| panic!("{shown}: {error}"));
                check(&shown, &told_of_checkpoint(&checkpoint, training), &expected, training.double);
            } else {
                let file = ModelFile::from_bytes(&bytes).unwrap_or_else(|error| panic!("{shown}: {error}"));
                check(&shown, &told(&file), &expected, file.model.dtype() == "float64");
            }
        }
    }
    assert!(files >= 12, "{files}");
}

fn metadata(task: Task) -> Metadata {
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    let values = [0.5, -7.0, 100.0, 0.25, 1e-3, -1e3, 0.75, 3.0, 10.0];
    let classes =
        if task == Task::Classification { names(&["cat", "dog \"Rex\"", "Ämu"]) } else { Vec::new() };
    Metadata {
        input_columns: names(&["temperature", "humidity \"rel\"", "Druck µ"]),
        label_columns: names(&["rain"]),
        sequence_column: Some("station".into()),
        time_column: if task == Task::Binary { None } else { Some("time".into()) },
        window: if task == Task::Binary { Some(24) } else { None },
        task: Some(task),
        loss: Some(match task {
            Task::Regression => Loss::Mae,
            Task::Binary => Loss::Bce,
            Task::Classification => Loss::CrossEntropy,
        }),
        classes,
        threshold: Some(0.25),
        input_normalizer: Normalizer::fit(Normalization::ZScore, &values, 3).ok(),
        label_normalizer: Normalizer::fit(Normalization::MinMax, &values[..3], 1).ok(),
        training: BTreeMap::from([("epochs".into(), "10".into()), ("learning_rate".into(), "0.001".into())]),
    }
}

/// Writes the files of this release that are not there yet; see `CONTRIBUTING.md`.
#[test]
#[ignore = "writes files"]
fn write_the_files_of_this_release() {
    let folder = releases().join(env!("CARGO_PKG_VERSION"));
    fs::create_dir_all(&folder).unwrap();
    let mut expected: BTreeMap<String, Value> = match fs::read(folder.join("expected.json")) {
        Ok(bytes) => serde_json::from_slice(&bytes).unwrap(),
        Err(_) => BTreeMap::new(),
    };
    // What is there is never changed.
    let mut write = |name: String, bytes: Vec<u8>, told: Value| {
        if !folder.join(&name).exists() {
            fs::write(folder.join(&name), bytes).unwrap();
            expected.insert(name, told);
        }
    };
    let cells = [
        ("elman", Architecture::elman(Activation::Tanh)),
        ("relu", Architecture::elman(Activation::Relu).num_layers(2)),
        ("sigmoid", Architecture::elman(Activation::Sigmoid).bidirectional(true)),
        ("gru", Architecture::gru().num_layers(2).dropout(0.25)),
        ("lstm", Architecture::lstm().num_layers(2).bidirectional(true)),
        ("gru-reset-before", Architecture::gru_reset_before().num_layers(2).bidirectional(true)),
    ];
    for (seed, (cell, architecture)) in cells.into_iter().enumerate() {
        for task in Task::ALL {
            let outputs = if task == Task::Classification { 3 } else { 1 };
            let seed = seed as u64;
            let double = (seed + outputs as u64).is_multiple_of(2) == (task != Task::Binary);
            let model: AnyModel = if double {
                DynRnn::<f64>::with_architecture(3, 4, outputs, architecture, seed).unwrap().into()
            } else {
                DynRnn::<f32>::with_architecture(3, 4, outputs, architecture, seed).unwrap().into()
            };
            let file = ModelFile { model, metadata: metadata(task) };
            write(format!("{cell}-{task}.safetensors"), file.to_bytes().unwrap(), told(&file));
        }
    }
    let bare = ModelFile {
        model: DynRnn::<f32>::new(3, 2, 1, Activation::Tanh, 1).unwrap().into(),
        metadata: Metadata::default(),
    };
    write("bare.safetensors".into(), bare.to_bytes().unwrap(), told(&bare));
    for training in trainings() {
        let checkpoint =
            if training.double { training.checkpoint::<f64>() } else { training.checkpoint::<f32>() };
        let told = told_of_checkpoint(&checkpoint, &training);
        write(format!("{}.ckpt", training.name), checkpoint.to_bytes().unwrap(), told);
    }
    let text = serde_json::to_string_pretty(&expected).unwrap() + "\n";
    fs::write(folder.join("expected.json"), text).unwrap();
}
