//! Rows in JSON: straight into numbers, without a tree in between.

use std::collections::HashMap;
use std::fmt;

use hyper::StatusCode;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;

use super::refused::{Refused, short};

/// The input columns of a row.
pub struct Inputs {
    names: Vec<String>,
    places: HashMap<String, usize>,
}

/// Sequences one after the other.
#[derive(Debug, Default, PartialEq)]
pub struct Sequences {
    /// (rows, inputs)
    pub inputs: Vec<f64>,
    /// Sequence `s` has the rows `offsets[s]..offsets[s + 1]`.
    pub offsets: Vec<usize>,
}

impl Inputs {
    pub fn new(names: &[String]) -> Self {
        let places = names.iter().cloned().enumerate().map(|(place, name)| (name, place)).collect();
        Self { names: names.to_vec(), places }
    }

    /// A row: `[0.1, 0.2]`, or `{"x1": 0.1, "x2": 0.2}`, where other members are left out.
    pub fn row(&self, body: &[u8]) -> Result<Vec<f64>, Refused> {
        let mut values = Vec::with_capacity(self.names.len());
        parse(body, Row { inputs: self, values: &mut values })?;
        Ok(values)
    }

    /// `{"sequences": [[row, ...], ...]}`.
    pub fn sequences(&self, body: &[u8]) -> Result<Sequences, Refused> {
        let mut found = Sequences { inputs: Vec::new(), offsets: vec![0] };
        parse(body, Request(List { inputs: self, found: &mut found, depth: Depth::Sequences }))?;
        Ok(found)
    }

    /// What a row has to be.
    fn expected(&self) -> String {
        let count = self.names.len();
        let listed: Vec<String> = self.names.iter().take(6).map(|name| short(name)).collect();
        let more =
            if count > listed.len() { format!(" and {} more", count - listed.len()) } else { String::new() };
        let numbers = if count == 1 { "number" } else { "numbers" };
        format!("a row of {count} {numbers}, for {}{more}", listed.join(", "))
    }
}

/// Reads all of `body`. What is no JSON is a bad request; what is JSON but no such rows cannot be processed.
fn parse<'a>(body: &'a [u8], seed: impl DeserializeSeed<'a, Value = ()>) -> Result<(), Refused> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let parsed = seed.deserialize(&mut reader).and_then(|()| reader.end());
    parsed.map_err(|error| {
        let text = error.to_string();
        let place = format!(" at line {} column {}", error.line(), error.column());
        let found = reworded(text.strip_suffix(&place).unwrap_or(&text));
        let place = format!("body, line {}, column {}", error.line(), error.column());
        match error.classify() {
            Category::Data => Refused::new(StatusCode::UNPROCESSABLE_ENTITY, format!("{place}: {found}")),
            // Well-formed, but no double has it.
            _ if found == "number out of range" => Refused::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                format!("{place}: expected a finite number, found one beyond the range of a double"),
            ),
            _ => Refused::new(StatusCode::BAD_REQUEST, format!("{place}: this is not JSON: {found}")),
        }
    })
}

/// What was expected, then what was found: of a text, which is as long as the client likes, only the beginning.
fn reworded(message: &str) -> String {
    const MOST: usize = 80;
    let Some((found, expected)) =
        message.strip_prefix("invalid type: ").and_then(|rest| rest.rsplit_once(", expected "))
    else {
        return message.to_owned();
    };
    let short: String = found.chars().take(MOST).collect();
    let more = if short.len() < found.len() { "..." } else { "" };
    format!("expected {expected}, found {short}{more}")
}

/// A number of a row.
struct Number(f64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Number;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a number")
            }

            fn visit_f64<E>(self, value: f64) -> Result<Number, E> {
                Ok(Number(value))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Number, E> {
                Ok(Number(value as f64))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Number, E> {
                Ok(Number(value as f64))
            }
        }
        deserializer.deserialize_f64(Reader)
    }
}

/// Appends a row to `values`.
struct Row<'a> {
    inputs: &'a Inputs,
    values: &'a mut Vec<f64>,
}

impl<'de> DeserializeSeed<'de> for Row<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Row<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.inputs.expected())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut row: A) -> Result<(), A::Error> {
        let expected = self.inputs.names.len();
        let mut found = 0;
        while let Some(Number(value)) = row.next_element::<Number>()? {
            if found == expected {
                return Err(A::Error::custom(format!("expected {}, found more", self.inputs.expected())));
            }
            self.values.push(value);
            found += 1;
        }
        if found < expected {
            return Err(A::Error::custom(format!("expected {}, found {found}", self.inputs.expected())));
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut row: A) -> Result<(), A::Error> {
        let names = &self.inputs.names;
        let first = self.values.len();
        // No number in JSON is NaN.
        self.values.resize(first + names.len(), f64::NAN);
        let values = &mut self.values[first..];
        while let Some(name) = row.next_key::<String>()? {
            match self.inputs.places.get(&name) {
                Some(&place) if values[place].is_nan() => values[place] = row.next_value::<Number>()?.0,
                Some(_) => {
                    return Err(A::Error::custom(format!(
                        "expected each column once, found {} twice",
                        short(&name)
                    )));
                }
                None => {
                    row.next_value::<IgnoredAny>()?;
                }
            }
        }
        match values.iter().position(|value| value.is_nan()) {
            Some(place) => Err(A::Error::custom(format!(
                "expected column {}, found a row without it",
                short(&names[place])
            ))),
            None => Ok(()),
        }
    }
}

/// A list of sequences, or of a sequence's rows.
struct List<'a> {
    inputs: &'a Inputs,
    found: &'a mut Sequences,
    depth: Depth,
}

#[derive(Clone, Copy)]
enum Depth {
    Sequences,
    Rows,
}

impl<'de> DeserializeSeed<'de> for List<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for List<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.depth {
            Depth::Sequences => formatter.write_str("a list of sequences"),
            Depth::Rows => write!(formatter, "a sequence: a list of rows, each {}", self.inputs.expected()),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Self { inputs, found, depth } = self;
        match depth {
            Depth::Sequences => {
                while list.next_element_seed(List { inputs, found, depth: Depth::Rows })?.is_some() {}
            }
            Depth::Rows => {
                while list.next_element_seed(Row { inputs, values: &mut found.inputs })?.is_some() {}
                // A model has at least one input.
                let rows = found.inputs.len() / inputs.names.len().max(1);
                if found.offsets.last() == Some(&rows) {
                    return Err(A::Error::custom("expected at least one row in a sequence, found none"));
                }
                found.offsets.push(rows);
            }
        }
        Ok(())
    }
}

/// The whole request.
struct Request<'a>(List<'a>);

impl<'de> DeserializeSeed<'de> for Request<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Request<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object with `sequences`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut request: A) -> Result<(), A::Error> {
        let mut list = Some(self.0);
        while let Some(name) = request.next_key::<String>()? {
            match (name.as_str(), list.take()) {
                ("sequences", Some(list)) => request.next_value_seed(list)?,
                ("sequences", None) => {
                    return Err(A::Error::custom("expected `sequences` once, found it twice"));
                }
                _ => return Err(A::Error::custom(format!("expected `sequences`, found {}", short(&name)))),
            }
        }
        match list {
            Some(_) => Err(A::Error::custom("expected `sequences`, found an object without it")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs() -> Inputs {
        Inputs::new(&["x1".into(), "x2".into()])
    }

    #[test]
    fn rows_are_arrays_or_objects() {
        for body in ["[1, 2.5]", r#"{"x2": 2.5, "t": "2012-01-31", "x1": 1}"#, " [1e0,25e-1] \n"] {
            assert_eq!(inputs().row(body.as_bytes()).unwrap(), [1.0, 2.5], "{body}");
        }
        let found = inputs().sequences(br#"{"sequences": [[[1,2],[3,4]], [{"x1":5,"x2":6}]]}"#).unwrap();
        assert_eq!(found, Sequences { inputs: vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0], offsets: vec![0, 2, 3] });
        assert_eq!(inputs().sequences(br#"{"sequences": []}"#).unwrap().offsets, [0]);
    }

    #[test]
    fn what_is_no_row_is_refused_with_its_place() {
        let deep = "[".repeat(100_000);
        for (body, status, part) in [
            ("", 400, "body, line 1, column 0: this is not JSON: EOF"),
            ("[1, 2", 400, "line 1, column 5"),
            ("[1, NaN]", 400, "line 1, column 5"),
            ("[1, 2] 3", 400, "trailing"),
            (&deep, 422, "line 1, column 1: expected a number, found sequence"),
            ("{\"\\ud800\": 0, \"x1\": 1, \"x2\": 2}", 400, "this is not JSON"),
            ("[1]", 422, "expected a row of 2 numbers, for `x1`, `x2`, found 1"),
            ("[1,\n2, 3]", 422, "expected a row of 2 numbers, for `x1`, `x2`, found more"),
            ("[1, null]", 422, "null"),
            ("[1, \"2\"]", 422, "expected a number, found string \"2\""),
            ("[1, 1e999]", 422, "expected a finite number"),
            ("[1, -1e999]", 422, "expected a finite number"),
            ("7", 422, "expected a row of 2 numbers"),
            ("{\"x1\": 1}", 422, "expected column `x2`, found a row without it"),
            ("{\"x1\": 1, \"x2\": 2, \"x1\": 3}", 422, "found `x1` twice"),
        ] {
            let refused = inputs().row(body.as_bytes()).unwrap_err();
            let (found, message) = refused.parts();
            assert!(found == status && message.contains(part), "{body:.40}: {found} {message}");
        }
        for (body, part) in [
            ("{}", "expected `sequences`, found an object without it"),
            ("[]", "an object with `sequences`"),
            ("{\"sequence\": []}", "expected `sequences`, found `sequence`"),
            ("{\"sequences\": [], \"sequences\": []}", "twice"),
            ("{\"sequences\": [[]]}", "at least one row"),
            ("{\"sequences\": [1]}", "a list of rows"),
            ("{\"sequences\": [[[1,2]],[[1]]]}", "expected a row of 2 numbers, for `x1`, `x2`, found 1"),
        ] {
            let refused = inputs().sequences(body.as_bytes()).unwrap_err();
            let (found, message) = refused.parts();
            assert!(found == 422 && message.contains(part), "{body:.40}: {found} {message}");
        }
    }

    #[test]
    fn a_long_text_is_not_repeated() {
        let long = "\u{e9}\n".repeat(100_000);
        for body in
            [serde_json::json!([1, long]), serde_json::json!({"x1": 1, "x2": long}), long.clone().into()]
        {
            let refused = inputs().row(body.to_string().as_bytes()).unwrap_err();
            let (status, message) = refused.parts();
            assert!(status == 422 && message.len() < 1000 && message.contains("expected a "), "{message}");
        }
        let refused = inputs().sequences(serde_json::json!({long: 1}).to_string().as_bytes()).unwrap_err();
        assert!(refused.parts().1.len() < 1000);
    }

    proptest::proptest! {
        #[test]
        fn no_text_is_taken_for_rows_that_are_none(bytes in r#"(\{"sequences":)?[\[\]{}:,0-9eE.+"x-]{0,60}"#) {
            if let Ok(row) = inputs().row(bytes.as_bytes()) {
                proptest::prop_assert!(row.len() == 2 && row.iter().all(|value| value.is_finite()));
            }
            if let Ok(found) = inputs().sequences(bytes.as_bytes()) {
                proptest::prop_assert_eq!(found.offsets.last().map(|rows| rows * 2), Some(found.inputs.len()));
            }
        }
    }

    #[test]
    fn a_number_has_the_bits_that_it_has_in_csv() {
        for text in [
            "0.1",
            "2.2250738585072011e-308",
            "9007199254740993",
            "0.30000000000000004",
            "1.7976931348623157e308",
        ] {
            let row = inputs().row(format!("[{text}, -{text}]").as_bytes()).unwrap();
            let expected: f64 = text.parse().unwrap();
            assert_eq!(
                [row[0].to_bits(), row[1].to_bits()],
                [expected.to_bits(), (-expected).to_bits()],
                "{text}"
            );
        }
    }
}
