//! Which of its certificates a hub shows to whom.
//!
//! A hub whose authority was replaced goes on showing a certificate of the one before to agents that
//! know no other, on the enrolment's ALPN alone: so an agent that slept through the change can renew
//! what it has. Sessions see the present authority's and nothing else.

use std::sync::Arc;

use rustls::DistinguishedName;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::config::roots;
use super::{Crypto, Identity, SESSION_ALPN, TlsError};

/// A certificate with its key, and who signed it.
#[derive(Debug)]
struct Face {
    shown: Arc<CertifiedKey>,
    authority: Option<DistinguishedName>,
}

/// The certificates of a hub's QUIC port, the present one first.
#[derive(Debug)]
pub(super) struct Faces(Vec<Face>);

impl Faces {
    pub(super) fn new(
        crypto: &Crypto,
        identity: &Identity,
        former: &[Identity],
    ) -> Result<Self, TlsError> {
        let all = std::iter::once(identity).chain(former);
        all.map(|one| face(crypto, one))
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

fn face(crypto: &Crypto, identity: &Identity) -> Result<Face, TlsError> {
    let shown = CertifiedKey::from_der(
        identity.chain.clone(),
        identity.key.to_der(),
        &crypto.provider,
    );
    let root = identity.chain.last().map(std::slice::from_ref);
    let authority = roots(root.unwrap_or_default())?.subjects().pop();
    Ok(Face {
        shown: Arc::new(shown.map_err(TlsError::Settings)?),
        authority,
    })
}

/// Which face to show: to a session the first; else the first whose authority is trusted, and to
/// somebody who does not say whom they trust the last, which the most know.
fn choose(
    session: bool,
    trusted: Option<&[DistinguishedName]>,
    faces: &[Option<&DistinguishedName>],
) -> usize {
    if session {
        return 0;
    }
    let Some(trusted) = trusted else {
        return faces.len().saturating_sub(1);
    };
    let known = |face: &Option<&DistinguishedName>| {
        face.is_some_and(|name| trusted.iter().any(|t| t.as_ref() == name.as_ref()))
    };
    faces.iter().position(known).unwrap_or(0)
}

impl ResolvesServerCert for Faces {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let session = hello
            .alpn()
            .is_some_and(|mut offered| offered.any(|alpn| alpn == SESSION_ALPN));
        let authorities: Vec<_> = self.0.iter().map(|f| f.authority.as_ref()).collect();
        let at = choose(session, hello.certificate_authorities(), &authorities);
        self.0.get(at).map(|face| Arc::clone(&face.shown))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> DistinguishedName {
        DistinguishedName::in_sequence(text.as_bytes())
    }

    #[test]
    fn a_session_sees_the_present_one_and_a_renewal_one_that_it_trusts() {
        let (new, old, other) = (name("new"), name("old"), name("other"));
        let faces = [Some(&new), Some(&old)];
        let check = |session, trusted: Option<&[DistinguishedName]>, expected| {
            assert_eq!(choose(session, trusted, &faces), expected, "{trusted:?}");
        };
        check(true, Some(std::slice::from_ref(&old)), 0);
        check(true, None, 0);
        check(false, Some(std::slice::from_ref(&old)), 1);
        check(false, Some(&[old.clone(), new.clone()]), 0);
        check(false, Some(std::slice::from_ref(&other)), 0);
        check(false, None, 1);
        assert_eq!(choose(false, None, &[Some(&new)]), 0);
    }
}
