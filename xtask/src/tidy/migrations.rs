//! A migration is `migrations/<database>/<date>_<verb_noun>/{up,down}.sql`, and every database has the same ones.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Result;

use super::{Violation, files};

/// The databases, each of which has every migration.
pub(crate) const DATABASES: &[&str] = &["sqlite", "postgres"];

/// Checks every migration of every database, then the databases against each other.
pub(crate) fn check(root: &Path) -> Result<Vec<Violation>> {
    let mut found = Vec::new();
    for folder in files::folders_in(&root.join("migrations"))? {
        if !DATABASES.contains(&files::name(&folder)) {
            found.push(Violation::of_file(&folder, format!("only {} have migrations", DATABASES.join(" and "))));
        }
    }
    let all = names(root)?;
    for database in DATABASES {
        let folder = root.join("migrations").join(database);
        let migrations = files::folders_in(&folder)?;
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
        let here: BTreeSet<&str> = migrations.iter().map(|path| files::name(path)).collect();
        let missing = all.iter().filter(|name| !here.contains(name.as_str()));
        found.extend(missing.map(|name| Violation::of_file(&folder.join(name), "add the twin of this migration")));
    }
    Ok(found)
}

/// The migrations of all databases together, each name once.
pub(crate) fn names(root: &Path) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for database in DATABASES {
        let migrations = files::folders_in(&root.join("migrations").join(database))?;
        names.extend(migrations.iter().map(|path| files::name(path).to_owned()));
    }
    Ok(names)
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
    dated && is_title(title)
}

/// Whether a migration may be called this, after its date: `verb_noun`.
pub(crate) fn is_title(title: &str) -> bool {
    let is_word = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    title.contains('_') && title.split('_').all(is_word)
}

/// What diesel orders migrations by: everything before the first underscore, without dashes.
pub(crate) fn version(name: &str) -> String {
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

    /// Makes the same empty files for both databases and returns the violations of the first.
    fn check_twins(created: &[&str]) -> Vec<String> {
        let twins: Vec<String> =
            created.iter().flat_map(|file| ["sqlite", "postgres"].map(|d| format!("{d}/{file}"))).collect();
        let found = check(&twins.iter().map(String::as_str).collect::<Vec<_>>());
        let of_sqlite: Vec<String> =
            found.iter().filter_map(|path| Some(path.strip_prefix("sqlite/")?.to_owned())).collect();
        assert_eq!(found.len(), 2 * of_sqlite.len(), "{found:?}");
        of_sqlite
    }

    #[test]
    fn a_database_that_nobody_knows_is_named() {
        assert_eq!(check(&["mysql/.gitkeep"]), ["mysql"]);
    }

    #[test]
    fn a_migration_without_a_way_back_is_named() {
        assert_eq!(check_twins(&["20261121_create_ledger/up.sql"]), ["20261121_create_ledger/down.sql"]);
    }

    #[test]
    fn a_migration_without_a_date_or_a_noun_is_named() {
        for name in ["create_ledger", "2026_create_ledger", "20261121_ledger", "20261121_Create_Ledger", "20261121"] {
            let found = check_twins(&[&format!("{name}/up.sql"), &format!("{name}/down.sql")]);
            assert_eq!(found, [name]);
        }
    }

    #[test]
    fn two_migrations_of_one_version_are_named() {
        let found = check_twins(&[
            "2026-11-21_create_ledger/up.sql",
            "2026-11-21_create_ledger/down.sql",
            "20261121_create_players/up.sql",
            "20261121_create_players/down.sql",
        ]);
        assert_eq!(found, ["20261121_create_players"]);
    }

    #[test]
    fn a_missing_twin_is_named_where_it_should_be() {
        for (here, missing) in [("sqlite", "postgres"), ("postgres", "sqlite")] {
            let [up, down] = ["up", "down"].map(|way| format!("{here}/20261121_create_ledger/{way}.sql"));
            assert_eq!(check(&[&up, &down]), [format!("{missing}/20261121_create_ledger")]);
        }
    }
}
