//! The house in order: arrows between crates, pure rooms, sizes, module docs, bounds in one place.

#![expect(clippy::unwrap_used, reason = "a test that cannot read the tree fails")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Longest source file, in lines. What has outgrown it holds a second noun.
const FILE_LINES_MAX: usize = 450;
/// Longest `main.rs`, in lines: it parses and calls.
const MAIN_LINES_MAX: usize = 60;

/// Which of our crates each crate may use. What is not listed is an arrow that must not be drawn.
const ARROWS: &[(&str, &[&str])] = &[
    ("protocol", &[]),
    ("hub/machinery", &[]),
    ("hub/machinery/generate", &["machinery"]),
    ("hub/store", &["protocol"]),
    ("hub/plan", &["protocol", "machinery"]),
    ("hub/rest", &["protocol", "machinery", "store"]),
    ("hub/authority", &["protocol", "store"]),
    ("hub/agents", &["protocol", "store", "authority"]),
    (
        "hub/controllers",
        &["protocol", "machinery", "store", "plan"],
    ),
    ("agent", &["protocol"]),
    (
        "hub",
        &[
            "protocol",
            "machinery",
            "store",
            "plan",
            "rest",
            "authority",
            "agents",
            "controllers",
            "agent",
        ],
    ),
    (
        "sim",
        &[
            "agents",
            "controllers",
            "protocol",
            "machinery",
            "store",
            "plan",
            "hub",
            "agent",
            "rest",
        ],
    ),
    (
        "tests",
        &[
            "protocol",
            "machinery",
            "store",
            "plan",
            "hub",
            "agent",
            "rest",
            "sim",
        ],
    ),
];

/// Rooms without async, clock, threads or I/O.
const PURE: &[&str] = &[
    "protocol/src/api",
    "protocol/src/wire",
    "protocol/src/session",
    "hub/machinery/src",
    "hub/plan/src",
    "agent/src/plan",
];

/// What a pure room must not speak of.
const IMPURE: &[&str] = &[
    "tokio",
    "quinn",
    "async fn",
    ".await;",
    ".await?",
    ".await)",
    "std::fs",
    "std::net",
    "std::thread",
    "Instant::now",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every Rust source of the project, with its path from the root and its text.
fn sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    walk(&root(), &mut found);
    assert!(
        found.len() > 20,
        "the walk found only {} files",
        found.len()
    );
    found
}

fn walk(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            if !name.starts_with('.') && name != "target" {
                walk(&path, found);
            }
        } else if name.ends_with(".rs") {
            let relative = path
                .strip_prefix(root())
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            found.push((relative, std::fs::read_to_string(&path).unwrap()));
        }
    }
}

/// The files and folders of modules that are declared under `#[cfg(test)]`.
fn declared_tests(sources: &[(String, String)]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (path, text) in sources {
        let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
        let room = match file {
            "mod.rs" | "lib.rs" | "main.rs" => folder.to_owned(),
            other => format!("{folder}/{}", other.trim_end_matches(".rs")),
        };
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        for pair in lines.windows(2) {
            let name = pair[1]
                .strip_suffix(';')
                .and_then(|l| l.rsplit_once("mod "))
                .map(|(_, n)| n);
            if let Some(name) = name.filter(|_| pair[0].starts_with("#[cfg(test)]")) {
                found.insert(format!("{room}/{name}.rs"));
                found.insert(format!("{room}/{name}/"));
            }
        }
    }
    found
}

/// Whether a file holds nothing but tests, examples or benchmarks.
fn is_test(path: &str) -> bool {
    static DECLARED: std::sync::OnceLock<BTreeSet<String>> = std::sync::OnceLock::new();
    let declared = DECLARED.get_or_init(|| declared_tests(&sources()));
    if declared
        .iter()
        .any(|d| path == d || (d.ends_with('/') && path.starts_with(d.as_str())))
    {
        return true;
    }
    let part = |name: &str| path.split('/').any(|p| p == name);
    part("tests")
        || part("examples")
        || part("benches")
        || path.ends_with("/tests.rs")
        || path.ends_with("_tests.rs")
}

/// The text before the first inline test module.
fn production(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or(text)
}

/// Which of `words` stand in production code outside comments, each with its line.
fn words_in_code<'a>(text: &str, words: &[&'a str]) -> Vec<(usize, &'a str)> {
    let mut found = Vec::new();
    for (i, line) in production(text).lines().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        let here = words.iter().filter(|word| code.contains(**word));
        found.extend(here.map(|word| (i + 1, *word)));
    }
    found
}

/// Fails with every fault found, one a line.
fn none(faults: Vec<String>) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn arrows_between_crates() {
    let mut faults = Vec::new();
    let mut listed = BTreeSet::new();
    for (folder, allowed) in ARROWS {
        let path = root().join(folder).join("Cargo.toml");
        let Ok(text) = std::fs::read_to_string(&path) else {
            continue;
        };
        listed.insert(*folder);
        let mut section = "";
        for line in text.lines() {
            if line.starts_with('[') {
                section = line;
            }
            let Some(used) = line.strip_prefix("roadstead-") else {
                continue;
            };
            let used = used.split(['.', ' ', '=']).next().unwrap_or_default();
            if section == "[dependencies]" && !allowed.contains(&used) {
                faults.push(format!("{folder} may not use roadstead-{used}"));
            }
        }
    }
    for line in std::fs::read_to_string(root().join("Cargo.toml"))
        .unwrap()
        .lines()
    {
        let member = line.trim().trim_end_matches(',').trim_matches('"');
        if line.starts_with("    \"") && root().join(member).join("Cargo.toml").is_file() {
            let known = listed.contains(member);
            if !known {
                faults.push(format!("{member} is a crate without a row in ARROWS"));
            }
        }
    }
    none(faults);
}

#[test]
fn pure_rooms_are_pure() {
    let mut faults = Vec::new();
    for (path, text) in sources() {
        if is_test(&path) || !PURE.iter().any(|room| path.starts_with(room)) {
            continue;
        }
        for (line, word) in words_in_code(&text, IMPURE) {
            faults.push(format!("{path}:{line}: {word} in a pure room"));
        }
    }
    none(faults);
}

#[test]
fn files_are_small_and_say_what_they_are() {
    let mut faults = Vec::new();
    for (path, text) in sources() {
        let lines = text.lines().count();
        let limit = if path.ends_with("src/main.rs") {
            MAIN_LINES_MAX
        } else {
            FILE_LINES_MAX
        };
        if lines > limit && !(is_test(&path) && lines <= 2 * limit) {
            faults.push(format!("{path}: {lines} lines, {limit} are allowed"));
        }
        let inner_test = path.ends_with("/tests.rs") || path.contains("/tests/");
        if !text.starts_with("//!") && !inner_test {
            faults.push(format!("{path}: no module documentation"));
        }
    }
    none(faults);
}

#[test]
fn no_unwrap_and_nothing_left_loose_outside_tests() {
    let mut faults = Vec::new();
    let loose = [
        ".unwrap()",
        concat!("to", "do!("),
        concat!("unimple", "mented!("),
        "panic!(\"not",
    ];
    for (path, text) in sources() {
        if is_test(&path) || path.starts_with("tests/") {
            continue;
        }
        for (line, word) in words_in_code(&text, &loose) {
            faults.push(format!("{path}:{line}: {word}"));
        }
    }
    none(faults);
}

#[test]
fn bounds_of_the_protocol_are_in_one_place() {
    let mut faults = Vec::new();
    for (path, text) in sources() {
        let within =
            path.starts_with("protocol/src/wire") || path.starts_with("protocol/src/session");
        if !within || path.ends_with("wire/limits.rs") || is_test(&path) {
            continue;
        }
        for (i, line) in production(&text).lines().enumerate() {
            let line = line.trim_start();
            let is_const = line.starts_with("const ")
                || line.contains("pub const ")
                || line.contains("pub(crate) const ");
            let is_bound = ["_MAX", "_MIN", "WINDOW", "_WITHIN", "TIMEOUT", "_DEADLINE"]
                .iter()
                .any(|w| line.contains(w));
            if is_const && is_bound {
                faults.push(format!(
                    "{path}:{}: this bound belongs into wire/limits.rs",
                    i + 1
                ));
            }
        }
    }
    none(faults);
}

#[test]
fn nothing_speaks_of_where_it_was_made() {
    let mut faults = Vec::new();
    let words = [
        concat!("sub", "agent"),
        concat!("/work", "/main"),
        concat!("before", "-stop"),
    ];
    for (path, text) in sources() {
        for word in words.iter().filter(|w| text.contains(**w)) {
            faults.push(format!("{path}: {word}"));
        }
    }
    none(faults);
}
