//! A store for one test: the embedded one, in a folder.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use persistence::sqlite::SqliteStore;
use testkit::contract::Stores;

/// A folder, which the program makes with the store in it.
pub(crate) struct Store {
    data: PathBuf,
}

impl Store {
    /// A store that is not there yet, in `folder`.
    pub(crate) async fn create(folder: &Path) -> Self {
        Self { data: folder.join("data") }
    }

    /// All ports of the store, which a program has made and left.
    pub(crate) async fn opened(&self) -> Stores {
        Stores::of(Arc::new(SqliteStore::open(&self.data.join("purser.sqlite3")).expect("the store opens")))
    }

    /// The environment variables that lead a program to it.
    pub(crate) fn variables(&self) -> Vec<(&'static str, OsString)> {
        vec![("PURSER_DATA_DIR", self.data.clone().into())]
    }

    /// How the program calls it.
    pub(crate) fn shown(&self) -> String {
        self.data.join("purser.sqlite3").display().to_string()
    }

    /// The names of the files that hold `text` anywhere.
    pub(crate) async fn places_with(&self, text: &str) -> Vec<String> {
        files_with(text, &self.data)
    }

    /// The folder that the data is in.
    pub(crate) fn data(&self) -> &Path {
        &self.data
    }
}

fn files_with(text: &str, folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_with(text, &path));
        } else if std::fs::read(&path).unwrap().windows(text.len()).any(|window| window == text.as_bytes()) {
            found.push(path.display().to_string());
        }
    }
    found
}
