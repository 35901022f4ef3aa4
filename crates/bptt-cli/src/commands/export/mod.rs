//! `bptt export`: a model for another program. Each format is a file here and an arm of [`bytes`].

mod c;
mod onnx;
mod rust;
mod source;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use bptt::file::{AnyModel, ModelFile};

use crate::args::{Dtype, ExportArgs, ExportFormat};
use crate::failure::Failure;
use crate::model;
use crate::output::Output;

/// Runs the command.
pub fn run(args: &ExportArgs) -> Result<(), Failure> {
    let mut file = model::read_file(&args.model)?;
    if args.dtype.is_some_and(|dtype| dtype == Dtype::F64) && matches!(file.model, AnyModel::F32(_)) {
        let found = "a model in f32, whose numbers have no more digits";
        return Err(Failure::input(format!("--dtype: expected f32, found f64 for {found}")));
    }
    if args.dtype == Some(Dtype::F32) {
        file.model = file.model.to_f32().map_err(Failure::input)?.into();
    }
    let out = args.out.clone().unwrap_or_else(|| default_name(args));
    let output = Output::check(&out, &[&args.model])?;
    let bytes = bytes(args.format, &file, &out)
        .map_err(|error| Failure::input(format!("{}: {error}", args.model.display())))?;
    output.write(|writer| writer.write_all(&bytes))?;
    let note = match args.format {
        ExportFormat::Onnx => onnx::note(&file),
        ExportFormat::Rust | ExportFormat::C => "",
    };
    Ok(writeln!(io::stdout(), "saved {}{note}", out.display())?)
}

/// The contents of the file, or why this model cannot be written so.
fn bytes(format: ExportFormat, file: &ModelFile, out: &Path) -> Result<Vec<u8>, Failure> {
    match format {
        ExportFormat::Onnx => onnx::bytes(file),
        ExportFormat::Rust => rust::bytes(file),
        ExportFormat::C => c::bytes(file, out),
    }
}

/// The model's name with the format's ending.
fn default_name(args: &ExportArgs) -> PathBuf {
    args.model.with_extension(match args.format {
        ExportFormat::Onnx => "onnx",
        ExportFormat::Rust => "rs",
        ExportFormat::C => "c",
    })
}
