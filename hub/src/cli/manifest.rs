//! `roadstead join --output manifest`: the agent as objects for `kubectl apply -f -` on the member.
//!
//! The text is `deploy/agent/*.yaml` with its gaps filled; here are only the gaps, and what may stand
//! in them.

use roadstead_protocol::host::JoinToken;

use crate::client::Error;

const MANIFEST: &str = include_str!("../../../deploy/agent/manifest.yaml");
const EVERYTHING: &str = include_str!("../../../deploy/agent/everything.yaml");
const BINDING: &str = include_str!("../../../deploy/agent/binding.yaml");
const CLAIM: &str = include_str!("../../../deploy/agent/claim.yaml");

/// The key that the agent's volume is sealed with: the argument, where it is mounted, and from where.
const KEY_ARGUMENT: &str = "
            - --key-file=/etc/roadstead-agent/key";
const KEY_MOUNT: &str = "
            - name: key
              mountPath: /etc/roadstead-agent
              readOnly: true";
const KEY_VOLUME: &str = "
        # From here on the agent does not start without it: keep it for as long as the volume. 256 is 0400.
        - name: key
          secret:
            secretName: \"${KEY_SECRET}\"
            defaultMode: 256
            items:
              - key: key
                path: key";

/// The ClusterRole of the manifest itself, which allows everything.
const EVERYTHING_ROLE: &str = "roadstead-agent-everything";
/// Longest reference of an image, in bytes.
const IMAGE_BYTES_MAX: usize = 512;
/// Longest name of an object, in bytes.
const NAME_BYTES_MAX: usize = 253;
/// Longest quantity, in bytes.
const QUANTITY_BYTES_MAX: usize = 32;

/// What the manifest is made from.
pub(super) struct Manifest<'a> {
    /// The AttachedCluster's namespace.
    pub(super) namespace: &'a str,
    /// The AttachedCluster's name.
    pub(super) name: &'a str,
    /// The join string.
    pub(super) join: &'a str,
    /// Until when it is good.
    pub(super) until: &'a str,
    /// What may be chosen.
    pub(super) choice: &'a Choice,
}

/// What the command line says.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Flags<'a> {
    /// `--image`.
    pub(super) image: Option<&'a str>,
    /// `--cluster-role`.
    pub(super) role: Option<&'a str>,
    /// `--storage`.
    pub(super) storage: Option<&'a str>,
    /// `--key-secret`.
    pub(super) key_secret: Option<&'a str>,
}

/// What may be chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Choice {
    /// The agent's image.
    image: String,
    /// A ClusterRole of the member in place of the one that allows everything.
    role: Option<String>,
    /// The size of a volume that outlives the pod.
    storage: Option<String>,
    /// A Secret of the member with the key that the volume is sealed with.
    key_secret: Option<String>,
}

impl Choice {
    /// Takes what the command line says, checked before anything is asked of the hub.
    ///
    /// # Errors
    /// Names the flag that cannot be used.
    pub(super) fn new(flags: &Flags<'_>) -> Result<Self, Error> {
        let image = flags.image.map_or_else(default_image, str::to_owned);
        let others = |b: u8| b"._/:@-".contains(&b);
        check(
            "--image",
            &image,
            (IMAGE_BYTES_MAX, others),
            "an image is a reference as in registry.example/roadstead-agent:0.1.0",
        )?;
        if let Some(role) = flags.role {
            let others = |b: u8| b".:-".contains(&b);
            check(
                "--cluster-role",
                role,
                (NAME_BYTES_MAX, others),
                "it is the name of a ClusterRole on the member, as in roadstead-narrow",
            )?;
        }
        if let Some(secret) = flags.key_secret {
            let others = |b: u8| b".-".contains(&b);
            let what = "it is the name of a Secret in the member's namespace roadstead-system, as in agent-key";
            check("--key-secret", secret, (NAME_BYTES_MAX, others), what)?;
        }
        flags.storage.map(size).transpose()?;
        Ok(Self {
            image,
            role: flags.role.map(str::to_owned),
            storage: flags.storage.map(str::to_owned),
            key_secret: flags.key_secret.map(str::to_owned),
        })
    }
}

/// That a text is a size.
fn size(storage: &str) -> Result<(), Error> {
    let number = storage.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let whole = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    let unit = storage.strip_prefix(number).unwrap_or_default();
    let known = ["", "Ki", "Mi", "Gi", "Ti", "k", "M", "G", "T"].contains(&unit);
    if whole && known && storage.len() <= QUANTITY_BYTES_MAX {
        return Ok(());
    }
    Err(Error::Flag(format!(
        "--storage {storage}: it is a size as in 1Gi"
    )))
}

/// The image that `deploy/Dockerfile` makes of this release.
fn default_image() -> String {
    format!("roadstead-agent:{}", env!("CARGO_PKG_VERSION"))
}

/// That a text begins with a letter or a digit, has only those and some others, and is not too long.
fn check(
    flag: &str,
    text: &str,
    (most, others): (usize, fn(u8) -> bool),
    what: &str,
) -> Result<(), Error> {
    let plain = |b: u8| b.is_ascii_alphanumeric();
    let fine = text.len() <= most
        && text.bytes().next().is_some_and(plain)
        && text.bytes().all(|b| plain(b) || others(b));
    if fine {
        return Ok(());
    }
    Err(Error::Flag(format!("{flag} {text}: {what}")))
}

/// The manifest's text.
///
/// # Errors
/// Where the hub's join string is not one that this release knows.
pub(super) fn text(manifest: &Manifest<'_>) -> Result<String, Error> {
    let Manifest {
        namespace,
        name,
        join,
        until,
        choice,
    } = manifest;
    let token: JoinToken = join
        .parse()
        .map_err(|e| Error::Flag(format!("the hub's join string is not understood: {e}")))?;
    let own = choice.role.is_none().then_some(EVERYTHING);
    let binding = BINDING.replace(
        "${ROLE_NAME}",
        choice.role.as_deref().unwrap_or(EVERYTHING_ROLE),
    );
    let (volume, claim) = match &choice.storage {
        Some(size) => (
            "persistentVolumeClaim:\n            claimName: roadstead-agent",
            CLAIM.replace("${STORAGE}", size),
        ),
        None => ("emptyDir:\n            sizeLimit: 1Gi", String::new()),
    };
    let key = |text: &str| match &choice.key_secret {
        Some(secret) => text.replace("${KEY_SECRET}", secret),
        None => String::new(),
    };
    let filled = [
        ("${CLUSTER}", format!("{namespace}/{name}")),
        ("${NAME}", format!("{name} -n {namespace}")),
        ("${UNTIL}", (*until).to_owned()),
        ("${ROLE}", format!("{}{binding}", own.unwrap_or_default())),
        ("${CLAIM}", claim),
        ("${VOLUME}", volume.to_owned()),
        ("${IMAGE}", choice.image.clone()),
        ("${KEY_ARGUMENT}", key(KEY_ARGUMENT)),
        ("${KEY_MOUNT}", key(KEY_MOUNT)),
        ("${KEY_VOLUME}", key(KEY_VOLUME)),
        ("${TOKEN}", token.id),
        ("${JOIN}", (*join).to_owned()),
    ];
    let text = filled
        .iter()
        .fold(MANIFEST.to_owned(), |text, (gap, with)| {
            text.replace(gap, with)
        });
    Ok(text)
}

#[cfg(test)]
mod tests {
    use roadstead_protocol::host::Pin;
    use roadstead_protocol::host::enrol::TokenSecret;
    use serde_json::Value;

    use super::*;

    fn join() -> String {
        let token = JoinToken {
            addresses: vec!["hub:7443".into()],
            pins: vec![Pin([0; 32])],
            // Unquoted, YAML would make a number of it.
            id: "1234567890123e45".into(),
            secret: TokenSecret([1; 32]),
            namespace: "default".into(),
            name: "edge".into(),
        };
        token.encode().unwrap()
    }

    fn objects(choice: &Choice) -> Vec<Value> {
        let join = join();
        let manifest = Manifest {
            namespace: "default",
            name: "edge",
            join: &join,
            until: "2026-01-01T00:00:00Z",
            choice,
        };
        let text = text(&manifest).unwrap();
        assert!(!text.contains("${"), "{text}");
        serde_saphyr::from_multiple(&text).unwrap()
    }

    fn at<'a>(objects: &'a [Value], kind: &str, name: &str) -> Option<&'a Value> {
        objects
            .iter()
            .find(|o| o["kind"] == kind && o.pointer("/metadata/name") == Some(&Value::from(name)))
    }

    fn choice(flags: Flags<'_>) -> Choice {
        Choice::new(&flags).unwrap()
    }

    #[test]
    fn every_gap_is_filled() {
        let all = objects(&choice(Flags {
            image: Some("r.example/a:1@sha256:0f"),
            ..Flags::default()
        }));
        let deployment = at(&all, "Deployment", "roadstead-agent").unwrap();
        let pod = &deployment["spec"]["template"];
        assert_eq!(
            pod["metadata"]["annotations"]["roadstead.dev/join"],
            "1234567890123e45"
        );
        assert_eq!(
            pod["spec"]["containers"][0]["image"],
            "r.example/a:1@sha256:0f"
        );
        assert_eq!(pod["spec"]["volumes"][0]["emptyDir"]["sizeLimit"], "1Gi");
        assert_eq!(
            at(&all, "Secret", "roadstead-agent-join").unwrap()["stringData"]["join"],
            join()
        );
        let binding = at(&all, "ClusterRoleBinding", "roadstead-agent-applies").unwrap();
        assert_eq!(binding["roleRef"]["name"], EVERYTHING_ROLE);
        assert!(at(&all, "ClusterRole", EVERYTHING_ROLE).is_some());
        assert!(at(&all, "PersistentVolumeClaim", "roadstead-agent").is_none());
    }

    #[test]
    fn a_narrower_role_and_a_volume_of_ones_own() {
        let all = objects(&choice(Flags {
            role: Some("team:narrow"),
            storage: Some("2Gi"),
            ..Flags::default()
        }));
        let binding = at(&all, "ClusterRoleBinding", "roadstead-agent-applies").unwrap();
        assert_eq!(binding["roleRef"]["name"], "team:narrow");
        assert!(at(&all, "ClusterRole", EVERYTHING_ROLE).is_none());
        let claim = at(&all, "PersistentVolumeClaim", "roadstead-agent").unwrap();
        assert_eq!(claim["spec"]["resources"]["requests"]["storage"], "2Gi");
        let pod = &at(&all, "Deployment", "roadstead-agent").unwrap()["spec"]["template"]["spec"];
        assert_eq!(
            pod["volumes"][0]["persistentVolumeClaim"]["claimName"],
            "roadstead-agent"
        );
    }

    #[test]
    fn a_volume_that_is_sealed_with_a_key_of_the_members() {
        let sealed = Flags {
            key_secret: Some("agent-key"),
            ..Flags::default()
        };
        let pod = |all: &[Value]| {
            let found = at(all, "Deployment", "roadstead-agent");
            found.unwrap()["spec"]["template"]["spec"].clone()
        };
        let plain = pod(&objects(&choice(Flags::default())));
        let sealed = pod(&objects(&choice(sealed)));
        let container = |pod: &Value, list: &str| {
            let all = pod["containers"][0][list].as_array().unwrap().clone();
            (all.len(), all.last().unwrap().clone())
        };
        let (count, last) = container(&sealed, "args");
        assert_eq!(last, "--key-file=/etc/roadstead-agent/key");
        assert_eq!(count, container(&plain, "args").0 + 1);
        let (_, mount) = container(&sealed, "volumeMounts");
        assert_eq!(mount["mountPath"], "/etc/roadstead-agent");
        let volume = sealed["volumes"].as_array().unwrap().last().unwrap();
        assert_eq!(volume["name"], mount["name"]);
        assert_eq!(volume["secret"]["secretName"], "agent-key");
        // The group is added for the user that the pod runs as; others may not read it.
        assert_eq!(volume["secret"]["defaultMode"], 0o400);
        assert_eq!(volume["secret"]["items"][0]["path"], "key");
        assert_eq!(plain["volumes"].as_array().unwrap().len(), 2);
    }

    #[test]
    fn flags_that_are_no_good_are_named() {
        let bad = |flags: Flags<'_>, flag: &str| {
            let error = Choice::new(&flags).unwrap_err().to_string();
            assert!(error.starts_with(flag), "{error}");
        };
        for image in ["a b", "a\"\nx: y", ""] {
            let image = Some(image);
            let flags = Flags {
                image,
                ..Flags::default()
            };
            bad(flags, "--image");
        }
        let role = Some("-x");
        bad(
            Flags {
                role,
                ..Flags::default()
            },
            "--cluster-role",
        );
        for secret in ["", "a/b", "a\nb"] {
            let key_secret = Some(secret);
            let flags = Flags {
                key_secret,
                ..Flags::default()
            };
            bad(flags, "--key-secret");
        }
        for size in ["", "Gi", "1GB", "1.5Gi", "1 Gi", "-1"] {
            let storage = Some(size);
            bad(
                Flags {
                    storage,
                    ..Flags::default()
                },
                "--storage",
            );
        }
    }
}
