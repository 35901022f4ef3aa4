//! Running the tool in a folder of its own.

#![allow(dead_code)] // Each test file uses its part.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

/// A folder to run in, removed afterwards.
pub struct Folder(pub tempfile::TempDir);

/// What a run of the tool came to.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file and returns its name.
    pub fn file(&self, name: &str, contents: impl AsRef<[u8]>) -> String {
        fs::write(self.path(name), contents).unwrap();
        name.to_owned()
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Everything in the folder, sorted: names and contents.
    pub fn snapshot(&self) -> Vec<(String, Vec<u8>)> {
        let mut files: Vec<_> = fs::read_dir(self.0.path())
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| {
                let contents = fs::read(entry.path()).unwrap_or_default();
                (entry.file_name().into_string().unwrap(), contents)
            })
            .collect();
        files.sort();
        files
    }

    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bptt"));
        command.current_dir(self.0.path()).args(line.split_whitespace());
        command
    }

    /// Runs `bptt` with the words of `line`.
    pub fn run(&self, line: &str) -> Run {
        let Output { status, stdout, stderr } = self.command(line).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Run { code: status.code().unwrap_or(-1), out: text(stdout), err: text(stderr) }
    }

    /// Runs, and expects success.
    pub fn ok(&self, line: &str) -> Run {
        let run = self.run(line);
        assert_eq!(run.code, 0, "bptt {line}\n{}{}", run.out, run.err);
        run
    }

    /// Runs, and expects exit code 2, one message with all of `parts`, and an untouched folder.
    pub fn refused(&self, line: &str, parts: &[&str]) {
        let before = self.snapshot();
        let run = self.run(line);
        assert_eq!(run.code, 2, "bptt {line}\n{}{}", run.out, run.err);
        assert_eq!(run.out, "", "bptt {line}");
        for part in parts {
            assert!(run.err.contains(part), "bptt {line}: expected `{part}` in: {}", run.err);
        }
        assert!(!run.err.contains("panicked"), "{}", run.err);
        assert!(self.snapshot() == before, "bptt {line} changed the folder");
    }
}

/// Ten sequences of six rows: the label is the row before's `x1`.
pub fn echo_csv() -> String {
    let mut csv = String::from("name,t,x1,x2,y1\n");
    for sequence in 0..10 {
        let mut before = 0.0;
        for t in 0..6 {
            let x = f64::from((sequence * 7 + t * 5) % 11) / 10.0;
            csv += &format!("s{sequence},{t},{x},{},{before}\n", f64::from(t) / 6.0);
            before = x;
        }
    }
    csv
}

/// Ten sequences of six rows with labels 0 and 1: whether `x1` rose.
pub fn rise_csv() -> String {
    let mut csv = String::from("name,t,x1,y\n");
    for sequence in 0..10 {
        let mut before = 0;
        for t in 0..6 {
            let x = (sequence * 7 + t * 5) % 11;
            csv += &format!("s{sequence},{t},{x},{}\n", i32::from(x > before));
            before = x;
        }
    }
    csv
}
