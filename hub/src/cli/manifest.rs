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
mod tests;
