//! `roadstead drift`: what differs on clusters from what they were given, with both values.

use super::status::{plain, trimmed};
use crate::client::{Api, Error};
use crate::config::{Drift, Output};
use crate::drift::{Answer, Ask, PATH};

/// Asks the hub what differs, and gives the text to print.
///
/// # Errors
/// When there is no such cluster, or the hub does not answer, or refuses.
pub async fn drift(args: &Drift) -> Result<String, Error> {
    let hub = Api::connect(&args.target).await?;
    let namespace = args.namespace.as_ref().unwrap_or(&hub.namespace);
    let ask = Ask {
        cluster: args.cluster.clone().unwrap_or_default(),
        namespace: namespace.clone(),
    };
    let answer: Answer = hub.ask(PATH, &ask, "question").await?;
    Ok(match args.output {
        Output::Text => text(&answer),
        Output::Json => serde_json::to_string_pretty(&answer).unwrap_or_default(),
    })
}

fn text(answer: &Answer) -> String {
    let clusters = match answer.clusters {
        1 => "1 cluster".to_owned(),
        n => format!("{n} clusters"),
    };
    if answer.objects.is_empty() {
        return format!("Nothing differs on {clusters}; what is put right at once is not shown.");
    }
    let mut table = plain(&["CLUSTER", "OBJECT", "WHAT DIFFERS"]);
    for one in &answer.objects {
        table.add_row(vec![&one.cluster, &one.object, &one.what]);
    }
    match answer.more {
        0 => trimmed(&table),
        more => format!("{}\nand {more} more", trimmed(&table)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drift::Drifted;

    #[test]
    fn what_differs_is_shown_place_by_place() {
        let mut answer = Answer {
            clusters: 2,
            ..Answer::default()
        };
        let none = "Nothing differs on 2 clusters; what is put right at once is not shown.";
        assert_eq!(text(&answer), none);
        answer.more = 3;
        answer.objects.push(Drifted {
            cluster: "default/edge".to_owned(),
            object: "Deployment.apps default/web".to_owned(),
            what: "it was changed on the member at .spec.replicas (3 given, 10 there)".to_owned(),
        });
        assert_eq!(
            text(&answer),
            "CLUSTER       OBJECT                       WHAT DIFFERS\n\
             default/edge  Deployment.apps default/web  it was changed on the member at .spec.replicas (3 given, 10 there)\n\
             and 3 more"
        );
    }
}
