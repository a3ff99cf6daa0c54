//! What happens to players: how it is asked for, and how it is answered.

use domain::economy::KeyDigest;
use domain::lobbies::PlayCounts;
use domain::players::{
    BanChange, BanOutcome, EraseOutcome, Erased, Erasure, InstallationSecret, LegalBasis, Merge, MergeCounts,
    MergeRefusal, Merged, MockPlayerStore, PlayerId, UnknownPlayer,
};
use domain::tenancy::{Environment, RealmId};
use serde_json::json;
use uuid::Uuid;

use super::world::{Key, World, now, post, realm, request};

const BAN: &str = "/server/v1/players/p-1/ban";
const UNBAN: &str = "/server/v1/players/p-1/unban";
const MERGE: &str = "/server/v1/players/guest%2F1/merge-into/p-1";
const DELETE: &str = "/server/v1/players/p-1/delete";

fn world(lives: MockPlayerStore) -> World {
    World { lives, ..World::default() }
}

fn player(number: u128) -> PlayerId {
    PlayerId(Uuid::from_u128(number))
}

#[actix_web::test]
async fn a_ban_is_imposed_by_the_caller_for_a_reason() {
    let mut lives = MockPlayerStore::new();
    lives.expect_change_ban().times(1).returning(|command| {
        assert_eq!((command.realm, command.at), (RealmId(1), now()));
        assert_eq!(command.player.as_str(), "p-1");
        assert!(Key::Server.text().starts_with(command.actor.as_str()), "{}", command.actor);
        let BanChange::Impose { reason } = &command.change else { panic!("{command:?}") };
        assert_eq!(reason.as_str(), "speed hack");
        Ok(Ok(BanOutcome { player: player(9), at: now(), applied: true }))
    });
    let routes = world(lives).start().await;
    insta::assert_snapshot!(
        "ban",
        routes.send(post(BAN, r#"{"reason":"speed hack","idempotencyKey":"k"}"#)).await.shown()
    );
}

#[actix_web::test]
async fn a_ban_without_a_reason_is_refused() {
    let routes = world(MockPlayerStore::new()).start().await;
    for body in ["", "{}", r#"{"reason":""}"#, r#"{"reason":" "}"#, r#"{"reason":7}"#, r#"{"reason":null}"#] {
        assert_eq!(routes.send(post(BAN, body)).await.wrong_fields(), ["reason"], "{body}");
    }
    let both = routes.send(post("/server/v1/players/__merged_1/ban", "{}")).await;
    assert_eq!(both.wrong_fields(), ["externalId", "reason"]);
}

#[actix_web::test]
async fn a_ban_is_lifted_with_or_without_a_body() {
    let mut lives = MockPlayerStore::new();
    lives.expect_change_ban().times(2).returning(|command| {
        assert_eq!(command.change, BanChange::Lift);
        Ok(Ok(BanOutcome { player: player(9), at: now(), applied: false }))
    });
    let routes = world(lives).start().await;
    insta::assert_snapshot!("unban", routes.send(request("POST", UNBAN)).await.shown());
    assert_eq!(routes.send(post(UNBAN, r#"{"idempotencyKey":"k"}"#)).await.status, 200);
    assert_eq!(routes.send(post(UNBAN, "[1]")).await.wrong_fields(), [""]);
}

#[actix_web::test]
async fn an_unknown_player_is_neither_banned_nor_unbanned() {
    let mut lives = MockPlayerStore::new();
    lives.expect_change_ban().returning(|_| Ok(Err(UnknownPlayer)));
    let routes = world(lives).start().await;
    for (path, body) in [(BAN, r#"{"reason":"r"}"#), (UNBAN, "")] {
        let reply = routes.send(post(path, body)).await;
        assert_eq!((reply.status, reply.code().as_str()), (404, "not_found"), "{path}");
    }
}

fn merge() -> Merge {
    let secret = InstallationSecret::new([7; InstallationSecret::BYTES]);
    let digest = secret.check();
    Merge { source: player(1), source_digest: digest, target: player(2), target_digest: digest, key: None, at: now() }
}

#[actix_web::test]
async fn a_merge_is_answered_with_eight_counts() {
    let mut lives = MockPlayerStore::new();
    lives.expect_merge().times(2).returning(|command| {
        assert_eq!((command.source.as_str(), command.target.as_str()), ("guest/1", "p-1"));
        assert_ne!(command.source_digest, command.target_digest);
        let earlier = command.key == KeyDigest::of("again").ok();
        let counts = MergeCounts {
            grants: 2,
            items: 4,
            item_entries: 9,
            currencies: 2,
            currency_entries: 7,
            play: PlayCounts::default(),
        };
        let counts = if earlier { MergeCounts::default() } else { counts };
        Ok(Ok(Merged { merge: merge(), counts, earlier }))
    });
    let routes = world(lives).start().await;
    insta::assert_snapshot!("merge", routes.send(request("POST", MERGE)).await.shown());
    let repeat = request("POST", MERGE).insert_header(("Idempotency-Key", "again"));
    insta::assert_snapshot!("merge_repeated", routes.send(repeat).await.shown());
}

#[actix_web::test]
async fn a_merge_that_makes_no_sense_is_refused_with_422() {
    for (refusal, status) in [
        (MergeRefusal::SourceNotFound, 404),
        (MergeRefusal::TargetNotFound, 404),
        (MergeRefusal::SamePlayer, 422),
        (MergeRefusal::TargetBanned, 422),
        (MergeRefusal::TargetErased, 422),
    ] {
        let mut lives = MockPlayerStore::new();
        let told = refusal.clone();
        lives.expect_merge().returning(move |_| Ok(Err(refusal.clone())));
        let reply = world(lives).start().await.send(post(MERGE, "{}")).await;
        let code = if status == 422 { "conflict" } else { "not_found" };
        assert_eq!((reply.status, reply.code().as_str()), (status, code), "{told:?}");
    }
    let routes = world(MockPlayerStore::new()).start().await;
    let reply = routes.send(post("/server/v1/players/__deleted_/merge-into/%00", r#"{"idempotencyKey":""}"#)).await;
    assert_eq!(reply.wrong_fields(), ["fromExternalId", "toExternalId", "idempotencyKey"]);
}

#[actix_web::test]
async fn an_erasure_has_a_legal_basis_and_three_outcomes() {
    let mut lives = MockPlayerStore::new();
    let mut outcomes = vec![
        (LegalBasis::GdprErasure, "erased"),
        (LegalBasis::StudioRequest, "erased_before"),
        (LegalBasis::Test, "never_existed"),
    ]
    .into_iter();
    lives.expect_erase().times(3).returning(move |command| {
        let (basis, outcome) = outcomes.next().unwrap();
        assert_eq!(command.basis, basis);
        let erasure = Erasure { player: player(9), digest: command.digest, key: command.key, at: now() };
        Ok(match outcome {
            "erased" => EraseOutcome::Erased(Erased { erasure, play: PlayCounts::default() }),
            "erased_before" => EraseOutcome::AlreadyErased(erasure),
            _ => EraseOutcome::NeverExisted { at: command.at },
        })
    });
    let routes = world(lives).start().await;
    insta::assert_snapshot!("erased", routes.send(request("POST", DELETE)).await.shown());
    let before = routes.send(post(DELETE, r#"{"reason":"studio_request"}"#)).await;
    assert_eq!(before.json()["data"]["status"], "no_op_already_erased");
    insta::assert_snapshot!("never_existed", routes.send(post(DELETE, r#"{"reason":"test"}"#)).await.shown());
    let reply = routes.send(post(DELETE, r#"{"reason":"because"}"#)).await;
    assert_eq!(reply.wrong_fields(), ["reason"]);
}

#[actix_web::test]
async fn the_audit_log_is_for_admin_keys_of_the_same_game() {
    let game = realm(Environment::Sandbox).game.0;
    let mut log = domain::audit_log::MockAuditLog::new();
    log.expect_page().times(1).returning(|_, _, _| Ok(domain::economy::Page { rows: Vec::new(), more: false }));
    let routes = World { audit_log: log, ..World::default() }.start().await;
    let ask =
        |path: &str, key: Key| actix_web::test::TestRequest::with_uri(path).insert_header(("X-API-Key", key.text()));
    let own = format!("/admin/v1/games/{game}/audit");
    assert_eq!(routes.send(ask(&own, Key::Admin)).await.json(), json!({ "data": [], "next": null }));
    let other = format!("/admin/v1/games/{}/audit", Uuid::from_u128(1));
    for (path, key) in [
        (own.as_str(), Key::Server),
        (&own, Key::Client),
        (&other, Key::Admin),
        ("/admin/v1/games/x/audit", Key::Admin),
        ("/server/v1/ping", Key::Admin),
    ] {
        let reply = routes.send(ask(path, key)).await;
        assert_eq!((reply.status, reply.code().as_str()), (403, "forbidden"), "{path} {key:?}");
    }
    assert_eq!(
        routes.send(ask(&format!("{own}?limit=0&after=x"), Key::Admin)).await.wrong_fields(),
        ["after", "limit"]
    );
}

#[actix_web::test]
async fn a_page_of_the_audit_log_tells_who_did_what_to_whom() {
    use domain::audit_log::{AuditAction, AuditEntry, AuditId, AuditRow, MockAuditLog};
    use domain::economy::{Actor, Page};
    use domain::players::ExternalId;
    use domain::text::{FreeText, JsonObject};

    let mut log = MockAuditLog::new();
    log.expect_page().times(1).returning(|realm, after, limit| {
        assert_eq!((realm, after, limit), (RealmId(1), None, 1));
        let entry = AuditEntry {
            realm,
            id: AuditId(Uuid::from_u128(5)),
            at: now(),
            actor: Actor::new("ks_sandbox_0123456789"),
            action: AuditAction::PlayerMerge,
            player: Some(player(1)),
            into: Some(player(2)),
            reason: Some(FreeText::try_new("one person").unwrap()),
            details: Some(JsonObject::try_new(&json!({ "grantsReassigned": 2 })).unwrap()),
        };
        let external_id = Some(merge().placeholder());
        let into_external_id = Some(ExternalId::try_new("p-1").unwrap());
        Ok(Page { rows: vec![AuditRow { entry, external_id, into_external_id }], more: true })
    });
    let routes = World { audit_log: log, ..World::default() }.start().await;
    let path = format!("/admin/v1/games/{}/audit?limit=1", realm(Environment::Sandbox).game.0);
    let asked = actix_web::test::TestRequest::with_uri(&path).insert_header(("X-API-Key", Key::Admin.text()));
    insta::assert_snapshot!("audit_log", routes.send(asked).await.shown());
}
