//! The form of a key: `ks_sandbox_` or `kp_prod_`, then 48 base62 characters: 10 public id, 32 secret, 6 checksum.
//!
//! The published pattern is `k[sp]_(sandbox|prod)_[0-9A-Za-z]{48}`. The checksum is the CRC-32 of everything before it in
//! base62, left-padded with `0`, so a mistyped key is refused without asking the store.

use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use thiserror::Error;

use crate::tenancy::Environment;

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const PUBLIC_LENGTH: usize = 10;
const SECRET_LENGTH: usize = 32;
const CHECKSUM_LENGTH: usize = 6;

/// The part of a key that may be shown, and by which its record is found: 10 base62 characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicId(Arc<str>);

impl PublicId {
    /// Rebuilds a stored public id.
    pub fn restore(text: String) -> Self {
        Self(text.into())
    }

    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The SHA-256 of a whole key. Comparing two takes the same time wherever they differ.
#[derive(Clone, Copy)]
pub struct KeyHash(pub [u8; 32]);

impl PartialEq for KeyHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for KeyHash {}

impl fmt::Debug for KeyHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("KeyHash(..)")
    }
}

/// A key as a caller presents it, well formed and with the right checksum, reduced to what may be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresentedKey {
    /// The environment that its prefix names.
    pub environment: Environment,
    /// Finds its record.
    pub public_id: PublicId,
    /// Proves possession of the secret.
    pub hash: KeyHash,
}

/// The text is not a key: wrong prefix, length, alphabet or checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not a well-formed API key")]
pub struct MalformedKey;

/// The prefix of keys of `environment`.
pub fn key_prefix(environment: Environment) -> &'static str {
    match environment {
        Environment::Sandbox => "ks_sandbox_",
        Environment::Live => "kp_prod_",
    }
}

/// The part of a key that may be shown: prefix and public id.
pub fn display_prefix(environment: Environment, public_id: &PublicId) -> String {
    format!("{}{}", key_prefix(environment), public_id.as_str())
}

impl PresentedKey {
    /// Checks form and checksum. Asks nobody.
    pub fn parse(text: &str) -> Result<Self, MalformedKey> {
        let environments = Environment::ALL.into_iter();
        let mut matching =
            environments.filter_map(|environment| Some((environment, text.strip_prefix(key_prefix(environment))?)));
        let (environment, random) = matching.next().ok_or(MalformedKey)?;
        let well_formed = random.len() == PUBLIC_LENGTH + SECRET_LENGTH + CHECKSUM_LENGTH
            && random.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !well_formed {
            return Err(MalformedKey);
        }
        let (signed, checksum) = text.split_at_checked(text.len() - CHECKSUM_LENGTH).ok_or(MalformedKey)?;
        if checksum_of(signed) != checksum {
            return Err(MalformedKey);
        }
        let public_id = random.get(..PUBLIC_LENGTH).ok_or(MalformedKey)?;
        let hash = KeyHash(Sha256::digest(text.as_bytes()).into());
        Ok(Self { environment, public_id: PublicId(public_id.into()), hash })
    }
}

/// A new key, in the one moment in which it may be read.
pub struct MintedKey {
    text: String,
}

impl MintedKey {
    /// Makes a key of `environment` out of random bytes, taken from `random` as often as needed.
    pub fn mint(environment: Environment, mut random: impl FnMut() -> [u8; 64]) -> Self {
        // 248 is the largest multiple of 62 that a byte can reach: bytes at or above it would favour some characters.
        const FAIR: u8 = 248;
        let mut text = key_prefix(environment).to_owned();
        let full = text.len() + PUBLIC_LENGTH + SECRET_LENGTH;
        while text.len() < full {
            let fair = random().into_iter().filter(|byte| *byte < FAIR).take(full - text.len());
            text.extend(fair.map(|byte| char::from(base62_digit(u32::from(byte) % 62))));
        }
        text.push_str(&checksum_of(&text));
        Self { text }
    }

    /// The key itself: show it once, to whom it was made for, and nowhere else.
    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// What is kept of it.
    pub fn presented(&self) -> PresentedKey {
        PresentedKey::parse(&self.text).expect("a minted key is well formed")
    }
}

impl fmt::Debug for MintedKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("MintedKey(..)")
    }
}

fn checksum_of(signed: &str) -> String {
    let mut rest = crc32fast::hash(signed.as_bytes());
    let mut digits = [b'0'; CHECKSUM_LENGTH];
    for digit in digits.iter_mut().rev() {
        *digit = base62_digit(rest % 62);
        rest /= 62;
    }
    digits.into_iter().map(char::from).collect()
}

fn base62_digit(value: u32) -> u8 {
    let index = usize::try_from(value).expect("a base62 digit is small");
    *BASE62.get(index).expect("a base62 digit is less than 62")
}

#[cfg(test)]
mod fuzz;

#[cfg(test)]
mod tests {
    use super::*;

    fn minted(environment: Environment, seed: u8) -> MintedKey {
        let mut next = seed;
        MintedKey::mint(environment, || {
            next = next.wrapping_add(1);
            std::array::from_fn(|index| u8::try_from(index).expect("64 fits").wrapping_mul(37).wrapping_add(next))
        })
    }

    #[test]
    fn a_minted_key_has_the_published_form_and_is_accepted() {
        for environment in Environment::ALL {
            let key = minted(environment, 1);
            let random = key.reveal().strip_prefix(key_prefix(environment)).expect("the prefix names the environment");
            assert_eq!(random.len(), 48);
            assert!(random.bytes().all(|byte| byte.is_ascii_alphanumeric()));
            let presented = PresentedKey::parse(key.reveal()).expect("well formed");
            assert_eq!(presented.environment, environment);
            assert_eq!(presented.public_id.as_str(), &random[..10]);
            assert_eq!(presented.hash.0, <[u8; 32]>::from(Sha256::digest(key.reveal())));
        }
    }

    #[test]
    fn the_checksum_is_the_crc_32_of_all_before_it_in_base62() {
        // zlib.crc32(b"123456789") == 0xCBF43926 == 3421780262, which is 3jZRME in base62.
        assert_eq!(checksum_of("123456789"), "3jZRME");
    }

    #[test]
    fn changing_any_character_makes_a_key_malformed() {
        let key = minted(Environment::Sandbox, 7);
        for index in 0..key.reveal().len() {
            let mut changed: Vec<char> = key.reveal().chars().collect();
            changed[index] = if changed[index] == 'x' { 'y' } else { 'x' };
            let changed: String = changed.into_iter().collect();
            assert_eq!(PresentedKey::parse(&changed), Err(MalformedKey), "{index}");
        }
    }

    #[test]
    fn other_texts_are_malformed() {
        for text in ["", "ks_", "ks_sandbox_", "kp_prod_é", "Bearer x", &"x".repeat(10_000)] {
            assert_eq!(PresentedKey::parse(text), Err(MalformedKey), "{text:?}");
        }
        let padded = format!("{}0", minted(Environment::Live, 3).reveal());
        assert_eq!(PresentedKey::parse(&padded), Err(MalformedKey));
    }

    #[test]
    fn neither_keys_nor_hashes_are_printed_by_debug() {
        let key = minted(Environment::Live, 9);
        assert_eq!(format!("{key:?}"), "MintedKey(..)");
        assert!(format!("{:?}", key.presented()).contains("KeyHash(..)"));
    }
}
