//! The use cases of the directory, over mocks of its ports.

use std::sync::Arc;

use uuid::Uuid;

use super::*;
use crate::clock::{MockClock, Timestamp};
use crate::ids::MockIds;
use crate::store::StoreError;

const NOW: i64 = 1_772_366_400_000_000;

fn slug(text: &str) -> Slug {
    Slug::try_new(text).unwrap()
}

fn studio(number: u128, name: &str) -> Studio {
    Studio { id: StudioId(Uuid::from_u128(number)), slug: slug(name), created_at: Timestamp::from_unix_micros(NOW) }
}

fn game(number: u128, studio: &Studio, name: &str) -> Game {
    let created_at = Timestamp::from_unix_micros(NOW);
    Game { id: GameId(Uuid::from_u128(number)), studio: studio.id, slug: slug(name), created_at }
}

/// Studios `acme` and `zeta`, and a game `chess` of each.
fn stocked() -> MockDirectory {
    let (acme, zeta) = (studio(1, "acme"), studio(2, "zeta"));
    let games = vec![game(11, &acme, "chess"), game(12, &zeta, "chess")];
    let mut directory = MockDirectory::new();
    directory.expect_studios().returning(move || Ok(vec![acme.clone(), zeta.clone()]));
    directory.expect_games().returning(move || Ok(games.clone()));
    directory
}

fn tenancy(directory: MockDirectory) -> Tenancy {
    let mut clock = MockClock::new();
    clock.expect_now().return_const(Timestamp::from_unix_micros(NOW));
    let mut ids = MockIds::new();
    ids.expect_next().return_const(Uuid::from_u128(99));
    Tenancy::new(Arc::new(directory), Arc::new(clock), Arc::new(ids))
}

#[tokio::test]
async fn a_studio_is_created_with_time_and_identity() {
    let mut directory = MockDirectory::new();
    let expected = studio(99, "new");
    let stored = expected.clone();
    directory.expect_add_studio().withf(move |studio| *studio == stored).times(1).returning(|_| Ok(true));
    assert_eq!(tenancy(directory).create_studio(slug("new")).await.unwrap(), expected);
}

#[tokio::test]
async fn a_taken_name_is_refused_with_the_name() {
    let mut directory = stocked();
    directory.expect_add_studio().returning(|_| Ok(false));
    directory.expect_add_game().returning(|_| Ok(false));
    let tenancy = tenancy(directory);
    let error = tenancy.create_studio(slug("acme")).await.unwrap_err();
    assert_eq!(error.to_string(), "a studio named 'acme' exists already");
    let error = tenancy.create_game(slug("acme"), slug("chess")).await.unwrap_err();
    assert_eq!(error.to_string(), "the studio 'acme' already has a game named 'chess'");
}

#[tokio::test]
async fn a_game_is_created_in_the_studio_that_is_named() {
    let mut directory = stocked();
    let expected = game(99, &studio(2, "zeta"), "go");
    let stored = expected.clone();
    directory.expect_add_game().withf(move |game| *game == stored).times(1).returning(|_| Ok(true));
    let tenancy = tenancy(directory);
    assert_eq!(tenancy.create_game(slug("zeta"), slug("go")).await.unwrap(), expected);
    let error = tenancy.create_game(slug("nobody"), slug("go")).await.unwrap_err();
    assert!(matches!(error, DirectoryError::UnknownStudio(name) if name == slug("nobody")));
}

#[tokio::test]
async fn games_are_listed_with_their_studios() {
    let listed = tenancy(stocked()).games().await.unwrap();
    let names: Vec<_> = listed.iter().map(|(studio, game)| (studio.slug.as_str(), game.id.0.as_u128())).collect();
    assert_eq!(names, [("acme", 11), ("zeta", 12)]);
}

#[tokio::test]
async fn a_realm_is_found_by_the_names_of_studio_game_and_environment() {
    let mut directory = stocked();
    directory.expect_realm().returning(|game, environment| {
        let realm = Realm { id: RealmId(7), studio: StudioId(Uuid::from_u128(2)), game, environment };
        Ok(Some(realm))
    });
    let tenancy = tenancy(directory);
    let found = tenancy.find_realm(&slug("zeta"), &slug("chess"), Environment::Live).await.unwrap();
    assert_eq!((found.game, found.environment), (GameId(Uuid::from_u128(12)), Environment::Live));
    let error = tenancy.find_realm(&slug("zeta"), &slug("go"), Environment::Live).await.unwrap_err();
    assert_eq!(error.to_string(), "the studio 'zeta' has no game named 'go'");
    let error = tenancy.find_realm(&slug("nobody"), &slug("chess"), Environment::Live).await.unwrap_err();
    assert_eq!(error.to_string(), "no studio is named 'nobody'");
}

#[tokio::test]
async fn a_store_that_fails_is_not_a_refusal() {
    let mut directory = MockDirectory::new();
    directory.expect_add_studio().returning(|_| Err(StoreError::unavailable("gone")));
    let error = tenancy(directory).create_studio(slug("new")).await.unwrap_err();
    assert!(matches!(error, DirectoryError::Store(StoreError::Unavailable(_))), "{error:?}");
}
