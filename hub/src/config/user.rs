//! The arguments of `roadstead user`.

use clap::{Args, Subcommand};

use super::Target;

/// How long a day is, in seconds.
const DAY_SECONDS: u64 = 24 * 3600;

/// `roadstead user`.
#[derive(Debug, Args)]
pub struct User {
    /// What to do.
    #[command(subcommand)]
    pub act: UserAct,
}

/// What there is to do about users.
#[derive(Debug, Subcommand)]
pub enum UserAct {
    /// Print a kubeconfig for a user, with a certificate made now. It may do nothing until a role is bound
    /// to the user or one of the groups, as in
    /// `kubectl -n shop create rolebinding ann --clusterrole=edit --user=ann`
    Create(UserCreate),
}

/// `roadstead user create`.
#[derive(Debug, Args)]
pub struct UserCreate {
    /// The user's name
    pub name: String,
    /// A group of the user; may be repeated
    #[arg(long = "group", value_name = "GROUP", value_delimiter = ',')]
    pub groups: Vec<String>,
    /// For how long the certificate is good, 1m to 365d. It cannot be taken back before, but the rights of
    /// its user can
    #[arg(long, default_value = "24h", value_name = "30m|24h|7d", value_parser = seconds)]
    pub ttl: u64,
    /// The namespace that the user's kubectl uses where none is said
    #[arg(short, long, env = "ROADSTEAD_NAMESPACE", value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// Where the user finds the hub; where nothing is said, where this command does
    #[arg(long, value_name = "URL")]
    pub server: Option<String>,
    /// Which hub.
    #[command(flatten)]
    pub target: Target,
}

/// Reads a time of whole seconds, minutes, hours or days, as in `90s`, `24h` or `7d`, in seconds.
fn seconds(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is no time such as 90s, 30m, 24h or 7d");
    let at = text.len().saturating_sub(1);
    let (number, unit) = text.split_at_checked(at).ok_or_else(wrong)?;
    let of = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => DAY_SECONDS,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(of).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn times_are_whole_and_have_a_unit() {
        for (text, expected) in [("90s", 90), ("30m", 1800), ("24h", 86_400), ("7d", 604_800)] {
            assert_eq!(seconds(text), Ok(expected), "{text}");
        }
        for text in [
            "",
            "h",
            "24",
            "1.5h",
            "-1h",
            "1w",
            "1é",
            "99999999999999999999d",
        ] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
