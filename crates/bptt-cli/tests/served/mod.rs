//! A server at work, and a client that speaks to it over one connection.

#![allow(dead_code)] // Each test file uses its part.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::common::Folder;

/// How long an answer may take before a test fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(120);

/// `bptt serve` in a process of its own, ended when dropped.
pub struct Server {
    pub child: Child,
    pub address: String,
}

impl Server {
    /// Serves the folder's model on a port that the system chooses.
    pub fn start(folder: &Folder, flags: &str) -> Self {
        let mut command = folder.command(&format!("serve model.safetensors --listen 127.0.0.1:0 {flags}"));
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut first = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        let address = first.trim().rsplit_once("http://").unwrap_or_else(|| panic!("{first}")).1.to_owned();
        Self { child, address }
    }

    pub fn connect(&self) -> Client {
        Client::new(&self.address)
    }

    /// One request over a connection of its own.
    pub fn ask(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        self.connect().ask(method, path, headers, body)
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let status = std::process::Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .status();
        assert!(status.unwrap().success());
    }

    /// Waits for the end, and returns what was written to standard error.
    pub fn end(mut self) -> (ExitStatus, String) {
        let status = self.child.wait().unwrap();
        let mut err = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        (status, err)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A connection.
pub struct Client(BufReader<TcpStream>);

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// In lower case, without the status line.
    pub headers: String,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The message of an error.
    pub fn error(&self) -> String {
        self.json()["error"].as_str().unwrap_or_else(|| panic!("{self:?}")).to_owned()
    }
}

pub const JSON: &str = "Content-Type: application/json\r\n";
pub const CSV: &str = "Content-Type: text/csv\r\n";

impl Client {
    pub fn new(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self(BufReader::new(stream))
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.get_mut().write_all(bytes)
    }

    /// Sends a request and reads its answer. `headers` are whole lines.
    pub fn ask(&mut self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let length = body.len();
        let request =
            format!("{method} {path} HTTP/1.1\r\nHost: a\r\n{headers}Content-Length: {length}\r\n\r\n{body}");
        self.send(request.as_bytes()).unwrap();
        self.answer().unwrap()
    }

    /// Reads an answer; an error where the connection ends first.
    pub fn answer(&mut self) -> io::Result<Answer> {
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if line.trim().is_empty() {
                break;
            }
            head += &line.to_ascii_lowercase();
        }
        let (first, headers) = head.split_once("\r\n").unwrap();
        let status: u16 = first.split(' ').nth(1).unwrap().parse().unwrap();
        if let Some(rest) = headers.split("content-length: ").nth(1) {
            length = rest.split("\r\n").next().unwrap().parse().unwrap();
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        Ok(Answer { status, headers: headers.to_owned(), body: String::from_utf8(body).unwrap() })
    }

    /// A step of a stream, which succeeds.
    pub fn step(&mut self, id: &str, row: &str) -> Value {
        let answer = self.ask("POST", &format!("/stream/{id}"), JSON, row);
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    /// What is left to read until the connection ends.
    pub fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        // A reset is an end too.
        let _ = self.0.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}
