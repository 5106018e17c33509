//! When something is due about the identity. Pure: a certificate and a moment.

use std::time::Duration;

use jiff::Timestamp;
use roadstead_protocol::host::tls::{self, TlsError};
use rustls::pki_types::CertificateDer;

/// Where nothing is said, the longest wait before the certificate is looked at again: a machine may sleep meanwhile, and a
/// clock may be set.
pub const LOOK_EVERY: Duration = Duration::from_secs(3600);

/// How an agent's certificate stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is good, and need not be looked at before this.
    Good(Timestamp),
    /// It is good, and is to be renewed beside the session.
    Due,
    /// It has ended at this time: it opens no session, and can be renewed for a year.
    Ended(Timestamp),
}

/// How `leaf` stands at `now`.
pub(super) fn standing(leaf: &CertificateDer<'_>, now: Timestamp) -> Result<Standing, TlsError> {
    let (due, end) = (tls::renewal_due(leaf)?, tls::not_after(leaf)?);
    Ok(if now > end {
        Standing::Ended(end)
    } else if now >= due {
        Standing::Due
    } else {
        Standing::Good(due)
    })
}

/// How long to wait at `now` before the certificate is looked at again, `every` at the most; zero
/// where it is to be renewed.
pub(super) fn wait(standing: Standing, now: Timestamp, every: Duration) -> Duration {
    match standing {
        Standing::Good(due) => Duration::try_from(due.duration_since(now))
            .unwrap_or_default()
            .min(every),
        Standing::Due | Standing::Ended(_) => Duration::ZERO,
    }
}

/// The time that agent and hub agree to be past, once the hub has made `leaf`, in seconds: neither a
/// clock here nor one there that is ahead is noted.
pub(super) fn agreed(leaf: &CertificateDer<'_>, now: Timestamp) -> Result<i64, TlsError> {
    Ok(tls::issued_at(leaf)?.min(now).as_second())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::testing::{DAY, at, leaf};

    fn check(day: i64, expected: Standing, waits: Duration) {
        let found = standing(&leaf(0), at(day)).unwrap();
        assert_eq!(found, expected, "day {day}");
        assert_eq!(wait(found, at(day), LOOK_EVERY), waits, "day {day}");
    }

    #[test]
    fn a_certificate_is_renewed_after_two_thirds_of_its_life() {
        let due = tls::renewal_due(&leaf(0)).unwrap();
        let end = tls::not_after(&leaf(0)).unwrap();
        assert_eq!((due.as_second() - at(0).as_second()) / DAY, 59);
        check(0, Standing::Good(due), LOOK_EVERY);
        check(59, Standing::Good(due), LOOK_EVERY);
        check(60, Standing::Due, Duration::ZERO);
        check(90, Standing::Due, Duration::ZERO);
        check(91, Standing::Ended(end), Duration::ZERO);
        check(1000, Standing::Ended(end), Duration::ZERO);
        // A clock that is behind waits no longer than one that is right.
        check(-400, Standing::Good(due), LOOK_EVERY);
        let close = due.checked_sub(jiff::SignedDuration::from_secs(5)).unwrap();
        assert_eq!(
            wait(Standing::Good(due), close, LOOK_EVERY),
            Duration::from_secs(5)
        );
    }

    #[test]
    fn only_a_time_that_both_clocks_are_past_is_noted() {
        let made = tls::issued_at(&leaf(10)).unwrap().as_second();
        assert_eq!(agreed(&leaf(10), at(11)).unwrap(), made);
        assert_eq!(agreed(&leaf(10), at(9)).unwrap(), at(9).as_second());
    }

    #[test]
    fn what_is_no_certificate_has_no_standing() {
        assert!(standing(&CertificateDer::from(vec![1, 2, 3]), at(0)).is_err());
    }
}
