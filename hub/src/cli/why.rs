//! `roadstead why`: why an object runs where it runs, and why not elsewhere.
//!
//! A Decision shows a bounded extract; the hub thinks the whole anew, and it is shown here.

use roadstead_protocol::api::decision::ClusterStatus;

use super::kinds::named;
use super::status::{plain, trimmed};
use crate::client::{Api, Error};
use crate::config::{Output, Why};
use crate::why::{Answer, Ask, PATH};

#[cfg(test)]
mod tests;

/// Asks the hub why an object is where it is, and gives the text to print.
///
/// # Errors
/// When the kind or the object is not known, or the hub does not answer, or refuses.
pub async fn why(args: &Why) -> Result<String, Error> {
    let (kind, name) = named(&args.kind, args.name.as_deref())?;
    let hub = Api::connect(&args.target).await?;
    let namespace = args.namespace.as_ref().unwrap_or(&hub.namespace);
    let ask = Ask {
        kind: kind.to_owned(),
        namespace: namespace.clone(),
        name: name.to_owned(),
    };
    let answer: Answer = hub.ask(PATH, &ask, "question").await?;
    Ok(match args.output {
        Output::Text => text(&answer),
        Output::Json => serde_json::to_string_pretty(&answer).unwrap_or_default(),
    })
}

/// The state on a cluster, with the member's own words where something is not right.
fn state(state: Option<&ClusterStatus>) -> String {
    match state {
        None => "-".to_owned(),
        Some(c) if c.message.is_empty() => format!("{}, {}", c.state, c.health),
        Some(c) => format!("{}, {}: {}", c.state, c.health, c.message),
    }
}

fn text(answer: &Answer) -> String {
    let object = &answer.object;
    let mut lines = vec![match &answer.policy {
        Some(policy) => format!("{object} is distributed by {policy}."),
        None => format!("No policy distributes {object}."),
    }];
    if !answer.contenders.is_empty() {
        let contenders = answer.contenders.join(", ");
        lines.push(format!(
            "Also selected by, and these give way: {contenders}."
        ));
    }
    if !answer.overrides.is_empty() {
        let overrides = answer.overrides.join(", ");
        lines.push(format!("Changed on some cluster by {overrides}."));
    }
    lines.extend(answer.notes.iter().cloned());
    if answer.clusters.is_empty() {
        lines.push("There are no clusters yet: roadstead join NAME".to_owned());
        return lines.join("\n");
    }
    let mut table = plain(&["CLUSTER", "CHOSEN", "REPLICAS", "WHY", "STATE"]);
    for c in &answer.clusters {
        table.add_row(vec![
            format!("{}/{}", c.namespace, c.name),
            if c.chosen { "yes" } else { "no" }.to_owned(),
            c.replicas.map(|n| n.to_string()).unwrap_or_default(),
            c.why.clone(),
            state(c.state.as_ref()),
        ]);
    }
    format!("{}\n\n{}", lines.join("\n"), trimmed(&table))
}
