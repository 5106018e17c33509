//! Kubernetes quantities (`250m`, `16Gi`, `1e3`), exact, in thousandths.
//!
//! What is finer than a thousandth is rounded up, as Kubernetes does; what is negative is no quantity
//! of anything that a node has or a pod asks for.

use serde_json::Value;

/// Longest text that is looked at, in bytes; longer ones are no quantities.
const TEXT_BYTES_MAX: usize = 64;

/// A quantity, in thousandths of its unit.
pub type Milli = u64;

/// Reads a quantity; `None` for what is none, is negative or exceeds what fits.
pub fn parse(text: &str) -> Option<Milli> {
    if text.len() > TEXT_BYTES_MAX {
        return None;
    }
    let text = text.strip_prefix('+').unwrap_or(text);
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at_checked(end)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if fraction.contains('.') || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    let (factor, divisor) = scale(suffix)?;
    let digits: u128 = format!("{whole}{fraction}").parse().ok()?;
    let places = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let top = digits.checked_mul(1000)?.checked_mul(factor)?;
    let bottom = places.checked_mul(divisor)?;
    u64::try_from(top.div_ceil(bottom)).ok()
}

/// Reads a quantity as JSON has it: a text, or a plain number.
pub fn read(value: &Value) -> Option<Milli> {
    match value {
        Value::String(text) => parse(text),
        Value::Number(number) => parse(&number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// By what a suffix multiplies and divides.
fn scale(suffix: &str) -> Option<(u128, u128)> {
    let decimal = |power: u32| 10_u128.checked_pow(power);
    Some(match suffix {
        "" => (1, 1),
        "n" => (1, decimal(9)?),
        "u" => (1, decimal(6)?),
        "m" => (1, decimal(3)?),
        "k" => (decimal(3)?, 1),
        "M" => (decimal(6)?, 1),
        "G" => (decimal(9)?, 1),
        "T" => (decimal(12)?, 1),
        "P" => (decimal(15)?, 1),
        "E" => (decimal(18)?, 1),
        "Ki" => (1 << 10, 1),
        "Mi" => (1 << 20, 1),
        "Gi" => (1 << 30, 1),
        "Ti" => (1 << 40, 1),
        "Pi" => (1 << 50, 1),
        "Ei" => (1 << 60, 1),
        exponent => {
            let power: i32 = exponent.strip_prefix(['e', 'E'])?.parse().ok()?;
            let magnitude = decimal(power.unsigned_abs())?;
            if power < 0 {
                (1, magnitude)
            } else {
                (magnitude, 1)
            }
        }
    })
}

/// Writes a quantity, in powers of 1024 with `binary`, where it is a whole number of them.
pub fn text(milli: Milli, binary: bool) -> String {
    if !milli.is_multiple_of(1000) {
        return format!("{milli}m");
    }
    let whole = milli / 1000;
    let mut scaled = (whole, "");
    if binary && whole != 0 {
        for (factor, suffix) in [
            (1_u64 << 10, "Ki"),
            (1 << 20, "Mi"),
            (1 << 30, "Gi"),
            (1 << 40, "Ti"),
        ] {
            if whole.is_multiple_of(factor) {
                scaled = (whole / factor, suffix);
            }
        }
    }
    format!("{}{}", scaled.0, scaled.1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn quantities_are_read_as_kubernetes_means_them() {
        for (text, milli) in [
            ("4", Some(4000)),
            ("3920m", Some(3920)),
            ("1.5", Some(1500)),
            (".5", Some(500)),
            ("2.", Some(2000)),
            ("1Ki", Some(1_024_000)),
            ("1.5Gi", Some(1_610_612_736_000)),
            ("1e3", Some(1_000_000)),
            ("1E3", Some(1_000_000)),
            ("1E", None),
            ("25e-2", Some(250)),
            ("1500u", Some(2)),
            ("1n", Some(1)),
            ("+1", Some(1000)),
            ("0", Some(0)),
        ] {
            assert_eq!(parse(text), milli, "{text}");
        }
        for text in ["", "-1", "x", "1.2.3", "1 Gi", "1e", "1e99", ".", "1ki"] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse(&"9".repeat(65)), None);
        assert_eq!(read(&json!(2)), Some(2000));
        assert_eq!(read(&json!(0.5)), Some(500));
        assert_eq!(read(&json!("1Mi")), Some(1_048_576_000));
        assert_eq!(read(&json!(-1)), None);
        assert_eq!(read(&json!([1])), None);
    }

    #[test]
    fn quantities_are_written_short_and_read_back() {
        for (milli, binary, expected) in [
            (7920, false, "7920m"),
            (2000, false, "2"),
            (1000 * (2_u64 << 30), true, "2Gi"),
            (1000 * (16_393_248 << 10), true, "16393248Ki"),
            (0, true, "0"),
            (110_000, false, "110"),
        ] {
            let written = text(milli, binary);
            assert_eq!(written, expected);
            assert_eq!(parse(&written), Some(milli));
        }
    }
}
