//! Recorded exchanges: reading, sending again, comparing.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::Client;

/// One recorded request and its answer.
pub(crate) struct Exchange {
    pub(crate) i: u64,
    pub(crate) note: String,
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    anonymous: bool,
    code: u64,
    warnings: Vec<String>,
    answer: Value,
    events: Option<Vec<Value>>,
}

impl Exchange {
    pub(crate) fn parse(line: &str) -> Self {
        let all: Value = serde_json::from_str(line).expect("a recorded exchange");
        let (request, response) = (&all["req"], &all["resp"]);
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        let headers = request["headers"].as_object().into_iter().flatten();
        let events = response["events"].as_array().cloned();
        let warnings = response["headers"]["warning"]
            .as_array()
            .into_iter()
            .flatten();
        Self {
            i: all["i"].as_u64().unwrap_or_default(),
            note: text(&all["note"]),
            method: text(&request["method"]),
            path: text(&request["path"]),
            headers: headers.map(|(k, v)| (k.clone(), text(v))).collect(),
            body: match &request["body"] {
                Value::Null => Vec::new(),
                Value::String(raw) => raw.clone().into_bytes(),
                Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                    as_recorded(&request["body"])
                }
            },
            anonymous: request.get("as").is_some_and(|t| t != "admin-token"),
            code: response["status"].as_u64().unwrap_or_default(),
            warnings: warnings.map(text).collect(),
            // Of a watch that failed, the answer was recorded as its only event.
            answer: match &events {
                Some(events) => events.first().cloned().unwrap_or_default(),
                None => response["body"].clone(),
            },
            events: events.filter(|e| e.iter().all(|e| e.get("type").is_some())),
        }
    }
}

/// What recorded values have become here.
#[derive(Default)]
pub(crate) struct Normal {
    /// Recorded revisions, uids, names and tokens, and ours.
    ours: BTreeMap<String, String>,
    /// What is not even the same after all that: revisions that changed where they should not.
    broken: Vec<String>,
}

/// Sends a recorded request again; what is different, if anything.
pub(crate) async fn replay(
    client: &Client,
    exchange: &Exchange,
    normal: &mut Normal,
) -> Option<String> {
    if exchange.anonymous {
        return Some("who may ask is not decided here".to_owned());
    }
    let path = normal.translate_path(&exchange.path);
    let body = normal.translate_body(&exchange.body);
    let headers: Vec<(&str, &str)> = exchange
        .headers
        .iter()
        .map(|(k, v)| (k.as_str(), v.as_str()))
        .collect();
    if let Some(recorded) = &exchange.events {
        let accept = headers
            .iter()
            .find(|(k, _)| *k == "Accept")
            .map_or("", |(_, v)| v);
        return watch(client, &path, accept, recorded, normal).await;
    }
    let answer = client.send(&exchange.method, &path, &headers, &body).await;
    normal.learn(&exchange.answer, &answer.body);
    let mut differences = std::mem::take(&mut normal.broken);
    if u64::from(answer.code) != exchange.code {
        differences.push(format!("code {} instead of {}", answer.code, exchange.code));
    }
    if answer.warnings() != exchange.warnings {
        differences.push(format!(
            "warnings {:?} instead of {:?}",
            answer.warnings(),
            exchange.warnings
        ));
    }
    compare(
        "",
        &normalised(&exchange.answer),
        &normalised(&answer.body),
        &mut differences,
    );
    (!differences.is_empty()).then(|| differences.join("; "))
}

async fn watch(
    client: &Client,
    path: &str,
    accept: &str,
    recorded: &[Value],
    normal: &mut Normal,
) -> Option<String> {
    let (code, mut lines) = client.watch(path, accept).await;
    let mut events = Vec::new();
    while let Some(line) = lines.next().await {
        events.push(line);
    }
    let recorded = Value::Array(recorded.to_vec());
    let events = Value::Array(events);
    normal.learn(&recorded, &events);
    let mut differences = std::mem::take(&mut normal.broken);
    if code != 200 {
        differences.push(format!("code {code} instead of 200"));
    }
    compare(
        "",
        &normalised(&recorded),
        &normalised(&events),
        &mut differences,
    );
    (!differences.is_empty()).then(|| differences.join("; "))
}

impl Normal {
    /// Remembers what recorded values have become here.
    fn learn(&mut self, recorded: &Value, ours: &Value) {
        match (recorded, ours) {
            (Value::Object(a), Value::Object(b)) => {
                let object = a.contains_key("uid");
                for (key, value) in a {
                    let Some(other) = b.get(key) else { continue };
                    match (key.as_str(), value.as_str().zip(other.as_str())) {
                        ("resourceVersion", Some((x, y))) => self.pair(x, y, object),
                        ("uid", Some((x, y))) => self.pair(x, y, true),
                        ("continue", Some((x, y))) => self.pair(x, y, false),
                        ("name", Some((x, y))) if a.contains_key("generateName") => {
                            self.pair(x, y, true);
                        }
                        _ => self.learn(value, other),
                    }
                }
            }
            (Value::Array(a), Value::Array(b)) => {
                for (x, y) in a.iter().zip(b) {
                    self.learn(x, y);
                }
            }
            _ => {}
        }
    }

    fn pair(&mut self, recorded: &str, ours: &str, strict: bool) {
        if recorded.is_empty() || ours.is_empty() {
            return;
        }
        match self.ours.get(recorded) {
            None => {
                self.ours.insert(recorded.to_owned(), ours.to_owned());
            }
            Some(known) if strict && known != ours => {
                self.broken
                    .push(format!("{recorded} was {known} and is now {ours}"));
                self.ours.insert(recorded.to_owned(), ours.to_owned());
            }
            Some(_) => {}
        }
    }

    fn translate_path(&self, path: &str) -> String {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let known = |text: &str| match self.ours.get(text) {
            Some(ours) => ours.clone(),
            // Our revisions are large numbers; what was in the future there must be here.
            None if text.len() >= 9 && text.bytes().all(|b| b == b'9') => i64::MAX.to_string(),
            None => text.to_owned(),
        };
        let path: Vec<String> = path.split('/').map(known).collect();
        let query: Vec<String> = query
            .split('&')
            .map(|pair| match pair.split_once('=') {
                Some((name @ ("resourceVersion" | "continue"), value)) => {
                    format!("{name}={}", known(value))
                }
                _ => pair.to_owned(),
            })
            .collect();
        format!("{}?{}", path.join("/"), query.join("&"))
    }

    fn translate_body(&self, body: &[u8]) -> Vec<u8> {
        let Ok(mut value) = serde_json::from_slice::<Value>(body) else {
            return body.to_vec();
        };
        if !self.translate(&mut value) {
            return body.to_vec();
        }
        as_recorded(&value)
    }

    fn translate(&self, value: &mut Value) -> bool {
        let mut changed = false;
        match value {
            Value::Object(map) => {
                for (key, child) in map {
                    let named = matches!(key.as_str(), "resourceVersion" | "uid" | "name");
                    match child.as_str().and_then(|text| self.ours.get(text)) {
                        Some(ours) if named => {
                            *child = ours.clone().into();
                            changed = true;
                        }
                        _ => changed |= self.translate(child),
                    }
                }
            }
            Value::Array(list) => {
                for item in list {
                    changed |= self.translate(item);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
        changed
    }
}

/// A value as the recorder's JSON writer wrote it.
fn as_recorded(value: &Value) -> Vec<u8> {
    match value {
        Value::Object(map) => {
            let pairs: Vec<Vec<u8>> = map
                .iter()
                .map(|(key, value)| {
                    [
                        Value::from(key.as_str()).to_string().as_bytes(),
                        b": ",
                        &as_recorded(value),
                    ]
                    .concat()
                })
                .collect();
            [&b"{"[..], &pairs.join(&b", "[..]), b"}"].concat()
        }
        Value::Array(list) => {
            let items: Vec<Vec<u8>> = list.iter().map(as_recorded).collect();
            [&b"["[..], &items.join(&b", "[..]), b"]"].concat()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            value.to_string().into_bytes()
        }
    }
}

/// The value without what differs from server to server.
fn normalised(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let generated = map.contains_key("generateName");
            let known = |key: &str| match key {
                "resourceVersion" => Some("REVISION"),
                "uid" => Some("UID"),
                "continue" => Some("TOKEN"),
                "name" if generated => Some("NAME"),
                _ => None,
            };
            let mut out: serde_json::Map<String, Value> = map
                .iter()
                .map(|(key, value)| match known(key) {
                    Some(word) if value.as_str().is_some_and(|s| !s.is_empty()) => {
                        (key.clone(), word.into())
                    }
                    _ if key == "message" => (key.clone(), message(value)),
                    _ => (key.clone(), normalised(value)),
                })
                .collect();
            // Descriptions are ours.
            if out.contains_key("priority") && out.contains_key("format") {
                out.remove("description");
            }
            Value::Object(out)
        }
        Value::Array(list) => Value::Array(list.iter().map(normalised).collect()),
        Value::String(text) if is_time(text) => "TIME".into(),
        Value::String(text) if is_age(text) => "AGE".into(),
        Value::String(text) if text.starts_with("gen-") => "NAME".into(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

/// Messages, with long numbers and uids made equal.
fn message(value: &Value) -> Value {
    let Some(text) = value.as_str() else {
        return value.clone();
    };
    let words: Vec<String> = text
        .split(' ')
        .map(|word| {
            let core = word.trim_matches(|c: char| !c.is_alphanumeric());
            let number = core.len() >= 2 && core.chars().all(|c| c.is_ascii_digit());
            let uid = core.len() == 36 && core.chars().filter(|c| *c == '-').count() == 4;
            if number || uid {
                word.replace(core, "N")
            } else {
                word.to_owned()
            }
        })
        .collect();
    words.join(" ").into()
}

fn is_time(text: &str) -> bool {
    text.len() >= 20 && text.ends_with('Z') && text.as_bytes().get(10) == Some(&b'T')
}

fn is_age(text: &str) -> bool {
    let ends = text.ends_with(['s', 'm', 'h', 'd']);
    ends && text.len() <= 8
        && text.starts_with(|c: char| c.is_ascii_digit())
        && text
            .chars()
            .all(|c| c.is_ascii_digit() || "smhdy".contains(c))
}

/// Where two values differ, in words.
fn compare(path: &str, recorded: &Value, ours: &Value, out: &mut Vec<String>) {
    match (recorded, ours) {
        (Value::Object(a), Value::Object(b)) => {
            for (key, value) in a {
                match b.get(key) {
                    Some(other) => compare(&format!("{path}.{key}"), value, other, out),
                    None => out.push(format!("{path}.{key} is missing, it was {value}")),
                }
            }
            for (key, value) in b.iter().filter(|(key, _)| !a.contains_key(*key)) {
                out.push(format!("{path}.{key} is new, it is {value}"));
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (i, (x, y)) in a.iter().zip(b).enumerate() {
                compare(&format!("{path}[{i}]"), x, y, out);
            }
        }
        _ if recorded == ours => {}
        _ => out.push(format!("{path} is {ours}, it was {recorded}")),
    }
}
