//! `bptt bench`: what it reports and what it refuses. No test looks at how long anything takes.

mod common;

use bptt::Level;
use common::Folder;
use serde_json::{Value, json};

/// A shape that takes no time.
const TINY: &str = "--input-size 3 --hidden-size 6 --output-size 2 --seq-len 4 --sequences 10 --batch-size 2";

/// Runs a bench, expects success and a report that makes sense, and returns the report.
fn bench(flags: &str) -> Value {
    let folder = Folder::new();
    let run = folder.ok(&format!("bench --seconds 0.05 --json {flags}"));
    assert!(folder.snapshot().is_empty(), "bptt bench {flags} wrote a file");
    check(flags, &run.out)
}

fn check(flags: &str, text: &str) -> Value {
    let report: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let number =
        |name: &str| report[name].as_f64().unwrap_or_else(|| panic!("{flags}: no `{name}` in {text}"));
    let ns = number("ns_per_timestep");
    assert!(ns > 0.0 && ns.is_finite(), "{flags}: {text}");
    assert!(number("ns_min") <= ns && ns <= number("ns_max"), "{flags}: {text}");
    assert!(number("repetitions") >= 5.0 && number("epochs_per_repetition") >= 1.0, "{flags}: {text}");
    let (before, after) = (number("loss_before"), number("loss_after"));
    assert!(0.0 <= after && after < before, "{flags}: {text}");
    let (i, h, o) = (number("input_size"), number("hidden_size"), number("output_size"));
    let operations = 6.0 * (i * h + h * h) + 6.0 * h * o;
    let share = if report["inference"] == true { 1.0 / 3.0 } else { 1.0 };
    let expected = operations * share / ns;
    assert!((number("gflops") / expected - 1.0).abs() < 1e-9, "{flags}: {expected} in {text}");
    // How many sequences are timed depends on the machine.
    assert!(number("timed_sequences") <= number("sequences"), "{flags}: {text}");
    assert_eq!(number("timesteps"), number("timed_sequences") * number("seq_len"), "{flags}: {text}");
    assert_eq!(report["cell"], json!("elman"), "{flags}");
    assert!(number("threads") >= 1.0, "{flags}: {text}");
    report
}

/// Expects the report to have these values.
fn has(report: &Value, expected: Value) {
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&report[name], value, "`{name}` in {report}");
    }
}

#[test]
fn every_shape_and_setting_is_echoed() {
    for dtype in ["f32", "f64"] {
        for activation in ["tanh", "relu", "sigmoid"] {
            let report = bench(&format!("{TINY} --cell elman --dtype {dtype} --activation {activation}"));
            has(
                &report,
                json!({
                    "input_size": 3, "hidden_size": 6, "output_size": 2, "seq_len": 4, "sequences": 10,
                    "batch_size": 2, "activation": activation, "dtype": dtype,
                    "level": Level::best().name(), "inference": false, "preset": null, "data": null, "seed": 1,
                }),
            );
        }
    }
    has(
        &bench("--threads 1 --seed 7 --learning-rate 0.01"),
        json!({
            "input_size": 8, "hidden_size": 32, "output_size": 1, "seq_len": 32, "sequences": 256, "batch_size": 1,
            "activation": "tanh", "dtype": "f32", "seed": 7, "learning_rate": 0.01,
        }),
    );
}

#[test]
fn large_batches_take_as_many_threads_as_they_are_given() {
    let threads = |flags: &str| bench(&format!("--hidden-size 40 {flags}"))["threads"].clone();
    assert_eq!(
        [threads("--batch-size 64 --threads 1"), threads("--batch-size 64 --threads 2")],
        [json!(1), json!(2)]
    );
    assert_eq!(threads("--inference --threads 2"), json!(2));
    // One sequence per update is nothing to share.
    assert_eq!(threads("--batch-size 1 --threads 2"), json!(1));
}

#[test]
fn networks_from_one_unit_to_many_learn_at_the_default_rate() {
    for shape in [
        "--input-size 1 --hidden-size 1 --seq-len 1",
        "--input-size 1 --hidden-size 2 --seq-len 40 --sequences 8",
        "--input-size 40 --hidden-size 3 --seq-len 3 --batch-size 16",
        "--hidden-size 100 --seq-len 6 --batch-size 64 --sequences 64",
    ] {
        for activation in ["tanh", "relu", "sigmoid"] {
            bench(&format!("{shape} --activation {activation}"));
        }
    }
}

#[test]
fn predictions_are_timed_after_a_training() {
    for dtype in ["f32", "f64"] {
        let report = bench(&format!("{TINY} --inference --dtype {dtype}"));
        has(&report, json!({ "inference": true, "dtype": dtype }));
    }
    bench("--preset fraud --inference --sequences 40");
    bench("--preset small --inference");
}

#[test]
fn every_level_of_this_machine_and_no_other() {
    let available: Vec<_> = Level::available().iter().map(|level| level.name()).collect();
    for level in ["baseline", "avx2", "avx512"] {
        if available.contains(&level) {
            has(&bench(&format!("{TINY} --level {level}")), json!({ "level": level }));
        } else {
            let expected = format!("this machine has ({})", available.join(", "));
            Folder::new().refused(&format!("bench --level {level}"), &["--level", &expected, level]);
        }
    }
}

#[test]
fn presets_are_the_documented_tasks_and_flags_win() {
    let small = json!({
        "preset": "small", "input_size": 3, "hidden_size": 5, "output_size": 1, "seq_len": 5, "sequences": 12,
        "batch_size": 1, "activation": "relu", "dtype": "f64", "learning_rate": 1e-6,
    });
    has(&bench("--preset small"), small);
    let fraud = json!({
        "preset": "fraud", "input_size": 29, "hidden_size": 10, "output_size": 1, "seq_len": 5, "sequences": 60,
        "batch_size": 1, "activation": "tanh", "dtype": "f32", "learning_rate": 0.001,
    });
    has(&bench("--preset fraud --sequences 60"), fraud);
    has(&bench("--preset fraud"), json!({ "sequences": 45_569 }));
    let report =
        bench("--preset fraud --sequences 70 --dtype f64 --batch-size 64 --hidden-size 3 --input-size 7");
    has(&report, json!({ "dtype": "f64", "batch_size": 64, "hidden_size": 3, "input_size": 7 }));
    has(&bench("--preset small --seq-len 9 --sequences 20"), json!({ "seq_len": 9, "sequences": 20 }));
}

/// 22 rows with the columns of the card data.
fn cards(label: &str) -> String {
    let columns: Vec<_> = (1..=28).map(|column| format!("V{column}")).collect();
    let mut csv = format!("Time,{},Amount,{label}\n", columns.join(","));
    for row in 0..22 {
        let values: Vec<_> =
            (0..29).map(|column| (row * 7 + column * 5) % 11).map(|x| x.to_string()).collect();
        csv += &format!("{row},{},{}\n", values.join(","), u8::from(row == 13));
    }
    csv
}

#[test]
fn presets_take_files_with_their_columns() {
    let folder = Folder::new();
    folder.file("cards.csv", cards("Class"));
    folder.file("small.csv", include_str!("../data/small.csv"));
    let bench =
        |flags: &str| check(flags, &folder.ok(&format!("bench --seconds 0.05 --json --preset {flags}")).out);
    let report = bench("fraud --data cards.csv --hidden-size 4");
    // Five windows, of which the first four train.
    let expected = json!({ "data": "cards.csv", "sequences": 4, "seq_len": 5, "hidden_size": 4 });
    has(&report, expected);
    has(&bench("fraud --data cards.csv --sequences 2"), json!({ "sequences": 2 }));
    let (bundled, file) = (bench("small --inference"), bench("small --inference --data small.csv"));
    has(&file, json!({ "sequences": 12, "seq_len": 5, "data": "small.csv" }));
    for loss in ["loss_before", "loss_after"] {
        let alike = bundled["timed_sequences"] == file["timed_sequences"];
        assert!(!alike || bundled[loss] == file[loss], "{bundled} {file}");
    }
}

#[test]
fn gated_cells_are_timed_too() {
    for (cell, operations) in [("gru", 3.0), ("lstm", 4.0), ("gru-reset-before", 3.0)] {
        let run = Folder::new().ok(&format!(
            "bench --cell {cell} --input-size 2 --hidden-size 3 --seq-len 4 --sequences 8 --seconds 0.05 --json"
        ));
        let report: Value = serde_json::from_str(&run.out).unwrap();
        assert_eq!((report["cell"].as_str(), &report["activation"]), (Some(cell), &Value::Null));
        let number = |name: &str| report[name].as_f64().unwrap_or(f64::NAN);
        let counted = number("gflops") * number("ns_per_timestep");
        let expected = 6.0 * operations * (2.0 * 3.0 + 9.0) + 18.0;
        assert!((counted / expected - 1.0).abs() < 1e-9, "{report}");
    }
}

#[test]
fn files_that_do_not_fit() {
    let folder = Folder::new();
    folder.file("cards.csv", cards("Class"));
    folder.file("wrong.csv", cards("Klass"));
    folder.file("counts.csv", cards("Class").replace(",1\n", ",2\n"));
    folder.file("short.csv", "name,t,x1,x2,x3,y\na,1,1,2,3,4\n");
    folder.refused("bench --data cards.csv", &["--data", "--preset", "cards.csv"]);
    folder.refused("bench --preset fraud --data none.csv", &["none.csv", "expected a file"]);
    folder.refused("bench --preset fraud --data wrong.csv", &["wrong.csv, line 1", "`Class`", "`Klass`"]);
    folder.refused("bench --preset fraud --data counts.csv", &["counts.csv, line", "Class", "0 or 1"]);
    folder.refused("bench --preset small --data cards.csv", &["cards.csv, line 1", "`name`"]);
    folder.refused(
        "bench --preset small --data short.csv",
        &["short.csv", "at least 2 sequences", "1 sequence"],
    );
    let fixed = "bench --preset fraud --data cards.csv";
    for (flag, size) in [("--input-size", 29), ("--output-size", 2), ("--seq-len", 7)] {
        folder.refused(&format!("{fixed} {flag} {size}"), &[flag, "--data", &size.to_string()]);
    }
    folder.refused(&format!("{fixed} --sequences 5"), &["--sequences", "at most 4", "cards.csv", "5"]);
}

#[test]
fn settings_out_of_range() {
    let folder = Folder::new();
    for flag in ["--input-size", "--hidden-size", "--output-size", "--seq-len", "--sequences", "--batch-size"]
    {
        folder.refused(&format!("bench {flag} 0"), &[flag, "at least 1", "found 0"]);
        folder.refused(&format!("bench {flag} -3"), &[flag, "-3"]);
    }
    for flag in ["--learning-rate", "--seconds"] {
        for value in ["0", "-1", "NaN", "inf"] {
            folder.refused(&format!("bench {flag} {value}"), &[flag, "a positive number"]);
        }
    }
    for (threads, expected) in [("0", "at least 1, found 0"), ("-1", "-1"), ("all", "all")] {
        folder.refused(&format!("bench --threads {threads}"), &["--threads", expected]);
    }
    folder.refused("bench --level avx1024", &["--level", "avx1024", "baseline, avx2, avx512"]);
    folder.refused("bench --cell transformer", &["--cell", "transformer", "elman", "gru", "lstm"]);
    folder.refused("bench --preset large", &["--preset", "large", "small, fraud"]);
    folder.refused("bench --dtype f16", &["--dtype", "f16", "f32, f64"]);
    folder.refused("bench --activation gelu", &["--activation", "gelu", "tanh, relu, sigmoid"]);
    folder.refused("bench --hidden-size 99999999999999", &["memory"]);
    folder.refused("bench --sequences 99999999999999999", &["memory", "--sequences", "99999999999999999"]);
}

#[test]
fn the_line_for_people_names_the_shape_and_the_figures() {
    let folder = Folder::new();
    let run = folder.ok(&format!("bench --seconds 0.05 {TINY}"));
    assert_eq!(run.out.lines().count(), 1, "{run:?}");
    for part in
        ["elman 3 → 6 → 2", "tanh", "f32", "sequences × 4", "batch 2", "1 thread:", "training", "GFLOP/s"]
    {
        assert!(run.out.contains(part), "expected `{part}` in: {}", run.out);
    }
    let run = folder.ok("bench --seconds 0.05 --preset small --inference --batch-size 13");
    assert!(run.out.starts_with("small: elman 3 → 5 → 1") && run.out.contains("inference"), "{run:?}");
    assert!(run.err.contains("--batch-size 13") && run.err.contains("12 sequences"), "{run:?}");
    let run = folder.ok("bench --seconds 0.001 --hidden-size 256 --sequences 2000 --json");
    let report = check("--sequences 2000", &run.out);
    assert!(report["timed_sequences"].as_u64() < Some(2000), "{run:?}");
    assert!(run.err.contains("2,000 sequences"), "{run:?}");
}

#[test]
fn a_loss_that_does_not_fall_is_a_failure() {
    let folder = Folder::new();
    let run = folder.run(&format!("bench {TINY} --activation relu --seconds 0.05 --learning-rate 1e30"));
    assert_eq!((run.code, run.out.as_str()), (1, ""), "{run:?}");
    for part in ["the loss did not fall", "not finite in epoch", "--learning-rate"] {
        assert!(run.err.contains(part), "{run:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn ctrl_c_ends_it_at_once() {
    let folder = Folder::new();
    let mut command = folder.command("bench --seconds 1000");
    let mut child =
        command.stderr(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let pid = child.id();
    // Not before it listens: bit 1 of the caught signals is SIGINT.
    loop {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap_or("0").trim();
        if u64::from_str_radix(caught, 16).unwrap() & 2 != 0 {
            break;
        }
        assert!(child.try_wait().unwrap().is_none());
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert!(std::process::Command::new("kill").args(["-INT", &pid.to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(130), 0), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("interrupted"), "{output:?}");
}
