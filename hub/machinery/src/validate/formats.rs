//! Formats of texts. A format that is not known accepts everything, as in Kubernetes.

use core::net::{Ipv4Addr, Ipv6Addr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::names;

/// Whether `text` has the format called `name`.
pub(super) fn accepts(name: &str, text: &str) -> bool {
    match name {
        "date-time" | "datetime" => text.parse::<jiff::Timestamp>().is_ok(),
        "date" => text.parse::<jiff::civil::Date>().is_ok() && text.len() == 10,
        "duration" => is_duration(text),
        "ipv4" => text.parse::<Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<Ipv6Addr>().is_ok(),
        "cidr" => is_cidr(text),
        "mac" => is_mac(text),
        "uuid" => is_uuid(text, None),
        "uuid3" => is_uuid(text, Some(b'3')),
        "uuid4" => is_uuid(text, Some(b'4')),
        "uuid5" => is_uuid(text, Some(b'5')),
        "byte" => STANDARD.decode(text).is_ok(),
        "hostname" => names::subdomain(&text.to_ascii_lowercase()).is_empty(),
        "email" => is_email(text),
        "uri" => is_uri(text),
        "hexcolor" => is_hex_color(text),
        _ => true,
    }
}

/// The largest numbers and units of Go's durations, as in `1h30m`.
fn is_duration(text: &str) -> bool {
    let mut rest = text.strip_prefix(['+', '-']).unwrap_or(text);
    if rest == "0" {
        return true;
    }
    if rest.is_empty() {
        return false;
    }
    while !rest.is_empty() {
        let after = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        let number = rest.len() - after.len();
        let digits = rest.get(..number).unwrap_or_default();
        let points = digits.chars().filter(|&c| c == '.').count();
        if digits.len() == points || points > 1 {
            return false;
        }
        let units = ["ns", "us", "µs", "μs", "ms", "s", "m", "h"];
        let Some(tail) = units.iter().find_map(|unit| after.strip_prefix(unit)) else {
            return false;
        };
        rest = tail;
    }
    true
}

fn is_cidr(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else {
        return false;
    };
    let Ok(bits) = bits.parse::<u8>() else {
        return false;
    };
    let four = address.parse::<Ipv4Addr>().is_ok() && bits <= 32;
    four || (address.parse::<Ipv6Addr>().is_ok() && bits <= 128)
}

fn is_mac(text: &str) -> bool {
    let parts: Vec<&str> = text.split([':', '-']).collect();
    let hex = |p: &&str| p.len() == 2 && p.chars().all(|c| c.is_ascii_hexdigit());
    [6, 8, 20].contains(&parts.len()) && parts.iter().all(hex)
}

fn is_uuid(text: &str, version: Option<u8>) -> bool {
    let dashes = [8, 13, 18, 23];
    let bytes = text.as_bytes();
    let fits = |(at, b): (usize, &u8)| match (dashes.contains(&at), b) {
        (true, b'-') => true,
        (true, _) => false,
        (false, b) => b.is_ascii_hexdigit(),
    };
    bytes.len() == 36
        && bytes.iter().enumerate().all(fits)
        && version.is_none_or(|v| bytes.get(14) == Some(&v))
}

fn is_email(text: &str) -> bool {
    let Some((user, host)) = text.rsplit_once('@') else {
        return false;
    };
    !user.is_empty() && !user.contains([' ', '<', '>']) && !host.is_empty() && !host.contains(' ')
}

fn is_uri(text: &str) -> bool {
    if text.contains([' ', '\t', '\n', '\r']) {
        return false;
    }
    if text.starts_with('/') {
        return true;
    }
    let Some((scheme, rest)) = text.split_once(':') else {
        return false;
    };
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(allowed)
        && !rest.is_empty()
}

fn is_hex_color(text: &str) -> bool {
    let digits = text.strip_prefix('#').unwrap_or(text);
    matches!(digits.len(), 3 | 6) && digits.chars().all(|c| c.is_ascii_hexdigit())
}
