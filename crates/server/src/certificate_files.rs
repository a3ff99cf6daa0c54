//! The files with the server's certificate and its key: read at the start, and again when they have changed, so that a renewal
//! needs no restart.
//!
//! They are looked at every few seconds and at SIGHUP. Files are compared by what is in them: those that a cluster mounts are
//! replaced by moving a link, and neither their names nor always their times change.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::signal::unix::{SignalKind, signal};
use transport::Certificates;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Where the certificate and its key are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    certificate: PathBuf,
    key: PathBuf,
}

impl TlsFiles {
    /// Both files, or none.
    pub(crate) fn resolve(certificate: Option<PathBuf>, key: Option<PathBuf>) -> anyhow::Result<Option<Self>> {
        match (certificate, key) {
            (Some(certificate), Some(key)) => Ok(Some(Self { certificate, key })),
            (None, None) => Ok(None),
            (Some(_), None) => bail!("tls_cert needs tls_key, the file with its private key"),
            (None, Some(_)) => bail!("tls_key needs tls_cert, the file with the certificate that it is for"),
        }
    }

    fn read(&self) -> anyhow::Result<Contents> {
        Ok(Contents { certificate: contents(&self.certificate)?, key: contents(&self.key)? })
    }

    fn explain(&self) -> String {
        format!("cannot use {} with {}", self.certificate.display(), self.key.display())
    }
}

#[derive(PartialEq, Eq)]
struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

fn contents(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// What is shown, and the files that it came from.
pub(crate) struct CertificateFiles {
    files: TlsFiles,
    /// What was read last, good or bad.
    last: Contents,
    certificates: Arc<Certificates>,
}

impl CertificateFiles {
    /// Reads the files.
    pub(crate) fn load(files: TlsFiles) -> anyhow::Result<Self> {
        let last = files.read()?;
        let certificates = Certificates::new(&last.certificate, &last.key).with_context(|| files.explain())?;
        Ok(Self { files, last, certificates: Arc::new(certificates) })
    }

    /// What is shown.
    pub(crate) fn certificates(&self) -> Arc<Certificates> {
        Arc::clone(&self.certificates)
    }

    /// Reads the files again; whether something else is shown from now on. What was shown goes on being shown when they cannot
    /// be used, which is said once: in the middle of a renewal, the one may be new and the other old.
    fn refresh(&mut self) -> anyhow::Result<bool> {
        let next = self.files.read()?;
        if next == self.last {
            return Ok(false);
        }
        self.last = next;
        let replaced = self.certificates.replace(&self.last.certificate, &self.last.key);
        replaced.with_context(|| self.files.explain())?;
        Ok(true)
    }

    /// Goes on reading them again.
    pub(crate) async fn keep_fresh(mut self) -> anyhow::Result<()> {
        let mut hangups = signal(SignalKind::hangup())?;
        let mut every = tokio::time::interval(LOOK_EVERY);
        let mut unreadable = false;
        loop {
            let asked = tokio::select! {
                _ = hangups.recv() => true,
                _ = every.tick() => false,
            };
            match self.refresh() {
                Ok(true) => tracing::info!("the TLS certificate was read again and is shown from now on"),
                Ok(false) if asked => tracing::info!("the TLS certificate is the one that is shown already"),
                Ok(false) => {}
                // A file that is away is away at every look.
                Err(_) if unreadable && !asked => continue,
                Err(error) => {
                    tracing::error!(cause = %format!("{error:#}"), "the TLS certificate that was shown is shown on");
                    unreadable = self.files.read().is_err();
                    continue;
                }
            }
            unreadable = false;
        }
    }
}
