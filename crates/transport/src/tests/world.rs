//! A small world to send requests to: the real routes on the real use cases, over a store that keeps everything in memory.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use actix_web::HttpResponse;
use actix_web::body::to_bytes;
use actix_web::http::Method;
use actix_web::http::header::HeaderMap;
use actix_web::test::{TestRequest, init_service, try_call_service};
use actix_web::web::Bytes;
use async_trait::async_trait;
use domain::audit_log::{AuditLog, AuditTrail, MockAuditLog};
use domain::clock::{Clock, Timestamp};
use domain::economy::{
    AccountKey, AccountState, Action, Answer, Batch, Economy, EconomyStore, Grant, GrantKey, LaneObserver,
    MockEconomyReads, MockLaneObserver, OnceKey, Operation, PlayerKey, Position, QUEUE_DEPTH, Queue, Settled,
    SettledResult, Settlement, Snapshot,
};
use domain::ids::Ids;
use domain::keys::{KeyId, KeyRecord, KeyRing, KeyStore, Keys, MintedKey, MockKeyStore, PermissionSet, Revocation};
use domain::limits::{Budget, DefaultLimits, KeyLimits, Limiter, Meter, RateLimit, RateLimits, Spending};
use domain::lobbies::{
    Lobbies, MockEventStore, MockLeaderboardStore, MockLobbyObserver, MockLobbyReads, MockPlayRecords, MockPlayStore,
    MockRankingReads, PlayPorts, PlayQueue, PlayRecords,
};
use domain::players::{InstallationSecret, MockPlayerReads, MockPlayerStore, Player, PlayerReads, Players};
use domain::store::{MockStoreHealth, StoreError};
use domain::tenancy::{Environment, GameId, Realm, RealmId, StudioId};
use domain::text::FreeText;
use domain::webhooks::{
    EventNames, MockCourier, MockDeliveries, MockEndpointStore, MockEventFeed, MockVault, Sealed, WebhookPorts,
    Webhooks,
};
use futures_util::future::LocalBoxFuture;
use serde_json::Value;
use uuid::Uuid;

use crate::server::http_app;
use crate::{App, Serving, Tracing};

/// 2026-06-08T12:00:00Z.
pub(super) const NOW_S: i64 = 1_780_920_000;

pub(super) fn now() -> Timestamp {
    Timestamp::from_unix_micros(NOW_S * 1_000_000)
}

struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> Timestamp {
        now()
    }
}

#[derive(Default)]
struct CountingIds(AtomicU64);

impl Ids for CountingIds {
    fn next(&self, _: Timestamp) -> Uuid {
        Uuid::from_u128(u128::from(self.0.fetch_add(1, Ordering::Relaxed)))
    }

    fn random(&self) -> [u8; 64] {
        let seed = u8::try_from(self.0.fetch_add(1, Ordering::Relaxed)).unwrap();
        std::array::from_fn(|index| u8::try_from(index).unwrap().wrapping_mul(3) ^ seed)
    }
}

/// How the store of a world behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StoreMood {
    Works,
    Fails,
    NeverAnswers,
}

/// Keeps everything, in memory.
pub(super) struct MemoryStore {
    mood: StoreMood,
    pub(super) batches: AtomicUsize,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    players: HashMap<PlayerKey, Player>,
    accounts: HashMap<AccountKey, AccountState>,
    once: HashMap<OnceKey, Settled>,
    grants: HashMap<GrantKey, Grant>,
    position: Position,
}

#[async_trait]
impl EconomyStore for MemoryStore {
    async fn settle(&self, batch: &Batch) -> Result<Settlement, StoreError> {
        self.batches.fetch_add(1, Ordering::Relaxed);
        match self.mood {
            StoreMood::Works => Ok(self.kept.lock().unwrap().settle(batch)),
            StoreMood::Fails => Err(StoreError::unavailable("the disk is gone")),
            StoreMood::NeverAnswers => std::future::pending().await,
        }
    }
}

impl Kept {
    fn settle(&mut self, batch: &Batch) -> Settlement {
        let settlement = batch.settle(self.snapshot(batch));
        for command in batch.commands() {
            let key = PlayerKey { realm: command.realm, external_id: command.player.clone() };
            if let Some((_, player)) =
                settlement.new_players.iter().find(|(_, player)| player.external_id == command.player)
            {
                self.players.insert(key, player.clone());
            }
        }
        for change in &settlement.accounts {
            let player = self.players.iter().find(|(_, player)| player.id == change.player).unwrap().0.clone();
            let state = AccountState { id: change.id, balance: change.balance, version: change.version };
            self.accounts.insert(AccountKey { player, asset: change.asset.clone() }, state);
        }
        for entry in &settlement.entries {
            self.position = entry.position;
        }
        for stored in &settlement.new_grants {
            let key = GrantKey { realm: stored.realm, id: stored.grant.id };
            self.grants.insert(key, stored.grant.clone());
        }
        for claimed in &settlement.claimed_grants {
            let key = GrantKey { realm: claimed.realm, id: claimed.id };
            self.grants.get_mut(&key).unwrap().claim = Some(domain::economy::Claim { at: claimed.at, by: claimed.by });
        }
        self.remember(batch, &settlement);
        settlement
    }

    fn remember(&mut self, batch: &Batch, settlement: &Settlement) {
        for (command, outcome) in batch.commands().iter().zip(&settlement.outcomes) {
            let (operation, once, result) = match (&command.action, outcome) {
                (Action::Adjust(adjustment), Ok(Answer::Adjusted(adjusted))) => {
                    (adjustment.kind.operation(), adjustment.once, SettledResult::Adjusted(adjusted.balance))
                }
                (Action::CreateGrant(new), Ok(Answer::GrantCreated(created))) => {
                    (Operation::GrantCreate, Some(new.once), SettledResult::Granted(created.grant.clone()))
                }
                (Action::ImportPlayer(import), Ok(Answer::PlayerImported(_))) => {
                    (Operation::MigratePlayers, Some(import.once), SettledResult::Imported)
                }
                _ => continue,
            };
            if let Some(once) = once {
                let key = OnceKey { realm: command.realm, operation, key: once.key };
                self.once.entry(key).or_insert(Settled { fingerprint: once.fingerprint, result });
            }
        }
    }

    fn snapshot(&self, batch: &Batch) -> Snapshot {
        let footprint = batch.footprint();
        let mut snapshot = Snapshot::default();
        for realm in footprint.realms {
            snapshot.put_position(realm, self.position);
            snapshot.put_wanted(realm, EventNames::NONE);
        }
        for key in footprint.players {
            snapshot.put_player(key.clone(), self.players.get(&key).cloned());
        }
        for key in footprint.accounts {
            snapshot.put_account(key.clone(), self.accounts.get(&key).copied());
        }
        for key in footprint.once {
            snapshot.put_once(key, self.once.get(&key).cloned());
        }
        for key in footprint.grants {
            snapshot.put_grant(key, self.grants.get(&key).cloned());
        }
        snapshot
    }
}

/// The keys of a world, by what is the matter with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Server,
    Live,
    Client,
    Admin,
    Revoked,
    Expired,
    Unknown,
}

const KEYS: [Key; 7] = [Key::Server, Key::Live, Key::Client, Key::Revoked, Key::Expired, Key::Unknown, Key::Admin];

impl Key {
    fn environment(self) -> Environment {
        if self == Self::Live { Environment::Live } else { Environment::Sandbox }
    }

    fn minted(self) -> MintedKey {
        let seed = u8::try_from(KEYS.iter().position(|key| *key == self).unwrap()).unwrap();
        MintedKey::mint(self.environment(), || {
            std::array::from_fn(|index| u8::try_from(index).unwrap().wrapping_mul(3) ^ seed)
        })
    }

    /// The key itself.
    pub(super) fn text(self) -> String {
        self.minted().reveal().to_owned()
    }

    fn record(self) -> Option<KeyRecord> {
        let presented = self.minted().presented();
        let revocation = Revocation { at: now(), reason: None };
        let record = KeyRecord {
            id: KeyId(Uuid::from_u128(0xC0FFEE)),
            realm: realm(self.environment()),
            public_id: presented.public_id,
            hash: presented.hash,
            name: FreeText::try_new("test").unwrap(),
            permissions: match self {
                Self::Client => PermissionSet::ClientSdk,
                Self::Admin => PermissionSet::Admin,
                Self::Server | Self::Live | Self::Revoked | Self::Expired | Self::Unknown => {
                    PermissionSet::ServerIntegration
                }
            },
            limits: KeyLimits::default(),
            created_at: now(),
            expires_at: (self == Self::Expired).then(now),
            expiry_set_at: now(),
            last_used_at: None,
            revocation: (self == Self::Revoked).then_some(revocation),
            rotated_from: None,
        };
        (self != Self::Unknown).then_some(record)
    }
}

pub(super) fn realm(environment: Environment) -> Realm {
    Realm { id: RealmId(1), studio: StudioId(Uuid::from_u128(0x57)), game: GameId(Uuid::from_u128(0x6A)), environment }
}

/// A store of the keys of a world.
pub(super) fn key_store() -> MockKeyStore {
    let mut keys = MockKeyStore::new();
    keys.expect_find().returning(|public_id| {
        let records = KEYS.iter().filter_map(|key| key.record());
        Ok(records.into_iter().find(|record| record.public_id == *public_id))
    });
    keys
}

/// A log that takes every entry.
fn quiet_log() -> MockAuditLog {
    let mut log = MockAuditLog::new();
    log.expect_append().returning(|_| Ok(()));
    log
}

/// What a vault of these tests has in it, whatever was put there.
const OPENED: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A vault that seals nothing.
fn glass_vault() -> MockVault {
    let mut vault = MockVault::new();
    vault.expect_seal().returning(|_, secret, _| Sealed(secret.as_bytes().to_vec()));
    vault.expect_open().returning(|_, _| Ok(OPENED.to_owned()));
    vault
}

/// Counts for all keys together, at an instant that stands still.
#[derive(Default)]
struct OneMeter(Mutex<Meter>);

#[async_trait]
impl Limiter for OneMeter {
    async fn spend(&self, budget: Budget, cost: u32) -> Spending {
        self.0.lock().unwrap().spend(now(), budget.limit, cost)
    }
}

/// What a world is made of, and what may be replaced in it.
pub(super) struct World {
    pub(super) mood: StoreMood,
    pub(super) reads: MockEconomyReads,
    pub(super) players: MockPlayerReads,
    pub(super) lives: MockPlayerStore,
    pub(super) audit_log: MockAuditLog,
    pub(super) play: MockPlayStore,
    pub(super) events: MockEventStore,
    pub(super) leaderboards: MockLeaderboardStore,
    pub(super) lobbies: MockLobbyReads,
    pub(super) rankings: MockRankingReads,
    pub(super) records: MockPlayRecords,
    pub(super) endpoints: MockEndpointStore,
    pub(super) deliveries: MockDeliveries,
    pub(super) feed: MockEventFeed,
    pub(super) courier: MockCourier,
    pub(super) vault: MockVault,
    pub(super) health: MockStoreHealth,
    pub(super) keys: MockKeyStore,
    pub(super) queue_depth: usize,
    pub(super) rate_limit: u32,
}

fn lobby_observer() -> MockLobbyObserver {
    let mut observer = MockLobbyObserver::new();
    observer.expect_moved().return_const(());
    observer
}

/// Records of a realm in which nobody has played.
pub(super) fn nothing_played() -> MockPlayRecords {
    let mut records = MockPlayRecords::new();
    records.expect_attempts_of().returning(|_, _, _, _| Ok(Vec::new()));
    records.expect_lobbies_of().returning(|_, _, _, _| Ok(Vec::new()));
    records.expect_rankings_of().returning(|_, _, _, _| Ok(Vec::new()));
    records
}

impl Default for World {
    fn default() -> Self {
        Self {
            mood: StoreMood::Works,
            reads: MockEconomyReads::new(),
            players: MockPlayerReads::new(),
            lives: MockPlayerStore::new(),
            audit_log: quiet_log(),
            play: MockPlayStore::new(),
            events: MockEventStore::new(),
            leaderboards: MockLeaderboardStore::new(),
            lobbies: MockLobbyReads::new(),
            rankings: MockRankingReads::new(),
            records: nothing_played(),
            endpoints: MockEndpointStore::new(),
            deliveries: MockDeliveries::new(),
            feed: MockEventFeed::new(),
            courier: MockCourier::new(),
            vault: glass_vault(),
            health: MockStoreHealth::new(),
            keys: key_store(),
            queue_depth: QUEUE_DEPTH,
            rate_limit: 0,
        }
    }
}

impl World {
    /// The parts of a server over this world, and its store. Its lane runs in the background.
    pub(super) fn open(self) -> (App, Arc<MemoryStore>) {
        let store = Arc::new(MemoryStore { mood: self.mood, batches: AtomicUsize::new(0), kept: Mutex::default() });
        let mut observer = MockLaneObserver::new();
        observer.expect_settled().return_const(());
        observer.expect_failed().return_const(());
        let observer = Arc::new(observer);
        let (queue, lanes) = Queue::open(1, self.queue_depth);
        for lane in lanes {
            let observer: Arc<dyn LaneObserver> = observer.clone();
            actix_web::rt::spawn(lane.run(store.clone(), observer));
        }
        let clock: Arc<dyn Clock> = Arc::new(StoppedClock);
        let ids = Arc::new(CountingIds::default());
        let players: Arc<dyn PlayerReads> = Arc::new(self.players);
        let audit_log: Arc<dyn AuditLog> = Arc::new(self.audit_log);
        let secret = InstallationSecret::new([7; InstallationSecret::BYTES]);
        let records: Arc<dyn PlayRecords> = Arc::new(self.records);
        let reads = (players.clone(), records);
        let lives = Players::new(Arc::new(self.lives), reads, audit_log.clone(), secret, clock.clone(), ids.clone());
        let ports = PlayPorts {
            events: Arc::new(self.events),
            leaderboards: Arc::new(self.leaderboards),
            play: Arc::new(self.play),
            lobbies: Arc::new(self.lobbies),
            rankings: Arc::new(self.rankings),
        };
        let (play_queue, play_lanes) = PlayQueue::open(1, self.queue_depth);
        for lane in play_lanes {
            actix_web::rt::spawn(lane.run(ports.play.clone(), observer.clone(), Arc::new(lobby_observer())));
        }
        let told = WebhookPorts {
            endpoints: Arc::new(self.endpoints),
            deliveries: Arc::new(self.deliveries),
            feed: Arc::new(self.feed),
            courier: Arc::new(self.courier),
            vault: Arc::new(self.vault),
        };
        let key_store: Arc<dyn KeyStore> = Arc::new(self.keys);
        let key_ring = Arc::new(KeyRing::new(key_store.clone(), clock.clone()));
        let defaults = DefaultLimits { server_api: RateLimit::try_new(self.rate_limit).unwrap() };
        let app = App {
            webhooks: Arc::new(Webhooks::new(told, clock.clone(), ids.clone())),
            keys: Arc::new(Keys::new(key_store, key_ring.clone(), clock.clone(), ids.clone())),
            economy: Arc::new(Economy::new(queue, Arc::new(self.reads), clock.clone(), ids.clone())),
            players,
            lives: Arc::new(lives),
            lobbies: Arc::new(Lobbies::new(play_queue, ports, clock.clone(), ids.clone())),
            audit_trail: Arc::new(AuditTrail::new(audit_log, clock.clone(), ids)),
            rate_limits: Arc::new(RateLimits::new(Arc::new(OneMeter::default()), clock.clone(), defaults)),
            key_ring,
            health: Arc::new(self.health),
            clock,
            render_metrics: Arc::new(|| "purser_up 1\n".to_owned()),
            tracing: Tracing { random: || [0x5a; 24], spans: None },
        };
        (app, store)
    }

    /// The routes over this world.
    pub(super) async fn start(self) -> Routes {
        self.start_as(&Serving::default(), |_| ()).await
    }

    /// The routes over this world, served as `serving` says.
    pub(super) async fn start_with(self, serving: &Serving) -> Routes {
        self.start_as(serving, |_| ()).await
    }

    /// The routes over this world, of which something else is different.
    pub(super) async fn start_changed(self, change: impl FnOnce(&mut App)) -> Routes {
        self.start_as(&Serving::default(), change).await
    }

    async fn start_as(self, serving: &Serving, change: impl FnOnce(&mut App)) -> Routes {
        let (mut app, store) = self.open();
        change(&mut app);
        let service = Rc::new(init_service(http_app(&app, serving)).await);
        let send = move |request: TestRequest| -> LocalBoxFuture<'static, HttpResponse> {
            let service = service.clone();
            Box::pin(async move {
                match try_call_service(&*service, request.to_request()).await {
                    Ok(response) => response.into_parts().1.map_into_boxed_body(),
                    Err(error) => error.error_response(),
                }
            })
        };
        Routes { send: Box::new(send), store }
    }
}

/// The routes of a running world.
pub(super) struct Routes {
    send: Box<dyn Fn(TestRequest) -> LocalBoxFuture<'static, HttpResponse>>,
    store: Arc<MemoryStore>,
}

/// What a request was answered.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

/// A request with a good key and without a body.
pub(super) fn request(method: &str, path: &str) -> TestRequest {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    TestRequest::with_uri(path).method(method).insert_header(("X-API-Key", Key::Server.text()))
}

/// A request to `path` below the game of these tests, with a key for administration.
pub(super) fn administer(method: &str, path: &str) -> TestRequest {
    administer_as(Key::Admin, realm(Environment::Sandbox).game, method, path)
}

/// The same, of any game and with any key.
pub(super) fn administer_as(key: Key, game: GameId, method: &str, path: &str) -> TestRequest {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let asked = TestRequest::with_uri(&format!("/admin/v1/games/{}/{path}", game.0)).method(method);
    asked.insert_header(("X-API-Key", key.text()))
}

/// A request with a good key and a body.
pub(super) fn post(path: &str, body: impl Into<Bytes>) -> TestRequest {
    request("POST", path).set_payload(body)
}

impl Routes {
    pub(super) async fn send(&self, request: TestRequest) -> Reply {
        let response = (self.send)(request).await;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = to_bytes(response.into_body()).await.ok().unwrap();
        Reply { status, headers, body: String::from_utf8(body.to_vec()).unwrap() }
    }

    /// The answer, with a body that nobody has taken yet.
    pub(super) async fn begin(&self, request: TestRequest) -> HttpResponse {
        (self.send)(request).await
    }

    /// The status of a page that may not be text.
    pub(super) async fn status(&self, path: &str) -> u16 {
        (self.send)(TestRequest::with_uri(path)).await.status().as_u16()
    }

    /// How often the store was asked.
    pub(super) fn batches(&self) -> usize {
        self.store.batches.load(Ordering::Relaxed)
    }
}

impl Reply {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        Some(self.headers.get(name)?.to_str().unwrap())
    }

    pub(super) fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The code of a failure, after checking that it has the one shape.
    pub(super) fn code(&self) -> String {
        let body = self.json();
        assert!(400 <= self.status, "{self:?}");
        assert_eq!(body["message"], body["error"]["message"], "the message stands twice");
        assert!(body["message"].is_string() && body["data"].is_null(), "{self:?}");
        body["error"]["code"].as_str().unwrap().to_owned()
    }

    /// The paths of the fields that are wrong.
    pub(super) fn wrong_fields(&self) -> Vec<String> {
        assert_eq!((self.status, self.code().as_str()), (400, "validation_failed"), "{self:?}");
        let fields = self.json()["error"]["details"]["fields"].as_array().unwrap().clone();
        fields.iter().map(|field| field["path"].as_str().unwrap().to_owned()).collect()
    }

    /// Status, telling headers and body, for a snapshot.
    pub(super) fn shown(&self) -> String {
        let telling = ["allow", "idempotent-replayed", "location", "retry-after", "www-authenticate", "content-type"];
        let mut shown = format!("{}\n", self.status);
        for name in telling {
            if let Some(value) = self.header(name) {
                shown.push_str(&format!("{name}: {value}\n"));
            }
        }
        let body = match serde_json::from_str::<Value>(&self.body) {
            Ok(json) => serde_json::to_string_pretty(&json).unwrap(),
            Err(_) => self.body.clone(),
        };
        shown.push('\n');
        shown.push_str(&body);
        shown
    }
}
