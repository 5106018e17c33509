//! Comparing JSON numbers without losing whole ones to floating point.

use std::cmp::Ordering;

use serde_json::Number;

/// The whole number that `n` is, also where it is written as `1.0`.
pub(super) fn whole(n: &Number) -> Option<i64> {
    if let Some(n) = n.as_i64() {
        return Some(n);
    }
    let float = n.as_f64()?;
    // Beyond 2^53 a float stands for many whole numbers.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if float.fract() != 0.0 || float.abs() > EXACT {
        return None;
    }
    format!("{float:.0}").parse().ok()
}

/// Which number is greater; `None` where one is no number at all.
pub(super) fn compare(a: &Number, b: &Number) -> Option<Ordering> {
    if let (Some(a), Some(b)) = (a.as_i64(), b.as_i64()) {
        return Some(a.cmp(&b));
    }
    a.as_f64()?.partial_cmp(&b.as_f64()?)
}

/// Whether `n` is a whole multiple of `of`.
pub(super) fn is_multiple(n: &Number, of: &Number) -> bool {
    if let (Some(n), Some(of)) = (n.as_i64(), of.as_i64()) {
        return of != 0 && n.checked_rem(of) == Some(0);
    }
    match (n.as_f64(), of.as_f64()) {
        (Some(n), Some(of)) if of != 0.0 => (n / of).fract() == 0.0,
        _ => false,
    }
}

/// A number as Go prints it: `1` for `1.0`.
pub(super) fn shown(n: &Number) -> String {
    whole(n).map_or_else(|| n.to_string(), |n| n.to_string())
}
