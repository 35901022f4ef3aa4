//! `bptt import`: a model of another program as a model file.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use bptt::file::{self, Metadata, ModelFile};
use bptt::{Activation, Cell, Loss, Normalization, Normalizer};

use crate::args::{self, ImportArgs, ImportFormat};
use crate::failure::Failure;
use crate::model;
use crate::output::Output;
use crate::report::model_line;

/// Runs the command.
pub fn run(args: &ImportArgs) -> Result<(), Failure> {
    let out = args.out.clone().unwrap_or_else(|| PathBuf::from("model.safetensors"));
    let inputs: Vec<&Path> =
        [Some(&args.file), args.like.as_ref()].into_iter().flatten().map(PathBuf::as_path).collect();
    let output = Output::check(&out, &inputs)?;
    let like = args.like.as_deref().map(model::read_file).transpose()?;
    let mut file = read(args, like.as_ref())?;
    if let Some(like) = like {
        take_over(&mut file, like)?;
    }
    describe(args, &mut file)?;
    let bytes = file.to_bytes().map_err(|error| match &args.like {
        Some(like) => Failure::input(format!("{} like {}: {error}", args.file.display(), like.display())),
        None => Failure::input(format!("{}: {error}", args.file.display())),
    })?;
    output.write(|writer| writer.write_all(&bytes))?;
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "model: {}", model_line(&file.model))?;
    Ok(writeln!(stdout, "saved {}", out.display())?)
}

/// The model as the file has it.
fn read(args: &ImportArgs, like: Option<&ModelFile>) -> Result<ModelFile, Failure> {
    let wrong = |found: String| Failure::input(format!("{}: {found}", args.file.display()));
    let bytes = std::fs::read(&args.file)
        .map_err(|error| wrong(format!("expected a file that can be read, found: {error}")))?;
    match args.format {
        ImportFormat::Onnx if args.activation.is_some() => Err(Failure::input(
            "--activation: expected a state dict of PyTorch, found an ONNX file, which says it itself",
        )),
        ImportFormat::Onnx => bptt::onnx::import(&bytes).map_err(|error| wrong(error.to_string())),
        ImportFormat::Pytorch if bytes.starts_with(b"PK\x03\x04") => Err(wrong(
            "expected a state dict written by safetensors.torch.save_file, found a file of torch.save".into(),
        )),
        ImportFormat::Pytorch => {
            let like = like.and_then(|like| like.model.architecture().cell.activation());
            let activation = args.activation.map(activation).or(like).unwrap_or_default();
            let model =
                file::from_state_dict(&bytes, activation).map_err(|error| wrong(error.to_string()))?;
            if args.activation.is_some() && !matches!(model.architecture().cell, Cell::Elman(_)) {
                let found = model.architecture().cell;
                return Err(Failure::input(format!(
                    "--activation: expected the weights of an nn.RNN, found {found}"
                )));
            }
            Ok(ModelFile { model, metadata: Metadata::default() })
        }
    }
}

fn activation(activation: args::Activation) -> Activation {
    match activation {
        args::Activation::Tanh => Activation::Tanh,
        args::Activation::Relu => Activation::Relu,
        args::Activation::Sigmoid => Activation::Sigmoid,
    }
}

/// Columns, scaling, task and everything else of another model, and its dropout.
fn take_over(file: &mut ModelFile, like: ModelFile) -> Result<(), Failure> {
    if file.model.architecture().num_layers > 1 {
        file.model.set_dropout(like.model.architecture().dropout).map_err(Failure::input)?;
    }
    file.metadata = like.metadata;
    Ok(())
}

/// What the user says about inputs and outputs, and the conventions where nobody says anything.
fn describe(args: &ImportArgs, file: &mut ModelFile) -> Result<(), Failure> {
    let ModelFile { model, metadata } = file;
    if let Some(task) = args.task {
        let (task, loss) = match task {
            args::Task::Regression => (file::Task::Regression, Loss::Mse),
            args::Task::Binary => (file::Task::Binary, Loss::Bce),
            args::Task::Classification => (file::Task::Classification, Loss::CrossEntropy),
        };
        if (metadata.task, metadata.loss) != (Some(task), Some(loss)) {
            (metadata.task, metadata.loss, metadata.label_normalizer) = (Some(task), Some(loss), None);
            metadata.classes.clear();
            metadata.label_columns.clear();
        }
    }
    let task = *metadata.task.get_or_insert(file::Task::Regression);
    let loss = match task {
        file::Task::Regression => Loss::Mse,
        file::Task::Binary => Loss::Bce,
        file::Task::Classification => Loss::CrossEntropy,
    };
    metadata.loss.get_or_insert(loss);
    let (inputs, outputs) = (model.input_size(), model.output_size());
    if task == file::Task::Classification {
        let numbers = (0..outputs).map(|class| class.to_string()).collect();
        named("--classes", &args.classes, &mut metadata.classes, outputs, numbers)?;
    } else if args.classes.is_some() {
        return Err(Failure::input(format!("--classes: expected a classification, found a {task} task")));
    }
    let labels = if task == file::Task::Classification { 1 } else { outputs };
    let one_by_one =
        |letter: &str, count: usize| (1..=count).map(|number| format!("{letter}{number}")).collect();
    named("--inputs", &args.inputs, &mut metadata.input_columns, inputs, one_by_one("x", inputs))?;
    let names = if labels == 1 { vec!["y".to_owned()] } else { one_by_one("y", labels) };
    named("--labels", &args.labels, &mut metadata.label_columns, labels, names)?;
    for (normalizer, columns) in
        [(&mut metadata.input_normalizer, inputs), (&mut metadata.label_normalizer, labels)]
    {
        if normalizer.is_none() {
            let (offset, scale) = (vec![0.0; columns], vec![1.0; columns]);
            let none = Normalizer::from_parts(Normalization::None, offset, scale);
            *normalizer = Some(none.map_err(Failure::input)?);
        }
    }
    if args.sequence.is_some() {
        (metadata.sequence_column, metadata.window) = (args.sequence.clone(), None);
    } else if metadata.window.is_none() {
        metadata.sequence_column.get_or_insert_with(|| "name".to_owned());
    }
    if args.time.is_some() {
        metadata.time_column.clone_from(&args.time);
    }
    Ok(())
}

/// The names that the user gives, else those that are there, else `default`.
fn named(
    flag: &str,
    given: &Option<Vec<String>>,
    names: &mut Vec<String>,
    expected: usize,
    default: Vec<String>,
) -> Result<(), Failure> {
    if let Some(given) = given {
        if given.len() != expected {
            let found = given.len();
            return Err(Failure::input(format!(
                "{flag}: expected {expected}, which is what the model has, found {found}"
            )));
        }
        names.clone_from(given);
    } else if names.is_empty() {
        *names = default;
    }
    Ok(())
}
