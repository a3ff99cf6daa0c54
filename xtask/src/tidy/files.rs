//! Lists what is on the disk, in a fixed order, without what cargo or git put there.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Every file below `folder`; none when there is no such folder.
pub(super) fn below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut unread = vec![folder.to_path_buf()];
    while let Some(next) = unread.pop() {
        for path in entries(&next)? {
            if !path.is_dir() {
                files.push(path);
            } else if !is_foreign(&path) {
                unread.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// The folders directly in `folder`; none when there is no such folder.
pub(super) fn folders_in(folder: &Path) -> Result<Vec<PathBuf>> {
    Ok(entries(folder)?.into_iter().filter(|path| path.is_dir() && !is_foreign(path)).collect())
}

/// The last part of a path as text.
pub(super) fn name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let cannot_read = || format!("cannot read {}", folder.display());
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).with_context(cannot_read)? {
        paths.push(entry.with_context(cannot_read)?.path());
    }
    paths.sort();
    Ok(paths)
}

/// Hidden folders and build output, which cargo marks as a cache wherever it is put.
fn is_foreign(folder: &Path) -> bool {
    let name = name(folder);
    name.starts_with('.') || name == "target" || name == "node_modules" || folder.join("CACHEDIR.TAG").exists()
}
