//! Classification, validation, history, report, examples: what `bptt train` does beyond a plain regression.

mod common;

use common::{Folder, echo_csv, rise_csv};
use serde_json::Value;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Sequences of three kinds of rhythm, named in the last row only.
fn rhythms(name: impl Fn(usize) -> String) -> String {
    let mut csv = String::from("name,t,x1,y\n");
    for sequence in 0..60 {
        let (kind, steps) = (sequence % 3, 6 + sequence % 5);
        for t in 0..steps {
            let label = if t + 1 == steps { name(kind) } else { String::new() };
            csv += &format!("s{sequence},{t},{},{label}\n", (t * (kind + 1) + sequence) % 4);
        }
    }
    csv
}

#[test]
fn the_bundled_vowels_are_told_apart() {
    let folder = Folder::new();
    let report = json(&folder.ok("train --example japanese-vowels --json").out);
    assert_eq!(
        (report["task"].as_str(), report["training"]["test_sequences"].as_u64()),
        (Some("classification"), Some(370))
    );
    let accuracy = report["metrics"]["test"]["labels"]["y"]["accuracy"].as_f64().unwrap();
    assert!(accuracy >= 0.97, "{accuracy}");
    // The file that it was trained on, as a user would have it.
    folder.ok("example japanese-vowels -o vowels.csv");
    let evaluated = json(&folder.ok("evaluate model.safetensors vowels.csv --json").out);
    assert_eq!(evaluated["metrics"]["data"]["labels"]["y"]["count"], 640);
    let predicted = folder.ok("predict model.safetensors vowels.csv").out;
    assert!(predicted.starts_with("name,t,class,p_speaker-1,p_speaker-2"), "{}", &predicted[..80]);
    assert_eq!(predicted.lines().count(), 9962);
}

#[test]
fn classes_are_names_or_numbers() {
    let folder = Folder::new();
    folder.file("names.csv", rhythms(|kind| ["waltz", "tango", "polka"][kind].into()));
    folder.file("numbers.csv", rhythms(|kind| (kind + 1).to_string()));
    let names = json(&folder.ok("train names.csv --json --epochs 100").out);
    assert_eq!(names["classes"], serde_json::json!(["polka", "tango", "waltz"]));
    let scores = &names["metrics"]["train"]["labels"]["y"];
    assert!(scores["accuracy"].as_f64().unwrap() > 0.9, "{scores}");
    assert_eq!(scores["confusion"].as_array().unwrap().len(), 3);
    let text = folder.ok("train names.csv --epochs 3").out;
    assert!(text.contains("classification, 3 classes") && text.contains("precision  recall"), "{text}");
    let inspected = folder.ok("inspect model.safetensors").out;
    assert!(
        inspected.contains("classes: polka, tango, waltz") && inspected.contains("cross-entropy"),
        "{inspected}"
    );
    folder.file("other.csv", "name,t,x1,y\na,0,1,waltz\na,1,2,foxtrot\n");
    folder.refused("evaluate model.safetensors other.csv", &["other.csv, line 3", "`waltz`", "`foxtrot`"]);
    let numbers = json(&folder.ok("train numbers.csv --json --epochs 3").out);
    assert_eq!(
        (&numbers["task"], &numbers["classes"]),
        (&"classification".into(), &serde_json::json!(["1", "2", "3"]))
    );
    let forced = json(&folder.ok("train numbers.csv --json --epochs 3 --task regression").out);
    assert_eq!(forced["task"], "regression");
    assert_eq!(forced["metrics"]["test"]["labels"]["y"]["count"], 12);
}

/// The task that the tool takes these labels for, one of them in each row in turn.
fn task(labels: &[&str]) -> String {
    let folder = Folder::new();
    let mut csv = String::from("name,t,x1,y\n");
    for row in 0..60 {
        csv += &format!("s{},{},{},{}\n", row / 6, row % 6, row * 7 % 11, labels[row % labels.len()]);
    }
    folder.file("data.csv", csv);
    let run = folder.ok("train data.csv --epochs 1 --train-ratio 1 --validation-ratio 0 --json");
    json(&run.out)["task"].as_str().unwrap().to_owned()
}

#[test]
fn the_labels_say_what_the_task_is() {
    assert_eq!(task(&["0", "1", "1"]), "binary");
    assert_eq!(task(&["-1", "1"]), "classification");
    assert_eq!(task(&["1", "2", "3", ""]), "classification");
    assert_eq!(task(&["yes", "no"]), "classification");
    assert_eq!(task(&["0.5", "1", "2"]), "regression");
    assert_eq!(task(&["0", "2", "7"]), "regression");
    // Counts: the large ones are rare.
    let counts: Vec<String> = (0..60_i32).map(|row| ((row % 20) / 2 - 6).max(0).to_string()).collect();
    let mut counts: Vec<&str> = counts.iter().map(String::as_str).collect();
    counts[59] = "4";
    assert_eq!(task(&counts), "regression");
}

#[test]
fn every_cell_loss_optimizer_and_schedule_has_its_flags() {
    let folder = Folder::new();
    folder.file("data.csv", echo_csv());
    for flags in [
        "--cell lstm --num-layers 2 --dropout 0.2 --bidirectional",
        "--cell gru --truncate 2 --washout 1",
        "--cell gru-reset-before --truncate 2",
        "--cell elman --activation relu --loss huber --huber-delta 0.5",
        "--loss mae --accumulate 2 --clip-norm 0.5 --clip-value 0.1",
        "--optimizer sgd --momentum 0.9 --nesterov --weight-decay 0.01",
        "--optimizer rmsprop --alpha 0.9 --centered --momentum 0.1",
        "--optimizer adagrad --lr-decay 0.01",
        "--optimizer adam --betas 0.8,0.9 --eps 1e-6 --amsgrad",
        "--schedule step --step-size 2 --gamma 0.5 --warmup-epochs 2",
        "--schedule exponential --gamma 0.9",
        "--schedule cosine --t-max 4 --eta-min 0.001",
        "--schedule plateau --plateau-factor 0.3 --plateau-patience 1",
        "--weight x2 --inputs x1",
    ] {
        let report =
            json(&folder.ok(&format!("train data.csv --epochs 4 --hidden-size 5 --json {flags}")).out);
        assert!(report["metrics"]["test"]["labels"]["y1"]["rmse"].is_number(), "{flags}");
        // The file has all that is needed to use the model.
        folder.ok("predict model.safetensors data.csv -o out.csv");
        folder.ok("inspect model.safetensors");
    }
    folder.file("rise.csv", rise_csv());
    for weights in ["balanced", "1,5", "1=3"] {
        folder.ok(&format!("train rise.csv --epochs 2 --class-weights {weights}"));
    }
}

#[test]
fn settings_that_cannot_be_are_refused_with_a_reason() {
    let folder = Folder::new();
    folder.file("data.csv", echo_csv());
    folder.file("rise.csv", rise_csv());
    folder.file("names.csv", rhythms(|kind| ["a", "b", "c"][kind].into()));
    for (flags, parts) in [
        ("data.csv --truncate 0", &["--truncate", "at least 1"][..]),
        ("data.csv --truncate 3 --bidirectional", &["--truncate", "--bidirectional"]),
        ("data.csv --accumulate 0", &["--accumulate", "at least 1"]),
        ("data.csv --dropout 0.5", &["--dropout", "single layer"]),
        ("data.csv --dropout 1 --num-layers 2", &["--dropout", "below 1"]),
        ("data.csv --num-layers 0", &["--num-layers", "at least 1"]),
        ("data.csv --momentum 0.9", &["--momentum", "--optimizer sgd"]),
        ("data.csv --optimizer sgd --nesterov", &["--nesterov"]),
        ("data.csv --optimizer sgd --momentum -1", &["--momentum", "-1"]),
        ("data.csv --gamma 0.5", &["--gamma", "--schedule step"]),
        ("data.csv --schedule cosine --t-max 0", &["--t-max", "at least 1"]),
        ("data.csv --schedule step --step-size 0", &["--step-size", "at least 1"]),
        ("data.csv --patience 3 --validation-ratio 0", &["--patience", "validation part"]),
        ("data.csv --min-delta 0.1 --validation-ratio 0", &["--min-delta", "validation part"]),
        ("data.csv --split name", &["`name`", "split", "sequence"]),
        ("data.csv --loss bce", &["--loss", "regression", "mse"]),
        ("data.csv --class-weights balanced", &["--class-weights", "bce", "mse"]),
        ("rise.csv --class-weights 1,2,3", &["--class-weights", "2 numbers", "3"]),
        ("names.csv --class-weights d=2", &["--class-weights", "a, b, c", "`d`"]),
        ("names.csv --class-weights a=x", &["--class-weights", "`x`"]),
        ("names.csv --loss mse", &["--loss", "cross-entropy"]),
        ("data.csv --task classification --labels x1,y1 --inputs x2", &["one label column"]),
        ("data.csv --validation-ratio 1", &["--validation-ratio", "below 1"]),
        ("data.csv --washout 100", &["label in the training part", "washout"]),
        ("data.csv --cell gru --activation relu", &["--activation", "elman"]),
        (
            "data.csv --cell gru-reset-before --activation relu",
            &["--activation", "gru-reset-before", "elman"],
        ),
        ("data.csv --split x9", &["split column `x9`"]),
        ("data.csv --history model.safetensors", &["model.safetensors", "different files"]),
        ("--example tulips", &["weather", "japanese-vowels", "`tulips`"]),
    ] {
        folder.refused(&format!("train {flags}"), parts);
    }
    folder.file("one.csv", "name,t,x1,y\na,0,1,cat\nb,0,2,cat\nc,0,3,cat\n");
    folder.refused("train one.csv", &["one.csv", "two classes", "`cat`"]);
    let split = "name,t,x1,y,part\na,0,1,cat,train\nb,0,2,dog,train\nc,0,3,emu,test\n";
    folder.file("unseen.csv", split);
    folder.refused("train unseen.csv --split part", &["unseen.csv, line 4", "`emu`", "test part"]);
}

#[test]
fn history_and_report_are_written() {
    let folder = Folder::new();
    folder.ok("train --epochs 6 --history h.csv --report r.html --eval-every 0");
    let history = folder.read("h.csv");
    assert!(history.starts_with("epoch,loss,validation_loss,learning_rate,best,seconds\n1,"), "{history}");
    assert_eq!(history.lines().count(), 7);
    let page = folder.read("r.html");
    assert!(page.contains("<svg") && page.contains("--history h.csv") && !page.contains("<script"));
    folder.ok("train --epochs 4 --schedule exponential --gamma 0.5 --history h.jsonl --eval-every 0");
    let rates: Vec<f64> =
        folder.read("h.jsonl").lines().map(|line| json(line)["learning_rate"].as_f64().unwrap()).collect();
    assert_eq!(rates, [0.01, 0.005, 0.0025, 0.00125]);
    // A classification and a binary task have other pictures.
    folder.file("names.csv", rhythms(|kind| ["a<b", "b", "c"][kind].into()));
    folder.ok("train names.csv --epochs 3 --report r.html --eval-every 0");
    assert!(folder.read("r.html").contains("a&lt;b") && !folder.read("r.html").contains("a<b"));
    folder.file("rise.csv", rise_csv());
    folder.ok("train rise.csv --epochs 3 --report r.html --eval-every 0");
    assert!(folder.read("r.html").contains("ROC"));
}

#[test]
fn epochs_that_nobody_looks_at_are_the_same() {
    let folder = Folder::new();
    folder.file("data.csv", echo_csv());
    let line = "train data.csv --optimizer sgd --validation-ratio 0 --epochs 301 --json";
    let train = |more: &str| {
        let mut report = json(&folder.ok(&format!("{line} {more}")).out);
        let training = report["training"].as_object_mut().unwrap();
        training.retain(|name, _| !name.contains("second") && !name.contains("timestep"));
        (report["training"].clone(), report["metrics"].clone())
    };
    // A history has every epoch; without one the tool looks up now and then.
    assert_eq!(train("-o often --history h.csv"), train("-o seldom"));
    assert_eq!(folder.read("h.csv").lines().count(), 302);
    let bytes = |name: &str| std::fs::read(folder.path(name)).unwrap();
    assert_eq!(bytes("often"), bytes("seldom"));
}

#[test]
fn a_diverging_training_leaves_its_history() {
    let folder = Folder::new();
    folder.file("data.csv", echo_csv());
    let flags = "--activation relu --optimizer sgd --learning-rate 3 --epochs 1000 --patience 0 --history h.csv --normalize none";
    let run = folder.run(&format!("train data.csv {flags}"));
    assert_eq!(run.code, 1, "{run:?}");
    assert!(folder.read("h.csv").lines().count() > 1 && !folder.path("model.safetensors").exists());
}

#[test]
fn early_stopping_keeps_the_best_epoch() {
    let folder = Folder::new();
    let report = json(&folder.ok("train --json --patience 3 --history h.csv").out);
    let (epochs, best) =
        (report["training"]["epochs"].as_u64().unwrap(), report["training"]["best_epoch"].as_u64().unwrap());
    assert!(epochs == best + 3 && epochs < 200, "{epochs} {best}");
    let losses: Vec<f64> = folder
        .read("h.csv")
        .lines()
        .skip(1)
        .map(|line| line.split(',').nth(2).unwrap().parse().unwrap())
        .collect();
    let least = losses.iter().copied().fold(f64::INFINITY, f64::min);
    assert_eq!(losses[best as usize - 1], least);
    assert_eq!(report["training"]["best_validation_loss"].as_f64(), Some(least));
    // Without a validation part there is nothing to go by.
    let all = json(&folder.ok("train --json --epochs 7 --validation-ratio 0").out);
    assert_eq!((all["training"]["epochs"].as_u64(), &all["training"]["best_epoch"]), (Some(7), &Value::Null));
}

#[test]
fn examples_are_listed_and_written() {
    let folder = Folder::new();
    let list = folder.ok("example").out;
    for name in ["weather", "japanese-vowels", "small"] {
        assert!(list.contains(name), "{list}");
        let printed = folder.ok(&format!("example {name}")).out;
        folder.ok(&format!("example {name} -o {name}.csv"));
        assert_eq!(folder.read(&format!("{name}.csv")), printed);
    }
    folder.refused("example tulips", &["`tulips`", "weather"]);
    folder.ok("train weather.csv --epochs 2");
}

#[test]
fn a_sweep_ranks_settings_and_goes_on_where_it_ended() {
    let folder = Folder::new();
    folder.file("data.csv", echo_csv());
    folder.file("grid.toml", "cell = [\"gru\", \"elman\"]\nhidden-size = 4\nepochs = 5\nseed = [1, 2]\n");
    let first = folder.ok("sweep data.csv --grid grid.toml");
    assert!(first.out.contains("cell=gru") && first.out.contains("±"), "{first:?}");
    let rows = folder.read("sweep.csv");
    assert_eq!(rows.lines().count(), 5, "{rows}");
    let again = folder.ok("sweep data.csv --grid grid.toml --json");
    assert!(again.err.contains("4 of 4"), "{again:?}");
    assert_eq!(folder.read("sweep.csv"), rows);
    let ranking = json(&again.out);
    assert_eq!((ranking["metric"].as_str(), ranking["ranking"].as_array().unwrap().len()), (Some("rmse"), 2));
    // More of the grid: only what is new is trained. The results do not depend on the number of jobs.
    folder.file(
        "grid.toml",
        "cell = [\"gru\", \"elman\", \"lstm\"]\nhidden-size = 4\nepochs = 5\nseed = [1, 2]\n",
    );
    let more = folder.ok("sweep data.csv --grid grid.toml --jobs 1");
    assert!(more.err.contains("4 of 6") && folder.read("sweep.csv").lines().count() == 7, "{more:?}");
    folder.file("bad.toml", "cell = [\"gru\"]\ntruncate = [0, 3]\n");
    folder.refused("sweep data.csv --grid bad.toml", &["truncate=0", "--truncate", "at least 1"]);
    folder.refused("sweep data.csv --grid none.toml", &["none.toml"]);
    folder.file("other.csv", "a,b\n1,2\n");
    folder.refused("sweep data.csv --grid grid.toml -o other.csv", &["other.csv", "results of a sweep"]);
}
