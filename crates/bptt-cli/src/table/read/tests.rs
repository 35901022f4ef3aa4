//! Files as people write them, and what is said of those that are no tables.

use super::*;

fn window(rows: usize) -> ColumnRequest {
    ColumnRequest { window: Some(rows), ..Default::default() }
}

fn table(bytes: impl AsRef<[u8]>, request: &ColumnRequest) -> Table {
    read_from(bytes.as_ref(), "a.csv", request, LabelUse::Required).unwrap()
}

fn failure(bytes: impl AsRef<[u8]>) -> String {
    read_from(bytes.as_ref(), "a.csv", &ColumnRequest::default(), LabelUse::Required).unwrap_err().to_string()
}

#[test]
fn rows_are_grouped_and_ordered() {
    let text = "name,t,x1,y1,x2\nb,10,1,2,3\na,1,4,5,6\nb,9,7,8,9\n\na,1,10,11,12\n";
    let table = table(text, &ColumnRequest::default());
    assert_eq!(table.rows, 4);
    assert_eq!(table.inputs, [7.0, 9.0, 1.0, 3.0, 4.0, 6.0, 10.0, 12.0]);
    assert_eq!(table.labels, [8.0, 2.0, 5.0, 11.0]);
    assert_eq!(table.offsets, [0, 2, 4]);
    assert_eq!(table.file_rows, [2, 0, 1, 3]);
    assert_eq!((table.name(0), table.name(1), table.name(2)), ("b", "a", ""));
    assert_eq!([0, 1, 2, 3].map(|row| table.time(row / 2, row)), ["9", "10", "1", "1"]);
    assert_eq!([0, 1, 2, 3, 4].map(|row| table.line(row)), [4, 2, 3, 6, 0]);
}

#[test]
fn names_are_any_text_and_times_may_be_missing() {
    let text = "name,x,y\n007,1,1\n7,2,2\n99999999999999999999,3,3\n\"a\n,\",4,4\n 7,5,5\n7,6,6\n";
    let table = table(text, &ColumnRequest::default());
    let names: Vec<_> = (0..table.sequences()).map(|sequence| table.name(sequence)).collect();
    assert_eq!(names, ["007", "7", "99999999999999999999", "a\n,", " 7"]);
    assert_eq!(table.offsets, [0, 1, 3, 4, 5, 6]);
    assert_eq!([table.time(0, 0), table.time(1, 1), table.time(1, 2), table.time(1, 0)], ["1", "1", "2", ""]);
}

#[test]
fn windows_have_numbers_for_names() {
    let table = table("t,x,y\n2012-01-03,1,0\n2012-01-01,2,0\n2012-01-02,3,0\n", &window(2));
    assert_eq!((table.inputs.as_slice(), table.offsets.as_slice()), (&[2.0, 3.0, 1.0][..], &[0, 2, 3][..]));
    assert_eq!((table.name(0), table.name(1), table.sequences()), ("1", "2", 2));
    assert_eq!(table.time(1, 2), "2012-01-03");
    assert_eq!(table.columns.time.as_deref(), Some("t"));
}

#[test]
fn one_table_may_be_written_in_many_ways() {
    let plain = table("name,x1,y1\na,1.5,2\nb,-3,4\n", &ColumnRequest::default());
    for text in [
        "name,x1,y1\na,1.5,2\nb,-3,4",
        "\u{feff}name,x1,y1\na,1.5,2\nb,-3,4\n\n",
        "\u{feff}\"name\",\"x1\",\"y1\"\na,1.5,2\nb,-3,4\n   \n\n",
        "name, x1 ,\ty1\n\"a\",\"1.5\",\" 2\"\nb,-3e0,+4.0\n",
    ] {
        assert_eq!(table(text, &ColumnRequest::default()), plain, "{text:?}");
    }
    for text in ["name,x1,y1\r\na,1.5,2\r\nb,-3,4\r\n", "name,x1,y1\r\na,1.5,2\r\nb,-3,4"] {
        assert_eq!(table(text, &ColumnRequest::default()), plain, "{text:?}");
    }
}

#[test]
fn only_used_cells_must_make_sense() {
    let text = b"name,note,x,y\na,\xff,1,NaN\n";
    let table = read_from(&text[..], "a.csv", &ColumnRequest::default(), LabelUse::Ignored).unwrap();
    assert_eq!((table.inputs, table.labels), (vec![1.0], vec![]));
    assert_eq!(table.columns.labels, [""; 0]);
}

#[test]
fn files_without_rows_are_errors() {
    for text in ["", "\n\r\n", " \n", "\u{feff}"] {
        assert_eq!(failure(text), "a.csv: expected a header line and at least one row, found an empty file");
    }
    assert_eq!(
        failure("\nname,x,y\n\n"),
        "a.csv, line 2: expected at least one row after the header, found none"
    );
}

#[test]
fn a_row_must_have_the_headers_fields() {
    assert_eq!(failure("name,x,y\n\na,1\n"), "a.csv, line 3: expected 3 fields, found 2");
    assert_eq!(failure("name,x,y\r\na,1,2,\r\n"), "a.csv, line 2: expected 3 fields, found 4");
    assert_eq!(failure("name,x,y\n\"\"\n"), "a.csv, line 2: expected 3 fields, found 1");
    assert_eq!(
        failure("name,x,y\na,1,1\n\"b,1,1\nc,1,1"),
        "a.csv, line 3: expected 3 fields, found 1 in a row that runs to line 4; is a quote not closed?"
    );
}

#[test]
fn a_bad_cell_is_named_by_line_and_column() {
    let rows = |cells: &[u8]| [b"name,t,x1,y1\r\n\"a\r\nb\",1,1,1\r\n\r\n", cells].concat();
    for (cells, expected) in [
        (&b"a,2,,1"[..], "column `x1`: expected a number, found an empty cell"),
        (
            b"a,2,1,n/a",
            "column `y1`: expected a number, found `n/a`; where labels are names, --task classification says so",
        ),
        (b"a,2,1e999,1", "column `x1`: expected a finite number, found `1e999`"),
        (b"a,2,\xff,1", "column `x1`: expected text in UTF-8, found the byte 0xff as byte 1 of the cell"),
        (b"a,\xff,1,1", "column `t`: expected text in UTF-8, found the byte 0xff as byte 1 of the cell"),
        (b"a\xff,2,1,1", "column `name`: expected text in UTF-8, found the byte 0xff as byte 2 of the cell"),
        (b",2,1,1", "column `name`: expected the name of a sequence, found an empty cell"),
        (b"a,2012-01-31,1,1", "column `t`: expected a number as in the first row, found `2012-01-31`"),
        (b"a,,1,1", "column `t`: expected a number as in the first row, found an empty cell"),
    ] {
        assert_eq!(failure(rows(cells)), format!("a.csv, line 5, {expected}"));
    }
}

#[test]
fn labels_weights_and_parts() {
    let request =
        ColumnRequest { weight: Some("x_weight".into()), split: Some("part".into()), ..Default::default() };
    let text =
        "name,t,x1,y,x_weight,part\nb,2,1,dog,0.5,Test\na,1,2,,1,train\nb,1,3,,2,test\na,2,4,cat,3,TRAIN\n";
    let read = table(text, &request);
    assert_eq!(read.columns.inputs, ["x1"]);
    assert_eq!(read.classes.as_deref(), Some(&["cat".to_owned(), "dog".to_owned()][..]));
    assert_eq!(format!("{:?}", read.labels), "[NaN, 1.0, NaN, 0.0]");
    assert_eq!(read.weights.as_deref(), Some(&[2.0, 0.5, 1.0, 3.0][..]));
    assert_eq!(read.parts.as_deref(), Some(&[SplitPart::Test, SplitPart::Train][..]));
    let known = ["bird", "dog"].map(str::to_owned);
    let error = read.clone().with_classes(&known, "a.csv").unwrap_err().to_string();
    assert_eq!(
        error,
        "a.csv, line 5, column `y`: expected one of the model's classes (`bird`, `dog`), found `cat`"
    );
    let known = ["bird", "cat", "dog"].map(str::to_owned);
    assert_eq!(format!("{:?}", read.with_classes(&known, "a.csv").unwrap().labels), "[NaN, 2.0, NaN, 1.0]");
    let fails = |text: &str| {
        read_from(text.as_bytes(), "a.csv", &request, LabelUse::Required).unwrap_err().to_string()
    };
    let rows = |cells: &str| format!("name,x1,y,x_weight,part\na,1,1,1,train\na,1,1,{cells}\n");
    assert!(fails(&rows("-1,train")).ends_with("column `x_weight`: expected a weight from 0 on, found `-1`"));
    assert!(fails(&rows("1,tset")).ends_with("expected `train`, `validation` or `test`, found `tset`"));
    assert!(
        fails(&rows("1,val"))
            .ends_with("expected `train` as in line 2 of the same sequence, found `validation`")
    );
}

#[test]
fn numbers_can_be_classes() {
    let read = table("name,x,y\na,1,10\na,1,\na,1,9\n", &ColumnRequest::default());
    assert_eq!(read.classes, None);
    let read = read.numbers_as_classes();
    assert_eq!(read.classes.unwrap(), ["9", "10"]);
    assert_eq!(format!("{:?}", read.labels), "[1.0, NaN, 0.0]");
    assert_eq!(
        failure("name,x,y\na,1,\n"),
        "a.csv, column `y`: expected a label in at least one row, found only empty cells"
    );
}

#[test]
fn files_that_cannot_be_opened_are_errors() {
    let directory = tempfile::tempdir().unwrap();
    let failure = |path: &Path| {
        let error = read(path, &ColumnRequest::default(), LabelUse::Required).unwrap_err();
        error.to_string().replace(&directory.path().display().to_string(), "DIR")
    };
    assert_eq!(failure(directory.path()), "DIR: expected a CSV file, found a directory");
    let path = directory.path().join("a.csv");
    assert!(failure(&path).starts_with("DIR/a.csv: expected a file that can be read, found: No such file"));
    std::fs::write(&path, "name,x,y\na,b,1\n").unwrap();
    assert_eq!(failure(&path), "DIR/a.csv, line 2, column `x`: expected a number, found `b`");
}

#[test]
fn a_reader_that_fails_is_an_error() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("unplugged"))
        }
    }
    let reader = (&b"name,x,y\na,1,2\n"[..]).chain(Broken);
    let error = read_from(reader, "a.csv", &ColumnRequest::default(), LabelUse::Required).unwrap_err();
    assert_eq!(error.to_string(), "a.csv, line 1: expected CSV text, found: unplugged");
}
