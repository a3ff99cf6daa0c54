//! Studios, games and realms.

use std::time::Duration;

use domain::clock::Timestamp;
use domain::ids::Ids;
use domain::tenancy::{Environment, Game, GameId, Studio, StudioId};

use super::World;
use crate::clock::START;
use crate::ids::SequentialIds;
use crate::tenants::slug;

fn studio(name: &str, seconds: u64) -> Studio {
    let created_at = Timestamp::from_unix_micros(START).plus(Duration::from_secs(seconds));
    Studio { id: StudioId(SequentialIds.next(created_at)), slug: slug(name), created_at }
}

fn game(studio: StudioId, name: &str, seconds: u64) -> Game {
    let created_at = Timestamp::from_unix_micros(START).plus(Duration::from_secs(seconds));
    Game { id: GameId(SequentialIds.next(created_at)), studio, slug: slug(name), created_at }
}

/// A slug that is taken is answered with false, and changes nothing.
pub async fn a_taken_slug_is_refused(world: World) {
    let directory = &world.stores.directory;
    let (first, second) = (studio("first", 1), studio("second", 2));
    assert!(directory.add_studio(&first).await.expect("the store works"));
    assert!(directory.add_studio(&second).await.expect("the store works"));
    assert!(!directory.add_studio(&studio("first", 3)).await.expect("the store works"));
    let taken = game(first.id, "chess", 4);
    assert!(directory.add_game(&taken).await.expect("the store works"));
    let before =
        (directory.studios().await.expect("the store works"), directory.games().await.expect("the store works"));
    let refused = game(first.id, "chess", 5);
    assert!(!directory.add_game(&refused).await.expect("the store works"));
    assert_eq!(directory.realm(refused.id, Environment::Live).await.expect("the store works"), None);
    let after =
        (directory.studios().await.expect("the store works"), directory.games().await.expect("the store works"));
    assert_eq!(before, after);
    let same_name_elsewhere = game(second.id, "chess", 6);
    assert!(directory.add_game(&same_name_elsewhere).await.expect("the store works"));
}

/// Lists are oldest first, whatever their names, and come back exactly.
pub async fn studios_and_games_are_listed_oldest_first(world: World) {
    let directory = &world.stores.directory;
    let studios = [studio("zebra", 1), studio("ape", 2), studio("m-1", 3)];
    let [zebra, ape, _] = &studios;
    let games = [game(ape.id, "z", 4), game(zebra.id, "y", 5), game(ape.id, "a", 6)];
    for studio in &studios {
        assert!(directory.add_studio(studio).await.expect("the store works"));
    }
    for game in &games {
        assert!(directory.add_game(game).await.expect("the store works"));
    }
    let world = world.reopened().await;
    let directory = &world.stores.directory;
    let listed = directory.studios().await.expect("the store works");
    assert_eq!(listed.iter().skip(1).cloned().collect::<Vec<_>>(), studios);
    let listed = directory.games().await.expect("the store works");
    assert_eq!(listed.iter().skip(2).cloned().collect::<Vec<_>>(), games);
}

/// A game has a realm for each environment, the same one every time.
pub async fn each_environment_of_each_game_is_a_realm_of_its_own(world: World) {
    let [sandbox, live] = world.realms;
    assert_eq!((sandbox.environment, live.environment), (Environment::Sandbox, Environment::Live));
    assert_eq!((sandbox.game, sandbox.studio), (live.game, live.studio));
    let [live_id, other_game] = world.other_realms;
    let mut ids = vec![sandbox.id, live.id, other_game];
    assert_eq!(live.id, live_id);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 3);
    let world = world.reopened().await;
    for realm in [sandbox, live] {
        let again = world.stores.directory.realm(realm.game, realm.environment).await.expect("the store works");
        assert_eq!(again, Some(realm));
    }
    let nobodys = GameId(uuid::Uuid::nil());
    assert_eq!(world.stores.directory.realm(nobodys, Environment::Live).await.expect("the store works"), None);
}

/// What one process adds, another on the same data finds.
pub async fn another_handle_sees_what_was_added(world: World) {
    let second = world.second().await;
    let (added, other) = (studio("late", 1), studio("later", 2));
    assert!(world.stores.directory.add_studio(&added).await.expect("the store works"));
    assert!(!second.directory.add_studio(&studio("late", 2)).await.expect("the store works"));
    assert!(second.directory.add_studio(&other).await.expect("the store works"));
    let listed = world.stores.directory.studios().await.expect("the store works");
    assert_eq!(listed.iter().skip(1).cloned().collect::<Vec<_>>(), [added, other]);
}
