//! The export of a player: the bundle, and the lines with the manifest that says that they are all.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix_web::body::MessageBody;
use async_trait::async_trait;
use domain::audit_log::{AuditAction, AuditEntry, AuditId, MockAuditLog};
use domain::clock::Timestamp;
use domain::economy::{
    AccountId, Actor, Amount, Asset, AssetKey, AssetKind, Balance, Delivery, EntryId, Grant, GrantEntries, GrantEntry,
    GrantId, GrantKind, GrantSource, LedgerRow, Operation, Origin, Position,
};
use domain::ids::MockIds;
use domain::lobbies::MockPlayRecords;
use domain::players::{
    ExportAccount, ExportHead, ExternalId, InstallationSecret, MockPlayerReads, MockPlayerStore, Player, PlayerId,
    PlayerReads, Players, Profile,
};
use domain::store::StoreError;
use domain::tenancy::RealmId;
use domain::text::{FreeText, JsonObject};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use uuid::Uuid;

use super::played;
use super::socket::serving;
use super::world::{Key, NOW_S, Reply, Routes, World, nothing_played, now, request};
use crate::App;

const EXPORT: &str = "/server/v1/players/p-1/export";
const LINES: &str = "/server/v1/players/p-1/export?format=ndjson";

fn earlier(seconds: i64) -> Timestamp {
    Timestamp::from_unix_micros((NOW_S - seconds) * 1_000_000)
}

fn account(kind: AssetKind, key: &str, balance: i64, version: i64) -> ExportAccount {
    ExportAccount {
        id: AccountId(Uuid::from_u128(5)),
        asset: Asset { kind, key: AssetKey::try_new(key).unwrap() },
        balance: Balance::restore(balance),
        version,
        created_at: earlier(60),
        updated_at: earlier(5),
        closed: false,
    }
}

/// Three accounts, with 1,234 entries in all.
fn three_accounts() -> Vec<ExportAccount> {
    let closed = ExportAccount { closed: true, ..account(AssetKind::Item, "sword", 0, 4) };
    vec![account(AssetKind::Currency, "gold", 500, 1_200), account(AssetKind::Item, "sword", 2, 30), closed]
}

fn head(player: &ExternalId, accounts: Vec<ExportAccount>) -> ExportHead {
    let player = Player {
        id: PlayerId(Uuid::from_u128(9)),
        external_id: player.clone(),
        created_at: earlier(1_000),
        last_seen_at: earlier(10),
        banned_at: Some(earlier(7)),
    };
    let context = JsonObject::try_new(&json!({ "country": "SE" })).unwrap();
    let ban_reason = Some(FreeText::try_new("cheating").unwrap());
    ExportHead { player, last_context_snapshot: Some(context), ban_reason, accounts }
}

fn entry(account: &ExportAccount, sequence: i64) -> LedgerRow {
    LedgerRow {
        id: EntryId(Uuid::from_u128(sequence.try_into().unwrap())),
        asset: account.asset.clone(),
        delta: -5,
        balance_after: Balance::restore(10),
        reason: Some("line\nfeed".to_owned()),
        source_ref: None,
        parameters: Some(JsonObject::restore(r#"{"level":1.50}"#.to_owned())),
        origin: Origin::Server,
        operation: Operation::WalletDebit,
        sequence,
        position: sequence,
        at: earlier(1),
    }
}

fn grant(id: u128) -> Grant {
    let key = AssetKey::try_new("gold").unwrap();
    let entry = GrantEntry::Currency { key, amount: Amount::try_new(5).unwrap() };
    Grant {
        id: GrantId(Uuid::from_u128(id)),
        player: PlayerId(Uuid::from_u128(9)),
        kind: GrantKind::Reward,
        entries: GrantEntries::try_new(vec![entry]).unwrap(),
        source: GrantSource::Api,
        source_ref: None,
        metadata: None,
        delivery: Delivery::Claim,
        claim: None,
        expires_at: Some(earlier(1)),
        created_at: earlier(100),
    }
}

/// `count` grants.
fn expect_grants(players: &mut MockPlayerReads, count: u128) {
    players.expect_export_grants().returning(move |_, _, after, limit| {
        let before = after.map_or(count + 1, |grant| grant.0.as_u128());
        Ok((1..before).rev().take(limit.try_into().unwrap()).map(grant).collect())
    });
}

fn expect_entries(players: &mut MockPlayerReads) {
    players.expect_export_entries().returning(|_, account, after, limit| {
        let (last, most) = (account.version, limit.try_into().unwrap());
        Ok((after + 1..=last).take(most).map(|sequence| entry(account, sequence)).collect())
    });
}

/// A player with these accounts and `grants` grants.
fn player_with(accounts: fn() -> Vec<ExportAccount>, grants: u128) -> MockPlayerReads {
    let mut players = MockPlayerReads::new();
    players.expect_export_head().returning(move |_, player| Ok(Some(head(player, accounts()))));
    expect_entries(&mut players);
    expect_grants(&mut players, grants);
    players
}

/// A log that takes one export of the player by the key of these tests, and holds a ban.
fn audit_log(format: &'static str) -> MockAuditLog {
    let mut log = MockAuditLog::new();
    log.expect_append().times(1).returning(move |entry| {
        assert_eq!((entry.action, entry.at), (AuditAction::PlayerExport, now()));
        assert_eq!(entry.player, Some(PlayerId(Uuid::from_u128(9))));
        assert_eq!(entry.details.as_ref().unwrap().as_json(), format!(r#"{{"format":"{format}"}}"#));
        assert!(entry.actor.as_str().starts_with("ks_sandbox_"), "{}", entry.actor);
        assert!(Key::Server.text().starts_with(entry.actor.as_str()), "the caller's key, as far as it may be shown");
        Ok(())
    });
    log.expect_of_player().returning(|realm, player, after, _| {
        let ban = AuditEntry {
            realm,
            id: AuditId(Uuid::from_u128(3)),
            at: earlier(7),
            actor: Actor::new("ks_live_0000000000"),
            action: AuditAction::PlayerBan,
            player: Some(player),
            into: None,
            reason: Some(FreeText::try_new("cheating").unwrap()),
            details: None,
        };
        Ok(if after.is_none() { vec![ban] } else { Vec::new() })
    });
    log
}

/// So many attempts, lobbies and rankings.
fn records(attempts: u128, lobbies: u128, rankings: u128) -> MockPlayRecords {
    let mut records = MockPlayRecords::new();
    let page = |newest: u128, before: Option<Uuid>, limit: u32| {
        let end = before.map_or(newest + 1, |id| id.as_u128());
        (1..end).rev().take(limit.try_into().unwrap())
    };
    records.expect_attempts_of().returning(move |_, player, after, limit| {
        assert_eq!(player, PlayerId(Uuid::from_u128(9)));
        Ok(page(attempts, after.map(|after| after.0), limit).map(played::attempt).collect())
    });
    records.expect_lobbies_of().returning(move |_, player, after, limit| {
        assert_eq!(player, PlayerId(Uuid::from_u128(9)));
        Ok(page(lobbies, after.map(|after| after.0), limit).map(played::lobby).collect())
    });
    records.expect_rankings_of().returning(move |_, player, after, limit| {
        assert_eq!(player, PlayerId(Uuid::from_u128(9)));
        let mut rows: Vec<_> = (1..=rankings).map(played::ranking).collect();
        rows.sort_by_key(|row| row.ranking.id);
        rows.retain(|row| after.is_none_or(|after| after < row.ranking.id));
        rows.truncate(limit.try_into().unwrap());
        Ok(rows)
    });
    records
}

async fn routes(players: MockPlayerReads, audit_log: MockAuditLog) -> Routes {
    World { players, audit_log, ..World::default() }.start().await
}

async fn export_lines(players: MockPlayerReads) -> Reply {
    export_played(players, nothing_played()).await
}

async fn export_played(players: MockPlayerReads, records: MockPlayRecords) -> Reply {
    let world = World { players, audit_log: audit_log("ndjson"), records, ..World::default() };
    world.start().await.send(request("GET", LINES)).await
}

fn parsed(body: &str) -> Vec<Value> {
    assert!(body.ends_with('\n'), "every line ends");
    body.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[actix_web::test]
async fn a_bundle_shows_what_is_known_of_a_player() {
    let (players, audit_log, records) = (player_with(three_accounts, 2), audit_log("json"), records(1, 2, 2));
    let routes = World { players, audit_log, records, ..World::default() }.start().await;
    insta::assert_snapshot!("bundle", routes.send(request("GET", EXPORT)).await.shown());
}

#[actix_web::test]
async fn a_bundle_has_a_thousand_rows_of_each_list_at_most() {
    fn many() -> Vec<ExportAccount> {
        let of = |kind| (0..1_100).map(move |number| account(kind, &format!("key-{number:04}"), 1, 1));
        of(AssetKind::Currency).chain(of(AssetKind::Item)).collect()
    }
    let (players, audit_log, records) = (player_with(many, 1_100), audit_log("json"), records(1_100, 1_100, 1_100));
    let routes = World { players, audit_log, records, ..World::default() }.start().await;
    let data = routes.send(request("GET", &format!("{EXPORT}?format=json"))).await.json()["data"].take();
    for list in ["grants", "inventory", "wallet", "attempts", "lobbies", "leaderboards"] {
        assert_eq!(data[list].as_array().unwrap().len(), 1_000, "{list}");
    }
    assert_eq!(data["grants"][0]["id"], Uuid::from_u128(1_100).to_string(), "the newest");
    assert_eq!(data["wallet"][999]["economyKey"], "key-0999", "the first");
    assert_eq!(data["attempts"][0]["id"], Uuid::from_u128(1_100).to_string(), "the newest");
    assert_eq!(data["lobbies"][999]["id"], Uuid::from_u128(101).to_string(), "the thousandth");
}

#[actix_web::test]
async fn lines_are_everything_and_the_manifest_proves_it() {
    let reply = export_played(player_with(three_accounts, 120), records(1_007, 105, 3)).await;
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/x-ndjson")));
    let lines = parsed(&reply.body);
    let manifest = lines.last().unwrap();
    let expected = json!({
        "wallet": 1, "inventory": 1, "grant": 120, "ledger": 1_234, "audit": 1, "attempts": 1_007, "lobbies": 105,
        "leaderboards": 3
    });
    assert_eq!((&manifest["type"], &manifest["counts"]), (&json!("manifest"), &expected));
    for (kind, count) in expected.as_object().unwrap() {
        let line_type = match kind.as_str() {
            "attempts" => "attempt",
            "lobbies" => "lobby",
            "leaderboards" => "leaderboard",
            same => same,
        };
        let found = lines.iter().filter(|line| line["type"] == line_type).count();
        assert_eq!(json!(found), *count, "{kind}");
    }
    let end = reply.body.trim_end().rfind('\n').unwrap() + 1;
    let digest: String = Sha256::digest(&reply.body[..end]).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(manifest["sha256"], digest);
    assert_eq!(lines[0]["type"], "player", "the player comes first");
}

#[actix_web::test]
async fn each_type_of_line_has_its_members() {
    fn one_of_each() -> Vec<ExportAccount> {
        vec![account(AssetKind::Currency, "gold", 500, 1), account(AssetKind::Item, "sword", 2, 0)]
    }
    insta::assert_snapshot!("lines", export_played(player_with(one_of_each, 1), records(1, 1, 2)).await.shown());
}

#[actix_web::test]
async fn a_store_that_fails_midway_leaves_an_error_in_place_of_the_manifest() {
    let mut players = MockPlayerReads::new();
    players.expect_export_head().returning(|_, player| Ok(Some(head(player, three_accounts()))));
    expect_grants(&mut players, 60);
    players.expect_export_entries().returning(|_, account, after, _| match after {
        0 => Ok((1..=500).map(|sequence| entry(account, sequence)).collect()),
        _ => Err(StoreError::unavailable("secret cause")),
    });
    let reply = export_lines(players).await;
    let lines = parsed(&reply.body);
    assert!(lines.iter().all(|line| line["type"] != "manifest") && !reply.body.contains("secret cause"));
    assert_eq!(lines.len(), 1 + 2 + 60 + 500 + 1);
    let told = json!({ "code": "unavailable", "message": "The store is unavailable; try again" });
    assert_eq!(*lines.last().unwrap(), json!({ "type": "error", "error": told }));
}

#[actix_web::test]
async fn a_player_who_is_gone_at_the_end_leaves_an_error_in_place_of_the_manifest() {
    let gone_at_the_end = || {
        let mut players = MockPlayerReads::new();
        players.expect_export_head().times(1).returning(|_, player| Ok(Some(head(player, three_accounts()))));
        players.expect_export_head().times(1).returning(|_, _| Ok(None));
        expect_entries(&mut players);
        expect_grants(&mut players, 1);
        players
    };
    let lines = parsed(&export_lines(gone_at_the_end()).await.body);
    assert!(lines.iter().all(|line| line["type"] != "manifest"));
    let error = lines.last().unwrap();
    assert_eq!((&error["type"], &error["error"]["code"]), (&json!("error"), &json!("conflict")));
    assert_eq!(error["error"]["details"]["reason"], "player_changed");
    let bundle = routes(gone_at_the_end(), audit_log("json")).await.send(request("GET", EXPORT)).await;
    assert_eq!((bundle.status, bundle.code().as_str()), (409, "conflict"));
}

#[actix_web::test]
async fn a_panic_midway_leaves_an_error_in_place_of_the_manifest() {
    let mut players = MockPlayerReads::new();
    players.expect_export_head().returning(|_, player| Ok(Some(head(player, three_accounts()))));
    // A mock that expects nothing more panics when it is asked for grants.
    let lines = parsed(&export_lines(players).await.body);
    assert_eq!((&lines[3]["type"], &lines[3]["error"]["code"]), (&json!("error"), &json!("internal_error")));
    assert_eq!(lines.len(), 4);
}

#[actix_web::test]
async fn entries_that_are_missing_or_are_no_json_leave_an_error_in_place_of_the_manifest() {
    let mut missing = MockPlayerReads::new();
    missing.expect_export_head().returning(|_, player| Ok(Some(head(player, three_accounts()))));
    missing.expect_export_entries().returning(|_, _, _, _| Ok(Vec::new()));
    expect_grants(&mut missing, 1);
    let mut broken = MockPlayerReads::new();
    broken.expect_export_head().returning(|_, player| Ok(Some(head(player, three_accounts()))));
    broken.expect_export_entries().returning(|_, account, _, _| {
        let parameters = Some(JsonObject::restore("{".to_owned()));
        Ok((1..=500).map(|sequence| LedgerRow { parameters: parameters.clone(), ..entry(account, sequence) }).collect())
    });
    expect_grants(&mut broken, 1);
    for players in [missing, broken] {
        let lines = parsed(&export_lines(players).await.body);
        let types: Vec<_> = lines.iter().map(|line| line["type"].as_str().unwrap()).collect();
        assert_eq!(types, ["player", "wallet", "inventory", "grant", "error"]);
        assert_eq!(lines[4]["error"]["code"], "internal_error");
    }
}

#[actix_web::test]
async fn nobody_and_unknown_formats_are_refused_and_leave_no_audit_entry() {
    let mut players = MockPlayerReads::new();
    players.expect_export_head().returning(|_, _| Ok(None));
    let routes = routes(players, MockAuditLog::new()).await;
    for method in ["GET", "HEAD"] {
        for path in [EXPORT, LINES] {
            let reply = routes.send(request(method, path)).await;
            assert_eq!((reply.status, reply.code().as_str()), (404, "not_found"), "{method} {path}");
        }
        for format in ["xml", "", "JSON", "json&format=json"] {
            let reply = routes.send(request(method, &format!("{EXPORT}?format={format}"))).await;
            assert_eq!(reply.wrong_fields(), ["format"], "{method} {format}");
        }
    }
    let keyless = routes.send(actix_web::test::TestRequest::with_uri(LINES)).await;
    assert_eq!((keyless.status, keyless.code().as_str()), (401, "unauthenticated"));
}

#[actix_web::test]
async fn without_an_audit_entry_nothing_is_handed_out() {
    for path in [EXPORT, LINES] {
        let mut log = MockAuditLog::new();
        log.expect_append().times(1).returning(|_| Err(StoreError::unavailable("gone")));
        let reply = routes(player_with(three_accounts, 1), log).await.send(request("GET", path)).await;
        assert_eq!((reply.status, reply.code().as_str()), (503, "unavailable"), "{path}");
    }
}

#[actix_web::test]
async fn an_endless_history_is_read_no_further_than_it_is_taken() {
    let pages = Arc::new(AtomicUsize::new(0));
    let mut players = MockPlayerReads::new();
    players
        .expect_export_head()
        .returning(|_, player| Ok(Some(head(player, vec![account(AssetKind::Currency, "gold", 1, i64::MAX)]))));
    expect_grants(&mut players, 0);
    let counted = pages.clone();
    players.expect_export_entries().returning(move |_, account, after, limit| {
        counted.fetch_add(1, Ordering::Relaxed);
        Ok((after + 1..).take(limit.try_into().unwrap()).map(|sequence| entry(account, sequence)).collect())
    });
    let mut body = routes(players, audit_log("ndjson")).await.begin(request("GET", LINES)).await.into_body();
    let (mut taken, page) = (0, 500 * 300);
    for _ in 0..200 {
        let chunk = poll_fn(|context| Pin::new(&mut body).poll_next(context)).await.unwrap().ok().unwrap();
        assert!(chunk.len() < 33 * 1024, "{}", chunk.len());
        taken += chunk.len();
        let read = pages.load(Ordering::Relaxed);
        assert!((read.saturating_sub(1)) * page / 2 <= taken, "{read} pages for {taken} bytes");
    }
    assert!(10 * page < taken, "{taken}");
}

/// The answer on a connection, up to where `until` holds of it or the server closes.
async fn answer(app: App, method: &str, path: &str, until: impl Fn(&str) -> bool) -> String {
    let address = serving(app);
    let key = Key::Server.text();
    let mut connection = TcpStream::connect(address).await.unwrap();
    let request = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nX-API-Key: {key}\r\n\r\n");
    connection.write_all(request.as_bytes()).await.unwrap();
    let (mut answer, mut chunk) = (String::new(), [0; 4096]);
    while !until(&answer) {
        match connection.read(&mut chunk).await.unwrap() {
            0 => break,
            read => answer.push_str(&String::from_utf8_lossy(&chunk[..read])),
        }
    }
    answer
}

/// Knows who the player is, and nothing more for the time being.
struct Stalled;

#[async_trait]
impl PlayerReads for Stalled {
    async fn profile(&self, _: RealmId, _: &ExternalId, _: u32, _: Timestamp) -> Result<Option<Profile>, StoreError> {
        unreachable!("an export reads no profile")
    }

    async fn export_head(&self, _: RealmId, player: &ExternalId) -> Result<Option<ExportHead>, StoreError> {
        Ok(Some(head(player, three_accounts())))
    }

    async fn export_entries(
        &self,
        _: RealmId,
        _: &ExportAccount,
        _: Position,
        _: u32,
    ) -> Result<Vec<LedgerRow>, StoreError> {
        std::future::pending().await
    }

    async fn export_grants(
        &self,
        _: RealmId,
        _: PlayerId,
        _: Option<GrantId>,
        _: u32,
    ) -> Result<Vec<Grant>, StoreError> {
        std::future::pending().await
    }
}

#[actix_web::test]
async fn the_player_is_on_the_way_while_the_store_is_still_being_read() {
    let (app, _) = World::default().open();
    let mut ids = MockIds::new();
    ids.expect_next().return_const(Uuid::nil());
    let (store, log) = (Arc::new(MockPlayerStore::new()), Arc::new(audit_log("ndjson")));
    let secret = InstallationSecret::new([0; InstallationSecret::BYTES]);
    let lives = Players::new(
        store,
        (Arc::new(Stalled), Arc::new(nothing_played())),
        log,
        secret,
        app.clock.clone(),
        Arc::new(ids),
    );
    let app = App { lives: Arc::new(lives), ..app };
    let answer = answer(app, "GET", LINES, |answer| answer.contains(r#""itemKey":"sword""#)).await;
    assert!(answer.contains("transfer-encoding: chunked") && answer.contains(r#"{"type":"player""#), "{answer}");
}

#[actix_web::test]
async fn a_connection_is_closed_in_order_after_the_last_line_whatever_that_is() {
    let mut failing = MockPlayerReads::new();
    failing.expect_export_head().returning(|_, player| Ok(Some(head(player, three_accounts()))));
    failing.expect_export_grants().returning(|_, _, _, _| Err(StoreError::Overloaded));
    for (players, last) in [(player_with(three_accounts, 120), "manifest"), (failing, "error")] {
        let world = World { players, audit_log: audit_log("ndjson"), ..World::default() };
        let answer = answer(world.open().0, "GET", LINES, |_| false).await;
        let last_line = answer.rfind(&format!(r#"{{"type":"{last}""#)).unwrap();
        assert!(answer[last_line..].ends_with("}\n\r\n0\r\n\r\n"), "{}", &answer[last_line..]);
        assert!(answer.to_ascii_lowercase().contains("connection: close"), "{answer}");
    }
}

#[actix_web::test]
async fn a_head_request_exports_nothing() {
    for (path, content_type) in [(EXPORT, "application/json"), (LINES, "application/x-ndjson")] {
        let mut players = MockPlayerReads::new();
        players.expect_export_head().times(1).returning(|_, player| Ok(Some(head(player, three_accounts()))));
        let world = World { players, ..World::default() };
        let answer = answer(world.open().0, "HEAD", path, |answer| answer.ends_with("\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\n"), "{answer}");
        assert!(answer.contains(&format!("content-type: {content_type}\r\n")), "{answer}");
        assert!(!answer.to_ascii_lowercase().contains("content-length"), "{answer}");
    }
}
