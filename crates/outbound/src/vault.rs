//! Secrets of endpoints, sealed so that the database alone does not give them away.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use domain::players::PlayerId;
use domain::webhooks::{EndpointId, Sealed, Unreadable, Vault};
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// The version of the form: one byte of it, the nonce, and what was sealed.
const FORM: u8 = 1;

/// The bytes of a nonce.
const NONCE_BYTES: usize = 24;

/// Seals with XChaCha20-Poly1305 under a key that the installation keeps outside of the database. What was sealed as the secret of
/// one endpoint cannot be opened as that of another.
pub struct SealingVault {
    cipher: XChaCha20Poly1305,
    token_key: [u8; 32],
}

impl SealingVault {
    /// One on `key`, from which the keys for secrets and for tokens are derived.
    pub fn new(key: [u8; 32]) -> Self {
        let sealing = Key::from(code(&key, [b"webhook secrets"]));
        Self { cipher: XChaCha20Poly1305::new(&sealing), token_key: code(&key, [b"player tokens"]) }
    }
}

/// Never shows a key.
impl std::fmt::Debug for SealingVault {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("SealingVault(..)")
    }
}

impl Vault for SealingVault {
    fn seal(&self, endpoint: EndpointId, secret: &str, nonce: [u8; NONCE_BYTES]) -> Sealed {
        let payload = Payload { msg: secret.as_bytes(), aad: endpoint.0.as_bytes() };
        let text = self.cipher.encrypt(&XNonce::from(nonce), payload).expect("a secret is far shorter than the most");
        Sealed([FORM].into_iter().chain(nonce).chain(text).collect())
    }

    fn open(&self, endpoint: EndpointId, sealed: &Sealed) -> Result<String, Unreadable> {
        let (form, rest) = sealed.0.split_first().ok_or(Unreadable)?;
        let (nonce, text) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(Unreadable)?;
        if *form != FORM {
            return Err(Unreadable);
        }
        let payload = Payload { msg: text, aad: endpoint.0.as_bytes() };
        let secret = self.cipher.decrypt(&XNonce::from(*nonce), payload).map_err(|_| Unreadable)?;
        String::from_utf8(secret).map_err(|_| Unreadable)
    }

    fn token(&self, endpoint: EndpointId, player: PlayerId) -> String {
        let token = code(&self.token_key, [endpoint.0.as_bytes(), player.0.as_bytes()]);
        token.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The HMAC-SHA256 of `parts`, one after the other.
fn code<const N: usize, const B: usize>(key: &[u8; 32], parts: [&[u8; B]; N]) -> [u8; 32] {
    let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(key).expect("an HMAC takes a key of any length");
    parts.into_iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const ONE: EndpointId = EndpointId(Uuid::from_u128(1));
    const OTHER: EndpointId = EndpointId(Uuid::from_u128(2));

    #[test]
    fn what_was_sealed_is_opened_as_that_of_its_endpoint_only() {
        let vault = SealingVault::new([7; 32]);
        let sealed = vault.seal(ONE, "whsec_secret", [9; 24]);
        assert_eq!(vault.open(ONE, &sealed), Ok("whsec_secret".to_owned()));
        assert_eq!(vault.open(OTHER, &sealed), Err(Unreadable));
        assert_eq!(SealingVault::new([8; 32]).open(ONE, &sealed), Err(Unreadable));
        assert!(!sealed.0.windows(6).any(|part| part == b"secret"));
        assert_ne!(vault.seal(ONE, "whsec_secret", [10; 24]), sealed);
    }

    #[test]
    fn what_was_changed_is_not_opened() {
        let vault = SealingVault::new([7; 32]);
        let sealed = vault.seal(ONE, "whsec_secret", [9; 24]);
        for index in 0..sealed.0.len() {
            let mut changed = sealed.clone();
            changed.0[index] ^= 1;
            assert_eq!(vault.open(ONE, &changed), Err(Unreadable), "byte {index}");
            assert_eq!(vault.open(ONE, &Sealed(sealed.0[..index].to_vec())), Err(Unreadable), "{index} bytes");
        }
    }

    #[test]
    fn a_token_is_always_the_same_and_of_one_player_and_endpoint() {
        let vault = SealingVault::new([7; 32]);
        let player = PlayerId(Uuid::from_u128(3));
        let token = vault.token(ONE, player);
        assert_eq!(token.len(), 64);
        assert!(token.bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_eq!(SealingVault::new([7; 32]).token(ONE, player), token);
        let others = [
            vault.token(OTHER, player),
            vault.token(ONE, PlayerId(Uuid::from_u128(4))),
            SealingVault::new([8; 32]).token(ONE, player),
        ];
        assert!(others.iter().all(|other| *other != token));
    }

    #[test]
    fn a_vault_shows_nothing() {
        assert_eq!(format!("{:?}", SealingVault::new([7; 32])), "SealingVault(..)");
    }
}
