//! Parts of images' names.

use proptest::prelude::*;
use roadstead_protocol::api::policy::{ImageComponent, OverrideOp};

use crate::overrides::image;

/// An image, what is done to which part of it, and what that makes, or a word of why not.
type Row<'a> = (
    &'a str,
    ImageComponent,
    OverrideOp,
    &'a str,
    Result<&'a str, &'a str>,
);

#[test]
fn images_change_part_by_part() {
    use ImageComponent::{Digest, Registry, Repository, Tag};
    use OverrideOp::{Add, Remove, Replace};
    let sha = &format!("sha256:{}", "0af9".repeat(16));
    let pinned = &format!("web@{sha}");
    let both = &format!("r.example/web:1@{sha}");
    let cases: &[Row<'_>] = &[
        ("web", Registry, Add, "r.example", Ok("r.example/web")),
        (
            "a.b/web:1",
            Registry,
            Replace,
            "r.example:5000",
            Ok("r.example:5000/web:1"),
        ),
        (
            "a.b/web:1",
            Registry,
            Replace,
            "r.example/mirror",
            Ok("r.example/mirror/web:1"),
        ),
        ("localhost/web", Registry, Remove, "", Ok("web")),
        ("team/web", Registry, Remove, "", Ok("team/web")),
        ("a.b/web", Registry, Add, ":5000", Ok("a.b:5000/web")),
        ("a.b/web", Registry, Replace, "mirror", Err("registry")),
        (
            "a.b/web:1",
            Repository,
            Replace,
            "shop/web",
            Ok("a.b/shop/web:1"),
        ),
        ("web:1", Repository, Add, "-arm64", Ok("web-arm64:1")),
        ("web:1", Repository, Remove, "", Err("repository")),
        ("web:1", Repository, Replace, "Shop", Err("repository")),
        ("web", Tag, Replace, "2", Ok("web:2")),
        ("a.b:5000/web", Tag, Replace, "2", Ok("a.b:5000/web:2")),
        ("web:2", Tag, Add, "-edge", Ok("web:2-edge")),
        ("web:2", Tag, Remove, "", Ok("web")),
        (pinned, Tag, Replace, "2", Ok("web:2")),
        (pinned, Tag, Remove, "", Ok(pinned)),
        ("web:2", Digest, Replace, sha, Ok(pinned)),
        (both, Digest, Remove, "", Ok("r.example/web:1")),
        ("web", Digest, Replace, "sha256:short", Err("digest")),
        ("web", Tag, Replace, "a b", Err("tag")),
        (
            "Not An Image",
            Tag,
            Replace,
            "2",
            Err("is not the name of an image"),
        ),
        ("", Tag, Replace, "2", Err("is not the name of an image")),
    ];
    for (before, component, op, value, expected) in cases {
        let found = image::change(before, *component, *op, value).map_err(|e| e.to_string());
        match (&found, expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected),
            (Err(found), Err(expected)) => assert!(found.contains(expected), "{found}"),
            (found, expected) => panic!("{before}: {found:?}, not {expected:?}"),
        }
    }
}

/// The parts of an image's name, and the name that they make.
fn image_parts() -> impl Strategy<Value = [String; 4]> {
    let registry = prop_oneof![
        Just(String::new()),
        "[a-z]{1,5}\\.[a-z]{2,3}(:[0-9]{2,4})?/"
    ];
    let tag = prop_oneof![Just(String::new()), ":[A-Za-z0-9_][A-Za-z0-9_.-]{0,8}"];
    let digest = prop_oneof![Just(String::new()), "@sha256:[0-9a-f]{64}"];
    (registry, "[a-z0-9]{1,6}(/[a-z0-9]{1,6}){0,2}", tag, digest)
        .prop_map(|(registry, path, tag, digest)| [registry, path, tag, digest])
}

proptest! {
    #[test]
    fn a_changed_part_is_that_part_and_no_other(parts in image_parts(), other in image_parts(), which in 0..4_usize) {
        use ImageComponent::{Digest, Registry, Repository, Tag};
        let component = [Registry, Repository, Tag, Digest][which];
        let value = other[which].trim_matches(['/', ':', '@']).to_owned();
        prop_assume!(!value.is_empty());
        let mut expected = parts.clone();
        expected[which] = other[which].clone();
        match component {
            Tag => expected[3].clear(),
            Digest => expected[2].clear(),
            Registry | Repository => {}
        }
        let found = image::change(&parts.concat(), component, OverrideOp::Replace, &value);
        prop_assert_eq!(found, Ok(expected.concat()));
    }
}
