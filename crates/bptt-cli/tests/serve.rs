//! `bptt serve` over real connections: right answers, whole states, clear refusals, a clean end.

mod common;
mod served;

use std::collections::HashMap;
use std::fmt::Write;
use std::time::{Duration, Instant};

use common::{Folder, echo_csv, rise_csv};
use serde_json::{Value, json};
use served::{CSV, JSON, Server};

/// A folder with data and a model that was trained on it a little.
fn trained(data: &str, flags: &str) -> Folder {
    let folder = Folder::new();
    folder.file("data.csv", data);
    folder.ok(&format!("train data.csv --epochs 3 {flags}"));
    folder
}

/// The rows of `echo_csv`, or another file of this form, as JSON; by sequence, in their order.
fn rows(csv: &str, inputs: usize) -> Vec<(String, Vec<String>)> {
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    for line in csv.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        if found.last().is_none_or(|(name, _)| name != cells[0]) {
            found.push((cells[0].to_owned(), Vec::new()));
        }
        found.last_mut().unwrap().1.push(format!("[{}]", cells[2..2 + inputs].join(",")));
    }
    found
}

/// The cells of each row of predictions, without name and time.
fn cells(csv: &str) -> Vec<Vec<Value>> {
    let cell = |text: &str| text.parse::<f64>().map_or_else(|_| json!(text), |number| json!(number));
    csv.lines().skip(1).map(|line| line.split(',').skip(2).map(cell).collect()).collect()
}

/// As numbers of one kind: JSON tells 1 from 1.0.
fn floats(values: &Value) -> Vec<Value> {
    let float = |value: &Value| value.as_f64().map_or_else(|| value.clone(), |number| json!(number));
    values.as_array().unwrap().iter().map(float).collect()
}

#[test]
fn whole_sequences_have_the_predictions_of_the_tool() {
    let classes = rise_csv().replace(",0\n", ",fell\n").replace(",1\n", ",rose\n");
    for (data, inputs, flags) in [
        (echo_csv(), 2, "--cell lstm"),
        (echo_csv(), 2, "--bidirectional --dtype f64"),
        (rise_csv(), 1, "--cell gru --num-layers 2"),
        (rise_csv(), 1, "--cell gru-reset-before --num-layers 2"),
        (classes, 1, "--cell elman"),
    ] {
        let folder = trained(&data, flags);
        let expected = folder.ok("predict model.safetensors data.csv").out;
        let server = Server::start(&folder, "");
        let mut client = server.connect();
        // CSV to CSV: the same bytes.
        let answer = client.ask("POST", "/predict", CSV, &data);
        assert_eq!((answer.status, answer.body.as_str()), (200, expected.as_str()), "{flags}");
        assert!(answer.headers.contains("content-type: text/csv"));
        // CSV to JSON.
        let answer =
            client.ask("POST", "/predict", &format!("{CSV}Accept: application/json\r\n"), &data).json();
        let header: Vec<&str> = expected.lines().next().unwrap().split(',').collect();
        assert_eq!(answer["columns"], json!(header));
        let all = cells(&expected);
        for (row, cells) in answer["rows"].as_array().unwrap().iter().zip(&all) {
            assert_eq!(floats(row)[2..], cells[..]);
        }
        // JSON to JSON, rows as arrays.
        let sequences: Vec<String> =
            rows(&data, inputs).iter().map(|(_, rows)| format!("[{}]", rows.join(","))).collect();
        let body = format!("{{\"sequences\":[{}]}}", sequences.join(","));
        let answer = client.ask("POST", "/predict", JSON, &body).json();
        assert_eq!(answer["columns"], json!(header[2..]));
        let found: Vec<_> =
            answer["sequences"].as_array().unwrap().iter().flat_map(|s| s.as_array().unwrap()).collect();
        assert_eq!(found.len(), all.len());
        found.iter().zip(&all).for_each(|(row, cells)| assert_eq!(floats(row), *cells, "{flags}"));
        // JSON to CSV: sequences and rows have numbers.
        let answer = client.ask("POST", "/predict", &format!("{JSON}Accept: text/csv\r\n"), &body).body;
        assert!(
            answer.starts_with("sequence,t,") && answer.lines().nth(6).unwrap().starts_with("1,6,"),
            "{answer}"
        );
        assert_eq!(cells(&answer), all);
        if flags.contains("bidirectional") {
            let answer = client.ask("POST", "/stream/a", JSON, "[1,2]");
            assert_eq!(answer.status, 422);
            assert!(answer.error().contains("bidirectional"), "{answer:?}");
        }
    }
}

#[test]
fn a_stream_steps_forgets_and_begins_again() {
    let folder = trained(&echo_csv(), "--cell lstm --num-layers 2");
    let expected = cells(&folder.ok("predict model.safetensors data.csv").out);
    let server = Server::start(&folder, "");
    let mut client = server.connect();
    for round in 0..2 {
        let mut row = expected.iter();
        for (name, rows) in rows(&echo_csv(), 2) {
            for (step, inputs) in rows.iter().enumerate() {
                // Every other one by name.
                let values: Value = serde_json::from_str(inputs).unwrap();
                let named = json!({"x2": values[1], "t": "now", "x1": values[0]}).to_string();
                let body = if step % 2 == round { inputs } else { &named };
                let answer = client.step(&name, body);
                assert_eq!(answer, json!({"step": step + 1, "prediction": row.next().unwrap()[0]}));
            }
            // What was refused has changed nothing, and is no step.
            assert_eq!(client.ask("POST", &format!("/stream/{name}"), JSON, "[1]").status, 422);
            assert_eq!(client.ask("POST", &format!("/stream/{name}"), JSON, "[1, 1e300]").status, 422);
            if round == 0 {
                let health = client.ask("GET", "/health", "", "").json();
                assert_eq!((&health["status"], &health["streams"]), (&json!("ok"), &json!(1)));
            }
            let answer = client.ask("DELETE", &format!("/stream/{name}"), "", "");
            assert_eq!((answer.status, answer.body.as_str()), (204, ""));
            assert_eq!(client.ask("DELETE", &format!("/stream/{name}"), "", "").status, 404);
        }
    }
}

#[test]
fn nothing_is_lost_or_mixed_under_64_connections() {
    let folder = trained(&echo_csv(), "--cell gru");
    let expected = cells(&folder.ok("predict model.safetensors data.csv").out);
    let sequences = rows(&echo_csv(), 2);
    let server = Server::start(&folder, "");
    let (threads, shared_steps) = (64, 10);
    let constant = vec!["[0.3,0.5]"; threads * shared_steps / 4].join(",");
    let answer = server.ask("POST", "/predict", JSON, &format!("{{\"sequences\":[[{constant}]]}}")).json();
    let shared = &answer["sequences"][0];
    let work = |thread: usize| {
        let mut client = server.connect();
        let (mut seen, mut own) = (Vec::new(), 0);
        for round in 0..shared_steps {
            let (name, rows) = &sequences[(thread + round) % sequences.len()];
            // One of its own, which goes on through a sequence, and one that 16 threads share.
            let answer = client.step(&format!("own-{thread}-{name}"), &rows[0]);
            assert_eq!(answer["prediction"], expected[6 * ((thread + round) % sequences.len())][0]);
            let answer = client.step(&format!("long-{thread}"), &sequences[thread % 10].1[own]);
            assert_eq!(answer["step"], json!(own + 1));
            assert_eq!(answer["prediction"], expected[6 * (thread % 10) + own][0]);
            own += 1;
            if own == 6 {
                own = 0;
                assert_eq!(client.ask("DELETE", &format!("/stream/long-{thread}"), "", "").status, 204);
            }
            let answer = client.step(&format!("shared-{}", thread % 4), "[0.3,0.5]");
            let step = answer["step"].as_u64().unwrap();
            assert_eq!(answer["prediction"].as_f64(), shared[step as usize - 1][0].as_f64());
            seen.push(step);
        }
        seen
    };
    let steps: Vec<Vec<u64>> = std::thread::scope(|scope| {
        let started: Vec<_> = (0..threads).map(|thread| scope.spawn(move || work(thread))).collect();
        started.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for group in 0..4 {
        let mut all: Vec<u64> = steps.iter().skip(group).step_by(4).flatten().copied().collect();
        all.sort_unstable();
        assert!(all.into_iter().eq(1..=(threads * shared_steps / 4) as u64), "steps of shared-{group}");
    }
    let metrics = server.ask("GET", "/metrics", "", "").body;
    let steps = threads * shared_steps * 3;
    for line in [
        format!("bptt_steps_total {steps}\n"),
        format!("bptt_requests_total{{route=\"/stream/{{id}}\",status=\"200\"}} {steps}\n"),
        format!("bptt_request_duration_seconds_count{{route=\"/stream/{{id}}\"}} {}\n", steps + threads),
        format!("bptt_rows_total {}\n", threads * shared_steps / 4),
        format!("bptt_open_streams {}\n", threads * shared_steps + threads + 4),
        format!("bptt_forgotten_streams_total{{reason=\"deleted\"}} {threads}\n"),
    ] {
        assert!(metrics.contains(&line), "expected `{line}` in: {metrics}");
    }
}

#[test]
fn every_bad_request_is_told_what_is_wrong() {
    let folder = trained(&echo_csv(), "");
    let server = Server::start(&folder, "--max-body 3000 --max-sequences 3 --max-rows 5");
    let mut client = server.connect();
    let many = |rows: usize| format!("{{\"sequences\":[[{}]]}}", vec!["[1,2]"; rows].join(","));
    let cases: Vec<(&str, &str, &str, String, u16, &str)> = vec![
        ("GET", "/", "", String::new(), 404, "expected /predict"),
        ("GET", "/predict", "", String::new(), 405, "expected the method POST, found GET"),
        ("PUT", "/stream/a", JSON, "[1,2]".into(), 405, "expected the method POST or DELETE, found PUT"),
        ("POST", "/health", "", String::new(), 405, "expected the method GET or HEAD"),
        ("POST", "/predict", "", many(1), 415, "found `no Content-Type`"),
        ("POST", "/predict", "Content-Type: text/html\r\n", many(1), 415, "found `text/html`"),
        ("POST", "/stream/a", CSV, "x1,x2\n1,2\n".into(), 415, "expected the Content-Type application/json"),
        ("POST", "/predict", "Content-Type: text/csv\r\nAccept: image/png\r\n", echo_csv(), 406, "in Accept"),
        (
            "POST",
            "/predict",
            JSON,
            "{\"sequences\": [[[1,2],]]}".into(),
            400,
            "body, line 1, column 23: this is not JSON",
        ),
        ("POST", "/predict", JSON, "\u{feff}{}".into(), 400, "this is not JSON"),
        ("POST", "/predict", JSON, "{\"sequences\": [[[1]]]}".into(), 422, "expected a row of 2 numbers"),
        (
            "POST",
            "/predict",
            JSON,
            "{\"sequences\": [[[1,2],[1,1e300]]]}".into(),
            422,
            "body, sequences[0][1], column `x2`: expected a number that float32 can hold",
        ),
        ("POST", "/predict", JSON, many(6), 413, "expected at most 5 rows in a request, found 6"),
        (
            "POST",
            "/predict",
            JSON,
            "{\"sequences\":[[[1,2]],[[1,2]],[[1,2]],[[1,2]]]}".into(),
            413,
            "at most 3 sequences",
        ),
        (
            "POST",
            "/predict",
            CSV,
            "name,t,x1,x2\na,1,1,NaN\n".into(),
            422,
            "body, line 2, column `x2`: expected a finite number",
        ),
        (
            "POST",
            "/predict",
            CSV,
            "name,t,x1,x2\na,1,1,b\n".into(),
            400,
            "body, line 2, column `x2`: expected a number",
        ),
        (
            "POST",
            "/predict",
            CSV,
            "name,t,x1,x2\na,1,1\n".into(),
            400,
            "body, line 2: expected 4 fields, found 3",
        ),
        (
            "POST",
            "/predict",
            CSV,
            "name,t,x1\na,1,1\n".into(),
            422,
            "body, line 1: expected input column `x2`",
        ),
        ("POST", "/predict", CSV, String::new(), 400, "found an empty file"),
        ("POST", "/predict", CSV, echo_csv(), 413, "expected at most 3 sequences in a request, found 10"),
        ("POST", "/stream/", JSON, "[1,2]".into(), 400, "path: expected an id of 1 to 128"),
        ("POST", "/stream/a%20b", JSON, "[1,2]".into(), 400, "found `a%20b`"),
        ("POST", "/stream/a/b", JSON, "[1,2]".into(), 400, "found `a/b`"),
        ("POST", "/stream/a", JSON, "[1,2,3]".into(), 422, "found more"),
        ("POST", "/stream/a", JSON, "[1,null]".into(), 422, "null"),
        ("POST", "/stream/a", JSON, "[1,-1e999]".into(), 422, "expected a finite number"),
        (
            "POST",
            "/stream/a",
            JSON,
            "[1,1e300]".into(),
            422,
            "body, column `x2`: expected a number that float32 can hold",
        ),
        (
            "DELETE",
            "/stream/none",
            "",
            String::new(),
            404,
            "expected an open stream, found none with the id `none`",
        ),
    ];
    for (method, path, headers, body, status, part) in cases {
        // All over the same connection: a refusal does not end it.
        let answer = client.ask(method, path, headers, &body);
        assert_eq!(answer.status, status, "{method} {path} {body}: {answer:?}");
        assert!(answer.error().contains(part), "{method} {path} {body}: expected `{part}` in {answer:?}");
        assert_eq!(answer.headers.contains("allow: "), status == 405);
    }
    let answer = client.ask("PUT", "/stream/a", "", "");
    assert!(answer.headers.contains("allow: post, delete"), "{answer:?}");
    // Too large, said before and not said before.
    let large = format!("[1,2{}]", " ".repeat(5000));
    let answer = client.ask("POST", "/stream/a", JSON, &large);
    assert_eq!((answer.status, answer.error().contains("at most 3000 bytes")), (413, true));
    let mut client = server.connect();
    let head = format!("POST /stream/a HTTP/1.1\r\nHost: a\r\n{JSON}Transfer-Encoding: chunked\r\n\r\n");
    client.send(format!("{head}1388\r\n{}\r\n0\r\n\r\n", " ".repeat(5000)).as_bytes()).unwrap();
    assert_eq!(client.answer().unwrap().status, 413);
}

#[test]
fn no_bytes_bring_it_down() {
    let folder = trained(&echo_csv(), "");
    let server = Server::start(&folder, "--timeout 1");
    let good = format!("POST /stream/a HTTP/1.1\r\nHost: a\r\n{JSON}Content-Length: 5\r\n\r\n[1,2]");
    let mut seed = 1_u64;
    let mut random = move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize
    };
    for round in 0..200 {
        let mut bytes = good.clone().into_bytes();
        for _ in 0..1 + round % 4 {
            let at = random() % bytes.len();
            bytes[at] = random() as u8;
        }
        let mut client = server.connect();
        let _ = client.send(&bytes[..random() % (bytes.len() + 1)]);
    }
    for body in ["[".repeat(200_000), "{\"sequences\":".repeat(10_000), "\"".repeat(1000), "[1e,]".into()] {
        let answer = server.ask("POST", "/predict", JSON, &body);
        assert!((400..=422).contains(&answer.status), "{answer:?}");
    }
    // Slow clients: half a head, half a body.
    let start = Instant::now();
    let (mut head, mut body) = (server.connect(), server.connect());
    head.send(b"POST /stream/a HTTP/1.1\r\nHo").unwrap();
    body.send(&good.as_bytes()[..good.len() - 2]).unwrap();
    let answer = body.answer().unwrap();
    assert_eq!((answer.status, answer.error().contains("within 1 s")), (408, true), "{answer:?}");
    body.rest();
    head.rest();
    assert!(start.elapsed() < Duration::from_secs(60));
    // A client that asks and asks and never reads: the connection ends before all is answered.
    let (mut deaf, many) = (server.connect(), 5000);
    let asked = "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n".repeat(many);
    let _ = deaf.send(asked.as_bytes());
    std::thread::sleep(Duration::from_secs(3));
    assert!(deaf.rest().matches("HTTP/1.1 200 OK").count() < many);
    // One that has nothing more to ask is not kept either.
    let mut idle = server.connect();
    assert_eq!(idle.ask("GET", "/health", "", "").status, 200);
    assert_eq!(idle.rest(), "");
    assert_eq!(server.ask("GET", "/health", "", "").status, 200);
    server.signal("TERM");
    let (status, err) = server.end();
    assert_eq!((status.code(), err.as_str()), (Some(0), ""));
}

#[test]
fn streams_have_a_limit() {
    let folder = trained(&echo_csv(), "");
    let server = Server::start(&folder, "--max-streams 2");
    let mut client = server.connect();
    client.step("a", "[1,2]");
    client.step("b", "[1,2]");
    let answer = client.ask("POST", "/stream/c", JSON, "[1,2]");
    assert_eq!((answer.status, answer.headers.contains("retry-after: 1")), (503, true), "{answer:?}");
    assert_eq!(client.step("a", "[1,2]")["step"], 2);
    assert_eq!(client.ask("DELETE", "/stream/b", "", "").status, 204);
    assert_eq!(client.step("c", "[1,2]")["step"], 1);
    // Where all may be forgotten at once, the one that waited longest is.
    let server = Server::start(&folder, "--max-streams 2 --idle 0");
    let mut client = server.connect();
    let steps = ["a", "b", "a", "c", "a", "b"].map(|id| client.step(id, "[1,2]")["step"].as_u64().unwrap());
    assert_eq!(steps, [1, 1, 2, 1, 3, 1]);
    assert!(client.ask("GET", "/metrics", "", "").body.contains("reason=\"expired\"} 2\n"));
}

#[cfg(unix)]
#[test]
fn the_end_waits_for_requests_that_have_begun() {
    let folder = trained(&echo_csv(), "");
    for signal in ["TERM", "INT"] {
        let server = Server::start(&folder, "");
        let (mut idle, mut busy) = (server.connect(), server.connect());
        assert_eq!(idle.step("a", "[1,2]")["step"], 1);
        let head = format!(
            "POST /stream/a HTTP/1.1\r\nHost: a\r\n{JSON}Content-Length: 5\r\nExpect: 100-continue\r\n\r\n"
        );
        busy.send(head.as_bytes()).unwrap();
        // Asked for the body: the request is being worked on.
        assert_eq!(busy.answer().unwrap().status, 100);
        server.signal(signal);
        assert_eq!(idle.rest(), "");
        busy.send(b"[1,2]").unwrap();
        let answer = busy.answer().unwrap();
        assert_eq!((answer.status, answer.json()["step"].as_u64()), (200, Some(2)));
        let (status, err) = server.end();
        assert_eq!((status.code(), err.as_str()), (Some(0), ""), "{signal}");
    }
}

#[test]
fn what_cannot_be_served_is_refused() {
    let folder = trained(&echo_csv(), "");
    folder.refused("serve none.safetensors", &["none.safetensors"]);
    folder.refused("serve model.safetensors --listen nowhere", &["--listen"]);
    folder.refused("serve model.safetensors --max-body 0", &["from 1 on"]);
    folder.refused("serve model.safetensors --threshold nan", &["threshold"]);
    let server = Server::start(&folder, "");
    folder.refused(
        &format!("serve model.safetensors --listen {}", server.address),
        &["--listen", &server.address],
    );
}

/// Not a test of speed, which depends on the machine: run it with `--ignored --nocapture` to see the figures.
#[test]
#[ignore = "prints times"]
fn times_of_a_step() {
    let folder = trained(&echo_csv(), "");
    let server = Server::start(&folder, "");
    let mut client = server.connect();
    let mut report = String::new();
    let seconds = std::env::var("SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(2.0);
    let mut times: HashMap<&str, Vec<f64>> = HashMap::new();
    for (what, method, path, body) in
        [("step", "POST", "/stream/a", "[0.3,0.5]"), ("health", "GET", "/health", "")]
    {
        let begin = Instant::now();
        while begin.elapsed().as_secs_f64() < seconds {
            let start = Instant::now();
            let answer = client.ask(method, path, JSON, body);
            times.entry(what).or_default().push(start.elapsed().as_secs_f64() * 1e6);
            assert_eq!(answer.status, 200);
        }
        let all = times.get_mut(what).unwrap();
        all.sort_by(f64::total_cmp);
        let at = |share: f64| all[((all.len() - 1) as f64 * share) as usize];
        let _ = writeln!(
            report,
            "{what}: {} requests, median {:.1} µs, fastest {:.1}, 90 % {:.1}, 99 % {:.1}",
            all.len(),
            at(0.5),
            at(0.0),
            at(0.9),
            at(0.99)
        );
    }
    println!("{report}");
}
