//! `bptt predict --follow`: rows answered one by one, as they come.

mod common;

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;
use std::sync::mpsc;
use std::time::Duration;

use common::{Folder, Run};

/// How long an answer may take before the test fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(120);

/// `rows` rows of each of `sequences` sequences, all first rows first, then all second ones; a label for each task.
fn interleaved(sequences: usize, rows: usize) -> String {
    let mut csv = String::from("name,t,x1,x2,y1,y2,risen,kind\n");
    for t in 0..rows {
        for sequence in 0..sequences {
            let x = ((sequence * 7 + t * 5) % 11) as f64 / 10.0;
            let (risen, kind) =
                (usize::from((sequence + t) % 3 == 0), ["low", "high", "odd"][(sequence + t) % 3]);
            let _ = writeln!(
                csv,
                "s{sequence},{t},{x},{},{},{},{risen},{kind}",
                t as f64 * 1e3,
                x * 40.0,
                x - 1e6
            );
        }
    }
    csv
}

/// Runs with `input` as standard input.
fn run(folder: &Folder, line: &str, input: &str) -> Run {
    let mut command = folder.command(line);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    // Beside the reading below, and it may end before all is written.
    let writer = std::thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
}

/// A folder with data and a model that was trained on it a little.
fn trained(data: &str, flags: &str) -> Folder {
    let folder = Folder::new();
    folder.file("data.csv", data);
    let epochs = if flags.contains("--epochs") { "" } else { "--epochs 2" };
    folder.ok(&format!("train data.csv {epochs} --inputs x1,x2 {flags}"));
    folder
}

#[test]
fn interleaved_answers_are_those_of_the_whole_file() {
    let data = interleaved(12, 7);
    let cells = [
        "elman --activation relu",
        "elman",
        "gru --num-layers 2",
        "gru-reset-before --num-layers 2",
        "lstm",
        "lstm --num-layers 3",
    ];
    let tasks =
        ["--labels y1", "--labels y1,y2", "--labels risen", "--labels kind", "--labels risen --loss mse"];
    let others = [
        "--dtype f64",
        "--normalize none --learning-rate 1e-6",
        "--normalize minmax --dtype f64",
        "",
        "--hidden-size 5",
    ];
    for (at, cell) in cells.iter().enumerate() {
        for (task, labels) in tasks.iter().enumerate() {
            let flags = format!("--cell {cell} {labels} {}", others[(at + task) % others.len()]);
            let folder = trained(&data, &flags);
            let whole = folder.ok("predict model.safetensors data.csv");
            let followed = run(&folder, "predict model.safetensors - --follow", &data);
            assert_eq!((followed.code, followed.err.as_str()), (0, ""), "{flags}");
            assert!(followed.out == whole.out, "{flags}:\n{}\n{}", followed.out, whole.out);
        }
    }
}

#[test]
fn standard_input_may_be_read_to_its_end() {
    let data = interleaved(4, 5);
    let folder = trained(&data, "--labels y1");
    let whole = folder.ok("predict model.safetensors data.csv");
    assert_eq!(run(&folder, "predict model.safetensors -", &data).out, whole.out);
    let bad = run(&folder, "predict model.safetensors -", "name,t,x1,x2\na,1,1,one\n");
    assert_eq!(bad.err, "bptt: standard input, line 2, column `x2`: expected a number, found `one`\n");
    assert_eq!((bad.code, bad.out.as_str()), (2, ""));
}

#[test]
fn training_and_evaluation_read_standard_input_too() {
    let data = interleaved(12, 7);
    let folder = trained(&data, "--labels y1 --epochs 4 -o whole.safetensors --checkpoint whole.ckpt");
    let train = "train - --inputs x1,x2 --labels y1 --epochs 2 -o piped.safetensors --checkpoint piped.ckpt";
    let piped = run(&folder, train, &data);
    assert_eq!(piped.code, 0, "{}", piped.err);
    assert!(piped.out.starts_with("standard input: 12 sequences, 84 rows"), "{}", piped.out);
    // A training that goes on needs its data again, and the same ones.
    let resume = "train --resume piped.ckpt --epochs 4";
    let none = run(&folder, resume, "");
    assert_eq!((none.code, none.out.as_str()), (2, ""));
    assert!(none.err.contains("piped.ckpt: the training read its data from standard input"), "{}", none.err);
    assert!(none.err.contains("standard input: expected a header line"), "{}", none.err);
    let other = run(&folder, resume, &interleaved(12, 8));
    assert!(other.code == 2 && other.err.contains("digest"), "{}", other.err);
    let piped = run(&folder, resume, &data);
    assert_eq!(piped.code, 0, "{}", piped.err);
    let evaluated = run(&folder, "evaluate piped.safetensors -", &data).out;
    let whole = folder.ok("evaluate whole.safetensors data.csv").out;
    assert_eq!(evaluated, whole.replace("data.csv: ", "standard input: "));
    let json = run(&folder, "evaluate piped.safetensors - --json", &data).out;
    assert!(json.contains("\"data\":\"standard input\""), "{json}");
    // Out of the tool, `-` is nothing.
    folder.refused("train data.csv -o -", &["-: expected the name of a file", "./-"]);
    folder.refused("predict whole.safetensors data.csv -o -", &["-: expected the name of a file"]);
}

#[test]
fn every_row_is_answered_before_the_next_one_comes() {
    let data = interleaved(3, 4);
    let folder = trained(&data, "--labels kind");
    let expected = folder.ok("predict model.safetensors data.csv").out;
    let mut command = folder.command("predict model.safetensors - --follow");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    let (send, lines) = mpsc::channel();
    std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
    for (row, answer) in data.lines().zip(expected.lines()) {
        // In two pieces, and with the line break of another system.
        let (first, second) = row.split_at(row.len() / 2);
        stdin.write_all(first.as_bytes()).unwrap();
        stdin.write_all(format!("{second}\r\n").as_bytes()).unwrap();
        assert_eq!(lines.recv_timeout(PATIENCE).unwrap(), answer);
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
    assert!(lines.recv_timeout(PATIENCE).is_err());
}

#[test]
fn a_bad_row_ends_the_feed_or_is_left_out() {
    let folder = trained(&interleaved(4, 5), "--labels y1");
    let good = "name,t,x1,x2\na,1,0.5,1\nb,1,0.25,1\na,2,0.75,2\n\nb,3,0.5,2\n";
    let bad = [
        ("a,2,one,2", "column `x1`: expected a number, found `one`"),
        ("a,2,NaN,2", "column `x1`: expected a finite number, found `NaN`"),
        ("a,2,1e300,2", "column `x1`: expected a number that float32 can hold after scaling"),
        ("a,2,1", ": expected 4 fields, found 3"),
        (
            "a,0.5,1,2",
            "column `t`: expected a time not before that of line 2 of the same sequence, found `0.5`",
        ),
        ("c,today,1,2", "column `t`: expected a number as in the first row, found `today`"),
        (",2,1,2", "column `name`: expected the name of a sequence, found an empty cell"),
    ];
    let expected = run(&folder, "predict model.safetensors - --follow", good);
    assert_eq!((expected.code, expected.out.lines().count()), (0, 5), "{}", expected.err);
    for (row, part) in bad {
        let input = good.replacen("a,2,0.75", &format!("{row}\na,2,0.75"), 1);
        let ended = run(&folder, "predict model.safetensors - --follow", &input);
        assert_eq!(ended.code, 2, "{row}: {}", ended.err);
        assert!(ended.err.starts_with("bptt: standard input, line 4"), "{}", ended.err);
        assert!(ended.err.contains(part), "{row}: {}", ended.err);
        assert!(
            expected.out.starts_with(&ended.out) && ended.out.lines().count() == 3,
            "{row}: {}",
            ended.out
        );
        let skipped = run(&folder, "predict model.safetensors - --follow --skip-bad", &input);
        assert_eq!((skipped.code, &skipped.out), (0, &expected.out), "{row}");
        assert!(skipped.err.contains(part) && skipped.err.ends_with("; left out\n"), "{}", skipped.err);
    }
}

#[test]
fn a_file_without_sequences_is_cut_into_windows() {
    let mut data = String::from("t,x1,x2,y1\n");
    for t in 0..23 {
        let _ = writeln!(data, "2012-01-{:02},{},{},{}", t + 1, t % 5, t % 3, t % 7);
    }
    for flags in ["--window 4", "--window 4 --time t", "--window 1", "--window 100 --train-ratio 1"] {
        let folder = trained(&data, &format!("--labels y1 {flags}"));
        let whole = folder.ok("predict model.safetensors data.csv").out;
        assert_eq!(run(&folder, "predict model.safetensors - --follow", &data).out, whole, "{flags}");
    }
}

#[test]
fn the_sequence_without_a_row_for_the_longest_time_is_forgotten() {
    let folder = trained(&interleaved(4, 5), "--labels y1");
    let rows = "a,1,0.5,1\nb,1,0.25,1\na,2,0.75,2\nc,1,0.5,2\nb,2,0.75,3\na,3,0.5,4\n";
    let follow = |flags: &str, rows: &str| {
        run(
            &folder,
            &format!("predict model.safetensors - --follow {flags}"),
            &format!("name,t,x1,x2\n{rows}"),
        )
    };
    let all = follow("--max-streams 3", rows);
    assert_eq!(all.err, "");
    let two = follow("--max-streams 2", rows);
    assert!(two.err.starts_with("bptt: standard input, line 5: more than 2 sequences"), "{}", two.err);
    assert_eq!((two.code, two.err.lines().count()), (0, 1));
    // `c` took the place of `b`, which began again in that of `a`, which began again.
    let anew = |row: &str| follow("", row).out.lines().nth(1).unwrap().to_owned();
    let (all, two): (Vec<_>, Vec<_>) = (all.out.lines().collect(), two.out.lines().collect());
    assert_eq!(all[..5], two[..5]);
    assert_eq!(two[5..], [anew("b,2,0.75,3\n"), anew("a,3,0.5,4\n")]);
    assert_ne!(all[5..], two[5..]);
}

#[test]
fn what_cannot_be_followed_is_refused() {
    let data = interleaved(4, 5);
    let folder = trained(&data, "--labels y1 --bidirectional");
    folder.refused(
        "predict model.safetensors data.csv --follow",
        &["bptt: model.safetensors: expected a network in one direction, found a bidirectional one"],
    );
    folder.refused("predict model.safetensors data.csv --follow --out out.csv", &["--follow", "--out"]);
    folder.refused("predict model.safetensors data.csv --skip-bad", &["--follow"]);
    folder.refused("predict model.safetensors data.csv --follow --max-streams 0", &["from 1 on"]);
    folder.ok("train data.csv --epochs 1 --inputs x1,x2 --labels y1");
    folder.refused("predict model.safetensors none.csv --follow", &["none.csv"]);
    let empty = run(&folder, "predict model.safetensors - --follow", "");
    assert_eq!(
        (empty.code, empty.err.as_str()),
        (2, "bptt: standard input: expected a header line and at least one row, found an empty file\n")
    );
    // A feed in which nothing happens is no mistake.
    let silent = run(&folder, "predict model.safetensors - --follow", "name,t,x1,x2\n");
    assert_eq!((silent.code, silent.out.as_str()), (0, "name,t,prediction\n"));
    // A pipe or a file can be followed too.
    let whole = folder.ok("predict model.safetensors data.csv").out;
    assert_eq!(folder.ok("predict model.safetensors data.csv --follow").out, whole);
}
