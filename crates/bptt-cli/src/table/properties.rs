//! Properties of the whole reader, on generated files.

use proptest::prelude::*;

use super::*;

/// Requests of every kind.
fn requests() -> Vec<ColumnRequest> {
    let names = |names: &[&str]| Some(names.iter().map(|&name| name.to_owned()).collect());
    vec![
        ColumnRequest::default(),
        ColumnRequest { window: Some(2), ..Default::default() },
        ColumnRequest { window: Some(usize::MAX), inputs: names(&["x1"]), ..Default::default() },
        ColumnRequest { sequence: Some("t".into()), inputs: names(&["name..x1"]), ..Default::default() },
        ColumnRequest { time: Some("x1".into()), inputs: names(&["t"]), ..Default::default() },
        ColumnRequest { inputs: names(&["x1..x9"]), labels: names(&["y1..t"]), ..Default::default() },
        ColumnRequest { window: Some(0), ..Default::default() },
        ColumnRequest { labels_as: LabelKind::Names, ..Default::default() },
        ColumnRequest { labels_as: LabelKind::Numbers, weight: Some("y1".into()), ..Default::default() },
        ColumnRequest { split: Some("t".into()), ..Default::default() },
    ]
}

/// Reads with every request. A table must be sound; an error must be one line that names the file or a
/// flag.
fn never_panics(bytes: &[u8]) -> Result<(), TestCaseError> {
    for request in requests() {
        for labels in [LabelUse::Required, LabelUse::Ignored] {
            match read_from(bytes, "a.csv", &request, labels) {
                Ok(table) => sound(&table, bytes)?,
                Err(error) => {
                    let message = error.to_string();
                    prop_assert!(!message.contains(char::is_control), "{message:?}");
                    prop_assert!(message.starts_with("a.csv") || message.contains("--"), "{message:?}");
                }
            }
        }
    }
    Ok(())
}

/// Checks what the documentation of [`Table`] promises.
fn sound(table: &Table, bytes: &[u8]) -> Result<(), TestCaseError> {
    prop_assert!(table.rows > 0);
    prop_assert_eq!(table.inputs.len(), table.rows * table.columns.inputs.len());
    prop_assert_eq!(table.labels.len(), table.rows * table.columns.labels.len());
    prop_assert!(table.inputs.iter().all(|value| value.is_finite()));
    let classes = table.classes.as_ref().map_or(usize::MAX, Vec::len);
    prop_assert!(table.labels.iter().all(|value| value.is_nan() || value.is_finite()));
    prop_assert!(
        table.classes.is_none() || table.labels.iter().all(|v| v.is_nan() || (*v as usize) < classes)
    );
    prop_assert_eq!(table.offsets.first(), Some(&0));
    prop_assert_eq!(table.offsets.last(), Some(&table.rows));
    prop_assert_eq!(table.offsets.len(), table.sequences() + 1);
    prop_assert!(table.offsets.is_sorted_by(|a, b| a < b));
    let mut rows = table.file_rows.clone();
    rows.sort_unstable();
    prop_assert!(rows.into_iter().eq(0..table.rows));
    let breaks = bytes.iter().filter(|&&byte| byte == b'\n').count() as u64;
    for sequence in 0..table.sequences() {
        prop_assert!(!table.name(sequence).is_empty());
        for row in table.offsets[sequence]..table.offsets[sequence + 1] {
            prop_assert!(!table.time(sequence, row).is_empty());
            prop_assert!((1..=breaks + 1).contains(&table.line(row)));
        }
    }
    Ok(())
}

/// The line each record starts on, by a walk over the bytes that knows only quotes and line breaks.
fn lines(text: &str) -> Vec<u64> {
    let (mut lines, mut line) = (Vec::new(), 1);
    // Whether a record has started, whether a quoted field is open, and whether a field starts here.
    let (mut started, mut quoted, mut fresh) = (false, false, true);
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let ends = !quoted && matches!(c, '\r' | '\n');
        if !ends && !started {
            lines.push(line);
            started = true;
        }
        match c {
            '"' if quoted && rest.next_if_eq(&'"').is_some() => {}
            '"' if quoted => quoted = false,
            '"' if fresh => quoted = true,
            _ if ends => started = false,
            _ => {}
        }
        fresh = !quoted && (ends || c == ',');
        line += u64::from(c == '\n');
    }
    lines
}

/// A file's cells, to be written as CSV: name, time, two inputs, one label.
type Row = (String, i64, f64, f64, f64);

/// `text` as a quoted field.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

proptest! {
    #[test]
    fn bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        never_panics(&bytes)?;
    }

    #[test]
    fn bytes_after_a_header_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        never_panics(&[b"name,t,x1,y1\n", bytes.as_slice()].concat())?;
    }

    #[test]
    fn csv_like_text_never_panics(
        rows in proptest::collection::vec("(a|b|\"\\\n\"|)?,[0-9]{1,3},[-+]?[0-9]{0,2}[.]?[0-9e]?,(1|2| 3|inf)(\\\n|\r\\\n|\"|,)", 0..8),
    ) {
        never_panics(format!("name,t,x1,y1\n{}", rows.concat()).as_bytes())?;
    }

    #[test]
    fn mostly_good_text_never_panics(
        rows in proptest::collection::vec("(a|b|\"\n\"|\"c\"),[0-9]{1,3},-?[0-9]{1,2}(|[.][0-9]),[12](\n|\r\n|\n\n)", 0..8),
    ) {
        never_panics(format!("name,t,x1,y1\n{}", rows.concat()).as_bytes())?;
    }

    #[test]
    fn lines_are_those_of_a_walk_over_the_file(text in "[a,\"\r\n]{0,40}") {
        let mut bytes = text.as_bytes();
        let mut records = records::Records::new(&mut bytes);
        let mut found = Vec::new();
        while records.advance().unwrap() {
            found.push(records.line());
        }
        prop_assert_eq!(found, lines(&text));
    }

    /// Rows written in any order come back by name and time, bit for bit.
    #[test]
    fn tables_come_back(
        shuffled in proptest::collection::vec(
            ("[a-c\",\n é]{1,2}", any::<i64>(), -1e6..1e6, proptest::num::f64::NORMAL, -1.0..1.0),
            1..30,
        ).prop_shuffle(),
    ) {
        let mut text = String::from("t,y1,x2,name,x1\n");
        for (name, time, x1, x2, y) in &shuffled {
            text += &format!("{time},{y},{x2:e},{},{x1}\n", quoted(name));
        }
        let table = read_from(text.as_bytes(), "a.csv", &ColumnRequest::default(), LabelUse::Required);
        let table = table.map_err(|error| TestCaseError::fail(error.to_string()))?;

        let mut order: Vec<&str> = Vec::new();
        for row in &shuffled {
            if !order.contains(&row.0.as_str()) {
                order.push(&row.0);
            }
        }
        let mut expected: Vec<(usize, &Row)> = shuffled.iter().enumerate().collect();
        expected.sort_by_key(|(_, row)| (order.iter().position(|name| *name == row.0), row.1));
        prop_assert_eq!(table.sequences(), order.len());
        let mut rows = expected.into_iter().enumerate();
        for (sequence, name) in order.into_iter().enumerate() {
            prop_assert_eq!(table.name(sequence), name);
            for at in table.offsets[sequence]..table.offsets[sequence + 1] {
                let (row, (file_row, (found, time, x1, x2, y))) = rows.next().unwrap();
                prop_assert_eq!((row, found.as_str()), (at, name));
                prop_assert_eq!(table.file_rows[at], file_row);
                prop_assert_eq!(table.time(sequence, at), time.to_string());
                // Columns are taken in the header's order.
                prop_assert_eq!(&table.inputs[2 * at..2 * at + 2], &[*x2, *x1]);
                prop_assert_eq!(table.labels[at], *y);
            }
        }
    }
}
