//! Bad input: exit code 2, one message that says what was expected, what was found and where, and no file
//! created, changed or left half-written.

mod common;

use common::{Folder, echo_csv};

/// A folder with good data and a model trained on them.
fn trained() -> Folder {
    let folder = Folder::new();
    folder.file("data.csv", echo_csv());
    folder.ok("train data.csv --epochs 1");
    folder
}

#[test]
fn files_that_are_not_there_or_empty() {
    let folder = Folder::new();
    folder.refused("train none.csv", &["none.csv", "expected a file"]);
    folder.file("empty.csv", "");
    folder.refused("train empty.csv", &["empty.csv", "empty file"]);
    folder.file("header.csv", "name,t,x1,y1\n");
    folder.refused("train header.csv", &["header.csv", "line 1", "at least one row"]);
    std::fs::create_dir(folder.path("folder")).unwrap();
    folder.refused("train folder", &["folder", "directory"]);
}

#[test]
fn columns_that_are_missing() {
    let folder = Folder::new();
    folder.file("data.csv", echo_csv());
    folder.refused("train data.csv --inputs x1,x22", &["data.csv", "line 1", "x22", "x2"]);
    folder.refused("train data.csv --sequence nam", &["nam", "did you mean `name`"]);
    folder.refused("train data.csv --labels x1 --inputs x1", &["x1"]);
    folder.refused("train data.csv --naive y1", &["--naive", "y1"]);
    folder.file("anonymous.csv", "t,x1,y1\n1,2,3\n");
    folder.refused("train anonymous.csv", &["name", "--window"]);
    folder.refused("train data.csv --window 0", &["0"]);
    folder.file("semicolons.csv", "name;t;x1;y1\na;1;2;3\n");
    folder.refused("train semicolons.csv", &["semicolons.csv, line 1", "commas", "semicolons"]);
    folder.refused("train data.csv --window 3 --sequence name", &["window"]);
}

#[test]
fn rows_and_cells_that_are_wrong() {
    let folder = Folder::new();
    for (row, parts) in [
        ("a,2,3", &["line 3", "4", "3"][..]),
        ("a,2,3,4,5", &["line 3", "4", "5"]),
        ("a,2,three,4", &["line 3", "x1", "three"]),
        ("a,2,,4", &["line 3", "x1", "empty"]),
        ("a,2,NaN,4", &["line 3", "x1", "NaN", "finite"]),
        ("a,2,3,inf", &["line 3", "y1", "inf", "finite"]),
        ("a,2,1e999,4", &["line 3", "x1", "1e999"]),
        ("a,later,3,4", &["line 3", "t", "later"]),
        (",2,3,4", &["line 3", "name"]),
    ] {
        folder.file("data.csv", format!("name,t,x1,y1\na,1,2,3\n{row}\n"));
        folder.refused("train data.csv", &[&["data.csv"], parts].concat());
    }
}

#[test]
fn no_sequence_in_the_training_part() {
    let folder = Folder::new();
    folder.file("data.csv", "name,t,x1,y1\na,1,2,3\na,2,3,4\n");
    folder.refused("train data.csv", &["data.csv", "training part", "1 sequence", "0.8"]);
}

#[test]
fn settings_out_of_range() {
    let folder = Folder::new();
    folder.file("data.csv", echo_csv());
    for flag in [
        "--hidden-size 0",
        "--epochs 0",
        "--batch-size 0",
        "--learning-rate 0",
        "--learning-rate -1",
        "--learning-rate NaN",
        "--learning-rate inf",
        "--train-ratio 0",
        "--train-ratio 1.5",
        "--threshold NaN",
        "--hidden-size -3",
        "--activation gelu",
        "--hidden-size 99999999999999",
    ] {
        folder.refused(&format!("train data.csv {flag}"), &[]);
    }
    folder.refused("train data.csv --hidden-size -3", &["-3", "--hidden-size"]);
    folder.refused("train data.csv --learning-rate 1e-60", &["--learning-rate", "positive"]);
    folder.refused("train data.csv --inputs x1,,x2", &["--inputs", "empty"]);
    folder.file("empty.toml", "out = \"\"\n");
    folder.refused("train data.csv --config empty.toml", &["--out", "empty"]);
    folder.refused("train data.csv --learning-rate NaN", &["--learning-rate", "positive", "NaN"]);
    folder.file("run.toml", "epochs = 3\nhiden-size = 4\n");
    folder.refused("train data.csv --config run.toml", &["run.toml", "line 2", "hiden-size", "hidden-size"]);
    folder.refused("train data.csv --config none.toml", &["none.toml"]);
}

#[test]
fn labels_that_the_task_cannot_have_and_values_beyond_the_type() {
    let folder = Folder::new();
    folder.file("data.csv", echo_csv());
    folder.refused("train data.csv --task binary", &["data.csv", "line", "y1", "0 or 1"]);
    folder.file("huge.csv", "name,t,x1,y1\na,1,1e300,3\nb,2,-1e300,4\n");
    folder.refused("train huge.csv --normalize none --train-ratio 1", &["huge.csv, line 2", "x1", "float32"]);
    folder.file("wide.csv", "name,t,x1,y1\na,1,1.5e308,3\nb,2,-1.5e308,4\n");
    folder.refused("train wide.csv --train-ratio 1", &["wide.csv", "x1", "range"]);
    folder.ok("train huge.csv --train-ratio 1 --epochs 1 --out /dev/null");
}

#[test]
fn places_that_cannot_be_written() {
    let folder = trained();
    std::fs::create_dir(folder.path("folder")).unwrap();
    folder.refused("train data.csv --out folder", &["folder", "directory"]);
    folder.refused("train data.csv --out none/model", &["none/model", "folder"]);
    folder.refused("train data.csv --out data.csv", &["data.csv", "another file"]);
    folder.refused("predict model.safetensors data.csv -o folder", &["folder", "directory"]);
    folder.refused(
        "predict model.safetensors data.csv -o none/out.csv",
        &["none/out.csv: expected", "no folder none"],
    );
    folder.refused("train data.csv -o a/b/model", &["a/b/model: expected", "no folder a/b"]);
    folder.refused("predict model.safetensors data.csv -o data.csv", &["another file"]);
    folder.refused("predict model.safetensors data.csv -o model.safetensors", &["another file"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk() {
    let folder = trained();
    folder.refused("train data.csv --epochs 1 --eval-every 0 --out /dev/full", &["/dev/full", "space"]);
    folder.refused("predict model.safetensors data.csv -o /dev/full", &["/dev/full", "space"]);
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = folder.command("predict model.safetensors data.csv").stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("standard output"));
}

#[test]
fn model_files_that_are_not_models() {
    let folder = trained();
    let good = std::fs::read(folder.path("model.safetensors")).unwrap();
    folder.file("empty", "");
    folder.file("text", "name,t,x1\n");
    folder.file("short", &good[..good.len() - 1]);
    folder.file("header", &good[..20]);
    let mut altered = good.clone();
    *altered.last_mut().unwrap() ^= 1;
    folder.file("altered", &altered);
    for command in ["predict BAD data.csv", "evaluate BAD data.csv", "inspect BAD"] {
        for bad in ["none", "empty", "text", "short", "header", "altered", "data.csv"] {
            folder.refused(&command.replace("BAD", bad), &[bad]);
        }
    }
}

#[test]
fn data_that_lack_the_models_columns() {
    let folder = trained();
    folder.file("other.csv", "name,t,x1,x3,y1\na,1,2,3,4\n");
    folder.refused("predict model.safetensors other.csv", &["other.csv", "x2"]);
    folder.file("unlabelled.csv", "name,t,x1,x2\na,1,2,3\n");
    folder.refused("evaluate model.safetensors unlabelled.csv", &["unlabelled.csv", "y1"]);
    folder.file("wild.csv", "name,t,x1,x2\na,1,2,3\na,2,1e308,-1e308\n");
    folder.refused("predict model.safetensors wild.csv", &["wild.csv, line 3", "x1"]);
}

#[test]
fn a_training_that_diverges_ends_with_code_1_and_saves_nothing() {
    let folder = Folder::new();
    folder.file("data.csv", echo_csv());
    let before = folder.snapshot();
    let run =
        folder.run("train data.csv --activation relu --optimizer sgd --learning-rate 1e30 --eval-every 0");
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.err.contains("epoch") && run.err.contains("batch"), "{run:?}");
    assert!(folder.snapshot() == before);
    // In the last update, where no further loss would show it.
    let flags = "--epochs 1 --train-ratio 1 --batch-size 10 --optimizer sgd --validation-ratio 0 --learning-rate 1e38 --activation relu";
    let run = folder.run(&format!("train data.csv {flags}"));
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.err.contains("not finite") && folder.snapshot() == before, "{run:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_report_that_cannot_be_written_says_where_the_model_is() {
    let folder = Folder::new();
    folder.file("data.csv", echo_csv());
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = folder.command("train data.csv --epochs 1").stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("the model is saved in model.safetensors"));
    folder.ok("inspect model.safetensors");
}
