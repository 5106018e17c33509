//! Having the certificate renewed: beside a session, or because none can be had without.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use roadstead_protocol::env::WallClock as _;
use roadstead_protocol::host::SecretKey;
use roadstead_protocol::host::clock::Floored;
use roadstead_protocol::host::enrol::{EnrolError, Enrolling, Refusal, RefusalCode, renew};
use roadstead_protocol::session::Backoff;

use super::chain;
use super::due::{self, Standing};
use super::keep::{Keep, NotTaken};

/// The first wait after a renewal that failed, or that did not help.
pub const RENEW_FLOOR: Duration = Duration::from_secs(60);
/// The longest wait after that. There are a month for it, and a year after that.
pub const RENEW_CEILING: Duration = Duration::from_secs(6 * 3600);

/// Why the certificate was not renewed.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotRenewed {
    /// The hub said no.
    #[error("the hub does not renew it: {0}")]
    Refused(Refusal),
    /// There was no hub that could be believed, or the exchange failed.
    #[error("{0}")]
    Unreachable(String),
    /// What came was not taken over.
    #[error("{0}")]
    NotTaken(#[from] NotTaken),
    /// The disk holds no key and certificate that could be renewed.
    #[error("this agent's identity cannot be read")]
    Nothing,
}

/// What a renewal needs.
#[derive(Clone)]
pub(super) struct Renewing {
    pub(super) with: Enrolling,
    pub(super) keep: Arc<Keep>,
    pub(super) clock: Arc<Floored>,
    /// How often at least the certificate is looked at.
    pub(super) every: Duration,
}

impl Renewing {
    /// How the certificate stands now; `None` where it cannot be read.
    pub(super) fn standing(&self) -> Option<Standing> {
        let kept = self.keep.kept();
        let leaf = kept.identity.certificates.first()?.as_slice().into();
        due::standing(&leaf, self.clock.now()).ok()
    }

    /// Has the certificate renewed, with a new key: proves possession of the present one or, where the
    /// hub does not know that, of the last one under an authority before. The hub is looked for where
    /// it was `met` first, and believed by present and former authorities.
    pub(super) async fn renew(&self, met: Option<&String>) -> Result<(), NotRenewed> {
        #[cfg(planted)]
        if roadstead_protocol::planted::is("never-renewed") {
            return Err(NotRenewed::Nothing);
        }
        let kept = self.keep.kept();
        let (addresses, trusted) = (kept.addresses(met), kept.trusted_for_renewal());
        let key = SecretKey::generate(&self.with.env);
        let mut first = None;
        for candidate in kept.candidates() {
            let asked = renew(&self.with, &addresses, &trusted, &candidate, &key).await;
            match asked {
                Ok(granted) => {
                    // Not to be lost in the middle when the session beside it ends.
                    let (keep, key) = (Arc::clone(&self.keep), key.clone());
                    let taken = tokio::spawn(async move { keep.renewed(granted, &key).await });
                    let taken = taken.await.map_err(|_| NotRenewed::Nothing)?;
                    return Ok(taken?);
                }
                Err(EnrolError::Refused(refusal)) if refusal.code == RefusalCode::Unknown => {
                    first.get_or_insert(refusal);
                }
                Err(EnrolError::Refused(refusal)) => {
                    return Err(NotRenewed::Refused(first.unwrap_or(refusal)));
                }
                Err(
                    error @ (EnrolError::Foreign(_)
                    | EnrolError::Connect(_)
                    | EnrolError::NoAddress
                    | EnrolError::Prepare(_)
                    | EnrolError::Settings(_)
                    | EnrolError::Lost(_)
                    | EnrolError::Protocol(_)
                    | EnrolError::Late),
                ) => return Err(NotRenewed::Unreachable(chain(&error))),
            }
        }
        Err(first.map_or(NotRenewed::Nothing, NotRenewed::Refused))
    }

    /// Has the certificate renewed whenever that is due, beside a session, which notices nothing: the
    /// new one is for the next connection.
    pub(super) async fn whenever_due(&self, met: &String, seed: u64) -> Infallible {
        let mut backoff = Backoff::new(seed, RENEW_FLOOR, RENEW_CEILING);
        loop {
            let standing = self.standing();
            let wait = standing.map_or(self.every, |s| due::wait(s, self.clock.now(), self.every));
            if !wait.is_zero() {
                backoff.reset();
                tokio::time::sleep(wait).await;
                continue;
            }
            match self.renew(Some(met)).await {
                Ok(()) => tracing::info!("the certificate was renewed"),
                Err(error) => {
                    tracing::warn!(error = %chain(&error), "the certificate could not be renewed yet");
                }
            }
            // A clock that is ahead finds the new certificate due at once, too.
            if !matches!(self.standing(), Some(Standing::Good(_))) {
                tokio::time::sleep(backoff.next_wait()).await;
            }
        }
    }
}
