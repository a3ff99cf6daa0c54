//! Studios, games and realms in PostgreSQL.

use async_trait::async_trait;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use domain::store::StoreError;
use domain::tenancy::{Directory, Environment, Game, GameId, Realm, RealmId, Slug, Studio, StudioId};
use scoped_futures::ScopedFutureExt;
use uuid::Uuid;

use super::PostgresStore;
use super::statement::statement;
use super::trouble::Trouble;
use crate::rows::{StoredUuid, time};

statement! {
    /// Stores a new studio unless its slug is taken.
    InsertStudio<'a> { id: Uuid => SqlUuid, slug: &'a str => Text, created_at: i64 => BigInt }
    -> () = "INSERT INTO studios (id, slug, created_at) VALUES ($1, $2, $3) ON CONFLICT (slug) DO NOTHING"
}

statement! {
    /// All studios, oldest first.
    AllStudios {} -> (SqlUuid, Text, BigInt) = "SELECT id, slug, created_at FROM studios ORDER BY created_at, id"
}

statement! {
    /// Stores a new game unless its slug is taken in its studio.
    InsertGame<'a> { id: Uuid => SqlUuid, studio: Uuid => SqlUuid, slug: &'a str => Text, created_at: i64 => BigInt }
    -> () = "INSERT INTO games (id, studio, slug, created_at) VALUES ($1, $2, $3, $4)
        ON CONFLICT (studio, slug) DO NOTHING"
}

statement! {
    /// All games, oldest first.
    AllGames {} -> (SqlUuid, SqlUuid, Text, BigInt)
    = "SELECT id, studio, slug, created_at FROM games ORDER BY created_at, id"
}

statement! {
    /// Stores a new realm under the next number.
    InsertRealm<'a> { game: Uuid => SqlUuid, environment: &'a str => Text }
    -> () = "INSERT INTO realms (id, game, environment) VALUES (nextval('realm_ids'), $1, $2)"
}

statement! {
    /// The realm of a game in an environment.
    FindRealm<'a> { game: Uuid => SqlUuid, environment: &'a str => Text } -> (BigInt, SqlUuid)
    = "SELECT r.id, g.studio FROM realms r JOIN games g ON g.id = r.game WHERE r.game = $1 AND r.environment = $2"
}

statement! {
    /// All realms.
    AllRealms {} -> (BigInt,) = "SELECT id FROM realms ORDER BY id"
}

/// All realms, in ascending order.
pub(super) async fn realms(mut connection: &AsyncPgConnection) -> QueryResult<Vec<RealmId>> {
    let rows: Vec<(i64,)> = AllRealms {}.load(&mut connection).await?;
    Ok(rows.into_iter().map(|(id,)| RealmId(id)).collect())
}

#[async_trait]
impl Directory for PostgresStore {
    async fn add_studio(&self, studio: &Studio) -> Result<bool, StoreError> {
        self.lanes.save(|connection, ()| add_studio(connection, studio).scope_boxed()).await
    }

    async fn studios(&self) -> Result<Vec<Studio>, StoreError> {
        let rows = self.readers.read(|connection| studios(connection).scope_boxed()).await?;
        let studios = rows.into_iter().map(|(id, slug, created_at)| Studio {
            id: StudioId(id.0),
            slug: Slug::restore(slug),
            created_at: time(created_at),
        });
        Ok(studios.collect())
    }

    async fn add_game(&self, game: &Game) -> Result<bool, StoreError> {
        self.lanes.save(|connection, ()| add_game(connection, game).scope_boxed()).await
    }

    async fn games(&self) -> Result<Vec<Game>, StoreError> {
        let rows = self.readers.read(|connection| games(connection).scope_boxed()).await?;
        let games = rows.into_iter().map(|(id, studio, slug, created_at)| Game {
            id: GameId(id.0),
            studio: StudioId(studio.0),
            slug: Slug::restore(slug),
            created_at: time(created_at),
        });
        Ok(games.collect())
    }

    async fn realm(&self, game: GameId, environment: Environment) -> Result<Option<Realm>, StoreError> {
        let found = self.readers.read(|connection| realm(connection, game, environment).scope_boxed()).await?;
        Ok(found.map(|(id, studio)| Realm { id: RealmId(id), studio: StudioId(studio.0), game, environment }))
    }
}

async fn add_studio(mut connection: &AsyncPgConnection, studio: &Studio) -> Result<bool, Trouble> {
    let created_at = studio.created_at.unix_micros();
    let insert = InsertStudio { id: studio.id.0, slug: studio.slug.as_str(), created_at };
    Ok(insert.execute(&mut connection).await? == 1)
}

async fn studios(mut connection: &AsyncPgConnection) -> QueryResult<Vec<(StoredUuid, String, i64)>> {
    AllStudios {}.load(&mut connection).await
}

async fn games(mut connection: &AsyncPgConnection) -> QueryResult<Vec<(StoredUuid, StoredUuid, String, i64)>> {
    AllGames {}.load(&mut connection).await
}

async fn realm(
    mut connection: &AsyncPgConnection,
    game: GameId,
    environment: Environment,
) -> QueryResult<Option<(i64, StoredUuid)>> {
    let find = FindRealm { game: game.0, environment: environment.as_str() };
    find.get_result(&mut connection).await.optional()
}

async fn add_game(mut connection: &AsyncPgConnection, game: &Game) -> Result<bool, Trouble> {
    let Game { id, studio, slug, created_at } = game;
    let insert = InsertGame { id: id.0, studio: studio.0, slug: slug.as_str(), created_at: created_at.unix_micros() };
    if insert.execute(&mut connection).await? == 0 {
        return Ok(false);
    }
    for environment in Environment::ALL {
        InsertRealm { game: id.0, environment: environment.as_str() }.execute(&mut connection).await?;
    }
    Ok(true)
}
