//! Changes a part of an image's name: registry, repository, tag or digest.
//!
//! What is not named stays as it was written: nothing is filled in (`docker.io`, `library`, `latest`).

use std::fmt;

use roadstead_protocol::api::policy::{ImageComponent, OverrideOp};

/// Longest tag, in bytes.
const TAG_BYTES_MAX: usize = 128;
/// Longest registry and repository together, in bytes.
const NAME_BYTES_MAX: usize = 255;
/// Fewest hexadecimal digits of a digest.
const DIGEST_DIGITS_MIN: usize = 32;

/// Why an image cannot be changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// What is there is no image's name.
    #[error("{0:?} is not the name of an image")]
    NotAnImage(String),
    /// What would be there is none.
    #[error("{0:?} would not be the name of an image: its {1} is not one")]
    Broken(String, &'static str),
}

/// The parts of an image's name.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Image {
    registry: Option<String>,
    repository: String,
    tag: Option<String>,
    digest: Option<String>,
}

impl fmt::Display for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(registry) = &self.registry {
            write!(f, "{registry}/")?;
        }
        f.write_str(&self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

/// `image` with one part changed.
///
/// # Errors
/// When what is there, or what would be, is no image's name.
pub fn change(
    image: &str,
    component: ImageComponent,
    op: OverrideOp,
    value: &str,
) -> Result<String, Error> {
    let mut changed = parse(image);
    if changed.problem().is_some() {
        return Err(Error::NotAnImage(image.to_owned()));
    }
    let of = |there: Option<&String>| match op {
        OverrideOp::Remove => None,
        OverrideOp::Replace => Some(value.to_owned()),
        OverrideOp::Add => Some(there.map_or("", String::as_str).to_owned() + value),
    };
    match component {
        ImageComponent::Registry => changed.registry = of(changed.registry.as_ref()),
        ImageComponent::Repository => {
            changed.repository = of(Some(&changed.repository)).unwrap_or_default();
        }
        ImageComponent::Tag => {
            changed.tag = of(changed.tag.as_ref());
            // The digest would win over the tag that was asked for.
            if changed.tag.is_some() {
                changed.digest = None;
            }
        }
        ImageComponent::Digest => {
            changed.digest = of(changed.digest.as_ref());
            if changed.digest.is_some() {
                changed.tag = None;
            }
        }
    }
    let text = changed.to_string();
    match changed.problem() {
        Some(part) => Err(Error::Broken(text, part)),
        None => Ok(text),
    }
}

/// Takes a name apart. The first step of the path is a registry where it has a dot or a port, or is
/// `localhost`.
fn parse(image: &str) -> Image {
    let (name, digest) = match image.split_once('@') {
        Some((name, digest)) => (name, Some(digest.to_owned())),
        None => (image, None),
    };
    let (registry, path) = match name.split_once('/') {
        Some((first, rest)) if is_host(first) => (Some(first.to_owned()), rest),
        Some(_) | None => (None, name),
    };
    let (repository, tag) = match path.rsplit_once(':') {
        Some((repository, tag)) => (repository, Some(tag.to_owned())),
        None => (path, None),
    };
    Image {
        registry,
        repository: repository.to_owned(),
        tag,
        digest,
    }
}

fn is_host(text: &str) -> bool {
    text == "localhost" || text.contains(['.', ':'])
}

impl Image {
    /// Which part is not what it should be.
    fn problem(&self) -> Option<&'static str> {
        let registry = self.registry.as_deref();
        if !registry.is_none_or(is_registry) {
            return Some("registry (a host with a dot or a port, such as registry.example:5000)");
        }
        let length = registry.map_or(0, str::len) + self.repository.len();
        if !is_path(&self.repository) || length > NAME_BYTES_MAX {
            return Some("repository");
        }
        if !self.tag.as_deref().is_none_or(is_tag) {
            return Some("tag");
        }
        (!self.digest.as_deref().is_none_or(is_digest)).then_some("digest")
    }
}

/// A host with a dot or a port, and perhaps the beginning of a path. Without either it would be read
/// as a part of the repository.
fn is_registry(text: &str) -> bool {
    let (host, path) = text
        .split_once('/')
        .map_or((text, None), |(host, path)| (host, Some(path)));
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
    let edges = host.starts_with(['.', ':', '-']) || host.ends_with(['.', ':', '-']);
    is_host(host) && !edges && host.chars().all(plain) && path.is_none_or(is_path)
}

fn is_path(text: &str) -> bool {
    let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.split('/').all(|step| {
        step.starts_with(letter)
            && step.ends_with(letter)
            && step.chars().all(|c| letter(c) || "-._".contains(c))
    })
}

fn is_tag(text: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.len() <= TAG_BYTES_MAX
        && text.starts_with(word)
        && text.chars().all(|c| word(c) || "-.".contains(c))
}

fn is_digest(text: &str) -> bool {
    let Some((algorithm, digits)) = text.split_once(':') else {
        return false;
    };
    let word = |c: char| c.is_ascii_alphanumeric() || "+._-".contains(c);
    !algorithm.is_empty()
        && algorithm.chars().all(word)
        && digits.len() >= DIGEST_DIGITS_MIN
        && digits.chars().all(|c| c.is_ascii_hexdigit())
}
