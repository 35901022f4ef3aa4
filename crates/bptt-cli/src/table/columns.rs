//! Which columns of a file are sequence, time, inputs and labels: what the user named, and where nothing
//! was named what the convention says (`name`, `t`, `x...`, `y...`).

use super::error::{Role, TableError};
use super::header::Header;
use super::labels::LabelKind;
use super::roles::Roles;

/// What the user asked for; `None` is the convention.
///
/// Names are those of the file's header, without the blanks around them. An item of a list is a name, or,
/// where no column has that name, a range `A..B`: of numbered columns (`V1..V28`) every number between,
/// of other columns all from `A` to `B` in the file's order, the ends included.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ColumnRequest {
    /// The column that says which sequence a row belongs to; by convention `name`.
    pub sequence: Option<String>,
    /// The column that orders a sequence's rows; by convention `t`, and if there is none the file's order.
    pub time: Option<String>,
    /// No time column, even if there is a `t`: the rows are in the file's order. Not with `time`.
    pub file_order: bool,
    /// The input columns; by convention all whose name starts with `x`.
    pub inputs: Option<Vec<String>>,
    /// The label columns; by convention all whose name starts with `y`.
    pub labels: Option<Vec<String>>,
    /// What label cells hold.
    pub labels_as: LabelKind,
    /// The column that says what each row counts for in the loss; by convention none.
    pub weight: Option<String>,
    /// The column that says which part (train, validation, test) each sequence belongs to; by convention none.
    pub split: Option<String>,
    /// Cut the file into sequences of this many rows instead of using a sequence column. The last may be
    /// shorter.
    pub window: Option<usize>,
}

/// What to do with labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LabelUse {
    /// They must be there: training and evaluation.
    Required,
    /// They are not read and may be missing, and the request's labels are not looked at: prediction.
    Ignored,
}

/// The columns that a file was read with, all by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Columns {
    /// The sequence column; `None` with a window.
    pub sequence: Option<String>,
    /// The time column, if there is one.
    pub time: Option<String>,
    /// The input columns in the order of the features.
    pub inputs: Vec<String>,
    /// The label columns in the order of the outputs; empty where labels were ignored.
    pub labels: Vec<String>,
    /// Rows per sequence, where the file was cut into windows.
    pub window: Option<usize>,
}

impl From<Columns> for ColumnRequest {
    /// Asks for the same columns of another file; where there was no time column, for that file's order.
    fn from(columns: Columns) -> Self {
        let Columns { sequence, time, inputs, labels, window } = columns;
        Self {
            sequence,
            file_order: time.is_none(),
            time,
            inputs: Some(inputs),
            labels: Some(labels),
            window,
            ..Self::default()
        }
    }
}

/// The columns as positions in the header, from 0, in the order of [`Columns`].
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Positions {
    pub sequence: Option<usize>,
    pub time: Option<usize>,
    pub inputs: Vec<usize>,
    pub labels: Vec<usize>,
    pub weight: Option<usize>,
    pub split: Option<usize>,
}

/// Finds the requested columns in a header.
///
/// # Errors
///
/// A column that is missing, in two roles or there twice, a range that runs backwards, no input or no
/// label column, and a request that contradicts itself.
pub(super) fn resolve(
    header: &Header,
    request: &ColumnRequest,
    labels: LabelUse,
) -> Result<(Columns, Positions), TableError> {
    match (request.window, &request.sequence) {
        (Some(0), _) => return Err(TableError::WindowZero),
        (Some(_), Some(_)) => return Err(TableError::WindowAndSequence),
        _ => {}
    }
    if let [only] = &header.names[..] {
        let separators = [('\t', "tabs"), (';', "semicolons")];
        if let Some((_, found)) = separators.into_iter().find(|(separator, _)| only.contains(*separator)) {
            return Err(TableError::Separator { file: header.file.clone(), line: header.line, found });
        }
    }
    let mut roles = Roles::new(header);

    // What was named comes first, so that no convention takes a named column for something else.
    let mut sequence = roles.named(Role::Sequence, request.sequence.as_deref())?;
    let mut time = roles.named(Role::Time, request.time.as_deref())?;
    let inputs = request.inputs.as_deref().map(|items| roles.list(Role::Input, items)).transpose()?;
    let outputs = match labels {
        LabelUse::Required => request.labels.as_deref(),
        LabelUse::Ignored => Some(&[][..]),
    };
    let outputs = outputs.map(|items| roles.list(Role::Label, items)).transpose()?;
    let weight = roles.named(Role::Weight, request.weight.as_deref())?;
    let split = roles.named(Role::Split, request.split.as_deref())?;

    if sequence.is_none() && request.window.is_none() {
        let advice = "name another with --sequence, or cut the file into sequences with --window";
        sequence = roles.conventional(Role::Sequence, "name")?;
        if sequence.is_none() {
            // Where it is something else already, that is what has to be said.
            if header.find("name").is_some() {
                roles.named(Role::Sequence, Some("name"))?;
            }
            return Err(header.missing(Role::Sequence, "name", advice));
        }
    }
    if time.is_none() && !request.file_order {
        time = roles.conventional(Role::Time, "t")?;
    }
    let inputs = inputs.map_or_else(|| roles.prefixed(Role::Input, 'x'), Ok)?;
    let outputs = outputs.map_or_else(|| roles.prefixed(Role::Label, 'y'), Ok)?;
    if inputs.is_empty() {
        return Err(none_of(header, Role::Input, 'x', "--inputs"));
    }
    if outputs.is_empty() && labels == LabelUse::Required {
        return Err(none_of(header, Role::Label, 'y', "--labels"));
    }

    let name = |&position: &usize| header.names[position].clone();
    let columns = Columns {
        sequence: sequence.as_ref().map(name),
        time: time.as_ref().map(name),
        inputs: inputs.iter().map(name).collect(),
        labels: outputs.iter().map(name).collect(),
        window: request.window,
    };
    Ok((columns, Positions { sequence, time, inputs, labels: outputs, weight, split }))
}

/// The error for a role that no column has.
fn none_of(header: &Header, role: Role, prefix: char, flag: &'static str) -> TableError {
    TableError::NoColumns {
        file: header.file.clone(),
        line: header.line,
        role,
        prefix,
        flag,
        found: header.listed(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(names: &str) -> Header {
        Header::new("a.csv", 1, names.split(',').map(str::as_bytes)).unwrap()
    }

    fn items(list: &str) -> Option<Vec<String>> {
        Some(list.split(',').map(str::to_owned).collect())
    }

    fn found(names: &str, request: &ColumnRequest) -> Positions {
        resolve(&header(names), request, LabelUse::Required).unwrap().1
    }

    fn failure(names: &str, request: &ColumnRequest) -> String {
        resolve(&header(names), request, LabelUse::Required).unwrap_err().to_string()
    }

    /// The positions of an input list in a header that has a `name` and a `y` at its end.
    fn inputs(names: &str, list: &str) -> Result<Vec<usize>, String> {
        let request = ColumnRequest { inputs: items(list), ..Default::default() };
        let found = resolve(&header(&format!("{names},name,y")), &request, LabelUse::Required);
        found.map(|(_, positions)| positions.inputs).map_err(|error| error.to_string())
    }

    #[test]
    fn the_convention_is_name_t_x_and_y() {
        let positions = found("y1,x2,t,other,name,x1", &ColumnRequest::default());
        assert_eq!(
            positions,
            Positions {
                sequence: Some(4),
                time: Some(2),
                inputs: vec![1, 5],
                labels: vec![0],
                weight: None,
                split: None
            }
        );
        assert_eq!(found("name,x,y", &ColumnRequest::default()).time, None);
    }

    #[test]
    fn a_named_column_is_not_taken_by_convention() {
        let request = ColumnRequest {
            sequence: Some("x9".into()),
            time: Some("y9".into()),
            labels: items("x2"),
            ..Default::default()
        };
        let positions = found("x9,y9,x1,x2,name,t", &request);
        assert_eq!(
            positions,
            Positions {
                sequence: Some(0),
                time: Some(1),
                inputs: vec![2],
                labels: vec![3],
                weight: None,
                split: None
            }
        );
        // Nor does `name` or `t` go to two roles.
        let request = ColumnRequest { inputs: items("t"), ..Default::default() };
        assert_eq!(found("name,t,y", &request).time, None);
        let request = ColumnRequest { inputs: items("name"), ..Default::default() };
        let reused = "column `name`: expected one use of the column, found it both as input and as sequence";
        assert!(failure("name,t,y", &request).ends_with(reused), "{}", failure("name,t,y", &request));
    }

    #[test]
    fn a_window_leaves_the_sequence_column_out() {
        let request = ColumnRequest { window: Some(3), ..Default::default() };
        assert_eq!(found("name,x,y", &request).sequence, None);
        assert_eq!(found("x,y,t", &request).time, Some(2));
        let request = ColumnRequest { window: Some(0), ..Default::default() };
        assert_eq!(failure("x,y", &request), "--window: expected at least 1 row, found 0");
        let request = ColumnRequest { window: Some(3), sequence: Some("s".into()), ..Default::default() };
        assert_eq!(failure("s,x,y", &request), "expected either --sequence or --window, found both");
        assert!(failure("x,y", &ColumnRequest::default()).ends_with(
            "found `x`, `y`; name another with --sequence, or cut the file into sequences with --window"
        ));
    }

    #[test]
    fn a_column_has_one_use() {
        let twice = |list| inputs("x1,x2", list).unwrap_err();
        assert!(
            twice("x1,x1").ends_with("column `x1`: expected one use of the column, found it twice as input")
        );
        assert!(twice("x1..x2,x2").contains("column `x2`"));
        let request = ColumnRequest { inputs: items("x"), labels: items("x"), ..Default::default() };
        assert!(failure("name,x", &request).ends_with("found it both as input and as label"));
        let request =
            ColumnRequest { time: Some("name".into()), sequence: Some("name".into()), ..Default::default() };
        assert!(failure("name,x,y", &request).ends_with("found it both as sequence and as time"));
    }

    #[test]
    fn duplicate_names_matter_only_where_they_are_used() {
        assert_eq!(
            failure("name,x1,y,x1", &ColumnRequest::default()),
            "a.csv, line 1, column `x1`: expected one column of this name, found it as columns 2 and 4"
        );
        assert!(failure("name,name,x,y", &ColumnRequest::default()).contains("columns 1 and 2"));
        assert_eq!(found("other,name,other,x,y", &ColumnRequest::default()).inputs, [3]);
        let request = ColumnRequest { inputs: items("a..b"), ..Default::default() };
        assert!(failure("other,name,a,other,b,y", &request).contains("columns 1 and 4"));
    }

    #[test]
    fn inputs_and_labels_are_needed() {
        let message = failure("name,a,y", &ColumnRequest::default());
        assert!(message.starts_with("a.csv, line 1: expected at least one input column"), "{message}");
        assert!(message.ends_with("named with --inputs), found `name`, `a`, `y`"), "{message}");
        assert!(failure("name,x,a", &ColumnRequest::default()).contains("at least one label column"));
        let empty = ColumnRequest { inputs: Some(vec![]), ..Default::default() };
        assert!(failure("name,x,y", &empty).contains("at least one input column"));
    }

    #[test]
    fn ignored_labels_need_not_be_there() {
        let read = header("name,t,x1,x2,y");
        let (columns, _) = resolve(&read, &ColumnRequest::default(), LabelUse::Required).unwrap();
        let request = ColumnRequest::from(columns.clone());
        assert_eq!(resolve(&read, &request, LabelUse::Required).unwrap().0, columns);
        let (other, positions) = resolve(&header("x2,x1,t,name,x3"), &request, LabelUse::Ignored).unwrap();
        assert_eq!(
            positions,
            Positions {
                sequence: Some(3),
                time: Some(2),
                inputs: vec![1, 0],
                labels: vec![],
                weight: None,
                split: None
            }
        );
        assert_eq!(other, Columns { labels: vec![], ..columns });
    }
}
