//! Recognising a studio's id for a player after it was given up, without keeping it.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::ExternalId;
use crate::tenancy::RealmId;

/// The secret of an installation. It is never in the database, so that whoever has only that cannot try ids against the
/// digests in it. Losing it loses nothing but the recognition of ids that were merged or erased before.
#[derive(Clone)]
pub struct InstallationSecret([u8; Self::BYTES]);

/// What an id is recognised by once it is gone: its HMAC-SHA-256 under the installation's secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdentityDigest(pub [u8; 32]);

impl InstallationSecret {
    /// How long it is.
    pub const BYTES: usize = 32;

    /// The secret of these bytes, which must come from a cryptographically secure source.
    pub fn new(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// The digest of what the studio calls a player in `realm`.
    pub fn digest(&self, realm: RealmId, external_id: &ExternalId) -> IdentityDigest {
        self.of(b"player", &[&realm.0.to_be_bytes(), external_id.as_str().as_bytes()])
    }

    /// A value that tells whether two processes have the same secret, and nothing else about it.
    pub fn check(&self) -> IdentityDigest {
        self.of(b"check", &[])
    }

    /// A key for `purpose`, from which neither the secret nor a key for another purpose can be told.
    pub fn key_for(&self, purpose: &str) -> [u8; 32] {
        self.of(b"key", &[purpose.as_bytes()]).0
    }

    fn of(&self, purpose: &[u8], parts: &[&[u8]]) -> IdentityDigest {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("an HMAC takes a key of any length");
        mac.update(purpose);
        for part in parts {
            mac.update(b"\0");
            mac.update(part);
        }
        IdentityDigest(mac.finalize().into_bytes().into())
    }
}

impl fmt::Debug for InstallationSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("InstallationSecret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_depends_on_the_secret_the_realm_and_the_id() {
        let id = |text: &str| ExternalId::try_new(text).expect("a good id");
        let (one, two) = (InstallationSecret::new([1; 32]), InstallationSecret::new([2; 32]));
        let digest = one.digest(RealmId(1), &id("p-1"));
        assert_eq!(digest, one.digest(RealmId(1), &id("p-1")));
        for other in [
            one.digest(RealmId(2), &id("p-1")),
            one.digest(RealmId(1), &id("p-2")),
            two.digest(RealmId(1), &id("p-1")),
            one.check(),
        ] {
            assert_ne!(digest, other);
        }
        assert_ne!(one.check(), two.check());
    }

    #[test]
    fn a_secret_is_not_printed() {
        assert_eq!(format!("{:?}", InstallationSecret::new([65; 32])), "InstallationSecret(..)");
    }
}
