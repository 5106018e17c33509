//! What a cluster's pods ask for, looked at the more seldom the more there are.
//!
//! What keeps us from seeing them keeps us from nothing else.

use std::time::Duration;

use super::super::client::Member;
use super::super::error::Error;
use super::super::shapes::{Nodes, Usage, use_up};
use super::{pages, visible};

/// After how many pages of pods they are looked at one time less: the larger a cluster, the more
/// seldom.
const PAGES_A_LOOK: u32 = 10;
/// Most looks between two at the pods.
const LOOKS_MAX: u32 = 30;
/// After how many looks without the pods what was seen of them does not count any more.
const USAGE_LOOKS_MAX: u32 = 2 * LOOKS_MAX;
/// Longest look at the pods: so long the nodes are not looked at.
const LOOK_TIMEOUT: Duration = Duration::from_secs(120);

/// What was seen of the pods.
#[derive(Default)]
pub(super) struct Pods {
    /// What they ask for; `None` while they cannot be seen.
    usage: Option<Usage>,
    /// How many looks ago that was.
    age: u32,
    /// After how many looks they are looked at again.
    rest: u32,
    /// What `rest` was when they were looked at last.
    rested: u32,
    /// Whether it was said that they may not be seen.
    said: bool,
}

impl Pods {
    /// What they ask for, as far as it is known.
    pub(super) fn usage(&self) -> Option<&Usage> {
        self.usage.as_ref()
    }

    /// The nodes were looked at: whether the pods are to be, too.
    pub(super) fn is_due(&mut self) -> bool {
        self.age = self.age.saturating_add(1);
        if self.age > USAGE_LOOKS_MAX {
            self.usage = None;
        }
        self.rest = self.rest.saturating_sub(1);
        self.rest == 0
    }

    /// Looks at the pods. What was seen last stays for a while where they cannot be listed now.
    pub(super) async fn look(&mut self, member: &Member, nodes: &Nodes) {
        let mut usage = nodes.unused();
        let mut read = 0;
        let mut each = |pod| use_up(&mut usage, &pod);
        let listed = pages(member, "/api/v1/pods", &mut read, &mut each);
        let listed = tokio::time::timeout(LOOK_TIMEOUT, listed).await;
        let listed = listed.unwrap_or_else(|_| Err(Error::timeout(LOOK_TIMEOUT)));
        let by_pages = 1 + read / PAGES_A_LOOK;
        let rest = match visible(listed) {
            Ok(Some(())) => {
                // Of a node that came meanwhile only some pods may have been seen.
                usage.retain(|node, _| nodes.has(node));
                self.usage = Some(usage);
                self.age = 0;
                self.said = false;
                by_pages
            }
            Ok(None) => {
                self.usage = None;
                if !std::mem::replace(&mut self.said, true) {
                    tracing::warn!(
                        "the agent may not list pods, so the hub is not told what is free on the nodes; apply the agent's manifest again, whose role allows it"
                    );
                }
                LOOKS_MAX
            }
            Err(error) => {
                tracing::debug!(%error, pages = read, "the pods cannot be seen");
                by_pages.max(self.rested.max(1).saturating_mul(2))
            }
        };
        self.rest = rest.min(LOOKS_MAX);
        self.rested = self.rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_long_ago_does_not_count() {
        let mut pods = Pods {
            usage: Some(Usage::default()),
            ..Pods::default()
        };
        let looks = (0..2 * USAGE_LOOKS_MAX).map(|_| {
            pods.is_due();
            pods.usage().is_some()
        });
        let counts = looks.filter(|counts| *counts).count();
        assert_eq!(u32::try_from(counts), Ok(USAGE_LOOKS_MAX));
    }
}
