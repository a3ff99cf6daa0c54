//! A migration is `migrations/<database>/<date>_<verb_noun>/{up,down}.sql`, and every database has the same ones.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Result;

use super::{Violation, files};

/// Checks every migration of every database, then the databases against each other.
pub(super) fn check(root: &Path) -> Result<Vec<Violation>> {
    let mut found = Vec::new();
    let mut names_by_database = BTreeMap::new();
    for database in files::folders_in(&root.join("migrations"))? {
        let migrations = files::folders_in(&database)?;
        let mut versions = BTreeSet::new();
        for migration in &migrations {
            found.extend(check_one(migration));
            if !versions.insert(version(files::name(migration))) {
                found.push(Violation::of_file(
                    migration,
                    "give it a date of its own: diesel takes the date for its version",
                ));
            }
        }
        let names: BTreeSet<String> = migrations.iter().map(|path| files::name(path).to_owned()).collect();
        names_by_database.insert(database, names);
    }
    let all: BTreeSet<&String> = names_by_database.values().flatten().collect();
    for (database, names) in &names_by_database {
        let missing = all.iter().filter(|name| !names.contains(**name));
        found.extend(missing.map(|name| Violation::of_file(&database.join(name), "add the twin of this migration")));
    }
    Ok(found)
}

fn check_one(migration: &Path) -> Vec<Violation> {
    let mut found = Vec::new();
    if !is_well_named(files::name(migration)) {
        found.push(Violation::of_file(migration, "name it <date>_<verb_noun>, like 2026-11-21-000100_create_ledger"));
    }
    for file in ["up.sql", "down.sql"] {
        if !migration.join(file).is_file() {
            found.push(Violation::of_file(&migration.join(file), "write it: a migration goes both ways"));
        }
    }
    found
}

fn is_well_named(name: &str) -> bool {
    let Some((date, title)) = name.split_once('_') else { return false };
    let digits = date.chars().filter(char::is_ascii_digit).count();
    let dated = 8 <= digits && date.chars().all(|c| c.is_ascii_digit() || c == '-') && !date.starts_with('-');
    let is_word = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    dated && title.contains('_') && title.split('_').all(is_word)
}

/// What diesel orders migrations by: everything before the first underscore, without dashes.
fn version(name: &str) -> String {
    name.split('_').next().unwrap_or_default().replace('-', "")
}

#[cfg(test)]
mod tests {
    use std::fs;

    /// Makes empty files in a new root and returns the paths of the violations below `migrations`.
    fn check(created: &[&str]) -> Vec<String> {
        let root = tempfile::tempdir().unwrap();
        for file in created {
            let path = root.path().join("migrations").join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let below = root.path().join("migrations");
        let found = super::check(root.path()).unwrap();
        found.iter().map(|violation| violation.path.strip_prefix(&below).unwrap().display().to_string()).collect()
    }

    #[test]
    fn twins_that_go_both_ways_are_fine() {
        let found = check(&[
            "postgres/2026-11-21-000100_create_ledger/up.sql",
            "postgres/2026-11-21-000100_create_ledger/down.sql",
            "sqlite/2026-11-21-000100_create_ledger/up.sql",
            "sqlite/2026-11-21-000100_create_ledger/down.sql",
        ]);
        assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn one_database_alone_has_no_twins_to_keep() {
        let found = check(&["sqlite/20261121_create_ledger/up.sql", "sqlite/20261121_create_ledger/down.sql"]);
        assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn a_migration_without_a_way_back_is_named() {
        assert_eq!(check(&["sqlite/20261121_create_ledger/up.sql"]), ["sqlite/20261121_create_ledger/down.sql"]);
    }

    #[test]
    fn a_migration_without_a_date_or_a_noun_is_named() {
        for name in ["create_ledger", "2026_create_ledger", "20261121_ledger", "20261121_Create_Ledger", "20261121"] {
            let found = check(&[&format!("sqlite/{name}/up.sql"), &format!("sqlite/{name}/down.sql")]);
            assert_eq!(found, [format!("sqlite/{name}")]);
        }
    }

    #[test]
    fn two_migrations_of_one_version_are_named() {
        let found = check(&[
            "sqlite/2026-11-21_create_ledger/up.sql",
            "sqlite/2026-11-21_create_ledger/down.sql",
            "sqlite/20261121_create_players/up.sql",
            "sqlite/20261121_create_players/down.sql",
        ]);
        assert_eq!(found, ["sqlite/20261121_create_players"]);
    }

    #[test]
    fn a_missing_twin_is_named_where_it_should_be() {
        let found = check(&[
            "postgres/.gitkeep",
            "sqlite/20261121_create_ledger/up.sql",
            "sqlite/20261121_create_ledger/down.sql",
        ]);
        assert_eq!(found, ["postgres/20261121_create_ledger"]);
    }
}
