//! The installation's secret: from the settings, or from a file that is made on the first start.
//!
//! It is kept out of the database on purpose (see [`InstallationSecret`]). The database only holds a check value, so that
//! two servers on one database with different secrets are found out at the start, and not by a wrong answer.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use domain::ids::Ids;
use domain::players::{InstallationSecret, PlayerStore};

use crate::store::create_folder;
use crate::system::SystemIds;

/// Where the secret comes from.
#[derive(Clone)]
pub(crate) enum SecretSource {
    /// From the settings, as text.
    Given(String),
    /// From a file, which is made if it is not there.
    File(PathBuf),
}

/// Never shows a secret.
impl std::fmt::Debug for SecretSource {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Given(_) => formatter.write_str("Given(..)"),
            Self::File(path) => write!(formatter, "File({})", path.display()),
        }
    }
}

impl SecretSource {
    /// What to do about it, as a person would be told.
    fn hint(&self) -> String {
        match self {
            Self::Given(_) => "PURSER_SECRET".to_owned(),
            Self::File(path) => format!("{} (or PURSER_SECRET)", path.display()),
        }
    }
}

/// The secret from `source`, once the database agrees that it is the one; `accept_new` makes it the one.
///
/// # Errors
/// When it cannot be read or made, or when the database was used with another one before.
pub(crate) async fn agreed(
    source: &SecretSource,
    store: &dyn PlayerStore,
    accept_new: bool,
) -> anyhow::Result<InstallationSecret> {
    let (secret, made) = match source {
        SecretSource::Given(text) => (parse(text).context("PURSER_SECRET")?, None),
        SecretSource::File(path) => match read(path)? {
            Some(secret) => (secret, None),
            None => (make(path)?, Some(path)),
        },
    };
    if accept_new {
        store.replace_secret(secret.check()).await?;
        return Ok(secret);
    }
    if store.agree_on_secret(secret.check()).await? == secret.check() {
        return Ok(secret);
    }
    if let Some(path) = made {
        // Nobody has used it.
        fs::remove_file(path).with_context(|| format!("cannot remove {}", path.display()))?;
    }
    bail!(
        "this database was used with another secret: give this server the same one, in {}; if it is lost, serve once with \
         --accept-new-secret, after which players merged or erased before are not recognised by their old ids",
        source.hint()
    )
}

fn read(path: &Path) -> anyhow::Result<Option<InstallationSecret>> {
    let context = || format!("cannot read the secret in {}", path.display());
    match fs::read_to_string(path) {
        Ok(text) => parse(&text).with_context(context).map(Some),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(context),
    }
}

/// Makes a secret and puts it into the file at `path`, for its owner only where the system knows owners.
fn make(path: &Path) -> anyhow::Result<InstallationSecret> {
    create_folder(path)?;
    let [bytes, _] = halves(SystemIds.random());
    let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(path).and_then(|mut file| {
        writeln!(file, "{text}")?;
        file.sync_all()
    });
    written.with_context(|| format!("cannot make a secret in {}", path.display()))?;
    Ok(InstallationSecret::new(bytes))
}

fn halves(random: [u8; 64]) -> [[u8; InstallationSecret::BYTES]; 2] {
    let (first, second) = random.split_at(InstallationSecret::BYTES);
    [first, second].map(|half| half.try_into().expect("half of 64 bytes is 32"))
}

/// Reads 64 hexadecimal digits.
fn parse(text: &str) -> anyhow::Result<InstallationSecret> {
    let digits: Option<Vec<u8>> =
        text.trim().chars().map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let bytes: Option<Vec<u8>> = digits.map(|digits| {
        digits.chunks_exact(2).map(|pair| pair.iter().fold(0_u8, |byte, digit| byte.wrapping_mul(16) + digit)).collect()
    });
    let odd = !text.trim().len().is_multiple_of(2);
    match bytes.and_then(|bytes| <[u8; InstallationSecret::BYTES]>::try_from(bytes).ok()) {
        Some(bytes) if !odd => Ok(InstallationSecret::new(bytes)),
        Some(_) | None => bail!("must be 64 hexadecimal digits, such as `openssl rand -hex 32` prints"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::players::MockPlayerStore;

    #[test]
    fn a_secret_is_64_hexadecimal_digits() {
        let text = "00ff".repeat(16);
        let check = parse(&format!("{text}\n")).expect("good").check();
        let bytes: Vec<u8> = [0, 255].repeat(16);
        assert_eq!(check, InstallationSecret::new(bytes.try_into().expect("32 bytes")).check());
        for bad in
            ["", "0", &text[1..], &format!("{text}0"), &format!("{text}00"), &text.replace('f', "g"), &"é".repeat(32)]
        {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn a_secret_is_made_once_and_read_from_then_on() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let source = SecretSource::File(folder.path().join("new/purser.secret"));
        let mut store = MockPlayerStore::new();
        store.expect_agree_on_secret().returning(Ok);
        let first = agreed(&source, &store, false).await.expect("made");
        let again = agreed(&source, &store, false).await.expect("read");
        assert_eq!(first.check(), again.check());
    }

    #[tokio::test]
    async fn a_database_of_another_secret_is_refused_and_a_made_one_does_not_stay() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("purser.secret");
        let mut store = MockPlayerStore::new();
        store.expect_agree_on_secret().returning(|_| Ok(InstallationSecret::new([7; 32]).check()));
        store.expect_replace_secret().times(1).returning(|_| Ok(()));
        let source = SecretSource::File(path.clone());
        let refused = agreed(&source, &store, false).await.expect_err("refused");
        assert!(refused.to_string().contains("another secret"), "{refused}");
        assert!(!path.exists());
        agreed(&source, &store, true).await.expect("accepted");
        assert!(path.exists());
    }
}
