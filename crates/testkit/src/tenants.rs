//! Values that tests write often, from plain text. Each panics when its text does not fit.

use domain::economy::{Actor, AssetKey};
use domain::keys::{Caller, KeyId, PermissionSet};
use domain::limits::KeyLimits;
use domain::players::ExternalId;
use domain::tenancy::{Environment, GameId, Realm, RealmId, Slug, StudioId};
use domain::text::FreeText;
use uuid::Uuid;

/// The studio's id of a player.
pub fn external_id(text: &str) -> ExternalId {
    ExternalId::try_new(text).expect("the test gives a player id that is allowed")
}

/// The key of a currency or an item.
pub fn asset_key(text: &str) -> AssetKey {
    AssetKey::try_new(text).expect("the test gives an asset key that is allowed")
}

/// The short name of a studio or a game.
pub fn slug(text: &str) -> Slug {
    Slug::try_new(text).expect("the test gives a slug that is allowed")
}

/// A reason, a source reference, the name of a key.
pub fn text(text: &str) -> FreeText {
    FreeText::try_new(text).expect("the test gives a text that is allowed")
}

/// A realm that no directory knows, for tests without one.
pub fn realm(number: u32) -> Realm {
    let uuid = |kind: u32| Uuid::from_u128(u128::from(kind) << 64 | u128::from(number));
    Realm {
        id: RealmId(i64::from(number)),
        studio: StudioId(uuid(1)),
        game: GameId(uuid(2)),
        environment: Environment::Sandbox,
    }
}

/// A backend that holds a key to `realm`.
pub fn caller(realm: Realm, permissions: PermissionSet) -> Caller {
    let display_prefix = "ks_sandbox_test000000";
    Caller {
        key: KeyId(Uuid::from_u128(3)),
        display_prefix: display_prefix.into(),
        actor: Actor::new(display_prefix),
        realm,
        permissions,
        limits: KeyLimits::default(),
    }
}
