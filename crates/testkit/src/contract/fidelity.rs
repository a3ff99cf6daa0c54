//! Everything that is stored comes back as it was.

use std::time::Duration;

use domain::clock::Timestamp;
use domain::economy::{Amount, GrantEntry, GrantStatus, INTEGER_MAX, Operation, Origin};
use domain::text::{FreeText, JsonObject};
use serde_json::json;

use super::{World, acked, granted};
use crate::clock::START;
use crate::commands::{
    ack, coins, crates, create_grant, credit, debit, grant_item, immediate_grant, import_currency, import_items, items,
    revoke_item,
};
use crate::tenants::asset_key;

const AWKWARD: &str = "naïve “quotes” 'single' \"double\" \\ back\n\ttab {\"json\": null} $1 ? %s 🦀👩‍👩‍👧 \u{200b}end";

fn json_object(value: &serde_json::Value) -> JsonObject {
    JsonObject::try_new(value).expect("a small object")
}

/// Every field of a ledger row: free text, the smallest and the largest amount, times to the microsecond.
pub async fn ledger_rows_come_back_exactly(world: World) {
    let longest = "😀".repeat(FreeText::CHARS_MAX);
    let parameters = json!({"z": [0.1, null], "a": {"text": AWKWARD, "nul": "\u{0}"}, "b": INTEGER_MAX});
    let drafts = [
        credit("p1", "gold", INTEGER_MAX).because(AWKWARD).sourced("").by("kp_prod_abc", Origin::Migration),
        debit("p1", "gold", INTEGER_MAX - 1).because("").sourced(AWKWARD).by("ks_x", Origin::Client),
        grant_item("p1", "a_b.c:d-e", 1).because(&longest).sourced(&longest).by("a", Origin::Admin),
        revoke_item("p1", "a_b.c:d-e", 1).by("b", Origin::Engine),
        immediate_grant("p1", "g", vec![coins("gems", 7)]).sourced(AWKWARD),
        import_currency("p1", "gems", 3).because(AWKWARD).by("c", Origin::Migration),
        import_items("p1", "potion", 2).with_parameters(&parameters).by("c", Origin::Migration),
    ];
    let start = Timestamp::from_unix_micros(START);
    let drafts: Vec<_> =
        drafts.into_iter().zip(0..).map(|(draft, micros)| draft.after(Duration::from_micros(micros))).collect();
    let commands = drafts.iter().map(|draft| draft.in_realm(world.realm)).collect();
    let settlement = world.stores.settle_all(commands).await;
    let world = world.reopened().await;
    let rows = world.history("p1").await;
    assert_eq!(rows.len(), 7);
    for ((row, entry), micros) in rows.iter().zip(&settlement.entries).zip(0..) {
        assert_eq!(row.id, entry.id);
        assert_eq!((row.delta, row.balance_after, row.sequence), (entry.delta, entry.balance_after, entry.sequence));
        assert_eq!((row.origin, row.operation), (entry.origin, entry.operation));
        assert_eq!(row.reason.as_deref(), entry.reason.as_ref().map(FreeText::as_str));
        assert_eq!(row.source_ref.as_deref(), entry.source_ref.as_ref().map(FreeText::as_str));
        assert_eq!(row.parameters, entry.parameters);
        assert_eq!(row.at, start.plus(Duration::from_micros(micros)));
    }
    let operations: Vec<Operation> = rows.iter().map(|row| row.operation).collect();
    // An import of a player makes no entry, and a merge is no command.
    let elsewhere = [Operation::MigratePlayers, Operation::PlayerMerge];
    let of_commands = Operation::ALL.into_iter().filter(|operation| !elsewhere.contains(operation));
    assert_eq!(operations, of_commands.collect::<Vec<_>>());
    assert_eq!(rows.last().and_then(|row| row.parameters.clone()), Some(json_object(&parameters)));
    let texts: Vec<_> = rows.iter().map(|row| (row.reason.as_deref(), row.source_ref.as_deref())).collect();
    assert_eq!(texts.first(), Some(&(Some(AWKWARD), Some(""))));
    assert_eq!(texts.get(1), Some(&(Some(""), Some(AWKWARD))));
    assert_eq!(texts.get(3), Some(&(None, None)));
    let amounts: Vec<_> = rows.iter().map(|row| (row.delta, row.balance_after.get())).collect();
    assert_eq!(amounts, [(INTEGER_MAX, INTEGER_MAX), (1 - INTEGER_MAX, 1), (1, 1), (-1, 0), (7, 7), (3, 10), (2, 2)]);
}

/// Every field of a grant, by its list, by a repeat of its creation, and by its acknowledgement.
pub async fn grants_come_back_exactly(world: World) {
    let parameters = json!({"level": 5, "ratio": 0.1, "ünï": [null, true, "🦀"], "b": 1, "a": 2, "big": INTEGER_MAX});
    let entries = vec![
        coins("gold", INTEGER_MAX),
        GrantEntry::Item {
            key: asset_key("sword"),
            quantity: Amount::try_new(1).expect("1 is an amount"),
            parameters: Some(json_object(&parameters)),
        },
        items("shield", 2),
        crates("box", 3),
        coins("gold", 1),
    ];
    let metadata = json!({"z": 1, "a": {"deep": ["x", {"y": "'"}]}, "text": AWKWARD, "": -0.5});
    let start = Timestamp::from_unix_micros(START);
    let full = create_grant("p1", AWKWARD, entries)
        .with_metadata(&metadata)
        .sourced(AWKWARD)
        .expiring(start.plus(Duration::from_micros(1_234_567)))
        .as_crate_by_admin();
    let plain = create_grant("p1", "plain", vec![coins("gold", 1)]).with_metadata(&json!({}));
    let outcomes = world.settle(&[full.clone(), plain.clone()]).await;
    let [full_created, plain_created] = outcomes.as_slice() else { panic!("two outcomes") };
    let (full_grant, plain_grant) = (&*granted(full_created).grant, &*granted(plain_created).grant);
    assert_eq!(full_grant.metadata, Some(json_object(&metadata)));
    let world = world.reopened().await;
    let stored = world.stores.grants(world.realm, "p1", Some(GrantStatus::Pending), start).await;
    assert_eq!(stored.iter().collect::<Vec<_>>(), [plain_grant, full_grant]);
    let again = world.settle_one(&full).await;
    assert_eq!(&*granted(&again).grant, full_grant);
    let outcome = world.settle_one(&ack("p1", full_grant.id)).await;
    assert_eq!(acked(&outcome).as_created(), *full_grant);
    let profile = world.stores.profile(world.realm, "p1").await.expect("the player is known");
    assert_eq!(profile.recent_grants.iter().collect::<Vec<_>>(), [plain_grant, acked(&outcome)]);
}

/// Times far from the present, before the epoch too.
pub async fn far_times_come_back_exactly(world: World) {
    let times = [-62_167_219_200_000_000, -1, 0, 1, 253_402_300_799_999_999].map(Timestamp::from_unix_micros);
    for (time, player) in times.into_iter().zip(["p0", "p1", "p2", "p3", "p4"]) {
        let grant = create_grant(player, player, vec![coins("gold", 1)]).expiring(time).at(time);
        world.settle(&[credit(player, "gold", 1).at(time), grant]).await;
        let rows = world.history(player).await;
        assert_eq!(rows.iter().map(|row| row.at).collect::<Vec<_>>(), [time]);
        let profile = world.stores.profile(world.realm, player).await.expect("the player is known");
        assert_eq!((profile.player.created_at, profile.player.last_seen_at), (time, time));
        assert_eq!(profile.wallet.first().map(|holding| (holding.created_at, holding.updated_at)), Some((time, time)));
        let grant = profile.recent_grants.first().map(|grant| (grant.created_at, grant.expires_at));
        assert_eq!(grant, Some((time, Some(time))));
    }
}
