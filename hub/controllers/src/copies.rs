//! What a cluster's conditions say of a second agent that came with its identity.

use std::time::Duration;

use jiff::Timestamp;
use roadstead_protocol::api::{Condition, ConditionStatus};
use roadstead_store::Snapshot;
use roadstead_store::records::{TurnedAway, decode, turned_away_key};

use crate::error::Error;

/// The condition of a cluster whose identity runs twice. It is there for as long as that is so.
pub(crate) const COPIED: &str = "Copied";
/// For how long after it was turned away last a second agent is shown. It tries again every half a
/// minute, and is noted every five.
const SHOWN_FOR: Duration = Duration::from_secs(600);

/// The second agent of a cluster.
pub(crate) struct Copy(Option<TurnedAway>);

impl Copy {
    /// Reads who was turned away.
    pub(crate) fn read(volatile: &Snapshot, uid: &str) -> Result<Self, Error> {
        let entry = volatile.get(turned_away_key(uid)?.as_str());
        Ok(Self(entry.map(decode).transpose()?))
    }

    /// The condition, while there is something to say, and after which time it may end. Where there is
    /// nothing it leaves `conditions`.
    pub(crate) fn condition(
        &self,
        conditions: &mut Vec<Condition>,
        now: Timestamp,
    ) -> Option<(Condition, Duration)> {
        let left = self.0.as_ref().and_then(|turned| {
            let ago = now.duration_since(turned.at).unsigned_abs();
            let left = SHOWN_FOR.saturating_sub(ago);
            (!left.is_zero()).then_some((turned, left))
        });
        let Some((turned, left)) = left else {
            conditions.retain(|c| c.kind != COPIED);
            return None;
        };
        // The port is another with every attempt, and no news.
        let from = turned.remote.rsplit_once(':');
        let from = from.map_or(turned.remote.as_str(), |(host, _)| host);
        let message = format!("an agent at {from} was turned away: {}", turned.message);
        let condition =
            Condition::new(COPIED, ConditionStatus::True, "OlderAgentRefused", &message);
        Some((condition, left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn a_second_agent_is_shown_for_a_while_after_it_came_last() {
        let copy = Copy(Some(TurnedAway {
            at: at(1_000),
            boot: 3,
            remote: "[::1]:5000".to_owned(),
            message: "two agents run with one identity".to_owned(),
        }));
        let mut conditions = Vec::new();
        let (condition, left) = copy.condition(&mut conditions, at(1_100)).unwrap();
        assert_eq!(left, Duration::from_secs(500));
        assert!(
            condition
                .message
                .starts_with("an agent at [::1] was turned away")
        );
        conditions.push(condition);
        assert!(copy.condition(&mut conditions, at(1_600)).is_none());
        assert!(conditions.is_empty());
        assert!(Copy(None).condition(&mut conditions, at(0)).is_none());
    }
}
