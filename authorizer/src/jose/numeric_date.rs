//! Moments as JSON numbers (RFC 7519 §2): with or without a fraction, written in any way that JSON has.

use serde_json::Value;

/// The seconds that a double holds exactly, fractions aside.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Where the part of a second goes: whichever way makes no life longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Round {
    /// For an end.
    Down,
    /// For a beginning.
    Up,
}

/// Whole Unix seconds; `None` for what is no number, before 1970, or beyond what can be told exactly.
pub fn numeric_date(value: &Value, round: Round) -> Option<i64> {
    if let Some(whole) = value.as_i64() {
        return Some(whole).filter(|seconds| *seconds >= 0);
    }
    let seconds = fraction(value)?;
    let whole = match round {
        Round::Down => seconds.floor(),
        Round::Up => seconds.ceil(),
    };
    whole_seconds(whole)
}

/// Unix seconds and the nanoseconds after them.
pub fn exact_date(value: &Value) -> Option<(i64, u32)> {
    if let Some(whole) = value.as_i64() {
        return Some((whole, 0));
    }
    let seconds = fraction(value)?;
    let nanoseconds = (seconds.fract() * 1e9).floor();
    // Less than a thousand million, and not negative.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "see above"
    )]
    let nanoseconds = nanoseconds as u32;
    Some((whole_seconds(seconds.floor())?, nanoseconds))
}

/// A whole number beyond `i64` is a double here too, and out of range.
fn fraction(value: &Value) -> Option<f64> {
    value
        .as_f64()
        .filter(|seconds| (0.0..EXACT).contains(seconds))
}

/// The range was checked, so nothing is cut off.
#[expect(clippy::cast_possible_truncation, reason = "see above")]
fn whole_seconds(seconds: f64) -> Option<i64> {
    (0.0..=EXACT).contains(&seconds).then_some(seconds as i64)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(json: &str) -> Option<(i64, i64)> {
        let value: Value = serde_json::from_str(json).unwrap();
        let both = numeric_date(&value, Round::Down).zip(numeric_date(&value, Round::Up));
        assert_eq!(both.is_some(), numeric_date(&value, Round::Up).is_some());
        both
    }

    #[test]
    fn any_number_in_range_is_a_date_and_its_fraction_goes_either_way() {
        for (json, down, up) in [
            ("0", 0, 0),
            ("-0.0", 0, 0),
            ("1790000000", 1_790_000_000, 1_790_000_000),
            ("1790000000.0", 1_790_000_000, 1_790_000_000),
            ("1.79e9", 1_790_000_000, 1_790_000_000),
            ("1.79E+9", 1_790_000_000, 1_790_000_000),
            ("17900000000e-1", 1_790_000_000, 1_790_000_000),
            ("1790000000.5", 1_790_000_000, 1_790_000_001),
            ("1790000000.000001", 1_790_000_000, 1_790_000_001),
            ("1789999999.999999", 1_789_999_999, 1_790_000_000),
            ("0.25", 0, 1),
        ] {
            assert_eq!(read(json), Some((down, up)), "{json}");
        }
        for json in [
            "-1",
            "-0.5",
            "1e300",
            "9007199254740993.0",
            "18446744073709551615",
            "null",
            "true",
            "\"1790000000\"",
            "[1790000000]",
            "{}",
        ] {
            assert_eq!(read(json), None, "{json}");
        }
    }

    #[test]
    fn an_exact_date_keeps_its_fraction() {
        let exact = |json: &str| exact_date(&serde_json::from_str(json).unwrap());
        assert_eq!(exact("1790000000"), Some((1_790_000_000, 0)));
        assert_eq!(exact("1790000000.5"), Some((1_790_000_000, 500_000_000)));
        assert_eq!(exact("-7"), Some((-7, 0)));
        assert_eq!(exact("1e300"), None);
    }
}
