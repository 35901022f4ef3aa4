//! CSV files: refused with one line that says where, or read into a table of finite numbers.
#![no_main]

use bptt_fuzz::table::{ColumnRequest, LabelKind, LabelUse, read_from};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    // The first byte chooses what is asked for: h..o with labels.
    let Some((choice, bytes)) = input.split_first() else { return };
    let names = |names: &[&str]| Some(names.iter().map(|&name| name.to_owned()).collect());
    let request = match choice % 8 {
        0 => ColumnRequest::default(),
        1 => ColumnRequest { window: Some(2), ..Default::default() },
        2 => ColumnRequest { time: Some("x1".into()), inputs: names(&["t"]), ..Default::default() },
        3 => ColumnRequest { inputs: names(&["x1..x9"]), labels: names(&["y1..t"]), ..Default::default() },
        4 => ColumnRequest { labels_as: LabelKind::Names, ..Default::default() },
        5 => ColumnRequest { labels_as: LabelKind::Numbers, weight: Some("y1".into()), ..Default::default() },
        6 => ColumnRequest { split: Some("t".into()), ..Default::default() },
        _ => ColumnRequest { file_order: true, ..Default::default() },
    };
    let labels = if *choice < 128 { LabelUse::Required } else { LabelUse::Ignored };
    match read_from(bytes, "a.csv", &request, labels) {
        Ok(table) => {
            assert!(table.rows > 0 && table.inputs.iter().all(|value| value.is_finite()));
            assert_eq!(table.inputs.len(), table.rows * table.columns.inputs.len());
            assert_eq!(table.offsets.last(), Some(&table.rows));
            assert!(table.offsets.is_sorted_by(|a, b| a < b));
        }
        Err(error) => assert!(!error.to_string().contains(char::is_control)),
    }
});
