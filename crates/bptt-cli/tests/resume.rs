//! `--checkpoint` and `--resume`: whatever ends a training, it goes on to the same model, byte for byte.

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{Folder, echo_csv};

/// Sixty sequences of up to nine rows.
fn many_csv() -> String {
    let mut csv = String::from("name,t,x1,x2,y1\n");
    for sequence in 0..60 {
        for t in 0..3 + sequence % 7 {
            let x = f64::from((sequence * 7 + t * 5) % 11) / 10.0;
            let z = f64::from((sequence * 3 + t * 2) % 5);
            csv += &format!("s{sequence},{t},{x},{z},{}\n", x * z);
        }
    }
    csv
}

/// Flags of trainings on all ways of the trainer.
const WAYS: [&str; 5] = [
    "--cell elman --optimizer sgd --hidden-size 6 --batch-size 1 --validation-ratio 0 --epochs 40",
    "--cell elman --activation relu --optimizer sgd --dtype f64 --batch-size 4 --patience 0 --epochs 40",
    "--hidden-size 8 --num-layers 2 --dropout 0.3 --schedule plateau --patience 0 --batch-size 2 --epochs 40",
    "--cell gru-reset-before --num-layers 2 --dropout 0.2 --hidden-size 4 --batch-size 3 --epochs 40",
    "--cell lstm --hidden-size 5 --truncate 2 --accumulate 3 --optimizer rmsprop --momentum 0.9 --batch-size 3 \
     --patience 15 --schedule cosine --t-max 40 --epochs 40",
];

#[test]
fn a_checkpoint_changes_nothing_and_a_finished_training_is_extended() {
    for way in WAYS {
        let folder = Folder::new();
        folder.file("data.csv", many_csv());
        folder.ok(&format!("train data.csv {way} -o whole"));
        for every in ["1", "3b", "1s"] {
            let kept = "--checkpoint kept --checkpoint-every";
            folder.ok(&format!("train data.csv {way} -o model {kept} {every}"));
            assert!(
                fs::read(folder.path("model")).unwrap() == fs::read(folder.path("whole")).unwrap(),
                "{way}"
            );
        }
        // Nothing is left to do but to write the model.
        folder.ok("train --resume kept -o again");
        assert!(fs::read(folder.path("again")).unwrap() == fs::read(folder.path("whole")).unwrap(), "{way}");
        // Fewer epochs first, then the rest.
        let half = way.replace("--epochs 40", "--epochs 13");
        folder.ok(&format!("train data.csv {half} -o part --checkpoint part.ckpt --history h.csv"));
        folder.ok("train --resume part.ckpt --epochs 40 -o model --history h2.csv");
        assert!(fs::read(folder.path("model")).unwrap() == fs::read(folder.path("whole")).unwrap(), "{way}");
        let (first, both) = (folder.read("h.csv"), folder.read("h2.csv"));
        assert!(both.starts_with(&first), "{way}\n{first}\n{both}");
    }
}

/// Runs `bptt` with the words of `line` and kills it after `delay`; whether it had ended by itself.
fn killed(folder: &Path, line: &str, delay: Duration) -> bool {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bptt"));
    command.current_dir(folder).args(line.split_whitespace()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    std::thread::sleep(delay);
    // SIGKILL: nothing can be tidied up.
    let _ = child.kill();
    let output = child.wait_with_output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() || output.status.code().is_none(), "bptt {line}: {error}");
    output.status.success()
}

/// Trainings of every way, each killed at up to three random moments; returns how often one was killed, and how often with
/// a checkpoint to go on from.
fn kill_and_resume(trainings: usize, seed: u64) -> (usize, usize) {
    let folder = Folder::new();
    folder.file("data.csv", many_csv());
    let ways = WAYS.map(|way| way.replace("--epochs 40", "--epochs 80"));
    let mut wholes = Vec::new();
    for way in &ways {
        let line =
            format!("train data.csv {way} -o model --checkpoint kept --checkpoint-every 4b --eval-every 0");
        let started = Instant::now();
        folder.ok(&line);
        wholes.push((line, started.elapsed(), fs::read(folder.path("model")).unwrap()));
    }
    let mut rng = bptt::Rng::new(seed);
    let (mut kills, mut resumed) = (0, 0);
    for training in 0..trainings {
        let (line, lasts, whole) = &wholes[training % ways.len()];
        for file in ["model", "kept"] {
            let _ = fs::remove_file(folder.path(file));
        }
        for _ in 0..3 {
            let there = folder.path("kept").exists();
            let line = if there { "train --resume kept -o model --eval-every 0" } else { line };
            if killed(folder.0.path(), line, lasts.mul_f64(rng.uniform())) {
                break;
            }
            kills += 1;
            resumed += usize::from(folder.path("kept").exists());
        }
        let there = folder.path("kept").exists();
        folder.ok(if there { "train --resume kept -o model --eval-every 0" } else { line });
        assert!(fs::read(folder.path("model")).unwrap() == *whole, "training {training}: bptt {line}");
    }
    (kills, resumed)
}

#[test]
fn killed_at_any_moment_it_ends_with_the_same_bits() {
    kill_and_resume(5, 1);
}

/// `BPTT_TRAININGS=1000 cargo test --release -p bptt-cli --test resume -- --ignored --nocapture`
#[test]
#[ignore = "takes minutes"]
fn two_hundred_trainings_killed_at_random_moments() {
    let trainings = std::env::var("BPTT_TRAININGS").ok().and_then(|text| text.parse().ok()).unwrap_or(200);
    let (kills, resumed) = kill_and_resume(trainings, 2);
    println!("{trainings} trainings, killed {kills} times, {resumed} times with a checkpoint: the same bits");
    assert!(resumed >= trainings / 2);
}

#[test]
fn other_settings_and_data_are_refused_by_name() {
    let folder = Folder::new();
    folder.file("data.csv", echo_csv());
    folder.ok("train data.csv --epochs 5 --hidden-size 4 --checkpoint kept --schedule step");
    for (flags, parts) in [
        ("--hidden-size 5", &["kept: --hidden-size", "began with 4", "with 5", "--epochs may change"][..]),
        ("--cell lstm", &["--cell", "gru", "lstm"]),
        ("--optimizer sgd --momentum 0.5", &["--clip-norm", "1", "none"]),
        ("--weight-decay 0.1", &["--optimizer", "weight_decay: 0.3", "weight_decay: 0.1"]),
        ("--learning-rate 0.5", &["--learning-rate", "0.01", "0.5"]),
        ("--seed 2", &["--seed", "began with 1", "with 2"]),
        ("--batch-size 3", &["--batch-size", "16", "3"]),
        ("--dtype f64", &["--dtype", "f32", "f64"]),
        ("--normalize none", &["--normalize", "zscore", "none"]),
        ("--train-ratio 0.5", &["--train-ratio", "0.8", "0.5"]),
        ("--inputs x1", &["--inputs", "x1,x2"]),
        ("--step-size 7", &["--schedule", "step_size: 2", "step_size: 7"]),
        ("--checkpoint-every 0", &["--checkpoint-every", "`0`"]),
        ("-o kept", &["kept", "different files"]),
    ] {
        folder.refused(&format!("train --resume kept {flags}"), parts);
    }
    // The same settings may be repeated.
    folder.ok("train data.csv --resume kept --epochs 6 --hidden-size 4 --cell gru --seed 1");
    let line = "s3,2,";
    let changed: String = echo_csv()
        .lines()
        .map(|row| if row.starts_with(line) { "s3,2,0.123,0.5,0.7\n".into() } else { format!("{row}\n") })
        .collect();
    folder.file("changed.csv", changed);
    folder.refused("train changed.csv --resume kept", &["part of the data", "digest"]);
    folder.file("moved.csv", echo_csv());
    folder.ok("train moved.csv --resume kept --epochs 7");
    folder.refused("train --resume nowhere", &["nowhere", "checkpoint"]);
    folder.refused("train --resume model.safetensors", &["a checkpoint of a training", "found a model"]);
    folder.refused("inspect kept", &["expected a model, found a checkpoint"]);
    folder.refused("train --checkpoint-every 5", &["--checkpoint FILE"]);
    folder.refused("train data.csv --checkpoint data.csv", &["data.csv", "which is read"]);
    folder.refused("train data.csv --checkpoint model.safetensors", &["different files"]);
    let whole = fs::read(folder.path("kept")).unwrap();
    folder.file("cut", &whole[..whole.len() - 1]);
    folder.refused("train --resume cut", &["cut", "cut off"]);
}

/// Sends Ctrl-C's signal.
#[cfg(unix)]
#[test]
fn an_interrupted_training_leaves_a_checkpoint() {
    let folder = Folder::new();
    folder.file("data.csv", many_csv());
    let flags = "--hidden-size 8 --num-layers 2 --dropout 0.3 --patience 0 --eval-every 0 --epochs";
    let mut command =
        folder.command(&format!("train data.csv {flags} 1000000 --checkpoint kept --checkpoint-every 1"));
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    while !folder.path("kept").exists() {
        assert!(child.try_wait().unwrap().is_none(), "it has ended");
        std::thread::sleep(Duration::from_millis(5));
    }
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let output = child.wait_with_output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{error}");
    assert!(error.contains("bptt train --resume kept goes on"), "{error}");
    let after =
        error.split("interrupted after epoch ").nth(1).and_then(|rest| rest.split(';').next()).unwrap();
    let epochs: usize = after.parse().unwrap();
    folder.ok(&format!("train --resume kept --epochs {} -o resumed", epochs + 5));
    folder.ok(&format!("train data.csv {flags} {} -o whole", epochs + 5));
    assert!(fs::read(folder.path("resumed")).unwrap() == fs::read(folder.path("whole")).unwrap());
}

/// Where the disk is full, or a file may not grow, every file is the old one or the new one.
#[cfg(unix)]
#[test]
fn a_disk_that_is_full_leaves_every_file_whole() {
    let folder = Folder::new();
    folder.file("data.csv", many_csv());
    let line = "train data.csv --epochs 9 --hidden-size 4 --checkpoint kept --checkpoint-every 2 --history h.csv --report r.html";
    folder.ok(&format!("{line} --seed 1"));
    let old = folder.snapshot();
    for blocks in [0, 1, 2, 4, 6, 8, 10, 12, 14, 16, 20, 30, 60, 100] {
        for (name, contents) in &old {
            fs::write(folder.path(name), contents).unwrap();
        }
        let tool = env!("CARGO_BIN_EXE_bptt");
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec {tool} {line} --seed 2");
        let output = Command::new("sh").current_dir(folder.0.path()).args(["-c", &script]).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() || output.status.code() == Some(2), "{blocks}: {error}");
        assert!(output.status.success() || error.contains("cannot be written"), "{blocks}: {error}");
        assert_eq!(folder.snapshot().len(), old.len(), "{blocks}: no other file is left");
        for (name, before) in &old {
            let now = fs::read(folder.path(name)).unwrap();
            let whole = now == *before
                || match name.as_str() {
                    "model.safetensors" => bptt::file::ModelFile::from_bytes(&now).is_ok(),
                    "kept" => bptt::file::Checkpoint::from_bytes(&now).is_ok(),
                    "h.csv" => {
                        now.ends_with(b"\n") && now.iter().filter(|byte| **byte == b'\n').count() == 10
                    }
                    "r.html" => String::from_utf8_lossy(&now).trim_end().ends_with("</html>"),
                    _ => false,
                };
            assert!(whole, "{blocks}: {name}, {} bytes", now.len());
        }
        if blocks == 0 {
            assert!(old == folder.snapshot() && !output.status.success());
        }
    }
}
