//! What a person asks for.

use std::path::PathBuf;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::keys::NAME_CHARS_MAX;
use crate::kind::Kind;
use crate::mapping::Mapping;
use crate::source::{Reading, Source};
use crate::state::with_ending;
use crate::trouble::Trouble;

/// An import, as a person asks for it.
#[derive(Debug, Clone)]
pub struct Import {
    /// What is brought in.
    pub kind: Kind,
    /// Where it is; `-` for standard input.
    pub files: Vec<PathBuf>,
    /// How the files are read.
    pub reading: Reading,
    /// Which part of a line is what.
    pub mapping: Mapping,
    /// What its keys begin with.
    pub name: String,
    /// The address of the server.
    pub server: String,
    /// The key for it; not needed for a dry run.
    pub key: Option<String>,
    /// How many calls may be under way at once.
    pub concurrency: usize,
    /// For how long a call is repeated.
    pub give_up_after: Duration,
    /// Where the state is kept; beside the first file if nothing is said.
    pub state: Option<PathBuf>,
    /// Where failed rows are kept; beside the first file if nothing is said.
    pub failed: Option<PathBuf>,
    /// Whether to begin anew whatever was settled before.
    pub again: bool,
    /// Whether only to look.
    pub dry_run: bool,
    /// Whether to say nothing of the progress.
    pub quiet: bool,
}

impl Import {
    /// The files, found.
    ///
    /// # Errors
    /// When one is not there, or something about them makes no sense.
    pub(crate) fn sources(&self) -> Result<Vec<Source>, Trouble> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if self.name.is_empty() || NAME_CHARS_MAX < self.name.len() || !self.name.chars().all(allowed) {
            let text = format!("--import-name takes 1 to {NAME_CHARS_MAX} letters, digits, '-', '_' and '.'");
            return Err(Trouble::Usage(text));
        }
        let sources = self.files.iter().map(|path| Source::find(path, &self.reading));
        let sources = sources.collect::<Result<Vec<_>, _>>()?;
        let mut paths: Vec<_> = self.files.iter().collect();
        paths.sort_unstable();
        if let Some(twice) = paths.windows(2).find_map(|pair| pair.first().filter(|first| pair.last() == Some(*first)))
        {
            return Err(Trouble::Usage(format!("{} is named twice: its rows would count twice", twice.display())));
        }
        if sources.iter().any(Source::is_stdin) {
            if 1 < sources.len() {
                return Err(Trouble::Usage("standard input (-) is read alone, without other files".to_owned()));
            }
            if self.state.is_some() {
                return Err(Trouble::Usage(
                    "standard input (-) cannot be read twice, so there is no --state".to_owned(),
                ));
            }
            if self.failed.is_none() && !self.dry_run {
                return Err(Trouble::Usage("say with --failed where rows of standard input go that fail".to_owned()));
            }
        }
        Ok(sources)
    }

    /// Where the state is kept, if it is.
    pub(crate) fn state_path(&self) -> Option<PathBuf> {
        self.state.clone().or_else(|| self.beside("state"))
    }

    /// Where failed rows are kept.
    pub(crate) fn failed_path(&self) -> PathBuf {
        self.failed.clone().or_else(|| self.beside("failed.csv")).unwrap_or_default()
    }

    /// A digest of how lines are mapped.
    pub(crate) fn mapping_digest(&self) -> String {
        let digest = Sha256::digest(format!("{:?} {:?}", self.mapping, self.reading).as_bytes());
        digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }

    fn beside(&self, ending: &str) -> Option<PathBuf> {
        let first = self.files.first().filter(|path| path.as_os_str() != "-")?;
        let kind = self.kind.as_str();
        // What failed again of a file of failed rows has a name that does not grow without end.
        match first.to_str().and_then(|path| path.strip_suffix(FAILED_ENDING)) {
            Some(stem) => Some(PathBuf::from(format!("{stem}.failed.{ending}"))),
            None => Some(with_ending(first, &format!(".purser-import-{kind}.{ending}"))),
        }
    }
}

/// How the name of a file of failed rows ends.
const FAILED_ENDING: &str = ".failed.csv";
