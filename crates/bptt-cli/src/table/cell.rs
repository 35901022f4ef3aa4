//! What one cell holds: text or a finite number.

use super::error::{CellProblem, shown};

/// The cell as text, kept as it is.
///
/// # Errors
///
/// [`CellProblem::NotUtf8`].
pub(super) fn text(cell: &[u8]) -> Result<&str, CellProblem> {
    str::from_utf8(cell).map_err(|error| {
        let at = error.valid_up_to();
        // There is always a byte at `valid_up_to` of an error; the fallback only avoids a panic.
        CellProblem::NotUtf8 { byte: cell.get(at).copied().unwrap_or_default(), position: at + 1 }
    })
}

/// The cell as a finite number: decimal digits with an optional sign, point and exponent, and with
/// blanks around it.
///
/// # Errors
///
/// [`CellProblem::Empty`], [`CellProblem::NotNumber`], [`CellProblem::NotFinite`] (`NaN`, `inf`,
/// `1e999`) or [`CellProblem::NotUtf8`].
pub(super) fn number(cell: &[u8]) -> Result<f64, CellProblem> {
    // Rust parses decimal syntax, `inf`, `infinity` and `nan`, and nothing else; the last three and an
    // overflow are exactly the values that are not finite.
    let text = text(cell.trim_ascii())?;
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value),
        Ok(_) => Err(CellProblem::NotFinite { found: shown(text) }),
        Err(_) if text.is_empty() => Err(CellProblem::Empty { expected: "a number" }),
        Err(_) => Err(CellProblem::NotNumber { found: shown(text) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_decimal() {
        for (cell, expected) in [
            ("1", 1.0),
            (" -2.5\t", -2.5),
            ("+3", 3.0),
            (".5", 0.5),
            ("5.", 5.0),
            ("1e+05", 1e5),
            ("1E-3", 1e-3),
            ("007", 7.0),
            ("1e-999", 0.0),
        ] {
            assert_eq!(number(cell.as_bytes()), Ok(expected), "{cell}");
        }
    }

    #[test]
    fn what_is_not_finite_is_told_from_what_is_no_number() {
        for cell in ["NaN", "nan", "-NAN", "inf", "+Inf", "-infinity", "INFINITY", "1e999", "-1e999"] {
            assert_eq!(number(cell.as_bytes()), Err(CellProblem::NotFinite { found: cell.into() }));
        }
        for cell in
            ["NA", "null", "1,5", "1_000", "0x10", "1e", "e5", ".", "-", "1 2", "--1", "1f", "١", "\u{a0}1"]
        {
            assert_eq!(number(cell.as_bytes()), Err(CellProblem::NotNumber { found: cell.into() }));
        }
        for cell in ["", "  ", "\t"] {
            assert_eq!(number(cell.as_bytes()), Err(CellProblem::Empty { expected: "a number" }));
        }
    }

    #[test]
    fn bytes_that_are_not_utf_8_are_named() {
        let problem = CellProblem::NotUtf8 { byte: 0xe9, position: 3 };
        assert_eq!(text(b"ab\xe9c"), Err(problem.clone()));
        assert_eq!(number(b" ab\xe9c"), Err(problem));
        assert_eq!(text(b"ab\xc3"), Err(CellProblem::NotUtf8 { byte: 0xc3, position: 3 }));
        assert_eq!(text("é ".as_bytes()), Ok("é "));
    }
}
