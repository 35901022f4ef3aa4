//! Every command on good input, from the command line.

mod common;

use common::{Folder, echo_csv, rise_csv};
use serde_json::Value;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn train_without_arguments_beats_the_naive_forecast_on_real_weather() {
    let folder = Folder::new();
    let report = json(&folder.ok("train --json").out);
    assert_eq!(
        (report["data"]["sequences"].as_u64(), report["data"]["rows"].as_u64()),
        (Some(48), Some(1460))
    );
    let test = &report["metrics"]["test"]["labels"]["y_temp_max_next"];
    let (model, naive) = (test["rmse"].as_f64().unwrap(), test["baseline"]["rmse"].as_f64().unwrap());
    assert!(model < 0.95 * naive, "{model} against {naive}");
    assert_eq!(report["saved"], "model.safetensors");
    assert!(folder.path("model.safetensors").exists());
}

#[test]
fn the_report_for_people_names_the_forecast_to_beat_and_the_file() {
    let folder = Folder::new();
    let run = folder.ok("train --epochs 20 --patience 0 --out weather.safetensors");
    for part in
        ["48 sequences", "6 → 32 → 1", "RMSE", "naive forecast (x_temp_max)", "saved weather.safetensors"]
    {
        assert!(run.out.contains(part), "expected `{part}` in: {}", run.out);
    }
    // Standard error is not a terminal here: plain lines, ten of them.
    assert_eq!(run.err.lines().filter(|line| line.starts_with("epoch ")).count(), 10, "{}", run.err);
}

#[test]
fn the_saved_model_predicts_what_the_training_measured() {
    let folder = Folder::new();
    folder.file("data.csv", echo_csv());
    for dtype in ["f32", "f64"] {
        let trained = json(
            &folder
                .ok(&format!("train data.csv --train-ratio 1 --validation-ratio 0 --dtype {dtype} --json"))
                .out,
        );
        let evaluated = json(&folder.ok("evaluate model.safetensors data.csv --json").out);
        let rmse =
            |report: &Value, part: &str| report["metrics"][part]["labels"]["y1"]["rmse"].as_f64().unwrap();
        assert_eq!(rmse(&trained, "train"), rmse(&evaluated, "data"), "{dtype}");
        folder.ok("predict model.safetensors data.csv -o out.csv");
        let predicted = folder.read("out.csv");
        let mut squared = 0.0;
        for (row, line) in echo_csv().lines().skip(1).zip(predicted.lines().skip(1)) {
            let (row, line): (Vec<_>, Vec<_>) = (row.split(',').collect(), line.split(',').collect());
            assert_eq!(row[..2], line[..2]);
            squared += (row[4].parse::<f64>().unwrap() - line[2].parse::<f64>().unwrap()).powi(2);
        }
        assert!(((squared / 60.0).sqrt() - rmse(&evaluated, "data")).abs() < 1e-6, "{dtype}");
    }
}

/// RMSE between column `label` of one CSV text and column `prediction` of another.
fn rmse_of(labelled: &str, predicted: &str, label: usize, prediction: usize) -> f64 {
    let value = |line: &str, column: usize| line.split(',').nth(column).unwrap().parse::<f64>().unwrap();
    let rows = labelled.lines().skip(1).zip(predicted.lines().skip(1));
    let squares: Vec<f64> = rows.map(|(l, p)| (value(l, label) - value(p, prediction)).powi(2)).collect();
    (squares.iter().sum::<f64>() / squares.len() as f64).sqrt()
}

#[test]
fn predictions_of_labels_with_a_large_offset_keep_their_digits() {
    let folder = Folder::new();
    let mut csv = String::from("name,t,x1,y1\n");
    for row in 0..60 {
        csv += &format!("s{},{},{},{}\n", row / 6, row % 6, row * 7 % 11, 1_600_000_000 + row * 7 % 11);
    }
    folder.file("data.csv", &csv);
    folder.ok("train data.csv");
    folder.ok("predict model.safetensors data.csv -o out.csv");
    let evaluated = json(&folder.ok("evaluate model.safetensors data.csv --json").out);
    let expected = evaluated["metrics"]["data"]["labels"]["y1"]["rmse"].as_f64().unwrap();
    let found = rmse_of(&csv, &folder.read("out.csv"), 3, 2);
    assert!((found - expected).abs() < 1e-5 * expected.max(1.0), "{found} {expected}");
}

#[test]
fn a_model_without_a_time_column_keeps_the_files_order() {
    let folder = Folder::new();
    let mut csv = String::from("x,t\n");
    for row in 0..36 {
        csv += &format!("{},{}\n", row * 5 % 7, row * 11 % 13);
    }
    folder.file("data.csv", &csv);
    folder.ok("train data.csv --inputs x --labels t --window 6");
    folder.ok("predict model.safetensors data.csv -o out.csv");
    let evaluated = json(&folder.ok("evaluate model.safetensors data.csv --json").out);
    let expected = evaluated["metrics"]["data"]["labels"]["t"]["rmse"].as_f64().unwrap();
    let found = rmse_of(&csv, &folder.read("out.csv"), 1, 2);
    assert!((found - expected).abs() < 1e-5, "{found} {expected}");
}

#[test]
fn predictions_come_in_the_order_of_the_file_and_need_no_labels() {
    let folder = Folder::new();
    folder.file("data.csv", echo_csv());
    folder.ok("train data.csv --epochs 5");
    folder.ok("predict model.safetensors data.csv -o straight.csv");
    // The same rows, sequences interleaved and times falling, without the label column.
    let mut rows: Vec<String> =
        echo_csv().lines().skip(1).map(|row| row.rsplit_once(',').unwrap().0.to_owned()).collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.split(',').nth(1).unwrap().to_owned()));
    folder.file("mixed.csv", format!("name,t,x1,x2\n{}\n", rows.join("\n")));
    folder.ok("predict model.safetensors mixed.csv -o mixed-out.csv");
    let straight = folder.read("straight.csv");
    let mixed = folder.read("mixed-out.csv");
    for (row, predicted) in rows.iter().zip(mixed.lines().skip(1)) {
        let key = row.split(',').take(2).collect::<Vec<_>>().join(",");
        assert!(predicted.starts_with(&format!("{key},")), "{row} {predicted}");
        assert!(straight.contains(predicted), "{predicted}");
    }
    assert_eq!(mixed.lines().count(), 61);
}

#[test]
fn a_binary_task_is_recognised_and_gets_classes() {
    let folder = Folder::new();
    folder.file("data.csv", rise_csv());
    let report = json(&folder.ok("train data.csv --epochs 300 --learning-rate 0.05 --json").out);
    assert_eq!(report["task"], "binary");
    let test = &report["metrics"]["train"]["labels"]["y"];
    assert!(test["pr_auc"].as_f64().unwrap() > 0.9, "{test}");
    assert_eq!(test["baseline"]["kind"], "majority");
    let out = folder.ok("predict model.safetensors data.csv --threshold 0.4").out;
    assert!(out.starts_with("name,t,prediction,class\n"));
    for line in out.lines().skip(1) {
        let cells: Vec<_> = line.split(',').collect();
        assert_eq!(cells[3] == "1", cells[2].parse::<f64>().unwrap() >= 0.4, "{line}");
    }
    assert!(folder.ok("train data.csv --epochs 2").out.contains("PR-AUC"));
    let forced = json(&folder.ok("train data.csv --epochs 2 --task regression --json").out);
    assert_eq!(forced["task"], "regression");
}

#[test]
fn windows_ranges_and_real_world_csv() {
    let folder = Folder::new();
    // CRLF, quotes, exponents in the time column, no final newline, a BOM.
    let mut csv = String::from("\u{feff}\"When\",V1,V2,V3,Amount,Class\r\n");
    for row in 0..23 {
        csv += &format!(
            "{}e+00,{},\"{}\",{},1.5,{}\r\n",
            row,
            row % 3,
            row % 5,
            row % 7,
            i32::from(row % 4 == 0)
        );
    }
    folder.file("data.csv", csv.trim_end());
    let flags = "--time When --inputs V1..V3,Amount --labels Class --window 5 --epochs 3";
    let report = json(&folder.ok(&format!("train data.csv {flags} --json")).out);
    assert_eq!((report["data"]["sequences"].as_u64(), report["data"]["rows"].as_u64()), (Some(5), Some(23)));
    assert_eq!(report["data"]["inputs"], serde_json::json!(["V1", "V2", "V3", "Amount"]));
    let out = folder.ok("predict model.safetensors data.csv").out;
    assert!(out.starts_with("sequence,When,prediction,class\n1,0e+00,"), "{out}");
}

#[test]
fn a_config_file_gives_the_same_model_as_flags_and_flags_win() {
    let folder = Folder::new();
    folder.file("data.csv", echo_csv());
    folder.file(
        "run.toml",
        "data = \"data.csv\"\nepochs = 4\nhidden-size = 7\nactivation = \"relu\"\ninputs = [\"x1\"]\nseed = 9\n\
         learning-rate = 0.02\nshuffle = \"none\"\nout = \"config.safetensors\"\n",
    );
    folder.ok("train --config run.toml");
    folder.ok(
        "train data.csv --epochs 4 --hidden-size 7 --activation relu --inputs x1 --seed 9 --learning-rate 0.02 \
         --shuffle none --out flags.safetensors",
    );
    let bytes = |name| std::fs::read(folder.path(name)).unwrap();
    assert!(bytes("config.safetensors") == bytes("flags.safetensors"));
    let inspected = json(&{
        folder.ok("train --config run.toml --hidden-size 3 --out three.safetensors");
        folder.ok("inspect three.safetensors --json").out
    });
    assert_eq!(
        (inspected["model"]["hidden_size"].as_u64(), inspected["model"]["activation"].as_str()),
        (Some(3), Some("relu"))
    );
}

#[test]
fn the_same_seed_gives_the_same_file_and_another_seed_another() {
    let folder = Folder::new();
    folder.file("data.csv", echo_csv());
    let train = |seed: u32, out: &str| {
        folder.ok(&format!("train data.csv --epochs 5 --seed {seed} --out {out}"));
        std::fs::read(folder.path(out)).unwrap()
    };
    assert!(train(1, "a") == train(1, "b"));
    assert!(train(2, "c") != train(1, "d"));
}

#[test]
fn inspect_shows_sizes_columns_scaling_and_settings() {
    let folder = Folder::new();
    folder.file("data.csv", echo_csv());
    folder.ok("train data.csv --epochs 5 --normalize minmax --hidden-size 7");
    let text = folder.ok("inspect model.safetensors").out;
    for part in ["2 → 7 → 1", "column `name`", "column `t`", "minmax", "x1", "weight_hh_l0", "learning_rate"]
    {
        assert!(text.contains(part), "expected `{part}` in: {text}");
    }
    let report = json(&folder.ok("inspect model.safetensors --json").out);
    assert_eq!(report["columns"]["inputs"], serde_json::json!(["x1", "x2"]));
    assert_eq!(report["normalization"]["inputs"]["kind"], "minmax");
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_the_epoch_saves_and_says_so() {
    let folder = Folder::new();
    let mut command = folder.command("train --epochs 100000000 --eval-every 1 --patience 0");
    let mut child =
        command.stderr(std::process::Stdio::piped()).stdout(std::process::Stdio::null()).spawn().unwrap();
    // The first progress line says that training is under way.
    let mut err = std::io::BufReader::new(child.stderr.take().unwrap());
    let mut first = String::new();
    std::io::BufRead::read_line(&mut err, &mut first).unwrap();
    assert!(first.starts_with("epoch"), "{first}");
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut err, &mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(
        rest.contains("interrupted after epoch") && rest.contains("saved in model.safetensors"),
        "{rest}"
    );
    folder.ok("inspect model.safetensors");
}

#[cfg(unix)]
#[test]
fn a_closed_pipe_is_success() {
    let folder = Folder::new();
    folder.file("data.csv", echo_csv());
    folder.ok("train data.csv --epochs 1");
    let mut rows = String::from("name,t,x1,x2\n");
    for row in 0..50_000 {
        rows += &format!("s,{row},0.5,0.5\n");
    }
    folder.file("long.csv", rows);
    let script = format!(
        "\"{}\" predict model.safetensors long.csv | head -1; exit ${{PIPESTATUS[0]}}",
        env!("CARGO_BIN_EXE_bptt")
    );
    let output = std::process::Command::new("bash")
        .args(["-c", &script])
        .current_dir(folder.0.path())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "name,t,prediction\n");
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}
