//! Text from the user's file, made safe; numbers, made readable.

/// `text` as HTML text or as the value of a quoted attribute.
///
/// Control characters become the replacement character, since some of them are errors in HTML.
pub fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\n' | '\t' => safe.push(character),
            control if control.is_control() => safe.push('\u{fffd}'),
            other => safe.push(other),
        }
    }
    safe
}

/// At most `most` characters of `text`, the last an ellipsis if something is missing.
pub fn shorten(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

/// Four significant digits; a dash for what is no number.
pub fn short(value: f64) -> String {
    if !value.is_finite() {
        return "–".into();
    }
    let size = value.abs();
    if size == 0.0 {
        return "0".into();
    }
    if !(1e-4..1e7).contains(&size) {
        return exponent(value, 3);
    }
    fixed(value, (3 - magnitude(size)).clamp(0, 7) as usize)
}

/// `0.0473` as `4.7 %`; a dash for what is no share.
pub fn percent(share: f64) -> String {
    if share.abs() < 1e4 { format!("{} %", fixed(share * 100.0, 1)) } else { "–".into() }
}

/// The label of `value` on an axis whose ticks are `step` apart: as many decimals as the steps need.
pub fn tick_label(value: f64, step: f64, largest: f64) -> String {
    if value == 0.0 {
        return "0".into();
    }
    if !(1e-4..1e7).contains(&largest) {
        let decimals = (magnitude(value.abs()) - magnitude(step)).clamp(0, 9);
        return exponent(value, decimals as usize);
    }
    // A step of 0.25 needs one decimal more than its magnitude says.
    let mut decimals = (-magnitude(step)).clamp(0, 12) as usize;
    let scaled = step * 10f64.powi(decimals as i32);
    if (scaled - scaled.round()).abs() > 1e-6 * scaled {
        decimals += 1;
    }
    fixed(value, decimals)
}

/// A whole number with commas between the thousands.
pub fn whole(number: usize) -> String {
    group(&number.to_string())
}

/// The exponent of ten of a positive number.
pub fn magnitude(size: f64) -> i32 {
    size.log10().floor().clamp(-400.0, 400.0) as i32
}

fn fixed(value: f64, decimals: usize) -> String {
    let text = format!("{:.decimals$}", value.abs());
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let point = if fraction.is_empty() { "" } else { "." };
    let zero = text.bytes().all(|byte| byte == b'0' || byte == b'.');
    format!("{}{}{point}{fraction}", if value < 0.0 && !zero { "−" } else { "" }, group(whole))
}

fn exponent(value: f64, decimals: usize) -> String {
    let text = format!("{:.decimals$e}", value.abs());
    let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
    let digits =
        if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits };
    format!("{}{digits}e{}", if value < 0.0 { "−" } else { "" }, power.replace('-', "−"))
}

/// Commas between the thousands, from five digits on as four read well without.
fn group(digits: &str) -> String {
    if digits.len() < 5 {
        return digits.to_owned();
    }
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_name_is_markup() {
        assert_eq!(escape(r#"<b a="1">'&'"#), "&lt;b a=&quot;1&quot;&gt;&#39;&amp;&#39;");
        assert_eq!(escape("a\0b\u{1b}c\nd"), "a\u{fffd}b\u{fffd}c\nd");
    }

    #[test]
    fn numbers_read_well() {
        let values = [0.0, 0.5, 12.3456, -0.00123456, 123_456.0, 1.5e-7, -2e9, f64::NAN];
        let texts = ["0", "0.5000", "12.35", "−0.001235", "123,456", "1.5e−7", "−2e9", "–"];
        assert_eq!(values.map(short), texts);
        assert_eq!([0.0473, 1.0, f64::INFINITY].map(percent), ["4.7 %", "100.0 %", "–"]);
        assert_eq!([7, 1234, 12345, 1_234_567].map(whole), ["7", "1234", "12,345", "1,234,567"]);
    }

    #[test]
    fn ticks_have_the_decimals_of_their_step() {
        assert_eq!(tick_label(0.5, 0.5, 2.0), "0.5");
        assert_eq!(tick_label(2.0, 0.25, 2.0), "2.00");
        assert_eq!(tick_label(-20_000.0, 5000.0, 20_000.0), "−20,000");
        assert_eq!(tick_label(1.5e-6, 5e-7, 2e-6), "1.5e−6");
        assert_eq!(tick_label(-1e-17, 0.2, 1.0), "0.0");
    }

    #[test]
    fn long_names_end_in_an_ellipsis() {
        assert_eq!((shorten("short", 5), shorten("longer", 5)), ("short".into(), "long…".into()));
    }
}
