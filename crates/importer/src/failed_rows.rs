//! The file of failed rows: CSV under our own column names, ready to be mended and sent again under the keys that are in it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::kind::Kind;
use crate::row::FailedRow;
use crate::trouble::Trouble;

/// The file, open, and ours as long as it is.
#[derive(Debug)]
pub(crate) struct FailedRows {
    kind: Kind,
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl FailedRows {
    /// Opens the file at `path` for an import that has just begun.
    ///
    /// # Errors
    /// When it cannot be written, when another import is at it, or when rows are in it that somebody may be mending.
    pub(crate) fn begin(kind: Kind, path: &Path) -> Result<Self, Trouble> {
        if path.metadata().is_ok_and(|found| 0 < found.len()) {
            return Err(Trouble::State(format!(
                "{} holds rows that failed before: import them or move it away first, or name another file with --failed",
                path.display()
            )));
        }
        Self::open(kind, path, 0)
    }

    /// Opens the file at `path` and cuts off what an earlier run wrote after its first `bytes`.
    ///
    /// # Errors
    /// When it cannot be written, or when another import is at it.
    pub(crate) fn open(kind: Kind, path: &Path, bytes: u64) -> Result<Self, Trouble> {
        let cannot_write = || Trouble::file("write", path);
        let opened = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path);
        let mut file = opened.map_err(cannot_write())?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Trouble::State(format!("another import is running: it holds {}", path.display())));
            }
            Err(TryLockError::Error(error)) => return Err(cannot_write()(error)),
        }
        let found = file.metadata().map_err(cannot_write())?.len();
        if found < bytes {
            return Err(Trouble::State(format!(
                "{} has lost rows that failed before; give --again to begin anew (rows that took effect are not applied \
                 twice)",
                path.display()
            )));
        }
        file.set_len(bytes).and_then(|()| file.seek(SeekFrom::End(0))).map_err(cannot_write())?;
        Ok(Self { kind, path: path.to_path_buf(), file, bytes })
    }

    /// How long it is.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Appends `rows`.
    pub(crate) fn append(&mut self, rows: &[FailedRow]) -> Result<(), Trouble> {
        if rows.is_empty() {
            return Ok(());
        }
        let text = self.text_of(rows).map_err(|error| Trouble::Bug(error.to_string()))?;
        self.file.write_all(&text).map_err(Trouble::file("write", &self.path))?;
        self.bytes += u64::try_from(text.len()).unwrap_or_default();
        Ok(())
    }

    /// Makes sure that all of it is on the disk.
    pub(crate) fn sync(&self) -> Result<(), Trouble> {
        self.file.sync_data().map_err(Trouble::file("write", &self.path))
    }

    /// Leaves no empty file behind.
    pub(crate) fn close(self) -> Result<(), Trouble> {
        if self.bytes != 0 {
            return Ok(());
        }
        std::fs::remove_file(&self.path).map_err(Trouble::file("remove", &self.path))
    }

    fn text_of(&self, rows: &[FailedRow]) -> io::Result<Vec<u8>> {
        let mut csv = csv::Writer::from_writer(Vec::new());
        if self.bytes == 0 {
            csv.write_record(header(self.kind))?;
        }
        for row in rows {
            csv.write_record(cells(self.kind, row))?;
        }
        csv.into_inner().map_err(csv::IntoInnerError::into_error)
    }
}

fn header(kind: Kind) -> Vec<&'static str> {
    let mut names = vec!["externalPlayerId"];
    names.extend(kind.holding_members().into_iter().flat_map(|(asset, quantity)| [asset, quantity]));
    names.extend(kind.object_member());
    names.extend(kind.has_reason().then_some("reason"));
    names.extend(["idempotencyKey", "line", "error", "source"]);
    names
}

fn cells(kind: Kind, row: &FailedRow) -> Vec<String> {
    let FailedRow { line, player, asset, quantity, reason, object, key, error, source, .. } = row;
    let mut cells = vec![player.clone()];
    cells.extend(kind.holding_members().into_iter().flat_map(|_| [asset.clone(), quantity.clone()]));
    cells.extend(kind.object_member().map(|_| object.clone()));
    cells.extend(kind.has_reason().then(|| reason.clone()));
    cells.extend([key.clone(), line.to_string(), error.clone(), source.clone()]);
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(player: &str) -> FailedRow {
        FailedRow { player: player.to_owned(), error: "a \"bad\", one".to_owned(), ..FailedRow::default() }
    }

    #[test]
    fn what_was_written_after_the_state_is_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("failed.csv");
        let mut failed = FailedRows::open(Kind::Wallet, &path, 0).unwrap();
        failed.append(&[row("one")]).unwrap();
        let bytes = failed.bytes();
        failed.append(&[row("two")]).unwrap();
        drop(failed);
        let mut failed = FailedRows::open(Kind::Wallet, &path, bytes).unwrap();
        failed.append(&[row("three")]).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let expected = "externalPlayerId,economyKey,amount,reason,idempotencyKey,line,error,source\n\
            one,,,,,0,\"a \"\"bad\"\", one\",\nthree,,,,,0,\"a \"\"bad\"\", one\",\n";
        assert_eq!(text, expected);
        drop(failed);
        assert!(FailedRows::open(Kind::Wallet, &path, 10_000).is_err());
        assert!(FailedRows::begin(Kind::Wallet, &path).is_err_and(|trouble| trouble.to_string().contains("--failed")));
    }

    #[test]
    fn two_imports_do_not_write_one_file_and_an_empty_one_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("failed.csv");
        let first = FailedRows::open(Kind::Players, &path, 0).unwrap();
        let second = FailedRows::open(Kind::Players, &path, 0).unwrap_err();
        assert!(second.to_string().starts_with("another import is running"), "{second}");
        first.close().unwrap();
        assert!(!path.exists());
    }
}
