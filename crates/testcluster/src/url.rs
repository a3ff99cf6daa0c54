//! Addresses of databases.

/// The address of another database on the server that `url` names: the path replaced, the parameters kept.
pub(crate) fn with_database(url: &str, database: &str) -> String {
    let (address, parameters) = match url.split_once('?') {
        Some((address, parameters)) => (address, format!("?{parameters}")),
        None => (url, String::new()),
    };
    let authority = address.find("://").map_or(0, |scheme| scheme + 3);
    let path = address.get(authority..).and_then(|rest| rest.find('/'));
    let server = path.and_then(|path| address.get(..authority + path)).unwrap_or(address);
    format!("{server}/{database}{parameters}")
}

#[cfg(test)]
mod tests {
    use super::with_database;

    #[test]
    fn only_the_database_is_replaced() {
        for (url, expected) in [
            ("postgres://purser:secret@127.0.0.1:15432/postgres", "postgres://purser:secret@127.0.0.1:15432/new"),
            ("postgres://127.0.0.1", "postgres://127.0.0.1/new"),
            ("postgres://127.0.0.1/", "postgres://127.0.0.1/new"),
            (
                "postgres://h/old?sslmode=disable&options=-c%20a%3D/b",
                "postgres://h/new?sslmode=disable&options=-c%20a%3D/b",
            ),
            ("postgres://h?sslmode=disable", "postgres://h/new?sslmode=disable"),
        ] {
            assert_eq!(with_database(url, "new"), expected);
        }
    }
}
