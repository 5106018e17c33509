//! Which representation a client wants, from its `Accept` header.
//!
//! Answers are always JSON. A client that wants protobuf says that it takes JSON too, and is given
//! that.

use roadstead_machinery::status::Status;

/// Longest `Accept` header that is read, in bytes.
const ACCEPT_BYTES_MAX: usize = 8 * 1024;

/// How objects are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// As they are.
    Plain,
    /// As rows of a table.
    Table,
    /// Their metadata only.
    Metadata,
}

/// One media range of an `Accept` header.
struct Range<'a> {
    media: &'a str,
    params: Vec<(&'a str, &'a str)>,
}

impl<'a> Range<'a> {
    fn parse(text: &'a str) -> Self {
        let mut parts = text.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default();
        let params = parts.filter_map(|p| p.split_once('=')).collect();
        Self { media, params }
    }

    fn param(&self, name: &str) -> Option<&'a str> {
        self.params
            .iter()
            .find(|(n, _)| *n == name)
            .map(|(_, v)| *v)
    }

    fn takes_json(&self) -> bool {
        matches!(
            self.media,
            "application/json" | "application/*" | "*/*" | ""
        )
    }
}

fn ranges(accept: &str) -> Vec<Range<'_>> {
    let bounded = accept.get(..ACCEPT_BYTES_MAX).unwrap_or(accept);
    bounded
        .split(',')
        .map(|text| Range::parse(text.trim()))
        .collect()
}

/// The shape that `accept` asks for, the client's first choice that can be had.
///
/// # Errors
/// 406 where nothing can.
pub(crate) fn shape(accept: &str) -> Result<Shape, Status> {
    let ranges = ranges(accept);
    for range in ranges.iter().filter(|r| r.takes_json()) {
        match (range.param("as"), range.param("g"), range.param("v")) {
            (None, _, _) => return Ok(Shape::Plain),
            (Some("Table"), Some("meta.k8s.io"), Some("v1")) => return Ok(Shape::Table),
            (
                Some("PartialObjectMetadata" | "PartialObjectMetadataList"),
                Some("meta.k8s.io"),
                Some("v1"),
            ) => {
                return Ok(Shape::Metadata);
            }
            (Some(_), _, _) => {}
        }
    }
    if ranges.iter().any(Range::takes_json) {
        return Err(Status::not_acceptable(MEDIA));
    }
    Err(not_acceptable())
}

/// The media types that Kubernetes names.
const MEDIA: &[&str] = &[
    "application/json",
    "application/yaml",
    "application/vnd.kubernetes.protobuf",
];

fn not_acceptable() -> Status {
    let all = format!(
        "{}, application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch",
        MEDIA.join(", ")
    );
    let message = format!("406: Not Acceptable\n\nAvailable representations: {all}");
    Status::failure(406, "NotAcceptable", message).with_details(<_>::default())
}

/// The version of aggregated discovery that `accept` asks for, if it prefers that to the old form.
pub(crate) fn aggregated(accept: &str) -> Option<&'static str> {
    for range in ranges(accept).iter().filter(|r| r.takes_json()) {
        let kind = (range.param("as"), range.param("g"));
        match (kind, range.param("v")) {
            ((Some("APIGroupDiscoveryList"), Some("apidiscovery.k8s.io")), Some("v2")) => {
                return Some("v2");
            }
            ((Some("APIGroupDiscoveryList"), Some("apidiscovery.k8s.io")), Some("v2beta1")) => {
                return Some("v2beta1");
            }
            ((None, _), _) => return None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_choice_that_can_be_had_wins() {
        let check = |accept: &str, expected: Result<Shape, u16>| {
            assert_eq!(shape(accept).map_err(|s| s.code), expected, "{accept}");
        };
        let table = "application/json;as=Table;v=v1;g=meta.k8s.io";
        check("", Ok(Shape::Plain));
        check("application/json, */*", Ok(Shape::Plain));
        check(
            "application/vnd.kubernetes.protobuf,application/json",
            Ok(Shape::Plain),
        );
        check(&format!("{table},application/json"), Ok(Shape::Table));
        check(
            "application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json",
            Ok(Shape::Plain),
        );
        check(
            "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
            Ok(Shape::Metadata),
        );
        check("application/json;as=Table;v=v9;g=meta.k8s.io", Err(406));
        check("application/xml", Err(406));
        check("text/html, */*", Ok(Shape::Plain));
    }

    #[test]
    fn aggregated_discovery_is_asked_for_by_name() {
        let check = |accept: &str, expected| assert_eq!(aggregated(accept), expected, "{accept}");
        let of = |v: &str| {
            format!("application/json;g=apidiscovery.k8s.io;v={v};as=APIGroupDiscoveryList")
        };
        check(&format!("{},application/json", of("v2")), Some("v2"));
        check(
            &format!("{},application/json", of("v2beta1")),
            Some("v2beta1"),
        );
        check(
            &format!("{};profile=nopeer,{},application/json", of("v2"), of("v2")),
            Some("v2"),
        );
        check("application/json", None);
        check("", None);
    }
}
