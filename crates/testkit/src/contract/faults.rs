//! A fault at a statement of a settlement, whatever makes it: nothing of the batch is stored, and the store goes on.
//!
//! Not a clause of the contract, because each database is hurt in its own way; this is what all of them have in common.

use std::time::Duration;

use domain::clock::Timestamp;
use domain::economy::{AssetKind, Batch, Grant, GrantId, GrantQuery};
use domain::store::StoreError;

use super::World;
use crate::{Draft, START, ack, coins, create_grant, credit, external_id, immediate_grant};

/// A batch that makes every kind of change: a new player and account, a known one much later, grants new and acknowledged.
fn everything(pending: GrantId, key: &str) -> Vec<Draft> {
    let later = Duration::from_secs(3_600);
    vec![
        credit("known", "gold", 5).keyed(&format!("{key}-1")).after(later),
        credit("new", "gold", 7).keyed(&format!("{key}-2")).after(later),
        immediate_grant("known", &format!("{key}-3"), vec![coins("gems", 1)]).after(later),
        create_grant("new", &format!("{key}-4"), vec![coins("gold", 1)]).after(later),
        ack("known", pending).after(later),
    ]
}

/// Settles a batch that makes every kind of change while the store is `hurt`: nothing of it is stored. Settles it again once
/// the store is `mended`: all of it is. `fault` names the fault where a claim does not hold.
pub async fn a_fault_stores_nothing(world: World, fault: &str, hurt: impl AsyncFnOnce(), mended: impl AsyncFnOnce()) {
    let pending = prepare(&world).await;
    let before = everything_seen(&world).await;
    hurt().await;
    let commands = everything(pending, "batch").iter().map(|draft| draft.in_realm(world.realm)).collect();
    let batch = Batch::new(commands);
    let failed = world.stores.economy.settle(&batch).await;
    assert!(matches!(failed, Err(StoreError::Unavailable(_))), "{fault}: {failed:?}");
    assert_eq!(everything_seen(&world).await, before, "{fault}");

    mended().await;
    let settled = world.stores.economy.settle(&batch).await.expect("the store goes on");
    assert!(settled.outcomes.iter().all(Result::is_ok), "{fault}: {:?}", settled.outcomes);
    assert_eq!(world.gold("known").await, Some(15), "{fault}");
    assert_eq!(world.stores.audit.audit().await.expect("audited").differences_count, 0, "{fault}");
}

async fn prepare(world: &World) -> GrantId {
    let outcomes =
        world.settle(&[credit("known", "gold", 10), create_grant("known", "first", vec![coins("gold", 1)])]).await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    grants_of_known(world).await.first().expect("it was created").id
}

/// Everything that can be seen of the two players, as text.
async fn everything_seen(world: &World) -> String {
    let mut seen = String::new();
    for player in ["known", "new"] {
        let (realm, id) = (world.realm, external_id(player));
        let profile = world.stores.players.profile(realm, &id, 50, now()).await;
        let wallet = world.stores.reads.holdings(realm, &id, AssetKind::Currency).await;
        seen.push_str(&format!("{profile:?} {wallet:?}\n"));
    }
    let audit = world.stores.audit.audit().await;
    seen + &format!("{audit:?}")
}

async fn grants_of_known(world: &World) -> Vec<Grant> {
    let (realm, player) = (world.realm, external_id("known"));
    let query = GrantQuery { realm, player, status: None, after: None, limit: 10, now: now() };
    world.stores.reads.grants(&query).await.expect("the store works").expect("the player exists").rows
}

fn now() -> Timestamp {
    Timestamp::from_unix_micros(START)
}
