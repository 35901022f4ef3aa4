//! The server's JSON: refused with one line that says where, or read into the numbers that are there.
#![no_main]

use bptt_fuzz::json::Inputs;
use bptt_fuzz::refused::Refused;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

/// What requests are made of, so that one byte of the input may stand for as much.
const WORDS: [&str; 24] = [
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    "\"",
    "[1]",
    "[1,2]",
    "[[1]]",
    "[[1,2]]",
    "{\"x1\":1,\"x2\":2}",
    "{\"x\":",
    "\"x1\":",
    "\"x2\":",
    "\"sequences\":",
    "7",
    "-0.5e-3",
    "1e999",
    "null",
    "é",
    "\\u00e9",
    " ",
    "\n",
];

fuzz_target!(|input: &[u8]| {
    // The first byte chooses the columns, and whether the others are bytes or words.
    let Some((choice, rest)) = input.split_first() else { return };
    let words = || rest.iter().map(|&byte| WORDS[usize::from(byte) % WORDS.len()]).collect::<String>();
    let body = if *choice < 128 { rest.to_vec() } else { words().into_bytes() };
    let body = body.as_slice();
    let names: &[&str] = match choice % 4 {
        0 => &["x1", "x2"],
        1 => &["x"],
        2 => &["x1", "", "a \"b\"\n", "é", "x5", "x6", "x7", "x8"],
        _ => &["sequences", "x1", "x2"],
    };
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let inputs = Inputs::new(&names);
    let tree = serde_json::from_slice::<Value>(body).ok();
    match inputs.row(body) {
        Ok(row) => {
            // What is no text to a tree may be one here, in members that are left out.
            if let Some(tree) = &tree {
                assert_eq!(bits(&row), bits(&expected(tree, &names).expect("a row")));
            }
            let again = serde_json::to_vec(&row).expect("finite numbers");
            assert_eq!(bits(&inputs.row(&again).expect("what was read is read again")), bits(&row));
        }
        Err(refused) => {
            sound(&refused, body, tree.is_some());
            // Objects may have a member twice, which a tree forgets.
            if let Some(list @ Value::Array(_)) = &tree {
                assert_eq!(expected(list, &names), None);
            }
        }
    }
    match inputs.sequences(body) {
        Ok(found) => {
            assert_eq!(found.offsets[0], 0);
            assert!(found.offsets.is_sorted_by(|a, b| a < b));
            assert_eq!(found.offsets.last().map(|rows| rows * names.len()), Some(found.inputs.len()));
            if let Some(tree) = &tree {
                let sequences: Vec<&Vec<Value>> = tree["sequences"]
                    .as_array()
                    .expect("a list")
                    .iter()
                    .filter_map(Value::as_array)
                    .collect();
                let ends = sequences.iter().scan(0, |rows, sequence| {
                    *rows += sequence.len();
                    Some(*rows)
                });
                assert!(ends.eq(found.offsets[1..].iter().copied()));
                let rows = sequences.into_iter().flatten();
                let numbers = rows.flat_map(|row| expected(row, &names).expect("a row"));
                assert_eq!(bits(&numbers.collect::<Vec<f64>>()), bits(&found.inputs));
            }
        }
        Err(refused) => sound(&refused, body, tree.is_some()),
    }
});

/// The numbers of a row, by way of a tree.
fn expected(row: &Value, names: &[String]) -> Option<Vec<f64>> {
    let values: Vec<&Value> = match row {
        Value::Array(list) => list.iter().collect(),
        Value::Object(members) => names.iter().map(|name| members.get(name)).collect::<Option<_>>()?,
        _ => return None,
    };
    (values.len() == names.len()).then_some(())?;
    values.into_iter().map(Value::as_f64).collect()
}

fn bits(row: &[f64]) -> Vec<u64> {
    row.iter().map(|value| value.to_bits()).collect()
}

/// One line that says where, and whether it is the JSON or what it says.
fn sound(refused: &Refused, body: &[u8], json: bool) {
    let (status, message) = (refused.status.as_u16(), &refused.message);
    assert!(!message.contains(char::is_control), "{message}");
    assert!(message.len() < 2000, "{message}");
    assert!(status == 422 || status == 400 && !json, "{status} {message}");
    let place = message.strip_prefix("body, line ").and_then(|rest| rest.split_once(", column "));
    let (line, rest) = place.expect("a place");
    let column = rest.split_once(": ").expect("what is wrong").0;
    let (line, column): (usize, usize) = (line.parse().expect("a line"), column.parse().expect("a column"));
    let lines: Vec<&[u8]> = body.split(|&byte| byte == b'\n').collect();
    assert!((1..=lines.len()).contains(&line) && column <= lines[line - 1].len() + 1, "{message}");
}
