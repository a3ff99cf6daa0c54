//! The files of a new migration: one for each database, in each direction.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use time::OffsetDateTime;
use time::macros::format_description;

use crate::tidy::migrations::{DATABASES, is_title, names, version};
use crate::workspace;

/// Makes them and says where.
pub(super) fn run(title: &str) -> Result<()> {
    #[expect(
        clippy::disallowed_methods,
        reason = "a new migration is named after the moment in which somebody asks for it"
    )]
    let now = OffsetDateTime::now_utc();
    for file in make(&workspace::root(), title, now)? {
        println!("{file}");
    }
    Ok(())
}

/// Returns the files, as paths below `root`.
fn make(root: &Path, title: &str, now: OffsetDateTime) -> Result<Vec<String>> {
    ensure!(is_title(title), "name it verb_noun in lower case, like create_ledger, and not `{title}`");
    let date = now.format(format_description!("[year]-[month]-[day]-[hour][minute][second]"))?;
    let name = format!("{date}_{title}");
    let newest = names(root)?.into_iter().max_by_key(|name| version(name));
    if let Some(newest) = newest {
        ensure!(version(&newest) < version(&name), "{newest} is newer than {name}: is the clock right?");
    }
    let mut made = Vec::new();
    for database in DATABASES {
        let folder = format!("migrations/{database}/{name}");
        fs::create_dir_all(root.join(&folder)).with_context(|| format!("cannot create {folder}"))?;
        let others: Vec<&str> = DATABASES.iter().copied().filter(|other| other != database).collect();
        let up = format!("-- Say why; the same in the words of {} is beside it.\n", others.join(" and "));
        for (file, text) in [("up.sql", up.as_str()), ("down.sql", "-- Takes back what up.sql did.\n")] {
            let path = format!("{folder}/{file}");
            fs::write(root.join(&path), text).with_context(|| format!("cannot write {path}"))?;
            made.push(path);
        }
    }
    Ok(made)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-12-24 18:05:09 UTC);

    #[test]
    fn a_new_migration_is_a_pair_of_twins() {
        let root = tempfile::tempdir().unwrap();
        let made = make(root.path(), "add_seasons", NOW).unwrap();
        let expected = [
            "migrations/sqlite/2026-12-24-180509_add_seasons/up.sql",
            "migrations/sqlite/2026-12-24-180509_add_seasons/down.sql",
            "migrations/postgres/2026-12-24-180509_add_seasons/up.sql",
            "migrations/postgres/2026-12-24-180509_add_seasons/down.sql",
        ];
        assert_eq!(made, expected);
        for file in made {
            assert!(fs::read_to_string(root.path().join(file)).unwrap().starts_with("-- "));
        }
        assert!(crate::tidy::migrations::check(root.path()).unwrap().is_empty());
    }

    #[test]
    fn a_migration_that_would_not_come_last_is_refused() {
        let root = tempfile::tempdir().unwrap();
        make(root.path(), "add_seasons", NOW).unwrap();
        assert!(make(root.path(), "add_clans", NOW).is_err());
        assert!(make(root.path(), "add_clans", NOW - time::Duration::DAY).is_err());
        assert!(make(root.path(), "add_clans", NOW + time::Duration::SECOND).is_ok());
    }

    #[test]
    fn a_name_without_a_verb_and_a_noun_is_refused() {
        let root = tempfile::tempdir().unwrap();
        for name in ["seasons", "Add_Seasons", "add seasons", "add__seasons", "../add_seasons", ""] {
            assert!(make(root.path(), name, NOW).is_err(), "{name}");
        }
        assert!(!root.path().join("migrations").exists());
    }
}
