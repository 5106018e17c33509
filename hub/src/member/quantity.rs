//! Kubernetes quantities, as far as scheduling needs them.

/// A quantity in thousandths, rounded up; 0 for what is none.
pub(super) fn milli(text: &str) -> i64 {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let suffix = text.strip_prefix(digits).unwrap_or_default();
    let factor: i64 = match suffix {
        "m" => 1,
        "" => 1000,
        "k" => 1000 * 1000,
        "M" => 1000 * 1000_i64.pow(2),
        "G" => 1000 * 1000_i64.pow(3),
        "T" => 1000 * 1000_i64.pow(4),
        "Ki" => 1000 << 10,
        "Mi" => 1000 << 20,
        "Gi" => 1000 << 30,
        "Ti" => 1000 << 40,
        _ => 0,
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let whole = whole.parse::<i64>().unwrap_or(0).saturating_mul(factor);
    let mut part = 0_i64;
    let mut unit = factor;
    for digit in fraction.chars().filter_map(|c| c.to_digit(10)) {
        unit /= 10;
        part = part.saturating_add(unit.saturating_mul(i64::from(digit)));
    }
    whole.saturating_add(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: i64) {
        assert_eq!(milli(text), expected, "{text}");
    }

    #[test]
    fn quantities_are_thousandths() {
        check("250m", 250);
        check("2", 2000);
        check("0.5", 500);
        check("1.5Gi", 1000 * 1536 * 1024 * 1024);
        check("64Mi", 1000 * 64 * 1024 * 1024);
        check("1k", 1_000_000);
        check("", 0);
        check("many", 0);
    }
}
