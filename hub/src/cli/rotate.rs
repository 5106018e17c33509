//! `roadstead rotate-authority`: gives the agents' authority, or the API's, a successor.

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
    let of = if args.api { "/api" } else { "" };
    let standing = match (args.show, args.now) {
        (true, _) => hub.get(PATH).await?,
        (false, false) => hub.post(&format!("{PATH}{of}/rotate"), &json!({})).await?,
        (false, true) => {
            let now = format!("{PATH}{of}/rotate-now");
            hub.post(&now, &json!({})).await?
        }
    };
    Ok(if args.api {
        api(standing.get("api").unwrap_or(&Value::Null))
    } else {
        agents(&standing)
    })
}

fn number(standing: &Value, name: &str) -> u64 {
    let found = standing.get(name).and_then(Value::as_u64);
    found.unwrap_or_default()
}

fn text<'a>(standing: &'a Value, name: &str) -> Option<&'a str> {
    standing.get(name).and_then(Value::as_str)
}

/// Who signs, and until when.
fn signs(standing: &Value, whose: &str) -> String {
    format!(
        "Generation {} of the {whose} authority signs, and is good until {}.",
        number(standing, "generation"),
        text(standing, "ends").unwrap_or("an unknown time")
    )
}

fn agents(standing: &Value) -> String {
    let mut lines = vec![signs(standing, "agents'")];
    if let Some(from) = text(standing, "successorSignsFrom") {
        lines.push(format!(
            "Its successor signs from {from} on; agents hear of it until then, with every connection and \
             every renewal of their certificates. `roadstead rotate-authority --now` lets it sign at once."
        ));
    }
    match number(standing, "former") {
        0 => {}
        count => lines.push(format!(
            "Former generations that are kept so that agents which slept through the change can renew: {count}."
        )),
    }
    lines.join("\n")
}

fn api(standing: &Value) -> String {
    let mut lines = vec![signs(standing, "API's")];
    if let Some(from) = text(standing, "successorSignsFrom") {
        lines.push(format!(
            "Its successor signs from {from} on. The hub's admin.kubeconfig trusts both already: give everybody \
             a new copy until then. `roadstead rotate-authority --api --now` lets it sign at once."
        ));
    }
    match number(standing, "former") {
        0 => {}
        count => lines.push(format!(
            "Former generations whose certificates and tokens are still taken: {count}. Kubeconfigs from before \
             they were replaced have to be fetched anew."
        )),
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_who_signs_who_will_and_who_did() {
        let text = agents(&json!({
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
        let text = agents(&json!({"generation": 1, "ends": "2036-01-01T00:00:00Z", "former": 0}));
        assert!(
            !text.contains("successor") && !text.contains("Former"),
            "{text}"
        );
    }

    #[test]
    fn says_what_the_apis_successor_asks_of_people() {
        let ends = "2036-01-01T00:00:00Z";
        let told = api(&json!({"generation": 1, "ends": ends, "successorSignsFrom": "2027-01-01"}));
        for words in [
            "the API's authority",
            "from 2027",
            "new copy",
            "--api --now",
        ] {
            assert!(told.contains(words), "{words}: {told}");
        }
        let told = api(&json!({"generation": 2, "ends": ends, "former": 1}));
        assert!(told.contains("fetched anew"), "{told}");
    }
}
