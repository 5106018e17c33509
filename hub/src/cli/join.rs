//! `roadstead join`: makes an AttachedCluster and prints what its agent is started with.

use roadstead_machinery::selector::LabelSelector;
use serde_json::{Value, json};

use super::manifest::{self, Choice, Flags, Manifest};
use crate::client::{Api, Error};
use crate::config::{Join, JoinOutput};

/// Makes the cluster, or finds it, and asks for a join token. Gives the text to print.
///
/// # Errors
/// When a flag is wrong, or the hub does not answer, or refuses.
pub async fn join(args: &Join) -> Result<String, Error> {
    let spec = match &args.allow_namespaces {
        Some(allow) => json!({"allowedNamespaces": allowed(allow)?}),
        None => json!({}),
    };
    let labels = labels(&args.labels)?;
    let choice = choice(args)?;
    let hub = Api::connect(&args.target).await?;
    let namespace = args.namespace.as_ref().unwrap_or(&hub.namespace);
    let collection =
        format!("/apis/cluster.kurator.dev/v1alpha1/namespaces/{namespace}/attachedclusters");
    let cluster = json!({
        "apiVersion": "cluster.kurator.dev/v1alpha1",
        "kind": "AttachedCluster",
        "metadata": {"name": args.name, "namespace": namespace, "labels": labels},
        "spec": spec,
    });
    let known = match hub
        .post(
            &format!("{collection}?fieldManager=roadstead-join"),
            &cluster,
        )
        .await
    {
        Ok(_) => false,
        Err(Error::Refused(status)) if status.reason == "AlreadyExists" => true,
        Err(error) => return Err(error),
    };
    let path = format!("{collection}/{}", args.name);
    if known && (!args.labels.is_empty() || args.allow_namespaces.is_some()) {
        let patch = json!({"metadata": {"labels": labels}, "spec": spec});
        hub.merge(&path, &patch).await?;
    }
    let request = json!({"apiVersion": "roadstead.dev/v1alpha1", "kind": "JoinToken", "spec": {}});
    let answer = hub.post(&format!("{path}/token"), &request).await?;
    if let Some(choice) = &choice {
        return manifest::text(&Manifest {
            namespace,
            name: &args.name,
            join: text(&answer, "/status/token"),
            until: text(&answer, "/status/expirationTimestamp"),
            choice,
        });
    }
    Ok(shown(args.output, namespace, &args.name, known, &answer))
}

/// What was chosen about the manifest, if one is wanted.
fn choice(args: &Join) -> Result<Option<Choice>, Error> {
    let chosen = [
        ("--image", &args.image),
        ("--cluster-role", &args.cluster_role),
        ("--storage", &args.storage),
        ("--key-secret", &args.key_secret),
    ];
    if args.output == JoinOutput::Manifest {
        let [image, role, storage, key_secret] = chosen.map(|(_, value)| value.as_deref());
        let flags = Flags {
            image,
            role,
            storage,
            key_secret,
        };
        return Choice::new(&flags).map(Some);
    }
    match chosen.iter().find(|(_, value)| value.is_some()) {
        Some((flag, _)) => Err(Error::Flag(format!(
            "{flag} says something about the manifest: add --output manifest"
        ))),
        None => Ok(None),
    }
}

fn text<'a>(answer: &'a Value, pointer: &str) -> &'a str {
    answer
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn shown(output: JoinOutput, namespace: &str, name: &str, known: bool, answer: &Value) -> String {
    let token = text(answer, "/status/token");
    let until = text(answer, "/status/expirationTimestamp");
    let command = format!(
        "roadstead-agent --data-dir /var/lib/roadstead-agent --kubeconfig ~/.kube/config --join {token}"
    );
    match output {
        // The manifest is made elsewhere; without its choice only the string is left of it.
        JoinOutput::Token | JoinOutput::Manifest => token.to_owned(),
        JoinOutput::Json => {
            let all = json!({
                "namespace": namespace,
                "name": name,
                "token": token,
                "expirationTimestamp": until,
                "command": command,
            });
            format!("{all:#}")
        }
        JoinOutput::Command => {
            let found = if known {
                "was there already; it"
            } else {
                "is made; it"
            };
            format!(
                "AttachedCluster {namespace}/{name} {found} may join once, until {until}.\n\
                 To run the agent inside the cluster, ask for --output manifest. Or run this where that \
                 cluster's kubeconfig is (later starts need no --join; where others \
                 see process lists, give the string as ROADSTEAD_AGENT_JOIN instead):\n\n  {command}\n\n\
                 Then look: kubectl -n {namespace} get attachedclusters {name}"
            )
        }
    }
}

fn labels(pairs: &[String]) -> Result<Value, Error> {
    let mut map = serde_json::Map::new();
    for pair in pairs {
        let Some((key, value)) = pair.split_once('=') else {
            return Err(Error::Flag(format!(
                "--label {pair}: a label is KEY=VALUE, as in region=eu"
            )));
        };
        map.insert(key.to_owned(), json!(value));
    }
    Ok(Value::Object(map))
}

/// `All`, `Same`, or a label selector of namespaces.
fn allowed(text: &str) -> Result<Value, Error> {
    if text == "All" || text == "Same" {
        return Ok(json!({"from": text}));
    }
    use roadstead_machinery::selector::Op;
    let selector = LabelSelector::parse(text).map_err(|e| {
        Error::Flag(format!(
            "--allow-namespaces {text}: neither All nor Same nor a label selector: {e}"
        ))
    })?;
    let mut expressions = Vec::new();
    for r in selector.0 {
        let (operator, values) = match r.op {
            Op::In(values) => ("In", Some(values)),
            Op::NotIn(values) => ("NotIn", Some(values)),
            Op::Exists => ("Exists", None),
            Op::DoesNotExist => ("DoesNotExist", None),
            Op::GreaterThan(_) | Op::LessThan(_) => {
                return Err(Error::Flag(format!(
                    "--allow-namespaces {text}: < and > cannot be used here"
                )));
            }
        };
        let mut expression = json!({"key": r.key, "operator": operator});
        if let (Some(values), Some(map)) = (values, expression.as_object_mut()) {
            map.insert("values".into(), json!(values));
        }
        expressions.push(expression);
    }
    Ok(json!({"from": "Selector", "selector": {"matchExpressions": expressions}}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags() {
        assert_eq!(allowed("All").unwrap(), json!({"from": "All"}));
        assert_eq!(
            allowed("team in (a,b)").unwrap(),
            json!({"from": "Selector", "selector": {"matchExpressions": [
                {"key": "team", "operator": "In", "values": ["a", "b"]},
            ]}}),
        );
        assert!(allowed("a b").is_err());
        assert!(allowed("a>1").is_err());
        assert_eq!(labels(&["a=b".into()]).unwrap(), json!({"a": "b"}));
        assert!(
            labels(&["a".into()])
                .unwrap_err()
                .to_string()
                .contains("KEY=VALUE")
        );
    }

    #[test]
    fn says_what_to_run() {
        let answer =
            json!({"status": {"token": "rs1.x", "expirationTimestamp": "2026-01-01T00:00:00Z"}});
        let text = shown(JoinOutput::Command, "default", "edge", false, &answer);
        assert!(text.contains("--join rs1.x"), "{text}");
        assert_eq!(
            shown(JoinOutput::Token, "default", "edge", false, &answer),
            "rs1.x"
        );
    }
}
