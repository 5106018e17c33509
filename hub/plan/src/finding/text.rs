//! Findings in words.

use std::fmt::{Display, Formatter, Result};

use super::{Finding, listed};

impl Display for Finding {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::NoPolicy => f.write_str("no policy selects it"),
            Self::NothingSelected => f.write_str("it selects no object"),
            Self::Reserved(why) => write!(f, "it is never sent to a cluster: {why}"),
            Self::Unreadable { policy, problem } => write!(f, "{policy} cannot be read: {problem}"),
            Self::Outranked { template, by } => {
                write!(f, "{template} is held by {by}")
            }
            Self::UnknownKinds(kinds) => {
                write!(f, "no such kind is served: {}", kinds.join(", "))
            }
            Self::UnknownClusters(names) => write!(
                f,
                "no cluster of this name is there, or allows this namespace: {}",
                names.join(", ")
            ),
            Self::AmbiguousCluster { name, clusters } => {
                write!(f, "{name} may be any of {}", clusters.join(", "))
            }
            Self::NoCluster => f.write_str("it chooses no cluster"),
            Self::NothingOpen { count, samples } => {
                write!(f, "{} ({})", none_of(*count), samples.join("; "))
            }
            Self::SpreadUnmet { by, wanted, found } => {
                let groups = if *wanted == 1 { "group" } else { "groups" };
                write!(
                    f,
                    "it wants at least {wanted} {groups} by {by}, and there can be {found}"
                )
            }
            Self::ZeroWeights => f.write_str("no chosen cluster has a weight above 0"),
            Self::BadReplicas(path) => write!(f, "{path} is not a number of replicas"),
            Self::Unplaced { replicas, why } => {
                write!(f, "there is no place for {replicas} of the replicas")?;
                match why.as_str() {
                    "" => Ok(()),
                    why => write!(f, ": {why}"),
                }
            }
            Self::NotRendered { cluster, problem } => write!(f, "on {cluster}: {problem}"),
            Self::Suspended { .. }
            | Self::Awaits { .. }
            | Self::Replacing { .. }
            | Self::Held { .. } => self.waits(f),
            Self::FailoverHeld { .. } | Self::Behind { .. } | Self::OverBudget { .. } => {
                self.withheld(f)
            }
        }
    }
}

impl Finding {
    /// What is not done yet, and why.
    fn waits(&self, f: &mut Formatter<'_>) -> Result {
        if let Self::Suspended { count, samples } = self {
            let on = listed(*count, samples);
            write!(
                f,
                "not given yet to {on}, since its policy suspends dispatching"
            )?;
        }
        if let Self::Awaits {
            on,
            why,
            count,
            samples,
        } = self
        {
            write!(f, "on {} it waits for {on}: {why}", listed(*count, samples))?;
        }
        if let Self::Replacing {
            count,
            old,
            new,
            unplaced,
            confirm,
        } = self
        {
            let (on, until) = (listed(*count, old), until(new, *unplaced));
            write!(
                f,
                "stays on {on} until {until}; to let it go all the same: {confirm}"
            )?;
        }
        if let Self::Held {
            cause,
            count,
            samples,
            confirm,
        } = self
        {
            let (on, why) = (listed(*count, samples), cause.text());
            let confirming = confirming(confirm);
            write!(f, "kept as it is on {on}, since {why}{confirming}")?;
        }
        Ok(())
    }

    /// What is kept back until something else is so.
    fn withheld(&self, f: &mut Formatter<'_>) -> Result {
        if let Self::FailoverHeld {
            why,
            count,
            samples,
        } = self
        {
            let (from, out) = (listed(*count, samples), why.way_out());
            write!(
                f,
                "not failed over from {from}, since {}; {out}",
                why.text()
            )?;
        }
        if let Self::Behind {
            count,
            samples,
            says,
        } = self
        {
            let clusters = listed(*count, samples);
            write!(f, "the change has not reached {clusters}: {says}")?;
        }
        if let Self::OverBudget {
            count,
            samples,
            along,
            most,
            holders,
            unwell,
            down,
        } = self
        {
            let whose = if *along {
                "of what needs it"
            } else {
                "of its policy"
            };
            write!(
                f,
                "waits on {}: the disruption budget {whose} is {most} of {holders} clusters, and not all \
                 is well on {}; it goes on once it is, or with a larger maxUnavailable, and a cluster that is \
                 lost counts no more once it is fenced (roadstead fence)",
                listed(*count, samples),
                listed(*unwell, down)
            )?;
        }
        Ok(())
    }
}

fn none_of(count: u32) -> String {
    match count {
        1 => "the cluster that it chooses takes nothing new".to_owned(),
        n => format!("none of the {n} clusters that it chooses takes anything new"),
    }
}

/// What is waited for before something leaves.
fn until(new: &[String], unplaced: u32) -> String {
    match (new, unplaced) {
        ([], 0) => "there is news of the cluster".to_owned(),
        ([], _) => "there is another place for it".to_owned(),
        (new, _) => format!("what replaces it is healthy ({})", new.join(", ")),
    }
}

/// The commands that confirm something.
fn confirming(confirm: &[String]) -> String {
    let (object, policies) = match confirm.split_first() {
        Some((object, policies)) => (format!("; to remove it there: {object}"), policies),
        None => (String::new(), confirm),
    };
    let policies = policies
        .iter()
        .map(|policy| format!("; or to let go all that waits for its policy: {policy}"));
    object + &policies.collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_leaves_no_gap() {
        let unplaced = |why: &str| Finding::Unplaced {
            replicas: 2,
            why: why.to_owned(),
        };
        let check = |finding: Finding, expected: &str| assert_eq!(finding.to_string(), expected);
        check(unplaced(""), "there is no place for 2 of the replicas");
        check(
            unplaced("it is full"),
            "there is no place for 2 of the replicas: it is full",
        );
        check(
            Finding::UnknownKinds(vec!["A of b/v1".to_owned(), "C of v1".to_owned()]),
            "no such kind is served: A of b/v1, C of v1",
        );
    }
}
