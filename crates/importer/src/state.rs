//! The state file: how far an import is settled, and its books up to there. Replaced as a whole, so that it is true whenever
//! the program is killed: what came after it is sent again and found to be there.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::batch::Position;
use crate::kind::Kind;
use crate::sums::Sums;
use crate::trouble::Trouble;

/// The form of the file.
const VERSION: u32 = 1;

/// What an import is the same by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Identity {
    /// What is brought in.
    pub(crate) kind: Kind,
    /// The name in its keys.
    pub(crate) name: String,
    /// How lines are mapped, as a digest.
    pub(crate) mapping: String,
    /// How large the files are.
    pub(crate) files_bytes: Vec<u64>,
    /// Into which studio, game and environment.
    pub(crate) realm: String,
}

/// How far an import is settled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct State {
    version: u32,
    /// Which import.
    pub(crate) identity: Identity,
    /// Up to where everything is settled.
    pub(crate) position: Position,
    /// The books up to there.
    pub(crate) sums: Sums,
    /// How long the file of failed rows is up to there.
    pub(crate) failed_bytes: u64,
    /// Whether that is all.
    pub(crate) finished: bool,
}

impl State {
    /// Nothing is settled yet.
    pub(crate) fn begin(identity: Identity) -> Self {
        let (position, sums) = (Position::default(), Sums::default());
        Self { version: VERSION, identity, position, sums, failed_bytes: 0, finished: false }
    }

    /// Reads the state of an earlier run, if there was one.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn load(path: &Path) -> Result<Option<Self>, Trouble> {
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Trouble::file("read", path)(error)),
        };
        match serde_json::from_slice::<Self>(&text) {
            Ok(state) if state.version == VERSION => Ok(Some(state)),
            Ok(_) | Err(_) => Err(Trouble::State(format!(
                "{} is not a state that this version wrote; give --again to begin anew (rows that took effect are not \
                 applied twice)",
                path.display()
            ))),
        }
    }

    /// Why this state is not one of the import `identity`, if it is not.
    pub(crate) fn objection(&self, identity: &Identity) -> Option<String> {
        let before = &self.identity;
        let what = if before.kind != identity.kind {
            format!("it was one of {}", before.kind.as_str())
        } else if before.realm != identity.realm {
            format!("it went into {}, this key opens {}", before.realm, identity.realm)
        } else if before.name != identity.name {
            format!("its --import-name was {}", before.name)
        } else if before.mapping != identity.mapping {
            "its columns were mapped otherwise".to_owned()
        } else if before.files_bytes != identity.files_bytes {
            "the files had another size".to_owned()
        } else {
            return None;
        };
        Some(format!(
            "the state is one of another import: {what}. Give --state for a file of its own, or --again to begin anew (rows \
             that took effect are not applied twice)"
        ))
    }

    /// Writes it in place of the one before.
    ///
    /// # Errors
    /// When it cannot be written; the one before is still there then.
    pub(crate) fn save(&self, path: &Path) -> Result<(), Trouble> {
        let text = serde_json::to_vec(self).map_err(|error| Trouble::Bug(error.to_string()))?;
        replace(path, &text).map_err(Trouble::file("write", path))
    }
}

/// Writes a file beside `path`, makes sure that it is on the disk, and puts it in its place.
pub(crate) fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let beside = with_ending(path, ".new");
    let mut file = File::create(&beside)?;
    file.write_all(text)?;
    file.sync_all()?;
    fs::rename(&beside, path)
}

/// `path` with something behind it.
pub(crate) fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Identity {
        let (name, mapping, realm) = ("n".to_owned(), "m".to_owned(), "r".to_owned());
        Identity { kind: Kind::Wallet, name, mapping, files_bytes: vec![1, 2], realm }
    }

    #[test]
    fn a_state_comes_back_as_it_was_and_none_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.state");
        assert_eq!(State::load(&path).unwrap(), None);
        let mut state = State::begin(identity());
        let sums = state.sums.assets.entry("gold".to_owned()).or_default();
        sums.source.sum = u128::MAX;
        state.position.checksum = 7;
        state.save(&path).unwrap();
        state.save(&path).unwrap();
        assert_eq!(State::load(&path).unwrap(), Some(state));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_no_state_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.state");
        for text in ["", "{}", "half"] {
            fs::write(&path, text).unwrap();
            assert!(State::load(&path).unwrap_err().to_string().contains("--again"), "{text}");
        }
    }

    #[test]
    fn the_state_of_another_import_is_refused_with_the_difference() {
        let state = State::begin(identity());
        assert_eq!(state.objection(&identity()), None);
        let others = [
            (Identity { kind: Kind::Players, ..identity() }, "one of wallet"),
            (Identity { realm: "x".to_owned(), ..identity() }, "this key opens x"),
            (Identity { name: "x".to_owned(), ..identity() }, "--import-name was n"),
            (Identity { mapping: "x".to_owned(), ..identity() }, "mapped otherwise"),
            (Identity { files_bytes: vec![1], ..identity() }, "another size"),
        ];
        for (other, said) in others {
            assert!(state.objection(&other).is_some_and(|text| text.contains(said)), "{said}");
        }
    }
}
