//! What all servers on one store must agree on.

use domain::players::{IdentityDigest, InstallationSecret};
use tokio::task::JoinSet;

use super::World;

fn check(byte: u8) -> IdentityDigest {
    InstallationSecret::new([byte; InstallationSecret::BYTES]).check()
}

/// The first secret is agreed on; whoever comes with another one is told so, at another handle and after a reopen too.
pub async fn the_first_secret_is_the_one_agreed_on(world: World) {
    for byte in [1, 1, 2] {
        let agreed = world.stores.lives.agree_on_secret(check(byte)).await.expect("the store works");
        assert_eq!(agreed, check(1));
    }
    let second = world.second().await;
    assert_eq!(second.lives.agree_on_secret(check(3)).await.expect("the store works"), check(1));
    drop(second);
    let world = world.reopened().await;
    assert_eq!(world.stores.lives.agree_on_secret(check(4)).await.expect("the store works"), check(1));
}

/// Of two that come first at the same time one is agreed on, by both.
pub async fn two_first_secrets_at_once_agree_on_one(world: World) {
    let mut asking = JoinSet::new();
    for (stores, byte) in [(world.stores.clone(), 1), (world.second().await, 2)] {
        asking.spawn(async move { stores.lives.agree_on_secret(check(byte)).await.expect("the store works") });
    }
    let agreed = asking.join_all().await;
    let known = world.stores.lives.agree_on_secret(check(3)).await.expect("the store works");
    assert!([check(1), check(2)].contains(&known));
    assert_eq!(agreed, [known, known]);
}

/// A secret that replaces another one is the one agreed on from then on, whether one was known or not.
pub async fn a_replaced_secret_is_forgotten(world: World) {
    for byte in [1, 2] {
        world.stores.lives.replace_secret(check(byte)).await.expect("the store works");
        assert_eq!(world.stores.lives.agree_on_secret(check(3)).await.expect("the store works"), check(byte));
    }
    let world = world.reopened().await;
    assert_eq!(world.stores.lives.agree_on_secret(check(3)).await.expect("the store works"), check(2));
}
