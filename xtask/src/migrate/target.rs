//! Which database a developer means.

use std::str::FromStr;

use anyhow::{Result, bail};

/// Where the server looks for the address of its store.
pub(super) const URL_VARIABLE: &str = "PURSER_DATABASE_URL";

/// Where the server looks for the folder of the embedded store, and where it is without.
const FOLDER_VARIABLE: &str = "PURSER_DATA_DIR";
const FOLDER: &str = "purser-data";

/// A database as it is named on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Database {
    /// The embedded store.
    Sqlite,
    /// The PostgreSQL that the environment names.
    Postgres,
    /// Its address.
    Url(String),
}

impl FromStr for Database {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "sqlite" => Ok(Self::Sqlite),
            "postgres" => Ok(Self::Postgres),
            url if url.starts_with("sqlite:") || is_postgres(url) => Ok(Self::Url(url.to_owned())),
            _ => Err("say sqlite, postgres, sqlite:PATH or postgres://…"),
        }
    }
}

impl Database {
    /// Its address, which names the database beyond doubt: a settings file cannot turn it into another one.
    pub(super) fn url(&self, variable: impl Fn(&str) -> Option<String>) -> Result<String> {
        match self {
            Self::Url(url) => Ok(url.clone()),
            Self::Sqlite => {
                let folder = variable(FOLDER_VARIABLE).unwrap_or_else(|| FOLDER.to_owned());
                Ok(format!("sqlite:{folder}/purser.sqlite3"))
            }
            Self::Postgres => match variable(URL_VARIABLE) {
                Some(url) if is_postgres(&url) => Ok(url),
                Some(_) | None => bail!(
                    "set {URL_VARIABLE} to a PostgreSQL database, or name one with --database postgres://…; \
                     `cargo xtask postgres` runs a server until Ctrl-C"
                ),
            },
        }
    }
}

fn is_postgres(url: &str) -> bool {
    url.starts_with("postgres://") || url.starts_with("postgresql://")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(database: &str, variables: &[(&str, &str)]) -> Option<String> {
        let value =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        database.parse::<Database>().ok()?.url(value).ok()
    }

    #[test]
    fn sqlite_is_the_embedded_store_whatever_the_environment_names() {
        let elsewhere = [(URL_VARIABLE, "postgres://h/d")];
        assert_eq!(url("sqlite", &elsewhere).as_deref(), Some("sqlite:purser-data/purser.sqlite3"));
        assert_eq!(url("sqlite", &[(FOLDER_VARIABLE, "/d")]).as_deref(), Some("sqlite:/d/purser.sqlite3"));
    }

    #[test]
    fn postgres_is_what_the_environment_names_and_nothing_else() {
        assert_eq!(url("postgres", &[(URL_VARIABLE, "postgresql://h/d")]).as_deref(), Some("postgresql://h/d"));
        assert_eq!(url("postgres", &[(URL_VARIABLE, "sqlite:x")]), None);
        assert_eq!(url("postgres", &[]), None);
    }

    #[test]
    fn an_address_is_taken_as_it_is_and_a_word_is_not_an_address() {
        for address in ["sqlite:x.db", "postgres://u:p@h/d"] {
            assert_eq!(url(address, &[]).as_deref(), Some(address));
        }
        assert!("mysql://h/d".parse::<Database>().is_err());
        assert!("Postgres".parse::<Database>().is_err());
    }
}
