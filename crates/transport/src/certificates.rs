//! What the server shows to prove who it is, and can be given anew while it serves.
//!
//! TLS 1.2 and 1.3 by rustls with ring. Must not know files: whoever has them hands in their text.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, ServerConfig};
use thiserror::Error;
use tokio_rustls::TlsAcceptor;

/// A certificate with its chain and its key: those that handshakes show from now on.
pub struct Certificates {
    shown: Arc<Shown>,
    acceptor: TlsAcceptor,
}

/// Why a certificate and a key cannot be used.
#[derive(Debug, Error)]
pub enum UnusableCertificate {
    /// The text with the certificates is no PEM.
    #[error("the certificate is not PEM: {0}")]
    ChainUnreadable(pem::Error),
    /// There is no certificate.
    #[error("there is no certificate (BEGIN CERTIFICATE) in it")]
    ChainEmpty,
    /// There is no key that can be read.
    #[error("there is no unencrypted private key in PEM in it: {0}")]
    KeyUnreadable(pem::Error),
    /// The key belongs to another certificate.
    #[error(
        "the private key is not that of the certificate; the server's own certificate must be the first of its file"
    )]
    Mismatch,
    /// The certificate or the key are of a kind that is not known.
    #[error("the certificate or its key cannot be used: {0}")]
    Unsupported(rustls::Error),
}

impl Certificates {
    /// Those in `chain`, the server's own first, with its `key`; both PEM.
    ///
    /// # Errors
    /// [`UnusableCertificate`].
    pub fn new(chain: &[u8], key: &[u8]) -> Result<Self, UnusableCertificate> {
        let shown = Arc::new(Shown(RwLock::new(read(chain, key)?)));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(UnusableCertificate::Unsupported)?;
        let mut config = config.with_no_client_auth().with_cert_resolver(shown.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { shown, acceptor: TlsAcceptor::from(Arc::new(config)) })
    }

    /// Shows these instead from the next handshake on. Connections that are open go on.
    ///
    /// # Errors
    /// [`UnusableCertificate`]: what was shown before is shown on.
    pub fn replace(&self, chain: &[u8], key: &[u8]) -> Result<(), UnusableCertificate> {
        let next = read(chain, key)?;
        *self.shown.0.write().unwrap_or_else(PoisonError::into_inner) = next;
        Ok(())
    }

    /// Shakes hands.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        self.acceptor.clone()
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Certificates").finish_non_exhaustive()
    }
}

fn read(chain: &[u8], key: &[u8]) -> Result<Arc<CertifiedKey>, UnusableCertificate> {
    let chain = CertificateDer::pem_slice_iter(chain).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(UnusableCertificate::ChainUnreadable)?;
    if chain.is_empty() {
        return Err(UnusableCertificate::ChainEmpty);
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(UnusableCertificate::KeyUnreadable)?;
    let certified = CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(|error| {
        if error == rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) {
            UnusableCertificate::Mismatch
        } else {
            UnusableCertificate::Unsupported(error)
        }
    })?;
    Ok(Arc::new(certified))
}

/// What handshakes show.
struct Shown(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Shown")
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertifiedKey, generate_simple_self_signed};

    use super::*;

    fn made() -> (String, String) {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate can be made");
        (cert.pem(), signing_key.serialize_pem())
    }

    #[test]
    fn a_certificate_with_its_key_can_be_used_and_replaced() {
        let ((chain, key), (next_chain, next_key)) = (made(), made());
        let certificates = Certificates::new(chain.as_bytes(), key.as_bytes()).expect("usable");
        certificates.replace(next_chain.as_bytes(), next_key.as_bytes()).expect("usable");
    }

    #[test]
    fn what_cannot_be_used_says_what_is_wrong() {
        let ((chain, key), (_, other_key)) = (made(), made());
        let broken = chain.replace("-----END", "-END");
        for (chain, key, told) in [
            (chain.as_str(), other_key.as_str(), "not that of the certificate"),
            (&key, &key, "no certificate"),
            ("", &key, "no certificate"),
            (&chain, "", "no unencrypted private key"),
            (&chain, &chain, "no unencrypted private key"),
            (&broken, &key, "not PEM"),
        ] {
            let refused = Certificates::new(chain.as_bytes(), key.as_bytes()).expect_err("unusable").to_string();
            assert!(refused.contains(told), "{told}: {refused}");
        }
    }
}
