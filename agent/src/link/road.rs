//! One step on the way to the hub: have the certificate renewed if nothing goes without, talk, and
//! make of the end what is to be made of it.

use std::sync::Arc;
use std::time::Duration;

use roadstead_protocol::host::endpoint::{self, Doubt};
use roadstead_protocol::host::enrol::{self, Enrolling, Refusal};
use roadstead_protocol::host::tls::session_client;
use roadstead_protocol::session::Backoff;
use roadstead_protocol::wire::frame::{RefusalCode, Refused};

use super::due::Standing;
use super::join::{Failed, Joined};
use super::keep::Keep;
use super::kept::{Kept, tls_identity};
use super::renew::{NotRenewed, Renewing};
use super::session::{Conversation, Ended};
use super::{DETACHED_WAIT, Link, chain};
use crate::Error;
use crate::anchor::Start;

/// What the hub has said about this agent's identity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Worth {
    /// Nothing against it.
    #[default]
    Good,
    /// It is worth nothing there: detached, replaced, ended long ago, or not known.
    Nothing,
}

/// The way to the hub, and how far it is gone.
pub(super) struct Road {
    pub(super) link: Link,
    /// Who the agent is, once it has joined.
    pub(super) keep: Option<Arc<Keep>>,
    /// Where the hub was met last.
    met: Option<String>,
    /// A certificate was renewed because of a doubt, and the hub has not let the agent in since.
    unproven: bool,
    pub(super) worth: Worth,
    seed: u64,
}

/// How a conversation, or the search for one, ended.
enum Talk {
    /// The hub was there.
    Over(Ended),
    /// No hub was found, and whether a certificate was in the way.
    Nowhere(Option<Doubt>),
}

/// The join string that was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum InHand {
    /// There is none.
    None,
    /// The agent has joined with it already. A hub that was put back to before that takes it again, but
    /// nobody has asked for a detachment to end.
    Spent,
    /// Another one.
    Fresh,
}

/// Whether to join with the join string that was given.
fn joins(in_hand: InHand, identity: bool, detached: bool, worth: Worth) -> bool {
    match in_hand {
        InHand::None => false,
        InHand::Spent => !identity || (!detached && worth == Worth::Nothing),
        InHand::Fresh => !identity || detached || worth == Worth::Nothing,
    }
}

impl Road {
    pub(super) fn new(mut link: Link, seed: u64) -> Self {
        let former = std::mem::take(&mut link.former);
        let kept = link
            .identity
            .take()
            .map(|identity| Kept { identity, former });
        let keep = kept.map(|kept| {
            let clock = Arc::clone(&link.clock);
            Arc::new(Keep::new(link.disk.clone(), clock, kept))
        });
        Self {
            link,
            keep,
            met: None,
            unproven: false,
            worth: Worth::default(),
            seed,
        }
    }

    /// Joins, or talks until there is nothing more to say; how long to wait before the next step.
    pub(super) async fn step(
        &mut self,
        endpoint: &quinn::Endpoint,
        start: &Start,
        backoff: &mut Backoff,
    ) -> Result<Duration, Error> {
        match self.keep.clone() {
            Some(keep) if !self.joins() => self.attend(endpoint, keep, start, backoff).await,
            _ => self.join_in(endpoint, start, backoff).await,
        }
    }

    /// Whether the join string that was given, if any, is to be used now.
    fn joins(&self) -> bool {
        let in_hand = match &self.link.join {
            None => InHand::None,
            Some(token) if self.link.spent.has(&token.id) => InHand::Spent,
            Some(_) => InHand::Fresh,
        };
        let detached = self.link.desk.position().detached;
        joins(in_hand, self.keep.is_some(), detached, self.worth)
    }

    async fn join_in(
        &mut self,
        endpoint: &quinn::Endpoint,
        start: &Start,
        backoff: &mut Backoff,
    ) -> Result<Duration, Error> {
        match self.join(endpoint, start).await {
            Ok(Joined::Here) => Ok(Duration::ZERO),
            Ok(Joined::Elsewhere) => Err(Error::Rejoined),
            Err(Failed::Never(error)) if self.keep.is_none() => Err(error),
            Err(Failed::Never(error)) => {
                tracing::warn!(error = %chain(&error), "the join string is of no use; this agent stays who it was");
                self.link.join = None;
                Ok(Duration::ZERO)
            }
            Err(Failed::Later(error)) => {
                tracing::warn!(%error, "the hub could not be joined yet");
                Ok(backoff.next_wait())
            }
        }
    }

    /// What enrolment and renewal need.
    pub(super) fn enrolling(&self, endpoint: &quinn::Endpoint) -> Enrolling {
        Enrolling {
            env: self.link.env.clone(),
            crypto: self.link.crypto.clone(),
            network: self.link.network.clone(),
            endpoint: endpoint.clone(),
            release: self.link.options.release.clone(),
        }
    }

    async fn attend(
        &mut self,
        endpoint: &quinn::Endpoint,
        keep: Arc<Keep>,
        start: &Start,
        backoff: &mut Backoff,
    ) -> Result<Duration, Error> {
        let renewing = Renewing {
            with: self.enrolling(endpoint),
            keep,
            clock: Arc::clone(&self.link.clock),
            every: self.link.options.renewal_every,
        };
        if let Some(Standing::Ended(at)) = renewing.standing() {
            tracing::info!(%at, "the certificate has ended; the hub is asked for another");
            let renewed = renewing.renew(self.met.as_ref()).await;
            self.renewed(renewed).await;
        }
        let doubt = match self.talk(endpoint, &renewing, start, backoff).await? {
            Talk::Over(Ended::Distrusted(why)) => {
                tracing::warn!(%why, "the hub does not accept this agent's certificate; it is asked for another");
                Doubt::Ours
            }
            Talk::Over(ended) => return self.after(ended, backoff).await,
            Talk::Nowhere(None) => return Ok(backoff.next_wait()),
            Talk::Nowhere(Some(doubt)) => {
                tracing::warn!(
                    "no address leads to a hub that shows a certificate of the authority that this agent trusts; \
                     the hub is looked for by the authorities before, which are good for a renewal alone"
                );
                doubt
            }
        };
        let renewed = renewing.renew(self.met.as_ref()).await;
        let helped = self.renewed(renewed).await && !self.unproven;
        self.unproven = true;
        Ok(match (helped, self.worth) {
            (true, _) => Duration::ZERO,
            (false, Worth::Nothing) if !self.joins() => DETACHED_WAIT,
            (false, _) => {
                tracing::debug!(?doubt, "it did not help");
                backoff.next_wait()
            }
        })
    }

    /// What comes of a renewal; whether there is a new certificate.
    async fn renewed(&mut self, renewed: Result<(), NotRenewed>) -> bool {
        match renewed {
            Ok(()) => {
                tracing::info!("the certificate was renewed");
                self.worth = Worth::Good;
                true
            }
            Err(NotRenewed::Refused(refusal)) => {
                tracing::warn!(message = %refusal.message, "the hub does not renew the certificate of this agent");
                self.refused_renewal(&refusal).await;
                false
            }
            Err(
                error
                @ (NotRenewed::Unreachable(_) | NotRenewed::NotTaken(_) | NotRenewed::Nothing),
            ) => {
                tracing::info!(error = %chain(&error), clock = %self.now(), "the certificate could not be renewed");
                false
            }
        }
    }

    /// What time this agent believes it is.
    fn now(&self) -> jiff::Timestamp {
        use roadstead_protocol::env::WallClock as _;
        self.link.clock.now()
    }

    async fn refused_renewal(&mut self, refusal: &Refusal) {
        match refusal.code {
            enrol::RefusalCode::Detached => {
                self.worth = Worth::Nothing;
                self.detach().await;
            }
            enrol::RefusalCode::Expired | enrol::RefusalCode::Unknown => {
                self.worth = Worth::Nothing;
            }
            enrol::RefusalCode::Used
            | enrol::RefusalCode::Malformed
            | enrol::RefusalCode::Unsupported
            | enrol::RefusalCode::Unavailable => {}
        }
    }

    /// One attempt at every address.
    async fn talk(
        &mut self,
        endpoint: &quinn::Endpoint,
        renewing: &Renewing,
        start: &Start,
        backoff: &mut Backoff,
    ) -> Result<Talk, Error> {
        let kept = renewing.keep.kept();
        let config = self.client_config(&kept)?;
        let mut doubt = None;
        for address in kept.addresses(self.met.as_ref()) {
            let network = &*self.link.network;
            let connection = match endpoint::connect(endpoint, network, &address, &config).await {
                Ok(connection) => connection,
                Err(error) => {
                    tracing::info!(%address, error = %chain(&error), "the hub cannot be reached");
                    doubt = doubt.or_else(|| error.doubt());
                    continue;
                }
            };
            let mut conversation = Conversation::new(
                self.link.desk.clone(),
                self.link.disk.clone(),
                self.link.start.clone(),
                (Arc::clone(&renewing.keep), address.clone()),
            );
            let ended = tokio::select! {
                biased;
                ended = conversation.run(&connection, start, &self.link.options) => ended,
                never = renewing.whenever_due(&address, self.seed) => match never {},
            };
            if conversation.welcomed() {
                backoff.reset();
                self.met = Some(address);
                self.unproven = false;
                self.worth = Worth::Good;
            }
            return Ok(Talk::Over(ended));
        }
        Ok(Talk::Nowhere(doubt))
    }

    async fn after(&mut self, ended: Ended, backoff: &mut Backoff) -> Result<Duration, Error> {
        match ended {
            Ended::StartChanged => Ok(Duration::ZERO),
            Ended::Restarting(wait) => Ok(backoff.asked(wait)),
            Ended::Lost(why) | Ended::Distrusted(why) => {
                tracing::info!(%why, "the session with the hub ended");
                Ok(backoff.next_wait())
            }
            Ended::Refused(refused) => self.refused(refused, backoff).await,
            Ended::Detached => {
                tracing::warn!(
                    "this cluster was detached by its hub; it stays as it is until it is joined anew: \
                     `roadstead join NAME`, then start the agent with --join"
                );
                Ok(DETACHED_WAIT)
            }
        }
    }

    async fn refused(
        &mut self,
        refused: Refused,
        backoff: &mut Backoff,
    ) -> Result<Duration, Error> {
        tracing::warn!(code = ?refused.code, message = %refused.message, "the hub turned this agent away");
        match refused.code {
            RefusalCode::Detached => {
                self.worth = Worth::Nothing;
                self.detach().await;
                // A join string in hand is tried at once.
                Ok(if self.joins() {
                    Duration::ZERO
                } else {
                    DETACHED_WAIT
                })
            }
            RefusalCode::OtherMember => Err(Error::Refused(refused.message)),
            RefusalCode::OlderBoot | RefusalCode::UnknownCluster => {
                self.worth = Worth::Nothing;
                Ok(backoff.next_wait())
            }
            RefusalCode::Protocol | RefusalCode::Busy | RefusalCode::Replaced => {
                Ok(backoff.next_wait())
            }
        }
    }

    /// Stops applying, and leaves everything as it is.
    async fn detach(&self) {
        let position = crate::store::record::Position {
            detached: true,
            ..self.link.desk.position()
        };
        let writes = vec![crate::store::Write::Position(position.clone())];
        if let Err(error) = self.link.disk.commit(writes).await {
            tracing::warn!(%error, "that the cluster was detached could not be written down");
        }
        self.link.desk.enter(crate::desk::Entered {
            position: Some(position),
            ..Default::default()
        });
    }

    fn client_config(&self, kept: &Kept) -> Result<quinn::ClientConfig, Error> {
        let identity = &kept.identity;
        let tls = tls_identity(&identity.key, &identity.certificates)
            .ok_or_else(|| Error::Identity("its key has a wrong length".to_owned()))?;
        let config = session_client(&self.link.crypto, &tls, &kept.trusted());
        let config = config.map_err(|e| Error::Identity(chain(&e)))?;
        endpoint::client_config(&self.link.env, config).map_err(|e| Error::Identity(chain(&e)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_join_string_is_used_by_whom_no_hub_knows() {
        use InHand::{Fresh, None, Spent};
        assert!(!joins(None, false, true, Worth::Nothing), "there is none");
        for in_hand in [Fresh, Spent] {
            assert!(joins(in_hand, false, false, Worth::Good));
            assert!(!joins(in_hand, true, false, Worth::Good));
            assert!(joins(in_hand, true, false, Worth::Nothing));
        }
        assert!(joins(Fresh, true, true, Worth::Good));
    }

    #[test]
    fn a_join_string_that_was_used_ends_no_detachment() {
        for worth in [Worth::Good, Worth::Nothing] {
            assert!(!joins(InHand::Spent, true, true, worth));
        }
    }
}
