//! `POST /predict`: whole sequences.

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::{Request, StatusCode};

use super::Server;
use super::answer::{self, Answer, CSV, JSON, push_cell, push_text, push_texts};
use super::refused::Refused;
use super::request::{self, Kind};
use super::stream::refused;
use crate::commands::predict::{file_order, write_rows};
use crate::data::{Part, Source};
use crate::failure::Failure;
use crate::model::RowRefused;
use crate::table::{self, CellProblem, LabelUse, Table, TableError};

/// Reads, predicts on a thread of its own, and answers.
pub async fn answer(server: &Arc<Server>, request: Request<Incoming>) -> Result<Answer, Refused> {
    let kind = request::content_type(request.headers())?;
    let wanted = request::accepted(request.headers(), kind)?;
    let body = request::body(request, server.limits.body, server.limits.time).await?;
    let server = server.clone();
    let work = tokio::task::spawn_blocking(move || match kind {
        Kind::Json => from_json(&server, &body, wanted),
        Kind::Csv => from_csv(&server, &body, wanted),
    });
    let broken =
        |_| Err(Refused::new(StatusCode::INTERNAL_SERVER_ERROR, "the prediction did not come to an end"));
    work.await.unwrap_or_else(broken)
}

fn from_json(server: &Server, body: &[u8], wanted: Kind) -> Result<Answer, Refused> {
    let found = server.inputs.sequences(body)?;
    let (sequences, rows) = (found.offsets.len() - 1, found.offsets[found.offsets.len() - 1]);
    check_limits(server, sequences, rows)?;
    let predictions =
        server.saved.predict_rows(&found.inputs, &found.offsets).map_err(|problem| match problem {
            RowRefused::Row(row, refusal) => {
                let sequence = found.offsets.partition_point(|&offset| offset <= row) - 1;
                let place = format!("body, sequences[{sequence}][{}]", row - found.offsets[sequence]);
                refused(refusal, &place, &server.saved.columns.inputs)
            }
            RowRefused::Other(failure) => failed(&failure),
        })?;
    server.metrics.predicted(rows);
    let columns = server.saved.file.model.output_size();
    let row = |row: usize| &predictions[row * columns..(row + 1) * columns];
    let format = server.format();
    if wanted == Kind::Csv {
        let mut csv = csv::Writer::from_writer(Vec::new());
        // Nothing is said about names and times, so both are numbers from 1.
        let names = table::Columns { sequence: None, time: None, ..server.saved.columns.clone() };
        let mut written = format.write_header(&mut csv, &names);
        for (sequence, ends) in found.offsets.windows(2).enumerate() {
            for at in ends[0]..ends[1] {
                let (name, time) = ((sequence + 1).to_string(), (at - ends[0] + 1).to_string());
                written = written.and_then(|()| format.write_row(&mut csv, &name, &time, row(at)));
            }
        }
        written.map_err(Failure::from).map_err(|failure| failed(&failure))?;
        return Ok(answer::ok(CSV, csv.into_inner().unwrap_or_default()));
    }
    let mut text = String::from("{\"columns\":");
    push_texts(&mut text, server.columns.iter().map(String::as_str));
    text.push_str(",\"sequences\":[");
    for (sequence, ends) in found.offsets.windows(2).enumerate() {
        text.push_str(if sequence == 0 { "[" } else { ",[" });
        for at in ends[0]..ends[1] {
            text.push_str(if at == ends[0] { "[" } else { ",[" });
            push_cells(&mut text, server, row(at));
            text.push(']');
        }
        text.push(']');
    }
    text.push_str("]}\n");
    Ok(answer::ok(JSON, text))
}

fn from_csv(server: &Server, body: &[u8], wanted: Kind) -> Result<Answer, Refused> {
    let table = table::read_from(body, "body", &server.saved.request(), LabelUse::Ignored);
    let table = table.map_err(|error| Refused::new(status(&error), error.to_string()))?;
    check_limits(server, table.sequences(), table.rows)?;
    let source = Source { name: "body".into(), table };
    let part = Part::whole(&source.table);
    // Other requests have the other threads.
    let (predictions, _) = server.saved.predict(&source, &part, 1).map_err(|failure| failed(&failure))?;
    let table = &source.table;
    server.metrics.predicted(table.rows);
    let columns = server.saved.file.model.output_size();
    if wanted == Kind::Csv {
        let mut out = Vec::new();
        let written = write_rows(&mut out, server.format(), table, &predictions, columns);
        written.map_err(Failure::from).map_err(|failure| failed(&failure))?;
        return Ok(answer::ok(CSV, out));
    }
    Ok(answer::ok(JSON, rows_as_json(server, table, &predictions, columns)))
}

/// The rows in the order of the body, each with name and time.
fn rows_as_json(server: &Server, table: &Table, predictions: &[f64], columns: usize) -> String {
    let mut text = String::from("{\"columns\":");
    let sequence = table.columns.sequence.as_deref().unwrap_or("sequence");
    let first = [sequence, table.columns.time.as_deref().unwrap_or("t")];
    push_texts(&mut text, first.into_iter().chain(server.columns.iter().map(String::as_str)));
    text.push_str(",\"rows\":[");
    for (at, (sequence, row)) in file_order(table).into_iter().enumerate() {
        text.push_str(if at == 0 { "[" } else { ",[" });
        push_text(&mut text, table.name(sequence));
        text.push(',');
        push_text(&mut text, &table.time(sequence, row));
        text.push(',');
        push_cells(&mut text, server, &predictions[row * columns..(row + 1) * columns]);
        text.push(']');
    }
    text.push_str("]}\n");
    text
}

fn push_cells(text: &mut String, server: &Server, values: &[f64]) {
    for (at, cell) in server.format().cells(values).enumerate() {
        if at > 0 {
            text.push(',');
        }
        push_cell(text, &cell);
    }
}

fn check_limits(server: &Server, sequences: usize, rows: usize) -> Result<(), Refused> {
    for (most, found, what) in
        [(server.limits.sequences, sequences, "sequences"), (server.limits.rows, rows, "rows")]
    {
        if found > most {
            let message = format!("expected at most {most} {what} in a request, found {found}");
            return Err(Refused::new(StatusCode::PAYLOAD_TOO_LARGE, message));
        }
    }
    Ok(())
}

/// Well-formed rows that are not what the model takes cannot be processed; all else is a bad request.
fn status(error: &TableError) -> StatusCode {
    match error {
        TableError::MissingColumn { .. }
        | TableError::NoColumns { .. }
        | TableError::NoRows { .. }
        | TableError::Cell { problem: CellProblem::NotFinite { .. }, .. } => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::BAD_REQUEST,
    }
}

/// What the model says about rows that were read.
fn failed(failure: &Failure) -> Refused {
    Refused::new(StatusCode::UNPROCESSABLE_ENTITY, failure.to_string())
}
