//! Names, label keys and label values: what they may consist of. Each function answers with what
//! is wrong, in Kubernetes' words; nothing where nothing is.

/// Longest DNS label, label value and name part of a key, in bytes.
pub const LABEL_BYTES_MAX: usize = 63;
/// Longest DNS subdomain, in bytes.
pub const SUBDOMAIN_BYTES_MAX: usize = 253;

const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters \
    or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', \
    regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric \
    characters, '-' or '.', and must start and end with an alphanumeric character \
    (e.g. 'example.com', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const NAME_PART: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start \
    and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex \
    used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric \
    characters, '-', '_' or '.', and must start and end with an alphanumeric character \
    (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is \
    '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

/// A DNS label, as the names of namespaces are.
pub fn label(name: &str) -> Vec<String> {
    let mut faults = too_long("", name, LABEL_BYTES_MAX);
    if !is_label(name) {
        faults.push(LABEL.to_owned());
    }
    faults
}

/// A DNS subdomain, as most names are.
pub fn subdomain(name: &str) -> Vec<String> {
    let mut faults = too_long("", name, SUBDOMAIN_BYTES_MAX);
    if !name.split('.').all(is_label) {
        faults.push(SUBDOMAIN.to_owned());
    }
    faults
}

/// A segment of a path, as the names of roles are.
pub fn segment(name: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if name == "." || name == ".." {
        faults.push(format!("may not be '{name}'"));
    }
    for forbidden in ['/', '%'] {
        if name.contains(forbidden) {
            faults.push(format!("may not contain '{forbidden}'"));
        }
    }
    faults
}

/// The key of a label or annotation: a name, with a DNS subdomain before it or not.
pub fn qualified(key: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let name = match key.split_once('/') {
        None => key,
        Some((prefix, name)) => {
            if name.contains('/') {
                let rule = "a qualified name";
                let hint =
                    "with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";
                return vec![format!("{rule} {NAME_PART} {hint}")];
            }
            if prefix.is_empty() {
                faults.push("prefix part must be non-empty".to_owned());
            } else {
                faults.extend(
                    subdomain(prefix)
                        .into_iter()
                        .map(|f| format!("prefix part {f}")),
                );
            }
            name
        }
    };
    if name.is_empty() {
        faults.push("name part must be non-empty".to_owned());
    }
    faults.extend(too_long("name part ", name, LABEL_BYTES_MAX));
    if !is_name_part(name) {
        faults.push(format!("name part {NAME_PART}"));
    }
    faults
}

/// The value of a label.
pub fn label_value(value: &str) -> Vec<String> {
    let mut faults = too_long("", value, LABEL_BYTES_MAX);
    if !value.is_empty() && !is_name_part(value) {
        faults.push(LABEL_VALUE.to_owned());
    }
    faults
}

/// Whether `text` is a quantity, as in `100m` or `2Gi`.
pub fn is_quantity(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let suffix = unsigned.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let digits = unsigned.len() - suffix.len();
    let number = unsigned.get(..digits).unwrap_or_default();
    if number.parse::<f64>().is_err() {
        return false;
    }
    let units = [
        "", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei",
    ];
    let exponent = suffix.strip_prefix(['e', 'E']);
    units.contains(&suffix) || exponent.is_some_and(|e| e.parse::<i16>().is_ok())
}

fn too_long(what: &str, text: &str, max: usize) -> Vec<String> {
    if text.len() <= max {
        return Vec::new();
    }
    vec![format!("{what}must be no more than {max} bytes")]
}

fn is_label(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !text.is_empty() && !text.starts_with('-') && !text.ends_with('-') && text.chars().all(inner)
}

fn is_name_part(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let edge = |c: char| c.is_ascii_alphanumeric();
    text.starts_with(edge) && text.ends_with(edge) && text.chars().all(inner)
}
