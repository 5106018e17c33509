//! Puts marks in the place of what Secrets hold, before it leaves the hub: previews are pasted into
//! reviews and kept in logs. Whether something changed is still told by its mark.

use roadstead_protocol::env::Env;
use serde_json::Value;

/// Where a Secret keeps what nobody is to see.
const PARTS: [&str; 2] = ["data", "stringData"];

/// Makes the marks of one preview. Those of another are others, so that no value can be guessed by
/// asking, nor told to be the one of last week.
pub(super) struct Mask([u8; blake3::KEY_LEN]);

impl Mask {
    /// With a key that nobody keeps.
    pub(super) fn new(env: &Env) -> Self {
        Self(env.random())
    }

    /// Masks what `content` holds, where it is a Secret.
    pub(super) fn hide(&self, content: &mut Value) {
        if content.get("kind").and_then(Value::as_str) != Some("Secret") {
            return;
        }
        for part in PARTS {
            match content.get_mut(part) {
                Some(Value::Object(fields)) => {
                    for (name, value) in fields {
                        *value = self.mark(name, value);
                    }
                }
                // No API server would take it; what it is does not matter.
                Some(other) if !other.is_null() => *other = self.mark(part, other),
                Some(_) | None => {}
            }
        }
    }

    /// The same for the same value of the same field.
    fn mark(&self, name: &str, value: &Value) -> Value {
        let text = Value::from(vec![Value::from(name), value.clone()]).to_string();
        let hash = blake3::keyed_hash(&self.0, text.as_bytes()).to_hex();
        let short: String = hash.chars().take(12).collect();
        format!("hidden:{short}").into()
    }
}

#[cfg(test)]
mod tests {
    use roadstead_protocol::host::system;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_changes_can_be_told_and_nothing_else() {
        let hidden = |mask: &Mask, mut content: Value| {
            mask.hide(&mut content);
            content
        };
        let mask = Mask::new(&system::env());
        let secret = |a: &str, b: &str| {
            json!({
                "kind": "Secret", "metadata": {"name": "key"},
                "data": {"a": a, "b": b}, "stringData": {"c": "plain"},
            })
        };
        let (one, two) = (
            hidden(&mask, secret("eA==", "eA==")),
            hidden(&mask, secret("eA==", "eQ==")),
        );
        for shown in [one.to_string(), two.to_string()] {
            for held in ["eA==", "eQ==", "plain"] {
                assert!(!shown.contains(held), "{shown}");
            }
        }
        assert_eq!(one["metadata"]["name"], "key");
        assert_eq!(one["data"]["a"], two["data"]["a"]);
        assert_ne!(one["data"]["b"], two["data"]["b"]);
        assert_ne!(
            one["data"]["a"], one["data"]["b"],
            "fields are not compared"
        );
        let again = hidden(&Mask::new(&system::env()), secret("eA==", "eA=="));
        assert_ne!(one["data"]["a"], again["data"]["a"], "nor previews");
        let odd = hidden(&mask, json!({"kind": "Secret", "data": "eA=="}));
        assert!(!odd.to_string().contains("eA=="), "{odd}");
        let map = json!({"kind": "ConfigMap", "data": {"a": "x"}});
        assert_eq!(hidden(&mask, map.clone()), map);
    }
}
