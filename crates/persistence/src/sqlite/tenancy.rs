//! Studios, games and realms in SQLite.

use async_trait::async_trait;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Text};
use diesel::sqlite::SqliteConnection;
use domain::store::StoreError;
use domain::tenancy::{Directory, Environment, Game, GameId, Realm, RealmId, Slug, Studio, StudioId};

use super::statement::statement;
use super::{SqliteStore, connection};
use crate::rows::{StoredUuid, time};

statement! {
    /// Stores a new studio unless its slug is taken.
    InsertStudio<'a> { id: &'a [u8] => Binary, slug: &'a str => Text, created_at: i64 => BigInt }
    -> () = "INSERT INTO studios (id, slug, created_at) VALUES (?, ?, ?) ON CONFLICT (slug) DO NOTHING"
}

statement! {
    /// All studios, oldest first.
    AllStudios {} -> (Binary, Text, BigInt) = "SELECT id, slug, created_at FROM studios ORDER BY created_at, id"
}

statement! {
    /// Stores a new game unless its slug is taken in its studio.
    InsertGame<'a> { id: &'a [u8] => Binary, studio: &'a [u8] => Binary, slug: &'a str => Text, created_at: i64 => BigInt }
    -> () = "INSERT INTO games (id, studio, slug, created_at) VALUES (?, ?, ?, ?) ON CONFLICT (studio, slug) DO NOTHING"
}

statement! {
    /// All games, oldest first.
    AllGames {} -> (Binary, Binary, Text, BigInt) = "SELECT id, studio, slug, created_at FROM games ORDER BY created_at, id"
}

statement! {
    /// Stores a new realm under the next number.
    InsertRealm<'a> { game: &'a [u8] => Binary, environment: &'a str => Text }
    -> () = "INSERT INTO realms (game, environment) VALUES (?, ?)"
}

statement! {
    /// The realm of a game in an environment.
    FindRealm<'a> { game: &'a [u8] => Binary, environment: &'a str => Text } -> (BigInt, Binary)
    = "SELECT r.id, g.studio FROM realms r JOIN games g ON g.id = r.game WHERE r.game = ? AND r.environment = ?"
}

#[async_trait]
impl Directory for SqliteStore {
    async fn add_studio(&self, studio: &Studio) -> Result<bool, StoreError> {
        let Studio { id, slug, created_at } = studio.clone();
        let write = move |connection: &mut SqliteConnection| {
            let created_at = created_at.unix_micros();
            let insert = InsertStudio { id: id.0.as_bytes(), slug: slug.as_str(), created_at };
            Ok(insert.execute(connection)? == 1)
        };
        self.writer.run(|connection| connection::write(connection, write)).await
    }

    async fn studios(&self) -> Result<Vec<Studio>, StoreError> {
        let rows = self.readers.run(|connection| (AllStudios {}).load::<(StoredUuid, String, i64)>(connection)).await?;
        let studios = rows.into_iter().map(|(id, slug, created_at)| Studio {
            id: StudioId(id.0),
            slug: Slug::restore(slug),
            created_at: time(created_at),
        });
        Ok(studios.collect())
    }

    async fn add_game(&self, game: &Game) -> Result<bool, StoreError> {
        let game = game.clone();
        let write = move |connection: &mut SqliteConnection| add_game(connection, &game);
        self.writer.run(|connection| connection::write(connection, write)).await
    }

    async fn games(&self) -> Result<Vec<Game>, StoreError> {
        type Row = (StoredUuid, StoredUuid, String, i64);
        let rows = self.readers.run(|connection| (AllGames {}).load::<Row>(connection)).await?;
        let games = rows.into_iter().map(|(id, studio, slug, created_at)| Game {
            id: GameId(id.0),
            studio: StudioId(studio.0),
            slug: Slug::restore(slug),
            created_at: time(created_at),
        });
        Ok(games.collect())
    }

    async fn realm(&self, game: GameId, environment: Environment) -> Result<Option<Realm>, StoreError> {
        let read = move |connection: &mut SqliteConnection| {
            let find = FindRealm { game: game.0.as_bytes(), environment: environment.as_str() };
            find.get_result::<(i64, StoredUuid)>(connection).optional()
        };
        let found = self.readers.run(read).await?;
        Ok(found.map(|(id, studio)| Realm { id: RealmId(id), studio: StudioId(studio.0), game, environment }))
    }
}

fn add_game(connection: &mut SqliteConnection, game: &Game) -> QueryResult<bool> {
    let Game { id, studio, slug, created_at } = game;
    let (id, studio, created_at) =
        (id.0.as_bytes().as_slice(), studio.0.as_bytes().as_slice(), created_at.unix_micros());
    if (InsertGame { id, studio, slug: slug.as_str(), created_at }).execute(connection)? == 0 {
        return Ok(false);
    }
    for environment in Environment::ALL {
        InsertRealm { game: id, environment: environment.as_str() }.execute(connection)?;
    }
    Ok(true)
}
