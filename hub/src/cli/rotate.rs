//! `roadstead rotate-authority`: gives the agents' authority a successor.

use serde_json::{Value, json};

use crate::client::{Api, Error};
use crate::config::RotateAuthority;
use crate::rotation::PATH;

/// Gives the authority a successor, or shows how it stands. Gives the text to print.
///
/// # Errors
/// When the hub does not answer, or refuses.
pub async fn rotate_authority(args: &RotateAuthority) -> Result<String, Error> {
    let hub = Api::connect(&args.target).await?;
    let standing = match (args.show, args.now) {
        (true, _) => hub.get(PATH).await?,
        (false, false) => hub.post(&format!("{PATH}/rotate"), &json!({})).await?,
        (false, true) => hub.post(&format!("{PATH}/rotate-now"), &json!({})).await?,
    };
    Ok(shown(&standing))
}

fn shown(standing: &Value) -> String {
    let number = |name: &str| {
        standing
            .get(name)
            .and_then(Value::as_u64)
            .unwrap_or_default()
    };
    let text = |name: &str| standing.get(name).and_then(Value::as_str);
    let mut lines = vec![format!(
        "Generation {} of the agents' authority signs, and is good until {}.",
        number("generation"),
        text("ends").unwrap_or("an unknown time")
    )];
    if let Some(from) = text("successorSignsFrom") {
        lines.push(format!(
            "Its successor signs from {from} on; agents hear of it until then, with every connection and \
             every renewal of their certificates. `roadstead rotate-authority --now` lets it sign at once."
        ));
    }
    match number("former") {
        0 => {}
        count => lines.push(format!(
            "Former generations that are kept so that agents which slept through the change can renew: {count}."
        )),
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_who_signs_who_will_and_who_did() {
        let text = shown(&json!({
            "generation": 2, "ends": "2036-01-01T00:00:00Z",
            "successorSignsFrom": "2027-01-01T00:00:00Z", "former": 1,
        }));
        for words in [
            "Generation 2",
            "2036",
            "from 2027",
            "--now",
            "change can renew: 1",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
        let text = shown(&json!({"generation": 1, "ends": "2036-01-01T00:00:00Z", "former": 0}));
        assert!(
            !text.contains("successor") && !text.contains("Former"),
            "{text}"
        );
    }
}
