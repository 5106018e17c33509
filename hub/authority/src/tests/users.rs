//! Users get a certificate that the REST port knows, and nobody gets one that means somebody else.

use std::time::Duration;

use super::*;
use crate::User;

fn user(name: &str, groups: &[&str], seconds: u64) -> User {
    User {
        name: name.to_owned(),
        groups: groups.iter().map(|g| (*g).to_owned()).collect(),
        life: Duration::from_secs(seconds),
        namespace: String::new(),
    }
}

#[tokio::test]
async fn a_users_kubeconfig_says_who_and_until_when() {
    let (env, authority) = authority().await;
    let mut ann = user("ann@example.org", &["devs", "ops"], 3600);
    ann.namespace = "shop".to_owned();
    let config = authority.user_kubeconfig("https://hub:6443", &ann).unwrap();
    for part in [
        "server: \"https://hub:6443\"",
        "user: \"ann@example.org\"",
        "namespace: \"shop\"",
    ] {
        assert!(config.text.contains(part), "{part}: {}", config.text);
    }
    let left = config.until.duration_since(env.clock.now()).as_secs();
    assert!((3500..=3600).contains(&left), "{left}");
    let again = authority.user_kubeconfig("https://hub:6443", &ann).unwrap();
    assert_ne!(config.text, again.text, "each has a key of its own");
}

#[tokio::test]
async fn who_cannot_be_a_user_is_refused_with_what_is_allowed() {
    let (_, authority) = authority().await;
    let check = |user: User, server: &str, words: &str| {
        let refused = authority
            .user_kubeconfig(server, &user)
            .err()
            .map(|e| e.to_string());
        assert!(
            refused.as_ref().is_some_and(|said| said.contains(words)),
            "{refused:?}"
        );
    };
    let hub = "https://hub";
    check(user("", &[], 60), hub, "name: \"\"");
    check(user("a b", &[], 60), hub, "1 to 64 letters");
    check(user(&"a".repeat(65), &[], 60), hub, "1 to 64 letters");
    check(
        user("system:anonymous", &[], 60),
        hub,
        "have a meaning of their own",
    );
    check(
        user("roadstead:agent:1", &[], 60),
        hub,
        "have a meaning of their own",
    );
    check(user("ann", &["a,b"], 60), hub, "group: \"a,b\"");
    check(
        user("ann", &["system:nodes"], 60),
        hub,
        "only system:masters",
    );
    check(user("ann", &["g"; 17], 60), hub, "at most 16 groups");
    check(user("ann", &[], 59), hub, "ttl: \"59 s\"");
    check(user("ann", &[], 365 * 24 * 3600 + 1), hub, "1m to 365d");
    check(user("ann", &[], 60), "http://hub", "server: ");
    check(user("ann", &[], 60), "https://hub\nx", "server: ");
    assert!(
        authority
            .user_kubeconfig(hub, &user("ann", &["system:masters"], 60))
            .is_ok()
    );
}
