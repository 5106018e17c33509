//! What somebody may have meant who misspelt a name.
//!
//! Only for people: nothing is ever done to what a name may mean. And only where a policy itself is spoken
//! of: a decision keeps the bare names, as each one would be compared with the whole fleet for each object,
//! and whoever joins would change what may be meant, and so the decisions.

use roadstead_protocol::api::decision::SAMPLES_MAX;

use crate::cluster::Viewpoint;
use crate::world::World;

/// Shortest word of which a letter may be wrong, in bytes: of shorter ones any is near to any.
const SHORT: usize = 3;
/// Shortest word of which two letters may be wrong, in bytes.
const LONG: usize = 6;
/// Longest word that is compared, in bytes: a name of Kubernetes.
const WORD_BYTES_MAX: usize = 253;

/// The nearest of `all` to a word, where one is so near that it may be meant.
pub fn nearest<'a>(word: &str, all: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let most = match word.len() {
        LONG..=WORD_BYTES_MAX => 2,
        SHORT..LONG => 1,
        _ => return None,
    };
    let near = all.into_iter().filter_map(|one| {
        // Most are told apart by their lengths.
        let apart = one.len().abs_diff(word.len());
        let distance = (apart <= most).then(|| strsim::osa_distance(word, one))?;
        (distance <= most && distance > 0).then_some((distance, one))
    });
    near.min().map(|(_, one)| one)
}

/// Some of the names that mean no cluster, each with the one that may be meant.
pub fn hinted(
    world: &World,
    from: Viewpoint<'_>,
    names: impl IntoIterator<Item = String>,
) -> Vec<String> {
    let hinted = |name: String| {
        let visible = world.clusters.iter().filter(|c| c.visible(from, world));
        match nearest(&name, visible.map(|c| c.name.as_str())) {
            Some(near) => format!("{name} (is {near} meant?)"),
            None => name,
        }
    };
    names.into_iter().take(SAMPLES_MAX).map(hinted).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_nearly_so_may_be_meant() {
        let all = ["cluster-prod", "cluster-dr", "cluster-edge", "eu", "us"];
        let check = |word: &str, expected: Option<&str>| {
            assert_eq!(nearest(word, all), expected, "{word}");
        };
        check("cluster-drr", Some("cluster-dr"));
        check("cluster-rpod", Some("cluster-prod"));
        check("clustr-dr", Some("cluster-dr"));
        check("cluster-pord1", Some("cluster-prod"));
        check("cluster-west", None);
        check("ue", None);
        check("a", None);
        check("cluster-dr", None);
        check("", None);
        check(&"x".repeat(10_000), None);
    }
}
